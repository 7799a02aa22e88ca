#include "reports/pick.h"

#include "base/metric.h"
#include "collectors/collector.h"
#include "reports/facts.h"

#include <math.h>
#include <string.h>

const struct vmv_field *vmv_pick_field(const struct vmv_collector *c, const char *name,
				       const char *labels)
{
	for (size_t i = 0; i < c->n_fields; i++) {
		const struct vmv_field *f = &c->fields[i];

		if (strcmp(f->name, name) == 0 &&
		    (labels ? f->labels && strcmp(f->labels, labels) == 0 : !f->labels))
			return f;
	}
	return NULL;
}

double vmv_pick_number(const struct vmv_field *field, const void *sample)
{
	double scale = field && field->scale > 0 ? field->scale : 1, d = (double)NAN;
	uint64_t u;

	if (field && field->ctype == VMV_F64) {
		memcpy(&d, (const char *)sample + field->offset, sizeof(d));
		d *= scale;
	} else if (field && field->ctype == VMV_U64) {
		memcpy(&u, (const char *)sample + field->offset, sizeof(u));
		d = u == VMV_UNSET ? (double)NAN : (double)u * scale;
	}
	return d;
}

const char *vmv_pick_text(const struct vmv_field *field, const void *sample)
{
	if (!field || field->ctype != VMV_TEXT)
		return "";
	return (const char *)sample + field->offset;
}

const void *vmv_pick_row(const struct vmv_facts *f, const char *group,
			 const struct vmv_collector **ret)
{
	const struct vmv_collector *c = vmv_collector_find(group);

	if (ret)
		*ret = c;
	return c ? vmv_facts_row(f, c) : NULL;
}

double vmv_pick_value(const struct vmv_facts *f, const char *group, const char *name,
		      const char *labels)
{
	const struct vmv_collector *c;
	const void *row = vmv_pick_row(f, group, &c);

	return row ? vmv_pick_number(vmv_pick_field(c, name, labels), row) : (double)NAN;
}

struct vmv_pick vmv_pick_rows(const struct vmv_facts *f, const char *group)
{
	struct vmv_pick p = { .facts = f, .collector = vmv_collector_find(group) };
	const struct vmv_collector_status *s;

	if (!p.collector)
		return p;
	s = vmv_facts_status_of(f, p.collector);
	p.rows = vmv_facts_rows(f, p.collector, &p.n);
	p.is_ok = s && s->is_ok;
	return p;
}

const void *vmv_pick_at(const struct vmv_pick *p, size_t i)
{
	return p->rows + i * p->collector->sample_size;
}

const char *vmv_pick_id(const struct vmv_pick *p, size_t i)
{
	return vmv_facts_id(p->facts, p->collector, i);
}
