/* Text for a terminal. What came from a guest goes through the functions for guest text only:
 * they let no byte pass that could steer the terminal or turn the reading direction. */
#ifndef VMV_HOST_TEXT_H
#define VMV_HOST_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct json_object;

/* Plain values; set up by vmv_text_init. Errors stick: write on, and look at error at the end. */
struct vmv_text {
	struct vmv_buf buf; /* owned */
	int error;	    /* 0, -EFBIG or -ENOMEM: nothing is added any more */
};

void vmv_text_init(struct vmv_text *t, size_t max);
void vmv_text_free(struct vmv_text *t);

/* Our own words, as they are. vmv_text_fmt: at most 511 bytes a call, the rest is cut. */
void vmv_text_add(struct vmv_text *t, const char *s);
void vmv_text_fmt(struct vmv_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void vmv_text_pad(struct vmv_text *t, size_t columns);

/* Guest text: control characters (C0, DEL, C1), line and paragraph separators and whatever turns
 * the direction become '?', ill-formed UTF-8 becomes U+FFFD. At most max columns (a code point is
 * one), the last of them an ellipsis if something was cut. NULL and "" are written "-". Returns
 * the columns written. */
size_t vmv_text_guest(struct vmv_text *t, const char *s, size_t max);

/* The same filled with blanks to width columns: on the right, or on the left. */
void vmv_text_cell(struct vmv_text *t, const char *s, size_t width);
void vmv_text_cell_right(struct vmv_text *t, const char *s, size_t width);

/* Guest text as one word of a key: blanks and backslashes become \040 and \134, as in fstab(5).
 * Nothing is cut. */
void vmv_text_word(struct vmv_text *t, const char *s);

/* Guest text of several lines: LF and tabs are left as they are, and the last line ends. */
void vmv_text_lines(struct vmv_text *t, const char *s, size_t len);

/* One line of JSON in pure ASCII. */
void vmv_text_json(struct vmv_text *t, struct json_object *obj);

/* Columns that vmv_text_guest would need. */
size_t vmv_text_columns(const char *s);

/* Guest text for messages of ours: as vmv_text_guest, cut to what fits in buf. Returns buf. */
const char *vmv_text_clean(char *buf, size_t size, const char *s);

#define VMV_SIZE_TEXT 16

/* Bytes for people: "0 B", "4.0 KiB", "19.5 GiB"; "-" for VMV_UNSET. Returns buf. */
const char *vmv_size_text(char buf[VMV_SIZE_TEXT], uint64_t bytes);

/* The same of a value that may be no integer; "-" for NaN and negative ones. */
const char *vmv_size_text_num(char buf[VMV_SIZE_TEXT], double bytes);

#endif
