#include "collectors/user.h"
