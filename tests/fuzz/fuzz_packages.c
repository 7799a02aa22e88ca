/* What package managers keep and print: the first byte says whose. */
#include "tests/fuzz/fuzz.h"

#include "base/num.h"
#include "packages/parse.h"

static const char *begin, *end; /* of the text: no slice is from elsewhere */

static void check_slice(struct vmv_slice s)
{
	if (!s.s) {
		FUZZ_CHECK(s.len == 0);
		return;
	}
	FUZZ_CHECK(s.s >= begin && s.s + s.len <= end);
	FUZZ_CHECK(!memchr(s.s, '\n', s.len) || begin[-1] == 'x');
}

static void check_packages(struct vmv_packages *list)
{
	vmv_packages_sort(list);
	for (size_t i = 0; i < list->n; i++) {
		const struct vmv_package *p = &list->items[i];

		FUZZ_CHECK(p->name.len > 0);
		check_slice(p->name);
		check_slice(p->version);
		check_slice(p->arch);
		check_slice(p->description);
		check_slice(p->source);
		check_slice(p->vendor);
		check_slice(p->repository);
		FUZZ_CHECK(p->size == VMV_UNSET || p->size <= INT64_MAX);
		FUZZ_CHECK(
			vmv_slice_equal(vmv_packages_find(list, p->name, p->arch)->name, p->name));
	}
	vmv_packages_free(list);
}

static void check_updates(struct vmv_updates *list)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct vmv_update *u = &list->items[i];

		FUZZ_CHECK(u->name.len > 0 && u->available.len > 0);
		check_slice(u->name);
		check_slice(u->arch);
		check_slice(u->current);
		check_slice(u->available);
		check_slice(u->repository);
	}
	vmv_updates_free(list);
}

static int parse_security(const char *text, struct vmv_updates *list)
{
	int r = vmv_parse_dnf_updates(text, list);

	vmv_parse_dnf_security(text, list);
	return r;
}

static void parse(char which, char *text)
{
	static int (*const of_packages[])(const char *, struct vmv_packages *) = {
		vmv_parse_dpkg,	      vmv_parse_rpm,	       vmv_parse_apk,
		vmv_parse_pacman,     vmv_parse_apt_search,    vmv_parse_dnf_search,
		vmv_parse_apk_search, vmv_parse_pacman_search, vmv_parse_dnf_details,
	};
	static int (*const of_updates[])(const char *, struct vmv_updates *) = {
		vmv_parse_apt_updates,
		vmv_parse_apk_updates,
		vmv_parse_pacman_updates,
		parse_security,
	};
	struct vmv_packages packages = { .n = 0 };
	struct vmv_updates updates = { .n = 0 };

	if (which >= '0' && which <= '8')
		FUZZ_CHECK(of_packages[which - '0'](text, &packages) == 0);
	else if (which >= 'a' && which <= 'd')
		FUZZ_CHECK(of_updates[which - 'a'](text, &updates) == 0);
	else if (which == 'x')
		FUZZ_CHECK(vmv_parse_zypper_search(text, &packages) == 0);
	else
		FUZZ_CHECK(vmv_parse_zypper_updates(text, &updates) == 0);
	check_packages(&packages);
	check_updates(&updates);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	if (*text) {
		/* values in XML may span lines */
		char which = *text;

		if (which < '0' || (which > '8' && which < 'a') || which > 'd')
			*text = 'x';
		begin = text + 1;
		end = begin + strlen(begin);
		parse(which, text + 1);
	}
	free(text);
	return 0;
}
