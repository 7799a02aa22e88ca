#include <errno.h>

#include "helper/question.h"

int vmv_answer_units(const char *argument, struct vmv_buf *ret)
{
	(void)argument;
	(void)ret;
	return -ENOSYS;
}
