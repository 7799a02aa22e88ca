/* /proc/vmstat, /proc/cpuinfo, /proc/sysinfo and what firmware says of itself: every text is tried
 * as each. */
#include "tests/fuzz/fuzz.h"

#include "collectors/hypervisor.h"
#include "collectors/virtual.h"

#include <errno.h>

static void try_balloon(const char *text)
{
	struct vmv_err err = { 0 };
	uint64_t pages = 7;
	int r = vmv_virtual_parse_balloon(text, &pages, &err);

	fuzz_check_result(r, &err);
	if (r < 0)
		FUZZ_CHECK(r == -EINVAL && pages == 7);
}

static void try_words(const char *text)
{
	uint64_t flag = vmv_hypervisor_parse_cpuinfo(text);
	char word[32];

	FUZZ_CHECK(flag <= 1 || flag == VMV_UNSET);
	vmv_hypervisor_parse_sysinfo(text, word, sizeof(word));
	FUZZ_CHECK(memchr(word, '\0', sizeof(word)) && !strchr(word, '\n'));
	vmv_virtual_container_name(text, word, sizeof(word));
	FUZZ_CHECK(memchr(word, '\0', sizeof(word)) && word[0] && !strchr(word, ' '));
}

/* The text as every hint at once: where it is too long, its head. */
static void try_judge(const char *text, unsigned bits)
{
	struct vmv_hypervisor_hints h = {
		.cpu_flag = bits & 1 ? VMV_UNSET : (bits >> 1) & 1,
		.is_dom0 = bits & 4,
		.has_fw_cfg = bits & 8,
		.is_lpar = bits & 16,
		.has_sysinfo = bits & 32,
	};
	uint64_t is_guest = 7;
	const char *name;

	(void)snprintf(h.sys_vendor, sizeof(h.sys_vendor), "%s", text);
	(void)snprintf(h.product_name, sizeof(h.product_name), "%s", text);
	(void)snprintf(h.cpuid, sizeof(h.cpuid), "%s", text);
	(void)snprintf(h.cpuid_second, sizeof(h.cpuid_second), "%s", text);
	(void)snprintf(h.xen_type, sizeof(h.xen_type), "%s", text);
	(void)snprintf(h.clocksources, sizeof(h.clocksources), "%s", text);
	(void)snprintf(h.dt_compatible, sizeof(h.dt_compatible), "%s", text);
	(void)snprintf(h.dt_hypervisor, sizeof(h.dt_hypervisor), "%s", text);
	(void)snprintf(h.control_program, sizeof(h.control_program), "%s", text);
	name = vmv_hypervisor_judge(&h, &is_guest);
	FUZZ_CHECK(is_guest <= 1 || is_guest == VMV_UNSET);
	FUZZ_CHECK((is_guest == 0) == (strcmp(name, "none") == 0));
	FUZZ_CHECK(strlen(name) < sizeof(((struct vmv_virtual_sample *)0)->hypervisor));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	try_balloon(text);
	try_words(text);
	for (unsigned bits = 0; bits < 64; bits++)
		try_judge(text, bits);
	free(text);
	return 0;
}
