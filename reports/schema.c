#include "reports/schema.h"

#include "base/buf.h"
#include "collectors/collector.h"

#include <errno.h>
#include <string.h>

const char *vmv_kind_name(enum vmv_kind kind)
{
	static const char *const names[] = {
		[VMV_COUNTER] = "counter",
		[VMV_GAUGE] = "gauge",
		[VMV_INFO] = "info",
	};

	return names[kind];
}

const char *vmv_unit_name(enum vmv_unit unit)
{
	static const char *const names[] = {
		[VMV_UNIT_NONE] = "none",	[VMV_UNIT_SECONDS] = "seconds",
		[VMV_UNIT_BYTES] = "bytes",	[VMV_UNIT_RATIO] = "ratio",
		[VMV_UNIT_CELSIUS] = "celsius", [VMV_UNIT_HERTZ] = "hertz",
	};

	return names[unit];
}

static int add_text(struct vmv_buf *b, const char *text)
{
	return vmv_buf_add(b, text, strlen(text));
}

static int add_words(struct vmv_buf *b, const char *const *words)
{
	int r = 0;

	for (; *words && r == 0; words++)
		r = add_text(b, *words);
	return r;
}

static int add_field(struct vmv_buf *b, const struct vmv_field *f)
{
	const char *const words[] = {
		"field ",
		f->name,
		f->labels ? "{" : "",
		f->labels ? f->labels : "",
		f->labels ? "}" : "",
		" ",
		vmv_kind_name(f->kind),
		" ",
		vmv_unit_name(f->unit),
		"\n",
		NULL,
	};

	return add_words(b, words);
}

int vmv_schema_text(const struct vmv_collector *const *collectors, struct vmv_buf *ret)
{
	int r = 0;

	for (; *collectors && r == 0; collectors++) {
		const struct vmv_collector *c = *collectors;
		const char *const words[] = { "group ", c->name, " ", c->key ? c->key : "-",
					      "\n",	NULL };

		r = add_words(ret, words);
		for (size_t i = 0; i < c->n_fields && r == 0; i++)
			r = add_field(ret, &c->fields[i]);
	}
	return r;
}

const char vmv_schema_id[VMV_SCHEMA_SIZE] =
#include "reports/schema.inc"
	;
