#ifndef VMV_COLLECTORS_SYSTEMD_H
#define VMV_COLLECTORS_SYSTEMD_H

#include "collectors/collector.h"

#endif
