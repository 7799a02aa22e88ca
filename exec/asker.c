#include "exec/asker.h"
