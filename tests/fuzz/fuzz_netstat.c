/* /proc/net/snmp and netstat; the same bytes as /proc/net/snmp6. */
#include "tests/fuzz/fuzz.h"

#include "base/num.h"
#include "collectors/netstat.h"

#include <errno.h>

typedef int parse(const char *text, struct vmv_netstat_sample *ret, struct vmv_err *err);

static int parse_snmp(const char *text, struct vmv_netstat_sample *ret, struct vmv_err *err)
{
	return vmv_snmp_parse(text, "net/snmp", ret, err);
}

static void check_numbers(const struct vmv_netstat_sample *s)
{
	uint64_t v[sizeof(*s) / sizeof(uint64_t)];

	memcpy(v, s, sizeof(v));
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		FUZZ_CHECK(v[i] <= INT64_MAX || v[i] == VMV_UNSET);
}

static void try_parse(parse *p, const char *text)
{
	struct vmv_netstat_sample s, before;
	struct vmv_err err = { 0 };
	int r;

	memset(&s, 0xff, sizeof(s));
	s.tcp.in_segs = 7;
	before = s;
	r = p(text, &s, &err);
	fuzz_check_result(r, &err);
	if (r < 0)
		FUZZ_CHECK(r == -EINVAL && memcmp(&s, &before, sizeof(s)) == 0);
	check_numbers(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	try_parse(parse_snmp, text);
	try_parse(vmv_snmp6_parse, text);
	free(text);
	return 0;
}
