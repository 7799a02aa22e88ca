#include "base/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUF_START 512

int vmv_buf_reserve(struct vmv_buf *b, size_t more)
{
	size_t need, cap = b->cap ? b->cap : BUF_START;
	char *bigger;

	if (__builtin_add_overflow(b->len, more, &need) || need > b->max)
		return -EFBIG;
	if (need <= b->cap)
		return 0;
	while (cap < need)
		cap = cap > b->max / 2 ? b->max : cap * 2;
	bigger = realloc(b->data, cap);
	if (!bigger)
		return -ENOMEM;
	b->data = bigger;
	b->cap = cap;
	return 0;
}

int vmv_buf_add(struct vmv_buf *b, const void *data, size_t len)
{
	int r = vmv_buf_reserve(b, len);

	if (r < 0)
		return r;
	if (len > 0)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	return 0;
}

void vmv_buf_drain(struct vmv_buf *b, size_t n)
{
	b->len -= n;
	if (b->len > 0)
		memmove(b->data, b->data + n, b->len);
}

void vmv_buf_clear(struct vmv_buf *b, size_t keep)
{
	b->len = 0;
	if (b->cap > keep)
		vmv_buf_free(b);
}

void vmv_buf_free(struct vmv_buf *b)
{
	free(b->data);
	b->data = NULL;
	b->len = b->cap = 0;
}
