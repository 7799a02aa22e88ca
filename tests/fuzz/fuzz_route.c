/* /proc/net/route. */
#include "tests/fuzz/fuzz.h"

#include "collectors/network.h"

#include <errno.h>
#include <net/if.h>

static void take_row(void *arg, const char *ifname, uint64_t metric)
{
	(void)arg;
	FUZZ_CHECK(ifname[0] && strlen(ifname) < IFNAMSIZ && !strpbrk(ifname, "/\n \t"));
	FUZZ_CHECK(metric <= UINT32_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct vmv_err err = { 0 };
	int r = vmv_route_parse(text, take_row, NULL, &err);

	fuzz_check_result(r, &err);
	FUZZ_CHECK(r == 0 || r == -EINVAL);
	free(text);
	return 0;
}
