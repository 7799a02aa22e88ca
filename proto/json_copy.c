#include "proto/json_copy.h"

#include "proto/json_write.h"

#include <errno.h>
#include <json-c/json.h>
#include <json-c/json_object_iterator.h>
#include <string.h>

/* No deeper than vmv_json_parse lets it be. */
static void copy_members(struct vmv_jw *w, struct json_object *value)
{
	struct json_object_iterator at = json_object_iter_begin(value);
	struct json_object_iterator end = json_object_iter_end(value);

	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at))
		vmv_jw_copy(w, json_object_iter_peek_name(&at), json_object_iter_peek_value(&at));
}

static void copy_elements(struct vmv_jw *w, struct json_object *value)
{
	size_t n = json_object_array_length(value);

	for (size_t i = 0; i < n; i++)
		vmv_jw_copy(w, NULL, json_object_array_get_idx(value, i));
}

void vmv_jw_copy(struct vmv_jw *w, const char *name, struct json_object *value)
{
	switch (json_object_get_type(value)) {
	case json_type_null:
		vmv_jw_null(w, name);
		return;
	case json_type_boolean:
		vmv_jw_bool(w, name, json_object_get_boolean(value));
		return;
	case json_type_int:
	case json_type_double: { /* as it was written: json-c keeps that */
		const char *text = json_object_get_string(value);

		if (text)
			vmv_jw_raw(w, name, text, strlen(text));
		else if (w->error == 0)
			w->error = -ENOMEM;
		return;
	}
	case json_type_string:
		vmv_jw_bytes(w, name, json_object_get_string(value),
			     (size_t)json_object_get_string_len(value));
		return;
	case json_type_object:
		vmv_jw_open(w, name);
		copy_members(w, value);
		vmv_jw_close(w);
		return;
	case json_type_array:
		vmv_jw_array(w, name);
		copy_elements(w, value);
		vmv_jw_end(w);
		return;
	}
}
