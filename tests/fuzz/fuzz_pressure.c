/* A file of /proc/pressure. */
#include "tests/fuzz/fuzz.h"

#include "base/num.h"
#include "collectors/pressure.h"

#include <errno.h>

static void check_line(const struct vmv_pressure_line *l)
{
	if (l->avg10 == VMV_UNSET) {
		FUZZ_CHECK(l->avg60 == VMV_UNSET && l->avg300 == VMV_UNSET &&
			   l->total == VMV_UNSET);
		return;
	}
	FUZZ_CHECK(l->avg10 <= 10000 && l->avg60 <= 10000 && l->avg300 <= 10000);
	FUZZ_CHECK(l->total <= INT64_MAX || l->total == VMV_UNSET);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct vmv_pressure untouched = { .some.total = 7 };
	struct vmv_pressure p = untouched;
	char *text = fuzz_text(data, size);
	struct vmv_err err = { 0 };
	int r = vmv_pressure_parse(text, "pressure/cpu", &p, &err);

	fuzz_check_result(r, &err);
	if (r < 0) {
		FUZZ_CHECK(r == -EINVAL && memcmp(&p, &untouched, sizeof(p)) == 0);
	} else {
		check_line(&p.some);
		check_line(&p.full);
		FUZZ_CHECK(p.some.avg10 != VMV_UNSET || p.full.avg10 != VMV_UNSET);
	}
	free(text);
	return 0;
}
