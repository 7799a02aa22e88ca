#ifndef VMV_COLLECTORS_VIRTUAL_H
#define VMV_COLLECTORS_VIRTUAL_H

#include "collectors/collector.h"

#endif
