#include "collectors/mountinfo.h"
