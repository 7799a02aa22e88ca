#include "job/digest.h"

#include "base/clock.h"
#include "base/err.h"

#include <errno.h>
#include <nettle/base16.h>
#include <nettle/sha2.h>
#include <string.h>
#include <unistd.h>

#define CHUNK 65536

int vmv_digest(int fd, uint64_t deadline_ms, char ret[VMV_HEX_SIZE], struct vmv_err *err)
{
	uint8_t chunk[CHUNK], sum[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;
	uint64_t at = 0;

	sha256_init(&ctx);
	for (;;) {
		ssize_t n = pread(fd, chunk, sizeof(chunk), (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return vmv_fail(err, VMV_E_IO, errno, "cannot read it: %s",
					strerror(errno));
		if (n == 0)
			break;
		at += (uint64_t)n;
		if (at > VMV_DIGEST_MAX)
			return vmv_fail(err, VMV_E_TOOLARGE, EFBIG, "it is larger than 1 GiB");
		if (vmv_mono_ms(&vmv_clock_system) >= deadline_ms)
			return vmv_fail(err, VMV_E_TIMEDOUT, ETIMEDOUT, "not read in time");
		sha256_update(&ctx, (size_t)n, chunk);
	}
	sha256_digest(&ctx, sizeof(sum), sum);
	base16_encode_update(ret, sizeof(sum), sum);
	ret[VMV_HEX_SIZE - 1] = '\0';
	return 0;
}
