#include "proto/base64.h"

#include <nettle/base64.h>
#include <string.h>

void vmv_base64(const void *data, size_t len, char *ret)
{
	base64_encode_raw(ret, len, data);
	ret[VMV_BASE64_LEN(len)] = '\0';
}

/* nettle skips blanks; here they are an error. */
static bool has_blanks(const char *text, size_t len)
{
	bool has = false;

	for (size_t i = 0; i < len; i++)
		has |= (unsigned char)text[i] <= ' ';
	return has;
}

/* Whether the last four characters are what their bytes become: unused bits are zero. */
static bool ends_canonically(const char *text, size_t len, const uint8_t *data, size_t n)
{
	size_t tail = n % 3 == 0 ? 3 : n % 3;
	char last[BASE64_ENCODE_RAW_LENGTH(3)];

	base64_encode_raw(last, tail, data + n - tail);
	return memcmp(last, text + len - sizeof(last), sizeof(last)) == 0;
}

bool vmv_base64_decode(const char *text, size_t len, uint8_t *ret, size_t *ret_len)
{
	struct base64_decode_ctx ctx;
	size_t n = 0;

	if (len % 4 != 0 || has_blanks(text, len))
		return false;
	if (len == 0) {
		*ret_len = 0;
		return true;
	}
	base64_decode_init(&ctx);
	if (!base64_decode_update(&ctx, &n, ret, len, text) || !base64_decode_final(&ctx))
		return false;
	if (n == 0 || VMV_BASE64_LEN(n) != len || !ends_canonically(text, len, ret, n))
		return false;
	*ret_len = n;
	return true;
}
