/* os-release. */
#include "tests/fuzz/fuzz.h"

#include "base/utf8.h"
#include "collectors/os.h"

static void check_member(const char *s, size_t size, int is_utf8)
{
	FUZZ_CHECK(memchr(s, '\0', size) && !strchr(s, '\n'));
	if (is_utf8)
		FUZZ_CHECK(vmv_utf8_valid((const unsigned char *)s, strlen(s)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	int is_utf8 = vmv_utf8_valid((const unsigned char *)text, strlen(text));
	struct vmv_os_sample s;

	memset(&s, 'x', sizeof(s));
	vmv_os_release_parse(text, &s);
	check_member(s.id, sizeof(s.id), is_utf8);
	check_member(s.version_id, sizeof(s.version_id), is_utf8);
	check_member(s.name, sizeof(s.name), is_utf8);
	check_member(s.pretty_name, sizeof(s.pretty_name), is_utf8);
	FUZZ_CHECK(s.id[0] && s.name[0] && s.pretty_name[0]);
	for (const char *p = s.kernel; p < s.machine_id + sizeof(s.machine_id); p++)
		FUZZ_CHECK(*p == 'x');
	free(text);
	return 0;
}
