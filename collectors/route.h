#ifndef VMV_COLLECTORS_ROUTE_H
#define VMV_COLLECTORS_ROUTE_H

#include "collectors/collector.h"

#endif
