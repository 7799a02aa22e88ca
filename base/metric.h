/* Metric field tables: the one place where a value gets its name, unit and meaning. The
 * samples encoder, the schema, docs/METRICS.md and the host tools all walk them. */
#ifndef VMV_BASE_METRIC_H
#define VMV_BASE_METRIC_H

#include "base/num.h"

#include <stddef.h>
#include <stdint.h>

enum vmv_kind {
	VMV_COUNTER, /* grows within one boot, may restart when its object is re-created */
	VMV_GAUGE,
	VMV_INFO, /* a string; a label of the row's other metrics */
};

enum vmv_unit {
	VMV_UNIT_NONE,
	VMV_UNIT_SECONDS,
	VMV_UNIT_BYTES,
	VMV_UNIT_RATIO, /* 0 to 1 */
	VMV_UNIT_CELSIUS,
	VMV_UNIT_HERTZ,
};

/* How the member is stored. */
enum vmv_ctype {
	VMV_U64,  /* uint64_t; VMV_UNSET is unknown. On the wire: value * scale */
	VMV_F64,  /* double; NaN is unknown. On the wire: value * scale */
	VMV_TEXT, /* char array, NUL-terminated; empty is unknown */
};

struct vmv_field {
	const char *name; /* node_exporter's where it has the metric, else vmvitals_... */
	const char *
		labels; /* constant labels as they stand in Prometheus text: mode="idle"; or NULL */
	const char *source; /* key or column in the kernel file */
	const char *help;   /* one sentence for people */
	enum vmv_kind kind;
	enum vmv_unit unit;
	enum vmv_ctype ctype;
	double scale;  /* to the base unit; 0 stands for 1 */
	size_t offset; /* of the member in the sample struct */
};

#define VMV_FIELD(type, member, metric, lbl, k, u, sc, src, text)                                \
	{                                                                                        \
		.name = (metric), .labels = (lbl), .source = (src), .help = (text),            \
		.kind = (k), .unit = (u),                                                      \
		.ctype = _Generic(((type *)0)->member, uint64_t: VMV_U64, double: VMV_F64,     \
				  char *: VMV_TEXT),                                           \
		.scale = (sc), .offset = offsetof(type, member) \
	}

#endif
