/* guest-set-vcpus, guest-set-memory-blocks: /sys/devices/system/cpu and memory. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/root.h"
#include "commands/qga.h"
#include "job/qga.h"
#include "job/tool.h"
#include "proto/json_read.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <json-c/json_object_iterator.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME_SIZE 64
#define WORD_SIZE 32

/* One element of a list: what is to be how. */
struct wish {
	int64_t id;
	bool is_online;
};

/* -- the lists ----------------------------------------------------------------------------------
 */

/* What an element is called in errors, and its member that is the number. */
struct shape {
	const char *list, *id;
	int64_t least;
	const char *type; /* of the number */
};

static int wrong_type(struct vmv_err *err, const char *name, const char *expected)
{
	return vmv_fail(err, VMV_E_RANGE, EINVAL, "Invalid parameter type for '%s', expected: %s",
			name, expected);
}

static const char *name_of(char ret[NAME_SIZE], const struct shape *shape, size_t i,
			   const char *member)
{
	(void)snprintf(ret, NAME_SIZE, "%s[%zu].%s", shape->list, i, member);
	return ret;
}

/* can-offline is part of what guest-get-* returns, and may come back: it is nothing to be set. */
static int check_members(const struct shape *shape, size_t i, struct json_object *json,
			 struct vmv_err *err)
{
	struct json_object_iterator at = json_object_iter_begin(json);
	struct json_object_iterator end = json_object_iter_end(json);

	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		const char *member = json_object_iter_peek_name(&at);
		char name[NAME_SIZE];

		if (strcmp(member, shape->id) == 0 || strcmp(member, "online") == 0)
			continue;
		if (strcmp(member, "can-offline") != 0)
			return vmv_fail(err, VMV_E_RANGE, EINVAL,
					"Parameter '%s[%zu].%.100s' is unexpected", shape->list, i,
					member);
		if (!json_object_is_type(json_object_iter_peek_value(&at), json_type_boolean))
			return wrong_type(err, name_of(name, shape, i, member), "boolean");
	}
	return 0;
}

static int take(const struct shape *shape, size_t i, struct json_object *json, struct wish *ret,
		struct vmv_err *err)
{
	struct json_object *id, *online;
	char name[NAME_SIZE];

	if (!json_object_is_type(json, json_type_object)) {
		(void)snprintf(name, sizeof(name), "%s[%zu]", shape->list, i);
		return wrong_type(err, name, "object");
	}
	if (!json_object_object_get_ex(json, shape->id, &id))
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "Parameter '%s' is missing",
				name_of(name, shape, i, shape->id));
	if (!vmv_json_int(id, shape->least, INT64_MAX - 1, &ret->id)) /* that saturates */
		return wrong_type(err, name_of(name, shape, i, shape->id), shape->type);
	if (!json_object_object_get_ex(json, "online", &online))
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "Parameter '%s' is missing",
				name_of(name, shape, i, "online"));
	if (!json_object_is_type(online, json_type_boolean))
		return wrong_type(err, name_of(name, shape, i, "online"), "boolean");
	ret->is_online = json_object_get_boolean(online);
	return check_members(shape, i, json, err);
}

/* All are checked before the first is touched. Returns how many, and ret to be freed; or negative
 * errno with err set. */
static ssize_t take_all(const struct shape *shape, struct json_object *list, struct wish **ret,
			struct vmv_err *err)
{
	size_t n = json_object_array_length(list);
	vmv_autofree struct wish *wishes = calloc(n + 1, sizeof(*wishes));

	if (!wishes)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		int r = take(shape, i, json_object_array_get_idx(list, i), &wishes[i], err);

		if (r < 0)
			return r;
	}
	*ret = VMV_TAKE(wishes, NULL);
	return (ssize_t)n;
}

/* -- sysfs --------------------------------------------------------------------------------------
 */

