#include "host/tables.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "host/text.h"
#include "proto/json_read.h"

#define ID_COLUMNS     28 /* longer ones push the rest of their line to the right */
#define METRIC_COLUMNS 58
#define NAME_COLUMNS   22

/* -- values ------------------------------------------------------------------------------------ */

/* A scalar as it came; "-" for null and what is none. */
static void put_scalar(struct vmv_text *out, struct json_object *v)
{
	size_t len;

	if (json_object_is_type(v, json_type_string))
		(void)vmv_text_guest(out, vmv_json_text(v, &len), SIZE_MAX);
	else if (v && !json_object_is_type(v, json_type_object) &&
		 !json_object_is_type(v, json_type_array))
		vmv_text_add(out, json_object_to_json_string(v));
	else
		vmv_text_add(out, "-");
}

static void put_member(struct vmv_text *out, struct json_object *obj, const char *name)
{
	put_scalar(out, vmv_json_get(obj, name));
}

/* At least so wide, and a blank behind it whatever its length. */
static void put_column(struct vmv_text *out, const char *s, size_t width)
{
	size_t columns = vmv_text_guest(out, s, SIZE_MAX);

	vmv_text_pad(out, columns < width ? width - columns : 0);
	vmv_text_add(out, "  ");
}

static bool is_true(struct json_object *obj, const char *name)
{
	struct json_object *v = vmv_json_get(obj, name);

	return json_object_is_type(v, json_type_boolean) && json_object_get_boolean(v);
}

static size_t length_of(struct json_object *array)
{
	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

static uint64_t number_of(struct json_object *obj, const char *name)
{
	int64_t v;

	return vmv_json_int(vmv_json_get(obj, name), 0, INT64_MAX, &v) ? (uint64_t)v : VMV_UNSET;
}

static const char *or_dash(const char *s)
{
	return s && *s ? s : "-";
}

/* Writes each member of an object; nothing when it is none. json-c's own loop is an extension that
 * not every compiler likes. */
static void each_member(struct vmv_text *out, struct json_object *obj,
			void (*put)(struct vmv_text *out, const char *name,
				    struct json_object *value, void *arg),
			void *arg)
{
	struct json_object_iterator at, end;

	if (!json_object_is_type(obj, json_type_object))
		return;
	at = json_object_iter_begin(obj);
	end = json_object_iter_end(obj);
	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at))
		put(out, json_object_iter_peek_name(&at), json_object_iter_peek_value(&at), arg);
}

/* -- describe ---------------------------------------------------------------------------------- */

static void put_group(struct vmv_text *out, const char *name, struct json_object *group, void *arg)
{
	(void)arg;
	put_column(out, name, NAME_COLUMNS);
	put_column(out, is_true(group, "default") ? "default" : "", 7);
	put_column(out, or_dash(vmv_json_str(group, "key")), 10);
	vmv_text_fmt(out, "%4zu  ", length_of(vmv_json_get(group, "fields")));
	put_member(out, group, "help");
	vmv_text_add(out, "\n");
}

static void put_action(struct vmv_text *out, const char *name, struct json_object *action,
		       void *arg)
{
	const char *why = vmv_json_str(action, "disabled_by");

	(void)arg;
	put_column(out, name, NAME_COLUMNS);
	put_column(out, or_dash(vmv_json_str(action, "level")), 7);
	put_member(out, action, "help");
	if (why) {
		vmv_text_add(out, " (");
		(void)vmv_text_guest(out, why, SIZE_MAX);
		vmv_text_add(out, ")");
	}
	vmv_text_add(out, "\n");
}

void vmv_table_describe(struct json_object *data, struct vmv_text *out)
{
	vmv_text_add(out, "schema ");
	put_member(out, data, "schema");
	vmv_text_add(out, "\n\nGroups: name, whether it is a default one, what its rows are "
			  "known by, values in a row\n");
	each_member(out, vmv_json_get(data, "groups"), put_group, NULL);
	vmv_text_add(out, "\nActions: name, level, and by what it is disabled\n");
	each_member(out, vmv_json_get(data, "actions"), put_action, NULL);
}

