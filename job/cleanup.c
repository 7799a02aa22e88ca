/* DiskCleanup: PROTOCOL.md 5.7. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/num.h"
#include "job/action.h"
#include "job/caches.h"
#include "job/tool.h"
#include "job/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DAY_S	    86400
#define LOG_AGE_S   (30 * DAY_S)
#define BYTES_IN_MB (1024.0 * 1024.0)

struct cleaning {
	const struct vmv_action *action;
	int root;
	uint64_t deadline_ms;
	bool is_dry;
	int64_t now_s;
};

/* What one target came to. */
struct outcome {
	uint64_t files, bytes; /* VMV_UNSET: not known */
	uint64_t errors;
	char why[160]; /* "": all went well */
};

typedef int clean_fn(const struct cleaning *c, struct outcome *ret, struct vmv_err *err);

/* -- temporary files and logs --------------------------------------------------------------- */

static int add_sweep(struct outcome *ret, int r, const struct vmv_sweep *s, struct vmv_err *err)
{
	ret->files += s->files;
	ret->bytes += s->bytes;
	ret->errors += s->errors;
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot open a directory: %s", strerror(-r));
	return s->is_late ? vmv_fail(err, VMV_E_TIMEDOUT, ETIMEDOUT, "not done in time") : 0;
}

static int clean_temp_files(const struct cleaning *c, struct outcome *ret, struct vmv_err *err)
{
	static const char *const dirs[] = { "tmp", "var/tmp" };
	struct vmv_sweep s = {
		.before_s = c->now_s - (int64_t)c->action->settings->temp_age_days * DAY_S,
		.depth = VMV_TREE_DEPTH,
		.deadline_ms = c->deadline_ms,
		.is_dry = c->is_dry,
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < VMV_COUNTOF(dirs); i++) {
		r = vmv_tree_sweep_at(c->root, dirs[i], &s);
		if (r == -ENOTDIR || r == -ELOOP) /* a link: what it leads to was not asked for */
			r = 0;
	}
	return add_sweep(ret, r, &s, err);
}

static int measure(const struct cleaning *c, const char *const *dirs,
		   bool (*wants)(const char *name), struct vmv_sweep *ret)
{
	*ret = vmv_tree_measure(c->deadline_ms);
	ret->wants = wants;
	for (size_t i = 0; dirs[i]; i++)
		(void)vmv_tree_sweep_at(c->root, dirs[i], ret);
	return ret->is_late ? -ETIMEDOUT : 0;
}

/* What a tool has freed: the difference. Others may have written meanwhile. */
static void add_difference(struct outcome *ret, const struct vmv_sweep *before,
			   const struct vmv_sweep *after)
{
	ret->files += before->files > after->files ? before->files - after->files : 0;
	ret->bytes += before->bytes > after->bytes ? before->bytes - after->bytes : 0;
}

static int vacuum(const struct cleaning *c, struct outcome *ret, struct vmv_err *err)
{
	static const char *const argv[] = { "journalctl", "--quiet", "--vacuum-time=7d", NULL };
	static const char *const dirs[] = { "var/log/journal", "run/log/journal", NULL };
	struct vmv_sweep before, after;
	char path[PATH_MAX];
	int r;

	if (c->is_dry || !vmv_tool_find(c->action->settings, argv[0], path))
		return 0; /* there is no telling how much it would be */
	(void)measure(c, dirs, NULL, &before);
	r = vmv_tool_run_path(path, argv, c->deadline_ms, NULL, err);
	(void)measure(c, dirs, NULL, &after);
	if (!before.is_late && !after.is_late)
		add_difference(ret, &before, &after);
	return r > 0 ? vmv_fail(err, VMV_E_IO, EIO, "'journalctl' failed with exit code %d", r) : r;
}

