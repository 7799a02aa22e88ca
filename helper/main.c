#include <stddef.h>

#include "helper/question.h"

const struct vmv_question vmv_questions[] = {
	{ "statvfs", "Size and use of the filesystem mounted there.", vmv_answer_statvfs },
	{ "units", "State of the service manager, failed units and those named.",
	  vmv_answer_units },
	{ "users", "Sessions that the login manager knows.", vmv_answer_users },
	{ NULL, NULL, NULL },
};

int main(void)
{
	return 0;
}
