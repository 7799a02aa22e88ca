/* Package managers: which one this system has, where its files are, and how it is called. */
#ifndef VMV_PACKAGES_MANAGER_H
#define VMV_PACKAGES_MANAGER_H

#include <stddef.h>
#include <stdint.h>

enum vmv_manager {
	VMV_APT,
	VMV_DNF, /* yum, too */
	VMV_ZYPPER,
	VMV_APK,
	VMV_PACMAN,
	VMV_NO_MANAGER,
};

/* "Apt", as hosts know it; NULL for none. */
const char *vmv_manager_name(enum vmv_manager m);

/* The one that is here. Texts are constants. */
struct vmv_manager_here {
	enum vmv_manager which;
	const char *program;  /* absolute */
	const char *database; /* of what is installed: relative to the root */
};

/* Looks for a program and a database that belong together, below the directory top. Returns 0, or
 * -EOPNOTSUPP: there is none that is known here. */
int vmv_manager_detect(int top, struct vmv_manager_here *ret);

/* Where the lists of what could be installed are: relative to the root, NULL-terminated; not all
 * need exist. */
const char *const *vmv_manager_lists(enum vmv_manager m);

enum vmv_operation {
	/* these read, as any user, and never from the network */
	VMV_OP_INVENTORY, /* of rpm; the others' files are read instead */
	VMV_OP_SEARCH,	  /* operand: what for */
	VMV_OP_UPDATES,
	VMV_OP_SECURITY, /* which of these are for security */
	VMV_OP_DETAILS,	 /* operands: names; version and size to be had */
	/* these are root's */
	VMV_OP_REFRESH, /* the lists, from the network */
	VMV_OP_INSTALL,
	VMV_OP_REMOVE,
	VMV_OP_UPDATE,	/* one package */
	VMV_OP_UPGRADE, /* all, without removing any */
	VMV_N_OPERATIONS,
};

/* Words of a command, NULL behind the last. Zero it; free with vmv_argv_free. */
struct vmv_argv {
	char **words; /* owned, and each of them */
	size_t n, cap;
};

/* Returns 0 or -ENOMEM. */
int vmv_argv_add(struct vmv_argv *a, const char *word);
void vmv_argv_free(struct vmv_argv *a);

/* The command for an operation; operands can be added to it. operand may be NULL. wait_s: how long
 * it may wait for the manager's lock. Returns 0, -EOPNOTSUPP (this manager has no such operation),
 * -ENOMEM; ret then is to be freed all the same. Pure. */
int vmv_manager_argv(const struct vmv_manager_here *here, enum vmv_operation op,
		     const char *operand, uint32_t wait_s, struct vmv_argv *ret);

/* What the changing ones want in their environment: NAME=VALUE, NULL-terminated. */
int vmv_manager_environment(enum vmv_manager m, uint32_t wait_s, struct vmv_argv *ret);

/* A query for managers that take it for a regular expression: '.' and '+' stand for themselves.
 * Returns what was written, without NUL; cap: three bytes for each and one more, else cut. Pure. */
size_t vmv_manager_literal(const char *query, char *buf, size_t cap);

#endif
