/* /proc/stat. */
#include "tests/fuzz/fuzz.h"

#include "base/num.h"
#include "collectors/cpu.h"

#include <errno.h>

struct rows {
	unsigned n, stop_at; /* the row that ends the parse; 0: none */
};

static int take_row(void *arg, unsigned cpu, const struct vmv_cpu_sample *sample)
{
	struct rows *rows = arg;

	(void)cpu;
	(void)sample;
	return ++rows->n == rows->stop_at ? -ENOMEM : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct vmv_stat_sample untouched = { .ctxt = 7 };
	struct vmv_stat_sample s = untouched, again = untouched;
	struct rows rows = { 0 }, few = { .stop_at = 2 };
	char *text = fuzz_text(data, size);
	struct vmv_err err = { 0 };
	int r = vmv_stat_parse(text, &s, take_row, &rows, &err);

	fuzz_check_result(r, &err);
	if (r < 0)
		FUZZ_CHECK(r == -EINVAL && memcmp(&s, &untouched, sizeof(s)) == 0);
	FUZZ_CHECK(vmv_stat_parse(text, &again, NULL, NULL, NULL) == r);
	FUZZ_CHECK(memcmp(&s, &again, sizeof(s)) == 0);
	r = vmv_stat_parse(text, &s, take_row, &few, NULL);
	FUZZ_CHECK((rows.n >= 2) == (r == -ENOMEM) && few.n <= 2);
	free(text);
	return 0;
}
