#include "host/listing.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "host/text.h"
#include "host/vitals.h"

static void put_int(struct vmv_text *out, uint64_t v)
{
	if (v == VMV_UNSET)
		vmv_text_add(out, "-");
	else
		vmv_text_fmt(out, "%" PRIu64, v);
}

/* The bounds of the tables keep this free of exponents. */
static void put_num(struct vmv_text *out, double v)
{
	if (isfinite(v))
		vmv_text_fmt(out, "%.12g", v);
	else
		vmv_text_add(out, "-");
}

static void put_value(struct vmv_text *out, const struct vmv_vital *row, const void *base)
{
	static const char *const truths[] = {
		[VMV_NO] = "false", [VMV_YES] = "true", [VMV_MAYBE] = "-"
	};
	const void *member = (const char *)base + row->offset;

	switch (row->type) {
	case VMV_VITAL_INT:
		put_int(out, *(const uint64_t *)member);
		break;
	case VMV_VITAL_NUM:
		put_num(out, *(const double *)member);
		break;
	case VMV_VITAL_BOOL:
		vmv_text_add(out, truths[*(const enum vmv_truth *)member]);
		break;
	case VMV_VITAL_TEXT:
		(void)vmv_text_guest(out, *(const char *const *)member, SIZE_MAX);
		break;
	}
}

/* "disk.usage_stats[/]", "ports[TCP/80]" */
static void put_element(struct vmv_text *out, const struct vmv_vital_list *list, const void *base)
{
	const char *before = "[";

	vmv_text_add(out, list->path);
	for (size_t i = 0; i < list->n_rows; i++) {
		const struct vmv_vital *row = &list->rows[i];

		if (!row->is_key)
			continue;
		vmv_text_add(out, before);
		before = "/";
		if (row->type == VMV_VITAL_TEXT)
			vmv_text_word(out,
				      *(const char *const *)((const char *)base + row->offset));
		else
			put_value(out, row, base);
	}
	vmv_text_add(out, "]");
}

static void put_list(struct vmv_text *out, const struct vmv_vital_list *list,
		     const struct vmv_vitals *v)
{
	const char *items;
	size_t n;

	memcpy(&items, (const char *)v + list->items_offset, sizeof(items));
	memcpy(&n, (const char *)v + list->count_offset, sizeof(n));
	for (size_t i = 0; i < n * list->n_rows; i++) {
		const char *base = items + i / list->n_rows * list->size;
		const struct vmv_vital *row = &list->rows[i % list->n_rows];

		if (row->is_key)
			continue;
		put_element(out, list, base);
		vmv_text_fmt(out, ".%s ", row->path);
		put_value(out, row, base);
		vmv_text_add(out, "\n");
	}
}

static void put_addresses(struct vmv_text *out, const struct vmv_vitals_nic *nic)
{
	for (size_t i = 0; i < nic->n_addresses; i++) {
		vmv_text_add(out, "network.interfaces[");
		vmv_text_word(out, nic->name);
		vmv_text_fmt(out, "].ip_addresses[%zu] ", i);
		(void)vmv_text_guest(out, nic->addresses[i], SIZE_MAX);
		vmv_text_add(out, "\n");
	}
}

void vmv_listing(const struct vmv_vitals *v, struct vmv_text *out)
{
	for (size_t i = 0; i < vmv_n_vital_scalars; i++) {
		vmv_text_fmt(out, "%s ", vmv_vital_scalars[i].path);
		put_value(out, &vmv_vital_scalars[i], v);
		vmv_text_add(out, "\n");
	}
	for (size_t i = 0; i < v->n_cores; i++) {
		vmv_text_fmt(out, "cpu.cores_usage[%zu] ", i);
		put_num(out, v->cores[i]);
		vmv_text_add(out, "\n");
	}
	for (size_t i = 0; i < vmv_n_vital_lists; i++)
		put_list(out, &vmv_vital_lists[i], v);
	for (size_t i = 0; i < v->n_nics; i++)
		put_addresses(out, &v->nics[i]);
}
