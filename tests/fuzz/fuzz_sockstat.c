/* /proc/net/sockstat and sockstat6. */
#include "tests/fuzz/fuzz.h"

#include "base/num.h"
#include "collectors/netstat.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmv_sockstat_sample s, before;
	char *text = fuzz_text(data, size);
	struct vmv_err err = { 0 };
	int r;

	memset(&s, 0xff, sizeof(s));
	s.used = 7;
	before = s;
	r = vmv_sockstat_parse(text, "net/sockstat", &s, &err);
	fuzz_check_result(r, &err);
	if (r < 0)
		FUZZ_CHECK(r == -EINVAL && memcmp(&s, &before, sizeof(s)) == 0);
	FUZZ_CHECK(s.tcp.mem <= INT64_MAX || s.tcp.mem == VMV_UNSET);
	FUZZ_CHECK(s.udp.inuse <= INT64_MAX || s.udp.inuse == VMV_UNSET);
	FUZZ_CHECK(s.tcp.mem_bytes == VMV_UNSET); /* which is not in the text */
	free(text);
	return 0;
}
