#include "collectors/virtual.h"
