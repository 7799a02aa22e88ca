/* What job/package.c decides before it runs anything; for it and its test. */
#ifndef VMV_JOB_PACKAGE_H
#define VMV_JOB_PACKAGE_H

#include "packages/inventory.h"

#include <stdbool.h>
#include <stdint.h>

struct vmv_err;

/* Whether this name may be given to the manager for op, by what is installed. Some managers read
 * more into a name than a name: apt-get removes "x-" when told to install it, and takes "x.y" that
 * it does not know for a regular expression. is_known: there is such a package to be had, where
 * that makes a difference (vmv_package_is_doubtful). Returns 0, or -EINVAL with err set: refused
 * (VMV_E_RANGE), or not there (VMV_E_NOTFOUND). Pure. */
int vmv_package_check(enum vmv_manager m, enum vmv_operation op, const char *name,
		      const struct vmv_inventory *inv, bool is_known, struct vmv_err *err);

/* Whether the manager has to be asked whether there is a package of this very name. Pure. */
bool vmv_package_is_doubtful(enum vmv_manager m, enum vmv_operation op, const char *name);

/* Whether versions of this package differ: it came, went, or is another one. Pure. */
bool vmv_package_has_changed(const struct vmv_inventory *before, const struct vmv_inventory *after,
			     const char *name);

/* How many packages there are in after that were not there before in this version. Pure. */
uint64_t vmv_package_count_new(const struct vmv_inventory *before,
			       const struct vmv_inventory *after);

/* What a manager means by an exit code: zypper has some that are no failure. Pure. */
int vmv_package_exit_code(enum vmv_manager m, int code);

#endif