static int clean_logs(const struct cleaning *c, struct outcome *ret, struct vmv_err *err)
{
	struct vmv_sweep s = { .before_s = c->now_s - LOG_AGE_S,
			       .is_mtime_only = true, /* backups read them */
			       .depth = VMV_TREE_DEPTH,
			       .deadline_ms = c->deadline_ms,
			       .is_dry = c->is_dry,
			       .keeps_dirs = true,
			       .wants = vmv_log_is_rotated };
	int r = vacuum(c, ret, err), r2 = vmv_tree_sweep_at(c->root, "var/log", &s);

	r2 = add_sweep(ret, r2, &s, r < 0 ? NULL : err);
	return r < 0 ? r : r2;
}

/* -- what package managers do --------------------------------------------------------------- */

static int clean_packages(const struct cleaning *c, struct outcome *ret, struct vmv_err *err)
{
	struct vmv_sweep before, after;
	int r = measure(c, vmv_cache_dirs, vmv_cache_is_package, &before);

	if (r == 0 && c->is_dry) {
		ret->files += before.files;
		ret->bytes += before.bytes;
		return 0;
	}
	if (r == 0)
		r = vmv_cache_clean(c->action->settings, c->deadline_ms, err);
	else
		(void)vmv_fail(err, VMV_E_TIMEDOUT, ETIMEDOUT, "not done in time");
	if (r == 0 && measure(c, vmv_cache_dirs, vmv_cache_is_package, &after) == 0)
		add_difference(ret, &before, &after);
	return r;
}

/* How much a package is is known when it is gone. */
static int clean_kernels(const struct cleaning *c, struct outcome *ret, struct vmv_err *err)
{
	struct vmv_sweep before, after;
	size_t packages = 0;
	int r;

	(void)measure(c, vmv_kernel_dirs, NULL, &before);
	r = vmv_kernels_clean(c->action->settings, c->is_dry, c->deadline_ms, &packages, err);
	if (c->is_dry && (packages > 0 || r < 0)) {
		ret->files = ret->bytes = VMV_UNSET;
		return r;
	}
	if (measure(c, vmv_kernel_dirs, NULL, &after) == 0 && !before.is_late)
		add_difference(ret, &before, &after);
	return r;
}

static int clean_nothing(const struct cleaning *c, struct outcome *ret, struct vmv_err *err)
{
	(void)c, (void)ret, (void)err; /* Windows has them, and hosts name them */
	return 0;
}

/* -- all of it ------------------------------------------------------------------------------ */

enum target { TEMP_FILES, PACKAGE_CACHE, LOGS, OLD_KERNELS, BROWSER_CACHE, RECYCLE_BIN, N_TARGETS };

static const struct {
	const char *name;
	clean_fn *clean;
} targets[N_TARGETS] = {
	[TEMP_FILES] = { "temp_files", clean_temp_files },
	[PACKAGE_CACHE] = { "package_cache", clean_packages },
	[LOGS] = { "logs", clean_logs },
	[OLD_KERNELS] = { "old_kernels", clean_kernels },
	[BROWSER_CACHE] = { "browser_cache", clean_nothing },
	[RECYCLE_BIN] = { "recycle_bin", clean_nothing },
};

static const struct {
	const char *word;
	enum target target;
} aliases[] = {
	{ "temp-files", TEMP_FILES },
	{ "cache", PACKAGE_CACHE },
	{ "system_cache", PACKAGE_CACHE },
	{ "old-kernels", OLD_KERNELS },
};

static int find_target(const char *word)
{
	for (int i = 0; i < N_TARGETS; i++)
		if (strcasecmp(targets[i].name, word) == 0)
			return i;
	for (size_t i = 0; i < VMV_COUNTOF(aliases); i++)
		if (strcasecmp(aliases[i].word, word) == 0)
			return (int)aliases[i].target;
	return -1;
}

static int choose(struct json_object *names, bool ret[N_TARGETS], struct vmv_err *err)
{
	if (!names) {
		ret[TEMP_FILES] = ret[PACKAGE_CACHE] = true;
		return 0;
	}
	for (size_t i = 0; i < json_object_array_length(names); i++) {
		const char *word = json_object_get_string(json_object_array_get_idx(names, i));
		int target = find_target(word ? word : "");

		if (target < 0)
			return vmv_fail(err, VMV_E_RANGE, EINVAL, "unknown target '%.64s'", word);
		ret[target] = true;
	}
	return 0;
}

