/* NDJSON framing of what the host sends: bytes in, whole lines out. Pure, fuzzed. */
#ifndef VMV_PROTO_NDJSON_H
#define VMV_PROTO_NDJSON_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Plain values; set up by vmv_framer_init. */
struct vmv_framer {
	struct vmv_buf buf;
	size_t line_max;   /* bytes of a line without its LF */
	size_t taken;	   /* bytes of buf already handed out as lines */
	size_t scanned;	   /* bytes of buf known to hold no LF (from taken on) */
	bool is_skipping;  /* inside a line that was too long: discard up to its LF */
	uint64_t oversize; /* lines dropped so far */
};

void vmv_framer_init(struct vmv_framer *f, size_t line_max);
/* Another bound, from the next push on. */
void vmv_framer_set_max(struct vmv_framer *f, size_t line_max);

void vmv_framer_free(struct vmv_framer *f);

/* Forgets a line that is not finished, and lines not taken yet. */
void vmv_framer_reset(struct vmv_framer *f);

/* Takes len bytes. A line over line_max, or one that does not fit because of lines not taken, is
 * dropped up to its LF and counted as oversize, at the latest when its LF comes. Call
 * vmv_framer_next until it returns false after each push. Returns 0 or -ENOMEM, and then the line
 * at hand is dropped and counted as oversize. */
int vmv_framer_push(struct vmv_framer *f, const void *data, size_t len);

/* The next whole line, without LF, one CR before it and blanks around it; lines that are empty
 * then are skipped. False: none is left. *line is borrowed until the next push, reset or
 * free; it is followed by a NUL. */
bool vmv_framer_next(struct vmv_framer *f, char **line, size_t *len);

/* Bytes held. */
size_t vmv_framer_held(const struct vmv_framer *f);

#endif
