/* A byte buffer that grows up to a bound. */
#ifndef VMV_BASE_BUF_H
#define VMV_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

/* Plain values; zero it, set max. */
struct vmv_buf {
	char *data; /* owned; free with vmv_buf_free */
	size_t len;
	size_t cap;
	size_t max; /* bytes; growing past it fails */
};

/* Room for more bytes after len. Returns 0, -EFBIG (past max) or -ENOMEM. */
int vmv_buf_reserve(struct vmv_buf *b, size_t more);

/* Returns 0 or as above, and then the buffer is unchanged. */
int vmv_buf_add(struct vmv_buf *b, const void *data, size_t len);

/* Drops the first n bytes. */
void vmv_buf_drain(struct vmv_buf *b, size_t n);

/* Empties it; gives memory above keep bytes back. */
void vmv_buf_clear(struct vmv_buf *b, size_t keep);

void vmv_buf_free(struct vmv_buf *b);

#endif
