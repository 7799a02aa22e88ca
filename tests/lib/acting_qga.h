/* The same for commands of the QEMU guest agent (job/qga.h). */
#ifndef VMV_TESTS_ACTING_QGA_H
#define VMV_TESTS_ACTING_QGA_H

#include "tests/lib/acting.h"

/* arguments: JSON, checked as those of a host: a failure there fails the test. more: further
 * members of the message, beginning with a comma, or "". What the action returned; its data, if
 * there is any, has to be an object. */
int acting_qga(struct acting *x, const char *command, const char *arguments, const char *more);

#endif
