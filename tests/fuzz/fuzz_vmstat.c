/* /proc/vmstat. */
#include "tests/fuzz/fuzz.h"

#include "base/num.h"
#include "collectors/vmstat.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct vmv_vmstat_sample untouched = { .oom_kill = 7 };
	struct vmv_vmstat_sample s = untouched;
	char *text = fuzz_text(data, size);
	struct vmv_err err = { 0 };
	int r = vmv_vmstat_parse(text, &s, &err);

	fuzz_check_result(r, &err);
	if (r < 0) {
		FUZZ_CHECK(r == -EINVAL && memcmp(&s, &untouched, sizeof(s)) == 0);
	} else {
		FUZZ_CHECK(s.pgfault <= INT64_MAX);
		FUZZ_CHECK(s.oom_kill <= INT64_MAX || s.oom_kill == VMV_UNSET);
	}
	free(text);
	return 0;
}
