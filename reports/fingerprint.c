#include "reports/schema.h"

#include "base/buf.h"
#include "base/limits.h"

#include <nettle/sha2.h>
#include <stdio.h>

int vmv_schema(const struct vmv_collector *const *collectors, char ret[VMV_SCHEMA_SIZE])
{
	struct vmv_buf text = { .max = VMV_MIB };
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;
	int r = vmv_schema_text(collectors, &text);

	if (r == 0) {
		sha256_init(&ctx);
		sha256_update(&ctx, text.len, (const uint8_t *)text.data);
		sha256_digest(&ctx, sizeof(digest), digest);
		for (int i = 0; i < VMV_SCHEMA_SIZE / 2; i++)
			(void)snprintf(ret + 2 * i, 3, "%02x", digest[i]);
	}
	vmv_buf_free(&text);
	return r;
}
