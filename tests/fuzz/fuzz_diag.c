/* Replies of NETLINK_SOCK_DIAG. The sequence number is that of the first one. */
#include "tests/fuzz/fuzz.h"

#include "collectors/diag.h"

#include <errno.h>

struct rows {
	size_t n, stop_at; /* the row that ends the parse; 0: none */
};

static int take_row(void *arg, const struct vmv_socket_line *line)
{
	struct rows *rows = arg;

	FUZZ_CHECK(line->state <= UINT8_MAX);
	FUZZ_CHECK(line->has_peer || line->remote_port == 0);
	FUZZ_CHECK(line->inode <= UINT32_MAX && line->uid <= UINT32_MAX);
	FUZZ_CHECK(line->rx_queue <= UINT32_MAX && line->tx_queue <= UINT32_MAX);
	return ++rows->n == rows->stop_at ? -ENOMEM : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rows rows = { 0 }, few = { .stop_at = 2 };
	struct vmv_diag_replies got = { .n = SIZE_MAX };
	uint8_t *copy = fuzz_copy(data, size);
	struct vmv_err err = { 0 };
	uint32_t seq = 0;
	int r;

	if (size >= 12)
		memcpy(&seq, data + 8, sizeof(seq));
	r = vmv_diag_parse(copy, size, seq, take_row, &rows, &got, &err);
	fuzz_check_result(r, &err);
	FUZZ_CHECK(r >= -4095);
	FUZZ_CHECK(got.n == (r == 0 ? rows.n : SIZE_MAX));
	FUZZ_CHECK(rows.n <= size / 88);
	r = vmv_diag_parse(copy, size, seq, take_row, &few, &got, NULL);
	FUZZ_CHECK(few.n <= 2 && (few.n < 2 || r == -ENOMEM));
	free(copy);
	return 0;
}
