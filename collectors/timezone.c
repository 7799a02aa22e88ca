#include "collectors/timezone.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/root.h"

#include <errno.h>
#include <string.h>

#define FILE_BYTES (32 * VMV_KIB) /* the largest in use are below 4 KiB */
#define HEADER	   44
#define TYPE_BYTES 6
#define RULE_MAX   256 /* bytes */
#define OFFSET_MAX (26 * 3600)
#define OLD_TIME   4 /* bytes of a time in the first block, */
#define WIDE_TIME  8 /* and in the second, which versions from '2' on have */
#define WIDE_SINCE '2'
#define VERSION_AT 4
#define COUNTS_AT  20

/* What a block has; its parts follow its header in this order. */
struct block {
	uint64_t n_utc, n_standard, n_leaps, n_times, n_types, n_chars;
	unsigned time_size;
	const unsigned char *times, *indexes, *types;
	const char *chars;
};

static uint64_t be(const unsigned char *p, unsigned size)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < size; i++)
		v = v << 8 | p[i];
	return v;
}

static int64_t time_at(const struct block *b, uint64_t i)
{
	uint64_t v = be(b->times + i * b->time_size, b->time_size);

	return b->time_size == OLD_TIME ? (int32_t)(uint32_t)v : (int64_t)v;
}

/* Reads the block whose header is at p, of which len bytes are there. Returns its length with the
 * header, 0: malformed. Counts are of 32 bits, so that nothing here overflows. */
static uint64_t parse_block(const unsigned char *p, size_t len, unsigned time_size,
			    struct block *ret)
{
	uint64_t *const counts[] = { &ret->n_utc,   &ret->n_standard, &ret->n_leaps,
				     &ret->n_times, &ret->n_types,    &ret->n_chars };
	uint64_t size = HEADER;

	if (len < HEADER || memcmp(p, "TZif", 4) != 0)
		return 0;
	for (size_t i = 0; i < VMV_COUNTOF(counts); i++)
		*counts[i] = be(p + COUNTS_AT + 4 * i, 4);
	ret->time_size = time_size;
	size += ret->n_times * (time_size + 1) + ret->n_types * TYPE_BYTES + ret->n_chars +
		ret->n_leaps * (time_size + 4) + ret->n_standard + ret->n_utc;
	if (size > len)
		return 0;
	ret->times = p + HEADER;
	ret->indexes = ret->times + ret->n_times * time_size;
	ret->types = ret->indexes + ret->n_times;
	ret->chars = (const char *)ret->types + ret->n_types * TYPE_BYTES;
	return size;
}

static int take_type(const struct block *b, uint64_t i, struct vmv_timezone *ret)
{
	const unsigned char *type = b->types + i * TYPE_BYTES;
	struct vmv_timezone zone;
	const char *name;
	size_t room, len;

	if (i >= b->n_types || type[5] >= b->n_chars)
		return -EINVAL;
	name = b->chars + type[5];
	room = (size_t)(b->n_chars - type[5]);
	len = strnlen(name, room);
	zone.offset = (int32_t)(uint32_t)be(type, 4);
	if (len == room || len == 0 || len >= sizeof(zone.name) || zone.offset > OFFSET_MAX ||
	    zone.offset < -OFFSET_MAX)
		return -EINVAL;
	memcpy(zone.name, name, len + 1);
	*ret = zone;
	return 0;
}

/* The last change that is not after this second; what was before the first has the first type. */
static int look_up(const struct block *b, int64_t at, struct vmv_timezone *ret)
{
	uint64_t low = 0, high = b->n_times;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (time_at(b, middle) <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return take_type(b, low > 0 ? b->indexes[low - 1] : 0, ret);
}

/* Behind the second block a rule stands between two newlines: what is to be after the last change.
 * Empty: nothing is known of that. */
static int take_rule(const unsigned char *p, size_t len, char ret[RULE_MAX])
{
	const unsigned char *end;

	if (len < 2 || *p != '\n')
		return -EINVAL;
	end = memchr(p + 1, '\n', len - 1);
	if (!end || end - p > RULE_MAX || memchr(p, '\0', (size_t)(end - p)))
		return -EINVAL;
	memcpy(ret, p + 1, (size_t)(end - p - 1));
	ret[end - p - 1] = '\0';
	return 0;
}

int vmv_tzfile_parse(const void *bytes, size_t len, int64_t at, struct vmv_timezone *ret)
{
	const unsigned char *p = bytes;
	char rule[RULE_MAX];
	struct block b;
	uint64_t size = parse_block(p, len, OLD_TIME, &b);

	if (size == 0)
		return -EINVAL;
	if (p[VERSION_AT] < WIDE_SINCE)
		return look_up(&b, at, ret);
	p += size;
	len -= (size_t)size;
	size = parse_block(p, len, WIDE_TIME, &b);
	if (size == 0 || take_rule(p + size, len - (size_t)size, rule) < 0)
		return -EINVAL;
	if (*rule && (b.n_times == 0 || at >= time_at(&b, b.n_times - 1)))
		return vmv_tzrule_parse(rule, at, ret);
	return look_up(&b, at, ret);
}

int vmv_timezone_read(const struct vmv_root *root, int64_t at, struct vmv_timezone *ret,
		      struct vmv_err *err)
{
	char bytes[FILE_BYTES];
	int r = vmv_read_below(root, "etc/localtime", bytes, sizeof(bytes));

	if (r == -ENOENT) {
		*ret = (struct vmv_timezone){ .name = "UTC" };
		return 0;
	}
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot read /etc/localtime: %s", strerror(-r));
	if (vmv_tzfile_parse(bytes, (size_t)r, at, ret) < 0)
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "/etc/localtime: malformed");
	return 0;
}
