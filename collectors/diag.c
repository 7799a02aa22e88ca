#include "collectors/diag.h"
