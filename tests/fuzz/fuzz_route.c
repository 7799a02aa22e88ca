/* /proc/net/route and /proc/net/ipv6_route. */
#include "tests/fuzz/fuzz.h"

#include "collectors/route.h"

#include <errno.h>
#include <net/if.h>

struct rows {
	bool is_ipv6;
	unsigned n, stop_at; /* the row that ends the parse; 0: none */
};

static int take_row(void *arg, const struct vmv_route *route)
{
	struct rows *rows = arg;

	FUZZ_CHECK(route->is_ipv6 == rows->is_ipv6);
	FUZZ_CHECK(route->device[0] && strlen(route->device) < IFNAMSIZ);
	FUZZ_CHECK(!strpbrk(route->device, "\n \t"));
	FUZZ_CHECK(route->prefix_len <= (rows->is_ipv6 ? 128 : 32) && route->source_len <= 128);
	FUZZ_CHECK(!vmv_route_is_default(route) || route->prefix_len == 0);
	return ++rows->n == rows->stop_at ? -ENOMEM : 0;
}

static void parse(const char *text, bool is_ipv6,
		  int (*fn)(const char *, vmv_route_row *, void *, struct vmv_err *))
{
	struct rows rows = { .is_ipv6 = is_ipv6 }, few = { .is_ipv6 = is_ipv6, .stop_at = 2 };
	struct vmv_err err = { 0 };
	int r = fn(text, take_row, &rows, &err);

	fuzz_check_result(r, &err);
	FUZZ_CHECK(r == 0 || r == -EINVAL);
	r = fn(text, take_row, &few, NULL);
	FUZZ_CHECK((rows.n >= 2) == (r == -ENOMEM) && few.n <= 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	parse(text, false, vmv_route4_parse);
	parse(text, true, vmv_route6_parse);
	free(text);
	return 0;
}
