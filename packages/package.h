/* Packages as their managers tell of them, without copies: texts are slices of what was read. */
#ifndef VMV_PACKAGES_PACKAGE_H
#define VMV_PACKAGES_PACKAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMV_PACKAGES_MAX 65536 /* of one list; further ones are left out, is_cut */

/* Not NUL-terminated; any bytes but LF. s is NULL: unknown. */
struct vmv_slice {
	const char *s;
	size_t len;
};

struct vmv_package {
	struct vmv_slice name, version, arch, description, source, vendor;
	struct vmv_slice repository; /* of what is not installed */
	uint64_t size;		     /* bytes; installed, or of what is to be fetched; VMV_UNSET */
	uint64_t installed_s;	     /* since 1970; VMV_UNSET */
	bool is_installed;	     /* as far as who wrote the text says so */
};

/* Plain values; zero it. Sorted only after vmv_packages_sort. */
struct vmv_packages {
	struct vmv_package *items; /* owned */
	size_t n, cap;
	bool is_cut;
};

/* Returns 0 (one beyond the bound is dropped, is_cut) or -ENOMEM. */
int vmv_packages_add(struct vmv_packages *list, const struct vmv_package *p);
void vmv_packages_free(struct vmv_packages *list);

/* By name, then architecture, then version; bytewise. */
void vmv_packages_sort(struct vmv_packages *list);

/* In a sorted list: the first of that name; with an architecture that is known (arch.s not NULL)
 * the first of both. NULL: none. */
const struct vmv_package *vmv_packages_find(const struct vmv_packages *list, struct vmv_slice name,
					    struct vmv_slice arch);

/* The same for a name that people write: NAME, NAME:ARCH (dpkg) or NAME.ARCH (rpm). */
const struct vmv_package *vmv_packages_named(const struct vmv_packages *list, const char *name);

struct vmv_slice vmv_slice_of(const char *text); /* NULL: unknown */
bool vmv_slice_equal(struct vmv_slice a, struct vmv_slice b);
bool vmv_slice_is(struct vmv_slice a, const char *text);
int vmv_slice_compare(struct vmv_slice a, struct vmv_slice b);

/* Lines of a text: *at moves behind the line's LF. False at the end. *ret is without CR and LF. */
bool vmv_slice_line(const char **at, struct vmv_slice *ret);

/* Words of a line, separated by blanks and tabs: taken from the front. False: no more. */
bool vmv_slice_word(struct vmv_slice *line, struct vmv_slice *ret);

/* Without blanks and tabs at both ends. */
struct vmv_slice vmv_slice_trim(struct vmv_slice s);

/* The digits that it is, times unit; VMV_UNSET when it is anything else. */
uint64_t vmv_slice_number(struct vmv_slice s, uint64_t unit);

#endif