/* -- samples ----------------------------------------------------------------------------------- */

static void put_label(struct vmv_text *out, const char *name, struct json_object *value, void *arg)
{
	const char **before = arg;

	vmv_text_add(out, *before);
	(void)vmv_text_guest(out, name, 60);
	vmv_text_add(out, "=\"");
	put_scalar(out, value);
	vmv_text_add(out, "\"");
	*before = ",";
}

/* name{k="v"} */
static void put_metric(struct vmv_text *out, struct json_object *field)
{
	const char *before = "{";
	struct vmv_text t;

	vmv_text_init(&t, 1024);
	(void)vmv_text_guest(&t, vmv_json_str(field, "name"), 200);
	each_member(&t, vmv_json_get(field, "labels"), put_label, &before);
	if (*before == ',')
		vmv_text_add(&t, "}");
	if (t.error == 0 && vmv_buf_add(&t.buf, "", 1) == 0)
		put_column(out, t.buf.data, METRIC_COLUMNS);
	vmv_text_free(&t);
}

static void put_row(struct vmv_text *out, struct json_object *fields, struct json_object *row,
		    bool has_id)
{
	struct json_object *id = length_of(row) > 0 ? json_object_array_get_idx(row, 0) : NULL;
	size_t len;

	for (size_t i = 0; i < length_of(fields) && i + 1 < length_of(row); i++) {
		vmv_text_add(out, "  ");
		if (has_id)
			put_column(out, or_dash(id ? vmv_json_text(id, &len) : NULL), ID_COLUMNS);
		put_metric(out, json_object_array_get_idx(fields, i));
		put_scalar(out, json_object_array_get_idx(row, i + 1));
		vmv_text_add(out, "\n");
	}
}

/* arg: the groups of Describe. */
static void put_samples(struct vmv_text *out, const char *name, struct json_object *group,
			void *arg)
{
	struct json_object *description = vmv_json_get(arg, name);
	struct json_object *rows = vmv_json_get(group, "rows");
	bool has_id = vmv_json_get(description, "key") != NULL;

	(void)vmv_text_guest(out, name, SIZE_MAX);
	if (is_true(group, "ok"))
		vmv_text_fmt(out, ": %zu row%s", length_of(rows), length_of(rows) == 1 ? "" : "s");
	else
		vmv_text_add(out, ": ");
	if (!is_true(group, "ok"))
		put_member(out, group, "error");
	if (number_of(group, "truncated") != VMV_UNSET)
		vmv_text_fmt(out, ", %" PRIu64 " left out", number_of(group, "truncated"));
	if (number_of(group, "age_ms") != VMV_UNSET)
		vmv_text_fmt(out, ", %" PRIu64 " ms old", number_of(group, "age_ms"));
	vmv_text_add(out, "\n");
	for (size_t i = 0; i < length_of(rows); i++)
		put_row(out, vmv_json_get(description, "fields"),
			json_object_array_get_idx(rows, i), has_id);
}

void vmv_table_samples(struct json_object *groups, struct json_object *data, struct vmv_text *out)
{
	each_member(out, vmv_json_get(data, "groups"), put_samples, groups);
}

/* -- health ------------------------------------------------------------------------------------ */

static const char *const statuses[] = { "failed", "warning", "passed", "unknown" };

static void put_check(struct vmv_text *out, struct json_object *check)
{
	put_column(out, or_dash(vmv_json_str(check, "status")), 7);
	put_column(out, or_dash(vmv_json_str(check, "name")), NAME_COLUMNS);
	put_member(out, check, "message");
	vmv_text_add(out, "\n");
}

void vmv_table_health(struct json_object *data, struct vmv_text *out)
{
	struct json_object *checks = vmv_json_get(data, "checks");

	put_member(out, data, "status");
	vmv_text_add(out, " since ");
	put_member(out, data, "since");
	vmv_text_add(out, "\n");
	for (size_t s = 0; s < VMV_COUNTOF(statuses); s++)
		for (size_t i = 0; i < length_of(checks); i++) {
			struct json_object *check = json_object_array_get_idx(checks, i);

			if (strcmp(or_dash(vmv_json_str(check, "status")), statuses[s]) == 0)
				put_check(out, check);
		}
}

