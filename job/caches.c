#include "job/caches.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "job/action.h"
#include "job/tool.h"
#include "job/tree.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <string.h>
#include <sys/utsname.h>

#define LIST_MAX    (1 * VMV_MIB) /* what a manager prints */
#define RELEASE_MAX 128
#define ARGS_MAX    8

const char *const vmv_cache_dirs[] = { "var/cache/apt/archives",  "var/cache/dnf",
				       "var/cache/libdnf5",	  "var/cache/yum",
				       "var/cache/zypp/packages", "var/cache/apk",
				       "var/cache/pacman/pkg",	  NULL };
const char *const vmv_kernel_dirs[] = { "boot", "lib/modules", "usr/lib/modules", "usr/src", NULL };

static const struct {
	const char *argv[ARGS_MAX];
} cleaners[] = {
	{ { "apt-get", "clean", NULL } },
	{ { "dnf", "clean", "packages", NULL } },
	{ { "yum", "clean", "packages", NULL } },
	{ { "zypper", "--non-interactive", "clean", NULL } },
	{ { "apk", "cache", "clean", NULL } },
	{ { "pacman", "-Sc", "--noconfirm", NULL } },
};

static bool matches(const char *name, const char *const *patterns)
{
	for (size_t i = 0; patterns[i]; i++)
		if (fnmatch(patterns[i], name, 0) == 0)
			return true;
	return false;
}

bool vmv_cache_is_package(const char *name)
{
	static const char *const patterns[] = { "*.deb", "*.rpm",      "*.drpm",
						"*.apk", "*.pkg.tar*", NULL };

	return matches(name, patterns);
}

bool vmv_log_is_rotated(const char *name)
{
	static const char *const patterns[] = {
		"*.gz",	 "*.xz",    "*.bz2",	    "*.zst",
		"*.old", "*.[0-9]", "*.[0-9][0-9]", "*-[12][0-9][0-9][0-9][01][0-9][0-3][0-9]",
		NULL
	};

	return matches(name, patterns);
}

/* apk keeps nothing, and fails, where no cache was set up. */
static bool has_work(const struct vmv_job_settings *s, const char *manager)
{
	vmv_autoclose int root = -1;

	if (strcmp(manager, "apk") != 0)
		return true;
	root = open(s->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root >= 0 && faccessat(root, "etc/apk/cache", F_OK, 0) == 0;
}

int vmv_cache_clean(const struct vmv_job_settings *s, uint64_t deadline_ms, struct vmv_err *err)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < VMV_COUNTOF(cleaners); i++) {
		const char *const *argv = cleaners[i].argv;
		int r;

		if (!vmv_tool_find(s, argv[0], path))
			continue;
		if (!has_work(s, argv[0]))
			return 0;
		r = vmv_tool_run_path(path, argv, deadline_ms, NULL, err);
		if (r > 0)
			return vmv_fail(err, VMV_E_IO, EIO, "'%s' failed with exit code %d",
					argv[0], r);
		return r;
	}
	return 0;
}

/* -- which kernels -------------------------------------------------------------------------- */

/* Without its flavour: "6.1.0-13" of "6.1.0-13-amd64" and of "6.1.0-13-common". */
static size_t abi_len(const char *version, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++)
		if (version[i] == '-' && !isdigit((unsigned char)version[i + 1]))
			return i;
	return len;
}

/* Of the same version, whatever the flavour; "6.1.0-13" is none of "6.1.0-130-amd64". */
static bool is_of_release(const char *version, size_t len, const char *release)
{
	size_t n = abi_len(version, len);

	return strncmp(version, release, n) == 0 && (release[n] == '\0' || release[n] == '-');
}

/* linux-image-6.1.0-13-amd64, linux-modules-extra-5.15.0-91-generic: where the version begins;
 * NULL: not a kernel's, or one that only points to the latest. */
