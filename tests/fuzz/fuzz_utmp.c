/* utmp(5). */
#include "tests/fuzz/fuzz.h"

#include "base/limits.h"
#include "base/num.h"
#include "collectors/user.h"

/* Some are, some are not. */
static bool is_alive(void *arg, uint64_t pid)
{
	(void)arg;
	FUZZ_CHECK(pid > 0 && pid <= INT32_MAX);
	return pid % 4 != 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes = fuzz_copy(data, size);
	struct vmv_sessions s = { .n = 0 };

	FUZZ_CHECK(vmv_utmp_parse(bytes, size, is_alive, NULL, &s) == 0);
	FUZZ_CHECK(s.n <= VMV_SESSIONS_MAX && s.n <= size / 384);
	for (size_t i = 0; i < s.n; i++) {
		const struct vmv_user_sample *u = &s.list[i].sample;

		FUZZ_CHECK(s.list[i].id[0] && u->user[0] && u->pid % 4 != 0);
		FUZZ_CHECK(strnlen(u->from, sizeof(u->from)) < sizeof(u->from));
		FUZZ_CHECK(u->start == VMV_UNSET || u->start < UINT64_C(1) << 53);
		for (size_t k = 0; k < i; k++)
			FUZZ_CHECK(strcmp(s.list[k].id, s.list[i].id) != 0);
	}
	free(s.list);
	free(bytes);
	return 0;
}
