#ifndef VMV_COLLECTORS_CGROUP_H
#define VMV_COLLECTORS_CGROUP_H

#include "collectors/collector.h"

#endif
