/* Programs that actions run: found below the root of the settings, in fixed places. */
#ifndef VMV_JOB_PROGRAM_H
#define VMV_JOB_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

#define VMV_PROGRAM_SIZE 512

/* Where below root (an absolute path, "/" in production) the program is, in the order of
 * VMV_CHILD_PATH. Returns 0, or -ENOENT, or -ENAMETOOLONG. */
int vmv_program_find(const char *root, const char *name, char ret[VMV_PROGRAM_SIZE]);

/* Whether systemd is init there. */
bool vmv_runs_systemd(const char *root);

#endif
