#ifndef VMV_COLLECTORS_CGROUP_ID_H
#define VMV_COLLECTORS_CGROUP_ID_H

#include "collectors/collector.h"

#endif
