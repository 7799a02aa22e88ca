#include "packages/reboot.h"

#include "packages/package.h"

#include "base/cleanup.h"
#include "base/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MODULES		"lib/modules"
#define MODULES_LOOKED	4096
#define OS_RELEASE_SIZE 16384

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What a release says beside numbers: "-cloud-amd64", "-default", "+rt"; "" of Red Hat's. */
static const char *flavour(const char *release)
{
	for (; *release; release++)
		if (*release == '+' || (*release == '-' && is_letter(release[1])))
			break;
	return release;
}

/* Digits do not count: "-arch1-1" and "-arch2-1" are of a kind. */
static bool is_same_flavour(const char *a, const char *b)
{
	static const char digits[] = "0123456789";

	for (;;) {
		a += strspn(a, digits);
		b += strspn(b, digits);
		if (*a != *b || !*a)
			return *a == *b;
		a++;
		b++;
	}
}

bool vmv_kernel_is_newer(const char *release, const char *running)
{
	return is_same_flavour(flavour(release), flavour(running)) &&
	       strverscmp(release, running) > 0;
}

static bool has_image(int top, const char *release)
{
	char path[NAME_MAX + 64];

	(void)snprintf(path, sizeof(path), "boot/vmlinuz-%s", release);
	if (faccessat(top, path, F_OK, 0) == 0)
		return true;
	(void)snprintf(path, sizeof(path), MODULES "/%s/vmlinuz", release);
	return faccessat(top, path, F_OK, 0) == 0;
}

static int64_t mtime_ms(int top, const char *path)
{
	struct stat st;

	if (fstatat(top, path, &st, 0) < 0)
		return -1;
	return (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
}

/* The newest that is installed. */
static void look_at_kernels(int top, const char *running, struct vmv_reboot *ret)
{
	int fd = openat(top, MODULES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	vmv_autoclosedir DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	char newest[NAME_MAX + 1], path[NAME_MAX + 32];
	struct dirent *e;

	(void)snprintf(newest, sizeof(newest), "%s", running);
	if (!d && fd >= 0)
		(void)close(fd);
	for (unsigned n = 0; d && n < MODULES_LOOKED && (e = readdir(d)); n++)
		if (e->d_name[0] != '.' && vmv_kernel_is_newer(e->d_name, newest) &&
		    has_image(top, e->d_name))
			(void)snprintf(newest, sizeof(newest), "%s", e->d_name);
	if (strcmp(newest, running) == 0)
		return;
	(void)snprintf(path, sizeof(path), MODULES "/%s", newest);
	ret->is_required = true;
	ret->since_ms = mtime_ms(top, path);
	(void)snprintf(ret->reasons, sizeof(ret->reasons), "kernel %s\n", newest);
}

/* One that is too long is unknown; that a reboot is required is known all the same. */
static void read_reasons(int top, char reasons[VMV_REBOOT_REASONS_MAX])
{
	int n = vmv_read_at(top, "run/reboot-required.pkgs", reasons, VMV_REBOOT_REASONS_MAX);

	if (n < 0)
		reasons[0] = '\0';
}

void vmv_reboot_look(int top, const char *running, struct vmv_reboot *ret)
{
	ret->is_required = faccessat(top, "run/reboot-required", F_OK, 0) == 0;
	ret->since_ms = -1;
	ret->reasons[0] = '\0';
	if (!ret->is_required) {
		look_at_kernels(top, running, ret);
		return;
	}
	ret->since_ms = mtime_ms(top, "run/reboot-required");
	read_reasons(top, ret->reasons);
}

/* "Debian GNU/Linux" out of NAME="Debian GNU/Linux". */
static struct vmv_slice unquoted(struct vmv_slice s)
{
	s = vmv_slice_trim(s);
	if (s.len >= 2 && (s.s[0] == '"' || s.s[0] == '\'') && s.s[s.len - 1] == s.s[0])
		return (struct vmv_slice){ s.s + 1, s.len - 2 };
	return s;
}

int vmv_distro_name(int top, char *buf, size_t cap)
{
	char text[OS_RELEASE_SIZE];
	const char *at = text;
	struct vmv_slice line, name;
	int n = vmv_read_at(top, "etc/os-release", text, sizeof(text));

	buf[0] = '\0';
	if (n == -ENOENT)
		n = vmv_read_at(top, "usr/lib/os-release", text, sizeof(text));
	if (n < 0)
		return n;
	while (vmv_slice_line(&at, &line)) {
		if (line.len < 5 || memcmp(line.s, "NAME=", 5) != 0)
			continue;
		name = unquoted((struct vmv_slice){ line.s + 5, line.len - 5 });
		(void)snprintf(buf, cap, "%.*s", (int)name.len, name.s);
	}
	return 0;
}
