#ifndef VMV_COLLECTORS_DIAG_H
#define VMV_COLLECTORS_DIAG_H

#include "collectors/collector.h"

#endif
