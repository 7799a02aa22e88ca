/* One line of /proc/PID/stat. */
#include "tests/fuzz/fuzz.h"

#include "base/num.h"
#include "collectors/process.h"

#include <errno.h>

#define PAGE 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct vmv_process_sample untouched = { .pid = 7, .comm = "x" };
	struct vmv_process_sample s = untouched;
	char *text = fuzz_text(data, size);
	struct vmv_err err = { 0 };
	int r = vmv_process_parse(text, PAGE, &s, &err);

	fuzz_check_result(r, &err);
	if (r < 0) {
		FUZZ_CHECK(r == -EINVAL && memcmp(&s, &untouched, sizeof(s)) == 0);
	} else {
		FUZZ_CHECK(s.comm[0] && memchr(s.comm, '\0', sizeof(s.comm)));
		FUZZ_CHECK(strlen(s.state) == 1 && s.rss % PAGE == 0);
		FUZZ_CHECK(s.rss != VMV_UNSET && s.utime != VMV_UNSET && s.starttime != VMV_UNSET);
	}
	free(text);
	return 0;
}
