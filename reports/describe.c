#include "reports/describe.h"

#include "base/metric.h"
#include "collectors/collector.h"
#include "proto/json_write.h"
#include "reports/schema.h"

#include <stdio.h>
#include <string.h>

/* mode="idle",cpu="0": the tables hold no escapes in it (tests/unit/test_fields.c). */
static void write_labels(struct vmv_jw *w, const char *labels)
{
	vmv_jw_open(w, "labels");
	for (const char *p = labels; *p;) {
		size_t key_len = strcspn(p, "=");
		const char *value = p + key_len + 2;
		size_t value_len;
		char key[64];

		if (p[key_len] == '\0' || p[key_len + 1] == '\0')
			break;
		(void)snprintf(key, sizeof(key), "%.*s", (int)key_len, p);
		value_len = strcspn(value, "\"");
		vmv_jw_bytes(w, key, value, value_len);
		p = value + value_len;
		p += strspn(p, "\",");
	}
	vmv_jw_close(w);
}

void vmv_describe_source(const struct vmv_collector *c, const struct vmv_field *f,
			 char ret[VMV_SOURCE_SIZE])
{
	/* a group out of several files names them in its fields */
	if (f->source[0] == '/' || strcmp(c->file, f->source) == 0)
		(void)snprintf(ret, VMV_SOURCE_SIZE, "%s", f->source);
	else
		(void)snprintf(ret, VMV_SOURCE_SIZE, "%s: %s", c->file, f->source);
}

static void write_field(struct vmv_jw *w, const struct vmv_collector *c, const struct vmv_field *f)
{
	char source[VMV_SOURCE_SIZE];

	vmv_describe_source(c, f, source);
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "name", f->name);
	if (f->labels)
		write_labels(w, f->labels);
	vmv_jw_str(w, "kind", vmv_kind_name(f->kind));
	vmv_jw_str(w, "unit", vmv_unit_name(f->unit));
	vmv_jw_str(w, "help", f->help);
	vmv_jw_str(w, "source", source);
	vmv_jw_close(w);
}

static void write_group(struct vmv_jw *w, const struct vmv_collector *c)
{
	vmv_jw_open(w, c->name);
	vmv_jw_str(w, "help", c->help);
	vmv_jw_str(w, "key", c->key);
	vmv_jw_bool(w, "default", c->is_default);
	vmv_jw_u64(w, "min_interval_ms", c->min_period_ms);
	vmv_jw_str(w, "info", c->info);
	vmv_jw_array(w, "fields");
	for (size_t i = 0; i < c->n_fields; i++)
		write_field(w, c, &c->fields[i]);
	vmv_jw_end(w);
	vmv_jw_close(w);
}

size_t vmv_describe_groups(struct vmv_jw *w, const struct vmv_collector *const *collectors)
{
	size_t n = 0;

	vmv_jw_open(w, "groups");
	for (; collectors[n]; n++)
		write_group(w, collectors[n]);
	vmv_jw_close(w);
	return n;
}
