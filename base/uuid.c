#include "base/uuid.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static const char digits[] = "0123456789abcdef";

/* Where the hyphens of a uuid stand, counted in hex digits. */
static bool hyphen_before(int digit)
{
	return digit == 8 || digit == 12 || digit == 16 || digit == 20;
}

/* Never waits: before the kernel has gathered entropy, early in the boot of an old one, what
 * urandom gives must do. */
static int fill_random(unsigned char *raw, size_t len)
{
	vmv_autoclose int fd = -1;

	if (getrandom(raw, len, GRND_NONBLOCK) == (ssize_t)len)
		return 0;
	fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return read(fd, raw, len) == (ssize_t)len ? 0 : -EIO;
}

int vmv_uuid_random(char buf[VMV_UUID_SIZE])
{
	unsigned char raw[16];
	char *p = buf;
	int r = fill_random(raw, sizeof(raw));

	if (r < 0)
		return r;
	raw[6] = (unsigned char)((raw[6] & 0x0f) | 0x40); /* version 4 */
	raw[8] = (unsigned char)((raw[8] & 0x3f) | 0x80); /* variant of RFC 9562 */
	for (int i = 0; i < 32; i++) {
		if (hyphen_before(i))
			*p++ = '-';
		*p++ = digits[i % 2 ? raw[i / 2] & 0x0f : raw[i / 2] >> 4];
	}
	*p = '\0';
	return 0;
}

bool vmv_uuid_from_hex(const char *hex, char buf[VMV_UUID_SIZE])
{
	char out[VMV_UUID_SIZE];
	char *p = out;

	for (int i = 0; i < 32; i++) {
		if (!isxdigit((unsigned char)hex[i]))
			return false;
		if (hyphen_before(i))
			*p++ = '-';
		*p++ = (char)tolower((unsigned char)hex[i]);
	}
	*p = '\0';
	if (hex[32] != '\0')
		return false;
	memcpy(buf, out, sizeof(out));
	return true;
}

uint32_t vmv_random_below(uint32_t bound)
{
	uint32_t v = 0;

	/* never blocks after boot; without entropy the result is just not jittered */
	if (bound == 0 || getrandom(&v, sizeof(v), GRND_NONBLOCK) != (ssize_t)sizeof(v))
		return 0;
	return v % bound;
}
