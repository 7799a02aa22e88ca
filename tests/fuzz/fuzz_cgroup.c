/* Files of control groups, of both versions. */
#include "tests/fuzz/fuzz.h"

#include "base/num.h"
#include "collectors/cgroup_files.h"

#include <errno.h>

static enum vmv_layer layer(void *arg, uint64_t major, uint64_t minor)
{
	(void)arg;
	return major == 253 ? (enum vmv_layer)(minor % 3) : VMV_LAYER_BOTTOM;
}

static void fuzz_io(const char *text)
{
	uint64_t read = 7, written = 7, all_read = 7, all_written = 7;
	int r = vmv_cgroup_parse_io(text, layer, NULL, &read, &written);

	FUZZ_CHECK(vmv_cgroup_parse_io(text, NULL, NULL, &all_read, &all_written) == r);
	if (r < 0)
		FUZZ_CHECK(r == -EINVAL && read == 7 && written == 7);
	else
		FUZZ_CHECK(read <= all_read && written <= all_written && all_read != VMV_UNSET);
}

static void fuzz_keys(const char *text)
{
	uint64_t usage = 7, throttled = 7;
	const struct vmv_cgroup_key keys[] = {
		{ "usage_usec", &usage },
		{ "nr_throttled", &throttled },
	};
	int r = vmv_cgroup_parse_keys(text, keys, 2);

	FUZZ_CHECK(r == 0 || (r == -EINVAL && usage == VMV_UNSET && throttled == VMV_UNSET));
}

static void fuzz_numbers(const char *text)
{
	uint64_t v = 7;

	FUZZ_CHECK(vmv_cgroup_parse_value(text, &v) == 0 || v == 7);
	v = 7;
	if (vmv_cgroup_parse_pressure(text, &v) < 0)
		FUZZ_CHECK(v == 7);
	else
		FUZZ_CHECK(v != VMV_UNSET);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	fuzz_io(text);
	fuzz_keys(text);
	fuzz_numbers(text);
	free(text);
	return 0;
}