static const char *apt_version(const char *name, size_t len)
{
	if (len < 6 || strncmp(name, "linux-", 6) != 0)
		return NULL;
	for (const char *at = name + 6; at + 1 < name + len; at++)
		if (at[-1] == '-' && isdigit((unsigned char)at[0]) &&
		    memchr(at, '.', (size_t)(name + len - at)))
			return at;
	return NULL;
}

static bool is_kernel_part(const char *name)
{
	static const char *const kinds[] = { "linux-image-", "linux-headers-", "linux-modules-",
					     "linux-tools-", "linux-kbuild-" };

	for (size_t i = 0; i < VMV_COUNTOF(kinds); i++)
		if (strncmp(name, kinds[i], strlen(kinds[i])) == 0)
			return true;
	return false;
}

static void add(struct vmv_kernel_packages *ret, const char *name, size_t len)
{
	char *copy = ret->n < VMV_KERNEL_PACKAGES_MAX ? strndup(name, len) : NULL;

	if (copy)
		ret->names[ret->n++] = copy;
}

void vmv_kernels_parse_apt(const char *text, const char *running, const char *newest,
			   struct vmv_kernel_packages *ret)
{
	static const char word[] = "Remv ";

	while (*text) {
		const char *name = text + strlen(word), *version;
		size_t len;

		if (strncmp(text, word, strlen(word)) == 0) {
			len = strcspn(name, " \n:");
			version = is_kernel_part(name) ? apt_version(name, len) : NULL;
			if (version) {
				size_t n = len - (size_t)(version - name);

				if (!is_of_release(version, n, running) &&
				    !is_of_release(version, n, newest))
					add(ret, name, len);
			}
		}
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
}

/* kernel-core-5.14.0-70.el9.x86_64: ends with the release. */
static bool ends_with(const char *name, size_t len, const char *release)
{
	size_t n = strlen(release);

	return len > n && strncmp(name + len - n, release, n) == 0;
}

void vmv_kernels_parse_list(const char *text, const char *running, const char *newest,
			    struct vmv_kernel_packages *ret)
{
	while (*text) {
		size_t len = strcspn(text, " \r\n");

		if (strncmp(text, "kernel-", 7) == 0 && !ends_with(text, len, running) &&
		    !ends_with(text, len, newest))
			add(ret, text, len);
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
}

void vmv_kernels_free(struct vmv_kernel_packages *k)
{
	for (size_t i = 0; i < k->n; i++)
		free(k->names[i]);
	k->n = 0;
}

/* Of those that have modules here. */
static int find_newest(const struct vmv_job_settings *s, char ret[RELEASE_MAX])
{
	vmv_autoclose int root = open(s->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	vmv_autoclosedir DIR *dir = NULL;
	const struct dirent *e;
	int fd = root < 0 ? -1 : openat(root, "lib/modules", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*ret = '\0';
	if (fd < 0 || !(dir = fdopendir(fd))) {
		int error = errno;

		vmv_closep(&fd);
		return -error;
	}
	while ((e = readdir(dir)))
		if (isdigit((unsigned char)e->d_name[0]) && strlen(e->d_name) < RELEASE_MAX &&
		    strverscmp(e->d_name, ret) > 0)
			(void)stpcpy(ret, e->d_name);
	return *ret ? 0 : -ENOENT;
}

/* -- how they go ---------------------------------------------------------------------------- */

struct kernels {
	const struct vmv_job_settings *settings;
	const char *running, *newest;
	uint64_t deadline_ms;
	bool is_dry;
	size_t removed;
};

static int ask(const struct kernels *k, const char *const *argv, struct vmv_buf *out,
	       struct vmv_err *err)
{
	int r = vmv_tool_run(k->settings, argv, k->deadline_ms, out, err);

	if (r > 0)
		return vmv_fail(err, VMV_E_IO, EIO, "'%s' failed with exit code %d", argv[0], r);
	if (r == 0 && vmv_buf_add(out, "", 1) < 0)
		return vmv_fail(err, VMV_E_IO, EFBIG, "'%s' says too much", argv[0]);
	return r;
}

static int remove_them(struct kernels *k, const char *const *command,
		       const struct vmv_kernel_packages *packages, struct vmv_err *err)
{
	const char *argv[ARGS_MAX + VMV_KERNEL_PACKAGES_MAX + 1];
	size_t n = 0;
	int r = 0;

	for (; command[n]; n++)
		argv[n] = command[n];
	for (size_t i = 0; i < packages->n; i++)
		argv[n++] = packages->names[i];
	argv[n] = NULL;
	if (packages->n > 0 && !k->is_dry)
		r = vmv_tool_run(k->settings, argv, k->deadline_ms, NULL, err);
	if (r > 0)
		return vmv_fail(err, VMV_E_IO, EIO, "'%s' failed with exit code %d", argv[0], r);
	if (r == 0)
		k->removed += packages->n;
	return r;
}

static int clean_with(struct kernels *k, const char *const *list, const char *const *command,
		      void (*parse)(const char *, const char *, const char *,
				    struct vmv_kernel_packages *),
		      struct vmv_err *err)
{
	struct vmv_kernel_packages packages = { .n = 0 };
	struct vmv_buf out = { .max = LIST_MAX };
	int r = ask(k, list, &out, err);

	if (r == 0) {
		parse(out.data, k->running, k->newest, &packages);
		r = remove_them(k, command, &packages, err);
	}
	vmv_kernels_free(&packages);
	vmv_buf_free(&out);
	return r;
}

static int clean_apt(struct kernels *k, struct vmv_err *err)
{
	static const char *const list[] = { "apt-get", "-s", "autoremove", NULL };
	static const char *const command[] = { "apt-get", "-y", "-q", "remove", "--", NULL };

	return clean_with(k, list, command, vmv_kernels_parse_apt, err);
}

static int clean_dnf(struct kernels *k, struct vmv_err *err)
{
	static const char *const list[] = { "dnf",
					    "-q",
					    "repoquery",
					    "--installonly",
					    "--latest-limit=-2",
					    "--qf",
					    "%{name}-%{version}-%{release}.%{arch}\n",
					    NULL };
	static const char *const command[] = { "dnf", "-y", "-q", "remove", "--", NULL };

	return clean_with(k, list, command, vmv_kernels_parse_list, err);
}

/* zypper itself keeps the running one, and of the others what its multiversion.kernels says. */
static int clean_zypper(struct kernels *k, struct vmv_err *err)
{
	static const char *const argv[] = { "zypper", "--non-interactive", "purge-kernels", NULL };
	int r = k->is_dry ? 0 : vmv_tool_run(k->settings, argv, k->deadline_ms, NULL, err);

	return r > 0 ? vmv_fail(err, VMV_E_IO, EIO, "'zypper' failed with exit code %d", r) : r;
}

int vmv_kernels_clean(const struct vmv_job_settings *s, bool is_dry, uint64_t deadline_ms,
		      size_t *ret_packages, struct vmv_err *err)
{
	static const struct {
		const char *tool;
		int (*clean)(struct kernels *k, struct vmv_err *err);
	} managers[] = { { "apt-get", clean_apt },
			 { "dnf", clean_dnf },
			 { "zypper", clean_zypper } };
	char newest[RELEASE_MAX], path[PATH_MAX];
	struct utsname name;
	struct kernels k = { .settings = s,
			     .running = name.release,
			     .newest = newest,
			     .deadline_ms = deadline_ms,
			     .is_dry = is_dry };
	int r = uname(&name) < 0 ? -errno : find_newest(s, newest);

	if (r == -ENOENT)
		return 0; /* a container: its kernel is not among its packages */
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot tell the newest kernel: %s",
				strerror(-r));
	for (size_t i = 0; i < VMV_COUNTOF(managers); i++) {
		if (!vmv_tool_find(s, managers[i].tool, path))
			continue;
		r = managers[i].clean(&k, err);
		break;
	}
	*ret_packages = k.removed;
	return r;
}
