#ifndef VMV_COLLECTORS_NETSTAT_H
#define VMV_COLLECTORS_NETSTAT_H

#include "collectors/collector.h"

#endif
