/* JSON to the host: a writer that goes forward only and cannot produce anything but ASCII. */
#ifndef VMV_PROTO_JSON_WRITE_H
#define VMV_PROTO_JSON_WRITE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Plain values; set up by vmv_jw_init. Errors stick: write on, and ask vmv_jw_finish at the end.
 * In arrays and at the top the name is NULL. */
struct vmv_jw {
	struct vmv_buf buf; /* owned */
	int error;	    /* 0, -EFBIG or -ENOMEM: nothing is added any more */
	bool needs_comma;
	bool is_lossy; /* some text was no UTF-8, or contained NUL: replaced by U+FFFD */
};

/* A mark to come back to. */
struct vmv_jw_mark {
	size_t len;
	bool needs_comma, is_lossy;
	int error; /* that had stuck already: going back does not clear it */
};

/* max: bytes of the finished text. */
void vmv_jw_init(struct vmv_jw *w, size_t max);
void vmv_jw_free(struct vmv_jw *w);

void vmv_jw_open(struct vmv_jw *w, const char *name);  /* { */
void vmv_jw_close(struct vmv_jw *w);		       /* } */
void vmv_jw_array(struct vmv_jw *w, const char *name); /* [ */
void vmv_jw_end(struct vmv_jw *w);		       /* ] */

void vmv_jw_null(struct vmv_jw *w, const char *name);
void vmv_jw_bool(struct vmv_jw *w, const char *name, bool v);
void vmv_jw_int(struct vmv_jw *w, const char *name, int64_t v);

/* VMV_UNSET is null. */
void vmv_jw_u64(struct vmv_jw *w, const char *name, uint64_t v);

/* Rounded to so many decimals (at most 9), trailing zeros but one cut: 12.5, 0.0. NaN and
 * infinities are null. */
void vmv_jw_num(struct vmv_jw *w, const char *name, double v, unsigned decimals);

/* A value of a sample. Integers that a double cannot hold (beyond 2^53 - 1) are strings of digits.
 * VMV_UNSET is null. */
void vmv_jw_cell_u64(struct vmv_jw *w, const char *name, uint64_t v);

/* v / 10^decimals (at most 19), exactly, trailing zeros cut as above: ticks of 1/100 s. VMV_UNSET
 * is null. */
void vmv_jw_fixed(struct vmv_jw *w, const char *name, uint64_t v, unsigned decimals);

/* 15 significant digits, as many as a double surely holds: 0.1 stays 0.1. Very large and very small
 * ones have an exponent. NaN and infinities are null. */
void vmv_jw_double(struct vmv_jw *w, const char *name, double v);

/* Any bytes: what is no UTF-8 becomes U+FFFD, and so does NUL. NULL is null. */
void vmv_jw_str(struct vmv_jw *w, const char *name, const char *s);
void vmv_jw_bytes(struct vmv_jw *w, const char *name, const char *s, size_t len);

/* NULL and "" are null. */
void vmv_jw_str_or_null(struct vmv_jw *w, const char *name, const char *s);

/* Text that is JSON already. */
void vmv_jw_raw(struct vmv_jw *w, const char *name, const char *json, size_t len);

/* For lists that are cut to fit: take a mark, write an element, go back if it was too much (this
 * clears an -EFBIG that came after the mark). */
struct vmv_jw_mark vmv_jw_mark(const struct vmv_jw *w);
void vmv_jw_rewind(struct vmv_jw *w, struct vmv_jw_mark mark);

/* Bytes that still fit: lists that are cut leave VMV_JW_TAIL for what follows them. */
#define VMV_JW_TAIL 8192
size_t vmv_jw_remaining(const struct vmv_jw *w);

/* Ends the text. Returns 0 and the text in w->buf, or the error that stuck. */
int vmv_jw_finish(const struct vmv_jw *w);

#endif
