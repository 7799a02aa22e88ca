/* /etc/localtime: the file, and the rule at its end. The first 8 bytes are the time. */
#include "tests/fuzz/fuzz.h"

#include "collectors/timezone.h"

#define OFFSET_MAX (26 * 3600)

static void check(int r, const struct vmv_timezone *z)
{
	if (r < 0) {
		FUZZ_CHECK(z->name[0] == 'x' && z->offset == 7);
		return;
	}
	FUZZ_CHECK(memchr(z->name, '\0', sizeof(z->name)) && z->name[0]);
	FUZZ_CHECK(z->offset >= -OFFSET_MAX && z->offset <= OFFSET_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmv_timezone z = { "x", 7 };
	uint8_t *copy;
	char *text;
	int64_t at;

	if (size < sizeof(at))
		return 0;
	memcpy(&at, data, sizeof(at));
	copy = fuzz_copy(data + sizeof(at), size - sizeof(at));
	check(vmv_tzfile_parse(copy, size - sizeof(at), at, &z), &z);
	free(copy);
	z = (struct vmv_timezone){ "x", 7 };
	text = fuzz_text(data + sizeof(at), size - sizeof(at));
	check(vmv_tzrule_parse(text, at, &z), &z);
	free(text);
	return 0;
}
