/* What the helper answers to "units" and to "users". */
#include "tests/fuzz/fuzz.h"

#include "base/limits.h"
#include "base/num.h"
#include "collectors/systemd.h"
#include "collectors/user.h"

#include <errno.h>

static void fuzz_units(const char *text)
{
	struct vmv_units u = { .n = 7 };
	struct vmv_err err = { 0 };
	int r = vmv_systemd_parse(text, &u, &err);

	fuzz_check_result(r, &err);
	if (r < 0) {
		FUZZ_CHECK(r == -EINVAL && u.n == 7 && !u.list);
		return;
	}
	FUZZ_CHECK(u.manager.is_running <= 1);
	FUZZ_CHECK(u.n <= VMV_FAILED_UNITS + VMV_CRITICAL_UNITS);
	for (size_t i = 0; i < u.n; i++)
		FUZZ_CHECK(u.list[i].name[0] && u.list[i].sample.load[0] &&
			   u.list[i].sample.is_failed <= 1);
	free(u.list);
}

static void fuzz_users(const char *text)
{
	struct vmv_sessions s = { .n = 7 };
	struct vmv_err err = { 0 };
	int r = vmv_users_parse(text, &s, &err);

	fuzz_check_result(r, &err);
	if (r < 0) {
		FUZZ_CHECK(r == -EINVAL && s.n == 7 && !s.list);
		return;
	}
	FUZZ_CHECK(s.n <= VMV_SESSIONS_MAX);
	for (size_t i = 0; i < s.n; i++)
		FUZZ_CHECK(s.list[i].id[0] &&
			   strnlen(s.list[i].sample.user, sizeof(s.list[i].sample.user)) <
				   sizeof(s.list[i].sample.user));
	free(s.list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	fuzz_units(text);
	fuzz_users(text);
	free(text);
	return 0;
}