/* -- state ------------------------------------------------------------------------------------- */

static void put_bytes(struct vmv_text *out, struct json_object *obj, const char *name)
{
	char size[VMV_SIZE_TEXT];

	vmv_text_add(out, vmv_size_text(size, number_of(obj, name)));
}

/* Older agents do not say which language it is: they have one. */
static void put_dialect(struct vmv_text *out, struct json_object *c)
{
	const char *dialect = vmv_json_str(c, "dialect");

	if (!dialect || strcmp(dialect, "native") == 0)
		return;
	vmv_text_add(out, ", dialect ");
	put_member(out, c, "dialect");
}

static void put_channel(struct vmv_text *out, struct json_object *c)
{
	put_column(out, or_dash(vmv_json_str(c, "name")), ID_COLUMNS);
	vmv_text_add(out, is_true(c, "attached") ? "host since " : "no host ");
	if (is_true(c, "attached"))
		put_member(out, c, "since");
	vmv_text_add(out, "  in ");
	put_bytes(out, c, "bytes_in");
	vmv_text_add(out, ", out ");
	put_bytes(out, c, "bytes_out");
	vmv_text_add(out, ", queued ");
	put_bytes(out, c, "queue_bytes");
	vmv_text_add(out, ", refused ");
	put_member(out, c, "refused");
	vmv_text_add(out, ", malformed ");
	put_member(out, c, "malformed");
	put_dialect(out, c);
	vmv_text_add(out, "\n");
}

static void put_job(struct vmv_text *out, struct json_object *j)
{
	put_column(out, or_dash(vmv_json_str(j, "action")), NAME_COLUMNS);
	put_member(out, j, "state");
	vmv_text_add(out, " for ");
	put_member(out, j, "elapsed_ms");
	vmv_text_add(out, " ms  ");
	put_member(out, j, "id");
	vmv_text_add(out, "\n");
}

static void put_collector(struct vmv_text *out, struct json_object *c)
{
	put_column(out, or_dash(vmv_json_str(c, "name")), NAME_COLUMNS);
	if (!vmv_json_get(c, "ok")) {
		vmv_text_add(out, "not read yet");
	} else if (is_true(c, "ok")) {
		vmv_text_add(out, "ok, ");
		put_member(out, c, "duration_us");
		vmv_text_add(out, " us, ");
		put_member(out, c, "age_ms");
		vmv_text_add(out, " ms ago");
	} else {
		put_member(out, c, "error");
	}
	vmv_text_add(out, "\n");
}

static void put_list(struct vmv_text *out, const char *title, struct json_object *list,
		     void (*put)(struct vmv_text *out, struct json_object *element))
{
	vmv_text_fmt(out, "%s\n", title);
	for (size_t i = 0; i < length_of(list); i++) {
		vmv_text_add(out, "  ");
		put(out, json_object_array_get_idx(list, i));
	}
}

void vmv_table_state(struct json_object *data, struct vmv_text *out)
{
	struct json_object *cost = vmv_json_get(data, "cost");

	put_list(out, "Channels", vmv_json_get(data, "channels"), put_channel);
	put_list(out, "Commands under way", vmv_json_get(data, "jobs"), put_job);
	put_list(out, "Collectors", vmv_json_get(data, "collectors"), put_collector);
	vmv_text_add(out, "Cost\n  CPU ");
	put_member(out, cost, "cpu_ms");
	vmv_text_add(out, " ms, memory ");
	put_bytes(out, cost, "rss_bytes");
	vmv_text_add(out, ", wake-ups ");
	put_member(out, cost, "wakeups");
	vmv_text_add(out, "\nConfiguration read at ");
	put_member(out, data, "config_loaded_at");
	vmv_text_add(out, "\n");
}
