#include "collectors/time.h"
