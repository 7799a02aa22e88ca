#include "collectors/netstat.h"
