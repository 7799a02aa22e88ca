#include "collectors/route.h"
