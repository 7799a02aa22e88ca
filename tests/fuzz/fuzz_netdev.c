/* /proc/net/dev. */
#include "tests/fuzz/fuzz.h"

#include "base/num.h"
#include "collectors/network.h"

#include <errno.h>
#include <net/if.h>

struct rows {
	unsigned n, stop_at; /* the row that ends the parse; 0: none */
};

/* The name becomes part of a path. */
static int take_row(void *arg, const char *name, const struct vmv_network_sample *sample)
{
	struct rows *rows = arg;

	FUZZ_CHECK(name[0] && strlen(name) < IFNAMSIZ && !strchr(name, '/'));
	FUZZ_CHECK(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
	FUZZ_CHECK(strcmp(name, sample->name) == 0);
	FUZZ_CHECK(sample->n_ipv4 == 0 && sample->n_ipv6 == 0 && sample->index == VMV_UNSET);
	return ++rows->n == rows->stop_at ? -ENOMEM : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rows rows = { 0 }, few = { .stop_at = 2 };
	char *text = fuzz_text(data, size);
	struct vmv_err err = { 0 };
	int r = vmv_netdev_parse(text, take_row, &rows, &err);

	fuzz_check_result(r, &err);
	FUZZ_CHECK(r == 0 || r == -EINVAL);
	r = vmv_netdev_parse(text, take_row, &few, NULL);
	FUZZ_CHECK((rows.n >= 2) == (r == -ENOMEM) && few.n <= 2);
	free(text);
	return 0;
}
