#include "collectors/tcp.h"
