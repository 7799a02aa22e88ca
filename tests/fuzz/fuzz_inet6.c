/* /proc/net/if_inet6. */
#include "tests/fuzz/fuzz.h"

#include "collectors/address.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>

static void take_row(void *arg, const char *ifname, const struct in6_addr *addr, unsigned flags)
{
	struct in6_addr copy = *addr;

	(void)arg;
	(void)copy;
	FUZZ_CHECK(ifname[0] && strlen(ifname) < IFNAMSIZ && !strpbrk(ifname, "/\n \t"));
	FUZZ_CHECK(flags < 0x100);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct vmv_err err = { 0 };
	int r = vmv_inet6_parse(text, take_row, NULL, &err);

	fuzz_check_result(r, &err);
	FUZZ_CHECK(r == 0 || r == -EINVAL);
	free(text);
	return 0;
}
