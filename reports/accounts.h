/* Names of local accounts, from etc/passwd alone: NSS can hang in the network. */
#ifndef VMV_REPORTS_ACCOUNTS_H
#define VMV_REPORTS_ACCOUNTS_H

#include <sys/types.h>

struct vmv_accounts;
struct vmv_root;

/* Returns new accounts; NULL when the file cannot be read or memory is short: then no name is
 * known. */
struct vmv_accounts *vmv_accounts_read(const struct vmv_root *root);
void vmv_accounts_free(struct vmv_accounts *a);

/* The name, or NULL. a may be NULL. Borrowed. */
const char *vmv_accounts_name(const struct vmv_accounts *a, uid_t uid);

#endif
