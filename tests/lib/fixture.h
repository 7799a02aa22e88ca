/* A temporary tree with proc/, sys/ and etc/ that collectors can read as their root. */
#ifndef VMV_TESTS_FIXTURE_H
#define VMV_TESTS_FIXTURE_H

#include "base/root.h"
#include "collectors/collector.h"

#include <stdbool.h>
#include <stdio.h>

struct fixture {
	char dir[64];
	struct vmv_root root;
};

/* Each fails the test (ck_abort) when the file system says no. */
void fixture_up(struct fixture *fx);
void fixture_down(struct fixture *fx);

/* Writes one file and its parents, path relative to the tree: "proc/meminfo". */
void fixture_put(struct fixture *fx, const char *path, const char *text);

/* The same with bytes that may contain NUL. */
void fixture_put_bytes(struct fixture *fx, const char *path, const void *bytes, size_t len);

void fixture_link(struct fixture *fx, const char *path, const char *target);
void fixture_mkdir(struct fixture *fx, const char *path);

/* Opens a recorded machine, tests/fixtures/NAME; the caller closes it. False when the environment
 * does not tell where the sources are (top_srcdir, which make check sets). */
bool fixture_recorded(const char *name, struct vmv_root *ret);

/* A check that cannot be made here says so in the log, and is passed: libcheck knows no skipping.
 */
#define SAY_SKIPPED(why) (void)fprintf(stderr, "SKIPPED: %s: %s\n", __func__, (why))

/* A sink that keeps copies of all rows of one collector. */
struct kept {
	struct vmv_sink sink; /* first member: the callback casts back */
	size_t sample_size;
	size_t n;
	char (*ids)[512];
	unsigned char *samples;
};

void kept_init(struct kept *k, const struct vmv_collector *c);
void kept_clear(struct kept *k); /* forgets the rows, frees */

/* The sample of this row, or NULL. */
const void *kept_row(const struct kept *k, const char *id);

/* Runs one whole reading (all VMV_MORE turns) with fresh state; what read returned. */
int kept_read(struct kept *k, const struct vmv_collector *c, const struct vmv_root *root,
	      struct vmv_err *err);

#endif
