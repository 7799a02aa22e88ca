/* /proc/meminfo. */
#include "tests/fuzz/fuzz.h"

#include "base/num.h"
#include "collectors/memory.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct vmv_memory_sample untouched = { .total = 7 };
	struct vmv_memory_sample s = untouched;
	char *text = fuzz_text(data, size);
	struct vmv_err err = { 0 };
	int r = vmv_memory_parse(text, &s, &err);

	fuzz_check_result(r, &err);
	if (r < 0) {
		FUZZ_CHECK(r == -EINVAL && memcmp(&s, &untouched, sizeof(s)) == 0);
	} else {
		FUZZ_CHECK(s.total != VMV_UNSET && s.total % 1024 == 0);
		FUZZ_CHECK(s.swap_free == VMV_UNSET || s.swap_free % 1024 == 0);
	}
	free(text);
	return 0;
}