/* devices/system/<what><id>, or negative errno. */
static int open_device(const char *root, const char *what, int64_t id)
{
	char path[PATH_MAX];
	int fd;

	if (id < 0)
		return -ENOENT;
	if (snprintf(path, sizeof(path), "%s/sys/devices/system/%s%" PRId64, root, what, id) >=
	    (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int write_attr(int dir, const char *name, const char *text)
{
	vmv_autoclose int fd = openat(dir, name, O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* One that is being done cannot be stopped, but the next one need not begin. */
static bool is_late(const struct vmv_action *a)
{
	return vmv_mono_ms(&vmv_clock_system) >= vmv_tool_soft_deadline(a->deadline_ms);
}

/* -- CPUs ---------------------------------------------------------------------------------------
 */

static int set_cpu(const struct vmv_action *a, const struct wish *w, struct vmv_err *err)
{
	vmv_autoclose int dir = open_device(a->settings->root, "cpu/cpu", w->id);
	char word[WORD_SIZE];
	int r;

	if (dir < 0)
		return vmv_fail(err, VMV_E_NOTFOUND, -dir, "there is no CPU %" PRId64 ": %s", w->id,
				strerror(-dir));
	r = vmv_read_attr_at(dir, "online", word, sizeof(word));
	if (r == -ENOENT && w->is_online) /* it is always */
		return 0;
	if (r == -ENOENT)
		return vmv_fail(err, VMV_E_UNSUPPORTED, ENOTSUP,
				"CPU %" PRId64 " cannot be taken offline", w->id);
	if (r >= 0 && (strcmp(word, "0") != 0) == w->is_online)
		return 0;
	if (r >= 0)
		r = write_attr(dir, "online", w->is_online ? "1" : "0");
	return r < 0 ? vmv_fail(err, VMV_E_IO, -r, "cannot take CPU %" PRId64 " %s: %s", w->id,
				w->is_online ? "online" : "offline", strerror(-r))
		     : 0;
}

/* The number tells how far it went; who wants to know why not further asks for the rest. */
int vmv_do_qga_set_vcpus(struct vmv_action *a, struct vmv_err *err)
{
	static const struct shape shape = { "vcpus", "logical-id", INT64_MIN + 1, "integer" };
	vmv_autofree struct wish *wishes = NULL;
	ssize_t n = take_all(&shape, a->args[VMV_QGA_VCPUS].json, &wishes, err), done = 0;

	if (n < 0)
		return (int)n;
	while (done < n) {
		int r = is_late(a) ? vmv_fail(err, VMV_E_TIMEDOUT, ETIMEDOUT, "no time is left")
				   : set_cpu(a, &wishes[done], err);

		if (r < 0 && done == 0)
			return r;
		if (r < 0)
			break;
		done++;
	}
	vmv_jw_int(&a->data, NULL, done);
	return 0;
}

/* -- memory -------------------------------------------------------------------------------------
 */

struct outcome {
	const char *response;
	int error; /* errno, or 0: none is told */
};

static struct outcome set_block(const struct vmv_action *a, const struct wish *w)
{
	vmv_autoclose int dir = open_device(a->settings->root, "memory/memory", w->id);
	const char *want = w->is_online ? "online" : "offline";
	char word[WORD_SIZE];
	int r;

	if (dir == -ENOENT)
		return (struct outcome){ "not-found", 0 };
	if (dir < 0)
		return (struct outcome){ "operation-failed", -dir };
	r = vmv_read_attr_at(dir, "state", word, sizeof(word));
	if (r == -ENOENT)
		return (struct outcome){ "operation-not-supported", 0 };
	if (r >= 0 && strcmp(word, want) == 0)
		return (struct outcome){ "success", 0 };
	if (r >= 0)
		r = is_late(a) ? -ETIMEDOUT : write_attr(dir, "state", want);
	return r < 0 ? (struct outcome){ "operation-failed", -r }
		     : (struct outcome){ "success", 0 };
}

int vmv_do_qga_set_memory_blocks(struct vmv_action *a, struct vmv_err *err)
{
	static const struct shape shape = { "mem-blks", "phys-index", 0, "uint64" };
	vmv_autofree struct wish *wishes = NULL;
	ssize_t n = take_all(&shape, a->args[VMV_QGA_MEM_BLKS].json, &wishes, err);

	if (n < 0)
		return (int)n;
	vmv_jw_array(&a->data, NULL);
	for (ssize_t i = 0; i < n; i++) {
		struct outcome o = set_block(a, &wishes[i]);

		vmv_jw_open(&a->data, NULL);
		vmv_jw_int(&a->data, "phys-index", wishes[i].id);
		vmv_jw_str(&a->data, "response", o.response);
		if (o.error)
			vmv_jw_int(&a->data, "error-code", o.error);
		vmv_jw_close(&a->data);
	}
	vmv_jw_end(&a->data);
	return 0;
}
