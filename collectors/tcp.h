#ifndef VMV_COLLECTORS_TCP_H
#define VMV_COLLECTORS_TCP_H

#include "collectors/collector.h"

#endif
