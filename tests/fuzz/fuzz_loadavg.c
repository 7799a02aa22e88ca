/* /proc/loadavg and /proc/uptime: every text is tried as both. */
#include "tests/fuzz/fuzz.h"

#include "collectors/load.h"

#include <errno.h>

typedef int parse(const char *text, struct vmv_load_sample *ret, struct vmv_err *err);

static int try_parse(parse *p, const char *text, struct vmv_load_sample *s)
{
	struct vmv_load_sample before = *s;
	struct vmv_err err = { 0 };
	int r = p(text, s, &err);

	fuzz_check_result(r, &err);
	if (r < 0)
		FUZZ_CHECK(r == -EINVAL && memcmp(s, &before, sizeof(before)) == 0);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmv_load_sample s = { .load15 = 7, .uptime = 7 };
	char *text = fuzz_text(data, size);

	(void)try_parse(vmv_loadavg_parse, text, &s);
	FUZZ_CHECK(s.uptime == 7);
	s.load15 = 7;
	(void)try_parse(vmv_uptime_parse, text, &s);
	FUZZ_CHECK(s.load15 == 7);
	free(text);
	return 0;
}
