#include "collectors/vmstat.h"
