/* Framing of the QEMU guest agent's protocol: bytes in, whole requests out. Pure, fuzzed.
 *
 * A request ends where its outermost bracket closes, be there a newline or not, so several may
 * share a line. A newline ends whatever is not complete then, and a byte 0xFF drops it: what a
 * client left unfinished never takes the next one's request with it. */
#ifndef VMV_PROTO_QGA_H
#define VMV_PROTO_QGA_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;
struct vmv_err;

/* Plain values; set up by vmv_qga_framer_init. */
struct vmv_qga_framer {
	struct vmv_buf buf;
	size_t max;	/* bytes of one request */
	size_t taken;	/* bytes of buf already handed out, or known to be of no use */
	size_t scanned; /* bytes of buf the scanner has seen */
	unsigned depth; /* open brackets of what is at hand */
	bool in_string, is_escaped;
	bool is_skipping;	    /* inside what was too long: discard up to LF or 0xFF */
	uint64_t oversize, flushed; /* pieces dropped: too long; unfinished when 0xFF came */
};

enum vmv_qga_piece {
	VMV_QGA_NONE,	  /* nothing whole is there */
	VMV_QGA_REQUEST,  /* up to where its outermost bracket closes: probably JSON */
	VMV_QGA_JUNK,	  /* up to a newline: no bracket, or unfinished */
	VMV_QGA_TOO_LONG, /* was dropped; no text */
};

void vmv_qga_framer_init(struct vmv_qga_framer *f, size_t max);
void vmv_qga_framer_set_max(struct vmv_qga_framer *f, size_t max);
void vmv_qga_framer_free(struct vmv_qga_framer *f);

/* Forgets everything. */
void vmv_qga_framer_reset(struct vmv_qga_framer *f);

/* Takes len bytes. Returns 0 or -ENOMEM, and then what is at hand is dropped as too long. Call
 * vmv_qga_framer_next until it returns VMV_QGA_NONE before the buffer is over its bound: max and
 * VMV_READ_BUDGET; a push beyond that drops likewise. */
int vmv_qga_framer_push(struct vmv_qga_framer *f, const void *data, size_t len);

/* The next piece, without blanks around it. *text is borrowed until the next call; it is not
 * followed by a NUL. */
enum vmv_qga_piece vmv_qga_framer_next(struct vmv_qga_framer *f, const char **text, size_t *len);

/* Bytes held. */
size_t vmv_qga_framer_held(const struct vmv_qga_framer *f);

/* Where in what could not be parsed a request seems to begin that somebody else, before, did not
 * let begin its own line: the offset of the last {"execute" in it that is not at its beginning, or
 * len. Pure. */
size_t vmv_qga_restart(const char *text, size_t len);

/* Parses one request. Returns 0 and a new reference in *ret (json_object_put), or negative errno
 * with err set in the words of the protocol: no JSON, no object, a name twice in one. */
int vmv_qga_parse(const char *text, size_t len, struct json_object **ret, struct vmv_err *err);

#endif
