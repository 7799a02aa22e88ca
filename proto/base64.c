#include "proto/base64.h"

#include <nettle/base64.h>

void vmv_base64(const void *data, size_t len, char *ret)
{
	base64_encode_raw(ret, len, data);
	ret[VMV_BASE64_LEN(len)] = '\0';
}

bool vmv_base64_decode(const char *text, size_t len, uint8_t *ret, size_t *ret_len)
{
	struct base64_decode_ctx ctx;
	size_t n = 0;

	if (len % 4 != 0)
		return false;
	/* nettle refuses bits that are left over, but skips blanks: then it is too few bytes */
	base64_decode_init(&ctx);
	if (!base64_decode_update(&ctx, &n, ret, len, text) || !base64_decode_final(&ctx) ||
	    VMV_BASE64_LEN(n) != len)
		return false;
	*ret_len = n;
	return true;
}
