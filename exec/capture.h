/* What a child writes, kept within a bound: all of it, or its first three quarters and its last
 * quarter with a mark between them (PROTOCOL.md 3.3), or its first bytes alone. */
#ifndef VMV_EXEC_CAPTURE_H
#define VMV_EXEC_CAPTURE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Plain values; set up by vmv_capture_init. */
struct vmv_capture {
	size_t limit;	     /* bytes of the text as JSON in ASCII, without quotes */
	struct vmv_buf head; /* the first bytes */
	char *tail;	     /* the last ones, a ring */
	size_t tail_cap;
	uint64_t n_tail; /* bytes that went into it */
	uint64_t total;	 /* bytes that came */
	bool is_short;	 /* there was no memory for some of them */
	size_t *left;	 /* raw ones: shared with others; NULL: not raw */
};

void vmv_capture_init(struct vmv_capture *c, size_t limit);

/* The same for a reader who wants the beginning, as it is: limit is bytes that came. left: how many
 * all of those that share it may still keep; borrowed until it is freed, which gives them back. */
void vmv_capture_init_raw(struct vmv_capture *c, size_t limit, size_t *left);
void vmv_capture_free(struct vmv_capture *c);

/* Takes no more memory than limit and a quarter. */
void vmv_capture_add(struct vmv_capture *c, const char *data, size_t len);

struct vmv_captured {
	char *data; /* owned; never NULL; any bytes, and a NUL that does not count */
	size_t len;
	bool is_cut;
};

/* The text so far, at most limit bytes as encoded, cut between characters (raw ones: anywhere).
 * Returns 0 or -ENOMEM. */
int vmv_capture_text(const struct vmv_capture *c, struct vmv_captured *ret);

/* Pure. Bytes of this text in JSON as proto/json_write.h writes it, without quotes. */
size_t vmv_capture_encoded(const char *s, size_t len);

/* Pure. Length without an unfinished character at the end (0 to 3 bytes). */
size_t vmv_capture_whole(const char *s, size_t len);

#endif
