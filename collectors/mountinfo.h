#ifndef VMV_COLLECTORS_MOUNTINFO_H
#define VMV_COLLECTORS_MOUNTINFO_H

#include "collectors/collector.h"

#endif
