#include "collectors/cgroup.h"
