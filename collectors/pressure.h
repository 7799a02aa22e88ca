#ifndef VMV_COLLECTORS_PRESSURE_H
#define VMV_COLLECTORS_PRESSURE_H

#include "collectors/collector.h"

#endif