static void write_mb(struct vmv_jw *w, uint64_t bytes)
{
	vmv_jw_num(w, "space_cleared_mb",
		   bytes == VMV_UNSET ? (double)NAN : (double)bytes / BYTES_IN_MB, 2);
}

static void write_outcome(struct vmv_jw *w, const char *name, const struct outcome *o)
{
	vmv_jw_open(w, name);
	write_mb(w, o->bytes);
	vmv_jw_u64(w, "files_deleted", o->files);
	vmv_jw_u64(w, "errors", o->errors);
	vmv_jw_str_or_null(w, "error", o->why);
	vmv_jw_close(w);
}

static void write_all(struct vmv_action *a, const bool *wanted, const struct outcome *outcomes)
{
	struct outcome sum = { 0 };
	struct vmv_jw *w = &a->data;

	for (int i = 0; i < N_TARGETS; i++) {
		sum.files += outcomes[i].files == VMV_UNSET ? 0 : outcomes[i].files;
		sum.bytes += outcomes[i].bytes == VMV_UNSET ? 0 : outcomes[i].bytes;
		sum.errors += outcomes[i].errors;
	}
	vmv_jw_open(w, NULL);
	write_mb(w, sum.bytes);
	vmv_jw_u64(w, "files_deleted", sum.files);
	vmv_jw_array(w, "targets_processed");
	for (int i = 0; i < N_TARGETS; i++)
		if (wanted[i])
			vmv_jw_str(w, NULL, targets[i].name);
	vmv_jw_end(w);
	vmv_jw_u64(w, "errors", sum.errors);
	vmv_jw_open(w, "per_target");
	for (int i = 0; i < N_TARGETS; i++)
		if (wanted[i])
			write_outcome(w, targets[i].name, &outcomes[i]);
	vmv_jw_close(w);
	vmv_jw_close(w);
	(void)snprintf(a->text, sizeof(a->text), "%s %.2f MB in %" PRIu64 " files.",
		       a->args[VMV_CLEANUP_DRY_RUN].number ? "Would free" : "Freed",
		       (double)sum.bytes / BYTES_IN_MB, sum.files);
}

static void clean(const struct cleaning *c, int target, struct outcome *ret, int *ret_error,
		  struct vmv_err *err)
{
	struct vmv_err why = { 0 };
	int r = targets[target].clean(c, ret, &why);

	if (r >= 0)
		return;
	ret->errors += ret->errors != VMV_UNSET;
	(void)snprintf(ret->why, sizeof(ret->why), "%.150s", why.msg);
	if (*ret_error == 0 || why.code == VMV_E_TIMEDOUT) {
		*ret_error = r;
		if (err)
			*err = why;
	}
}

int vmv_do_disk_cleanup(struct vmv_action *a, struct vmv_err *err)
{
	vmv_autoclose int root =
		open(a->settings->root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct outcome outcomes[N_TARGETS] = { 0 };
	bool wanted[N_TARGETS] = { false };
	struct cleaning c = {
		.action = a,
		.root = root,
		.deadline_ms = vmv_tool_soft_deadline(a->deadline_ms),
		.is_dry = a->args[VMV_CLEANUP_DRY_RUN].number != 0,
		.now_s = vmv_real_ms(&vmv_clock_system) / 1000,
	};
	int r = choose(a->args[VMV_CLEANUP_TARGETS].json, wanted, err), n = 0, n_failed = 0;

	if (r < 0)
		return r;
	if (root < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot open '%.200s'", a->settings->root);
	for (int i = 0; i < N_TARGETS; i++) {
		if (!wanted[i])
			continue;
		clean(&c, i, &outcomes[i], &r, err);
		n++;
		n_failed += *outcomes[i].why != '\0';
	}
	write_all(a, wanted, outcomes);
	/* what one target could not do is told beside what the others did */
	return n_failed == n || r == -ETIMEDOUT ? r : 0;
}
