#include "job/describe.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "job/power.h"
#include "proto/json_read.h"

#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <string.h>

#define GROUP_MAX 64
#define LIST_MAX  1024			  /* items of one list */
#define DEPTH_MAX (VMV_JSON_DEPTH_IN + 1) /* a message as deep as may be, in an object */

static int bad(struct vmv_err *err, const char *name)
{
	return vmv_fail(err, VMV_E_PARSE, EINVAL, "the job's description has a bad '%s'", name);
}

/* -- single members ------------------------------------------------------------------------------
 */

static int get_path(struct json_object *from, const char *name, const char **ret,
		    struct vmv_err *err)
{
	*ret = vmv_json_str(from, name);
	return *ret && **ret == '/' ? 0 : bad(err, name);
}

static int get_int(struct json_object *from, const char *name, int64_t max, int64_t *ret,
		   struct vmv_err *err)
{
	return vmv_json_int(vmv_json_get(from, name), 0, max, ret) ? 0 : bad(err, name);
}

static int get_group(struct vmv_description *d, struct vmv_err *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	struct json_object *json = vmv_json_get(d->json, "group");
	size_t len;

	d->group = NULL;
	if (!json)
		return 0;
	d->group = vmv_json_str(d->json, "group");
	len = d->group ? strlen(d->group) : 0;
	if (len == 0 || len > GROUP_MAX || strspn(d->group, allowed) != len)
		return bad(err, "group");
	return 0;
}

static int get_kind(struct vmv_description *d, struct vmv_err *err)
{
	const char *kind = vmv_json_str(d->json, "kind");

	if (!kind || (strcmp(kind, "raw") != 0 && strcmp(kind, "action") != 0 &&
		      strcmp(kind, "qga") != 0 && strcmp(kind, "after") != 0))
		return bad(err, "kind");
	d->is_raw = strcmp(kind, "raw") == 0;
	d->is_qga = strcmp(kind, "qga") == 0;
	d->is_after = strcmp(kind, "after") == 0;
	return 0;
}

/* What it is that was promised. */
static int get_after(struct vmv_description *d, struct vmv_err *err)
{
	const char *after = vmv_json_str(d->json, "after");
	struct json_object *forced = vmv_json_get(d->json, "forced");

	d->after = after ? vmv_after_of(after) : VMV_AFTER_NOTHING;
	if (d->after == VMV_AFTER_NOTHING)
		return bad(err, "after");
	if (!json_object_is_type(forced, json_type_boolean))
		return bad(err, "forced");
	d->is_forced = json_object_get_boolean(forced);
	return 0;
}

static int get_deadline(struct vmv_description *d, struct vmv_err *err)
{
	struct json_object *json = vmv_json_get(d->json, "deadline_ms");
	int64_t ms;

	d->deadline_ms = UINT64_MAX;
	if (!json)
		return 0;
	if (!vmv_json_int(json, 0, INT64_MAX, &ms))
		return bad(err, "deadline_ms");
	d->deadline_ms = (uint64_t)ms;
	return 0;
}

/* -- lists ---------------------------------------------------------------------------------------
 */

static const char *const list_names[] = { "run_as_allow", "file_roots", "secret_paths" };
#define N_LISTS VMV_COUNTOF(list_names)

static int get_list(struct json_object *json, const char *name, const char **items,
		    struct vmv_err *err)
{
	size_t n = json_object_array_length(json);

	for (size_t i = 0; i < n; i++) {
		size_t len = 0;

		items[i] = vmv_json_text(json_object_array_get_idx(json, i), &len);
		if (!items[i] || strlen(items[i]) != len || len == 0)
			return bad(err, name);
	}
	return 0;
}

static int get_lists(struct vmv_description *d, struct json_object *from, struct vmv_err *err)
{
	size_t n[N_LISTS], sum = 0;

	for (size_t i = 0; i < N_LISTS; i++) {
		struct json_object *json = vmv_json_get(from, list_names[i]);

		if (!json_object_is_type(json, json_type_array) ||
		    json_object_array_length(json) > LIST_MAX)
			return bad(err, list_names[i]);
		n[i] = json_object_array_length(json);
		sum += n[i];
	}
	d->lists = calloc(sum + 1, sizeof(*d->lists));
	if (!d->lists)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	d->settings.run_as_allow = d->lists;
	d->settings.n_run_as_allow = n[0];
	d->settings.file_roots = d->lists + n[0];
	d->settings.n_file_roots = n[1];
	d->settings.secret_paths = d->lists + n[0] + n[1];
	d->settings.n_secret_paths = n[2];
	sum = 0;
	for (size_t i = 0; i < N_LISTS; sum += n[i++]) {
		int r = get_list(vmv_json_get(from, list_names[i]), list_names[i], d->lists + sum,
				 err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* -- all -----------------------------------------------------------------------------------------
 */

static int get_numbers(struct vmv_description *d, struct json_object *from, struct vmv_err *err)
{
	int64_t days, executor, agent;
	int r = get_int(from, "temp_age_days", UINT32_MAX, &days, err);

	if (r == 0)
		r = get_int(from, "executor", INT_MAX, &executor, err);
	if (r == 0)
		r = get_int(from, "agent", INT_MAX, &agent, err);
	if (r < 0)
		return r;
	d->settings.temp_age_days = (uint32_t)days;
	d->settings.executor = (pid_t)executor;
	d->settings.agent = (pid_t)agent;
	return 0;
}

static int get_settings(struct vmv_description *d, struct vmv_err *err)
{
	struct json_object *from = vmv_json_get(d->json, "settings");
	struct vmv_job_settings *s = &d->settings;
	int r;

	if (!json_object_is_type(from, json_type_object))
		return bad(err, "settings");
	r = get_path(from, "root", &s->root, err);
	if (r == 0)
		r = get_path(from, "run_dir", &s->run_dir, err);
	if (r == 0)
		r = get_path(from, "state_dir", &s->state_dir, err);
	if (r == 0)
		r = get_path(from, "config_dir", &s->config_dir, err);
	if (r == 0)
		r = get_numbers(d, from, err);
	if (r == 0)
		r = get_lists(d, from, err);
	return r;
}

static int get_all(struct vmv_description *d, struct vmv_err *err)
{
	int r = get_kind(d, err);

	if (r == 0)
		r = get_deadline(d, err);
	if (r == 0)
		r = get_group(d, err);
	if (r == 0)
		r = get_settings(d, err);
	if (r < 0 || d->is_after)
		return r < 0 ? r : get_after(d, err);
	d->message = vmv_json_get(d->json, "message");
	return json_object_is_type(d->message, json_type_object) ? 0 : bad(err, "message");
}

int vmv_description_parse(struct vmv_description *ret, const char *text, size_t len,
			  struct vmv_err *err)
{
	struct vmv_description d = { 0 };
	/* as the executor has read the message: the two must not find different things in it */
	int r = vmv_json_parse_own(text, len, DEPTH_MAX, &d.json, err);

	if (r == -EINVAL)
		r = vmv_fail(err, VMV_E_PARSE, EINVAL, "the job's description is no object");
	if (r == 0)
		r = get_all(&d, err);
	if (r < 0) {
		vmv_description_free(&d);
		return r;
	}
	*ret = d;
	return 0;
}

void vmv_description_free(struct vmv_description *d)
{
	json_object_put(d->json);
	free(d->lists);
	*d = (struct vmv_description){ 0 };
}
