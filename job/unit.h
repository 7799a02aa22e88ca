/* Names of units as hosts give them; pure. */
#ifndef VMV_JOB_UNIT_H
#define VMV_JOB_UNIT_H

#include <stdbool.h>

#define VMV_UNIT_NAME_SIZE 256

/* The whole name: .service is added to one without .service, .socket, .timer or .path. 0, or
 * -ENAMETOOLONG. */
int vmv_unit_name(const char *name, char ret[VMV_UNIT_NAME_SIZE]);

/* "foo@.service": cannot run, but be enabled. */
bool vmv_unit_is_template(const char *unit);

/* One of ours, which may not be stopped: nobody could start it again. */
bool vmv_unit_is_ours(const char *unit);

#endif
