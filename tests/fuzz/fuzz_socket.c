/* /proc/net/tcp, tcp6, udp, udp6; of /proc/net/snmp the number of connections. */
#include "tests/fuzz/fuzz.h"

#include "collectors/tcp.h"
#include "collectors/walk.h"

#include <errno.h>

struct rows {
	unsigned n, stop_at; /* the row that ends the parse; 0: none */
};

static int take_row(void *arg, const struct vmv_socket_line *line)
{
	struct rows *rows = arg;

	FUZZ_CHECK(line->state <= UINT8_MAX);
	FUZZ_CHECK(line->has_peer || line->remote_port == 0);
	return ++rows->n == rows->stop_at ? -ENOMEM : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rows rows = { 0 }, few = { .stop_at = 2 };
	char *text = fuzz_text(data, size);
	struct vmv_err err = { 0 };
	uint64_t established = 99;
	int r = vmv_socket_parse(text, take_row, &rows, &err);

	fuzz_check_result(r, &err);
	FUZZ_CHECK(r == 0 || r == -EINVAL);
	r = vmv_socket_parse(text, take_row, &few, NULL);
	FUZZ_CHECK((rows.n >= 2) == (r == -ENOMEM) && few.n <= 2);
	r = vmv_tcp_parse_established(text, &established);
	FUZZ_CHECK(r == 0 || (r == -EINVAL && established == 99));
	free(text);
	return 0;
}
