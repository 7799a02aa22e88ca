#ifndef VMV_COLLECTORS_VMSTAT_H
#define VMV_COLLECTORS_VMSTAT_H

#include "collectors/collector.h"

#endif
