/* Accounts of people, out of etc/passwd (PROTOCOL.md 5.3): UserList. */
#ifndef VMV_REPORTS_USERS_H
#define VMV_REPORTS_USERS_H

#include <stdbool.h>
#include <stddef.h>

struct vmv_jw;
struct vmv_root;

/* Writes {users, count}: uid 0, and those from UID_MIN to UID_MAX of etc/login.defs (else of
 * usr/etc/login.defs; 1000 to 60000 without), in the order of the file, VMV_USERS_MAX at most.
 * *ret_count is how many were written, *ret_is_cut that there are more. Returns 0, -ENOMEM, or why
 * etc/passwd cannot be read. */
int vmv_users_write(struct vmv_jw *w, const struct vmv_root *root, size_t *ret_count,
		    bool *ret_is_cut);

/* Pure: the same out of the texts of the two files; login_defs NULL: there is none. */
void vmv_users_write_text(struct vmv_jw *w, const char *passwd, const char *login_defs,
			  size_t *ret_count, bool *ret_is_cut);

#endif
