/* Asks the helper program, one process per question under way. */
#ifndef VMV_EXEC_ASKER_H
#define VMV_EXEC_ASKER_H

#include "base/asker.h"

#endif
