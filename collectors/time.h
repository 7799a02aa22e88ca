#ifndef VMV_COLLECTORS_TIME_H
#define VMV_COLLECTORS_TIME_H

#include "collectors/collector.h"

#endif
