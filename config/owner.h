/* Whether settings can be trusted by a program with more rights than whoever could write them. */
#ifndef VMV_CONFIG_OWNER_H
#define VMV_CONFIG_OWNER_H

#include <sys/types.h>

struct vmv_err;

/* The file, its drop-ins (path.d and all .conf files in it), and the folders that they lie in must
 * belong to owner or root, and be writable by nobody else; a folder that is sticky may be. What is
 * not there is not looked at. path NULL: the built-in one. Returns 0, or negative errno with err
 * set: -EPERM and the first one that is not so. Who cannot write the folders cannot change the
 * answer, either, before the files are read. */
int vmv_config_check_owner(const char *path, uid_t owner, struct vmv_err *err);

#endif
