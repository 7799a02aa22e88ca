/* What is installed, and what could be: asked of whichever package manager is here. May block. */
#ifndef VMV_PACKAGES_INVENTORY_H
#define VMV_PACKAGES_INVENTORY_H

#include "packages/manager.h"
#include "packages/parse.h"

#include "base/buf.h"

#include <stdbool.h>

/* Runs a command and collects what it prints on stdout in out, which is empty, up to out->max
 * bytes; the rest is thrown away and *ret_is_cut set. Returns its exit code, 128+n after signal n,
 * or negative errno: it could not be run. */
typedef int vmv_run_fn(void *arg, char *const *argv, struct vmv_buf *out, bool *ret_is_cut);

/* How to look. Borrowed. */
struct vmv_look {
	int top; /* directory: the root */
	struct vmv_manager_here here;
	vmv_run_fn *run;
	void *arg;
};

#define VMV_INVENTORY_TEXT_MAX ((size_t)64 << 20) /* longer: an error */

/* Texts that slices point into, and the slices. Zero it; free it always. */
struct vmv_inventory {
	char *text; /* owned */
	size_t cap;
	struct vmv_packages list; /* sorted */
};

struct vmv_found {
	char *text; /* owned */
	char *details_text;
	struct vmv_packages list; /* in the manager's order */
	bool is_cut;		  /* there is more */
};

struct vmv_pending {
	char *text, *security_text, *details_text; /* owned */
	struct vmv_updates list;
	/* For zypper, which tells of patches: those that are for security, and their number is
	 * security_count. Else empty. */
	struct vmv_updates patches;
	uint64_t security_count; /* VMV_UNSET: the manager does not tell */
};

/* Each returns 0 or negative errno: -EIO the manager failed, -EFBIG, -ENOMEM, or what reading its
 * files or running it said. */
int vmv_inventory_load(const struct vmv_look *look, struct vmv_inventory *ret);
void vmv_inventory_free(struct vmv_inventory *inv);

/* What query finds, at most max; versions and is_installed are filled in where they are known. */
int vmv_inventory_search(const struct vmv_look *look, const struct vmv_inventory *inv,
			 const char *query, size_t max, struct vmv_found *ret);
void vmv_found_free(struct vmv_found *found);

/* Updates of what is installed; of lists that are here already. */
int vmv_inventory_pending(const struct vmv_look *look, const struct vmv_inventory *inv,
			  struct vmv_pending *ret);
void vmv_pending_free(struct vmv_pending *pending);

/* When the lists of what could be installed were fetched last, in ms since 1970; -1: unknown. */
int64_t vmv_lists_refreshed_ms(const struct vmv_look *look);

/* Changes whenever what is installed, or could be, may have changed: a word without blanks.
 * Returns 0, or -ENOSPC: cap is too little (256 bytes are enough). */
int vmv_inventory_stamp(int top, const struct vmv_manager_here *here, char *buf, size_t cap);

#endif
