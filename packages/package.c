#include "packages/package.h"

#include "base/num.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct vmv_slice vmv_slice_of(const char *text)
{
	return (struct vmv_slice){ text, text ? strlen(text) : 0 };
}

/* What is unknown comes first, and is like nothing else. */
int vmv_slice_compare(struct vmv_slice a, struct vmv_slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int r = len > 0 ? memcmp(a.s, b.s, len) : 0;

	if (r == 0)
		r = (a.len > b.len) - (a.len < b.len);
	return r ? r : (a.s != NULL) - (b.s != NULL);
}

bool vmv_slice_equal(struct vmv_slice a, struct vmv_slice b)
{
	return vmv_slice_compare(a, b) == 0;
}

bool vmv_slice_is(struct vmv_slice a, const char *text)
{
	return vmv_slice_equal(a, vmv_slice_of(text));
}

bool vmv_slice_line(const char **at, struct vmv_slice *ret)
{
	const char *s = *at;
	size_t len = strcspn(s, "\n");

	if (!*s)
		return false;
	*at = s + len + (s[len] == '\n');
	while (len > 0 && s[len - 1] == '\r')
		len--;
	*ret = (struct vmv_slice){ s, len };
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct vmv_slice vmv_slice_trim(struct vmv_slice s)
{
	while (s.len > 0 && is_blank(s.s[0])) {
		s.s++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.s[s.len - 1]))
		s.len--;
	return s;
}

bool vmv_slice_word(struct vmv_slice *line, struct vmv_slice *ret)
{
	struct vmv_slice rest = vmv_slice_trim(*line);
	size_t len = 0;

	while (len < rest.len && !is_blank(rest.s[len]))
		len++;
	if (len == 0)
		return false;
	*ret = (struct vmv_slice){ rest.s, len };
	*line = (struct vmv_slice){ rest.s + len, rest.len - len };
	return true;
}

uint64_t vmv_slice_number(struct vmv_slice s, uint64_t unit)
{
	char text[24];
	const char *end;
	uint64_t n;

	s = vmv_slice_trim(s);
	if (s.len == 0 || s.len >= sizeof(text))
		return VMV_UNSET;
	memcpy(text, s.s, s.len);
	text[s.len] = '\0';
	if (vmv_parse_u64(text, &n, &end) < 0 || *end)
		return VMV_UNSET;
	/* what JSON cannot carry is no size */
	n = vmv_mul_sat(n, unit);
	return n <= INT64_MAX ? n : VMV_UNSET;
}

/* -- lists ----------------------------------------------------------------------------------- */

int vmv_packages_add(struct vmv_packages *list, const struct vmv_package *p)
{
	if (list->n >= VMV_PACKAGES_MAX) {
		list->is_cut = true;
		return 0;
	}
	if (list->n == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 256;
		struct vmv_package *items = reallocarray(list->items, cap, sizeof(*items));

		if (!items)
			return -ENOMEM;
		list->items = items;
		list->cap = cap;
	}
	list->items[list->n++] = *p;
	return 0;
}

void vmv_packages_free(struct vmv_packages *list)
{
	free(list->items);
	*list = (struct vmv_packages){ .n = 0 };
}

static int compare(const void *va, const void *vb)
{
	const struct vmv_package *a = va, *b = vb;
	int r = vmv_slice_compare(a->name, b->name);

	if (r == 0)
		r = vmv_slice_compare(a->arch, b->arch);
	return r ? r : vmv_slice_compare(a->version, b->version);
}

void vmv_packages_sort(struct vmv_packages *list)
{
	if (list->n > 0)
		qsort(list->items, list->n, sizeof(list->items[0]), compare);
}

static int compare_key(const struct vmv_package *p, struct vmv_slice name, struct vmv_slice arch)
{
	int r = vmv_slice_compare(p->name, name);

	return r || !arch.s ? r : vmv_slice_compare(p->arch, arch);
}

const struct vmv_package *vmv_packages_find(const struct vmv_packages *list, struct vmv_slice name,
					    struct vmv_slice arch)
{
	size_t low = 0, high = list->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare_key(&list->items[mid], name, arch) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < list->n && compare_key(&list->items[low], name, arch) == 0)
		return &list->items[low];
	return NULL;
}

const struct vmv_package *vmv_packages_named(const struct vmv_packages *list, const char *name)
{
	const struct vmv_slice any = { NULL, 0 };
	const struct vmv_package *p = vmv_packages_find(list, vmv_slice_of(name), any);
	const char *colon = strrchr(name, ':'), *dot = strrchr(name, '.');
	const char *at = colon ? colon : dot;

	if (p || !at || !at[1])
		return p;
	return vmv_packages_find(list, (struct vmv_slice){ name, (size_t)(at - name) },
				 vmv_slice_of(at + 1));
}
