#include "collectors/pressure.h"
