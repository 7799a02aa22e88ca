#ifndef VMV_COLLECTORS_USER_H
#define VMV_COLLECTORS_USER_H

#include "collectors/collector.h"

#endif
