/* /proc/self/mountinfo, and the helper's answer to statvfs, which comes from the same collector. */
#include "tests/fuzz/fuzz.h"

#include "collectors/filesystem.h"
#include "collectors/mountinfo.h"

#include <errno.h>

static void check_mount(const struct vmv_mounts *all, const struct vmv_mount *m)
{
	const struct vmv_mount *parent = vmv_mounts_parent(all, m);

	FUZZ_CHECK(m->target[0] == '/' && m->type[0] && m->root[0] && m->options[0]);
	FUZZ_CHECK(m->source && m->super_options[0]);
	FUZZ_CHECK(!parent || (parent != m && parent->id == m->parent));
	(void)vmv_mounts_is_covered(all, m);
	(void)vmv_mounts_is_hidden(all, m);
	(void)vmv_mount_has_option(m->super_options, "ro");
}

static void fuzz_mounts(char *text)
{
	struct vmv_mounts all = { 0 };
	struct vmv_err err = { 0 };
	int r = vmv_mountinfo_parse(text, &all, &err);

	fuzz_check_result(r, &err);
	FUZZ_CHECK(r == 0 || (r == -EINVAL && !all.v && all.n == 0));
	for (size_t i = 0; i < all.n; i++)
		check_mount(&all, &all.v[i]);
	vmv_mounts_free(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct vmv_space untouched = { .unit = 7 };
	struct vmv_space space = untouched;
	char *text = fuzz_text(data, size);

	if (vmv_filesystem_parse_answer(text, &space) < 0)
		FUZZ_CHECK(memcmp(&space, &untouched, sizeof(space)) == 0);
	fuzz_mounts(text);
	free(text);
	return 0;
}
