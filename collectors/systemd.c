#include "collectors/systemd.h"
