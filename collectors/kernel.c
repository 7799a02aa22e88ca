#include "collectors/kernel.h"
