#include "collectors/cgroup_id.h"
