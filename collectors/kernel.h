#ifndef VMV_COLLECTORS_KERNEL_H
#define VMV_COLLECTORS_KERNEL_H

#include "collectors/collector.h"

#endif
