/* SetHostname: systemd-hostnamed does it, and where there is none, we. */
#include "job/action.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define KERNEL_MAX 64 /* __NEW_UTS_LEN: bytes */
#define NAME_SIZE  (KERNEL_MAX + 1)

#ifdef HAVE_LIBSYSTEMD

#include "exec/bus.h"
#include "job/margin.h"

#define SERVICE	  "org.freedesktop.hostname1"
#define OBJECT	  "/org/freedesktop/hostname1"
#define INTERFACE "org.freedesktop.hostname1"

/* It is no error of hostnamed's when it could not even be started: it is not there then. */
static bool is_absent(int r, const sd_bus_error *e)
{
	static const char *const names[] = {
		"org.freedesktop.DBus.Error.ServiceUnknown",
		"org.freedesktop.DBus.Error.NameHasNoOwner",
		"org.freedesktop.DBus.Error.Spawn.",
		"org.freedesktop.systemd1.",
	};

	if (r == -ENOENT)
		return true;
	for (size_t i = 0; e->name && i < VMV_COUNTOF(names); i++)
		if (strncmp(e->name, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* Returns 0; 1 when there is no hostnamed; negative with err set. */
static int ask_hostnamed(struct vmv_bus *b, const char *method, const char *name,
			 struct vmv_err *err)
{
	VMV_CLEANUP(vmv_bus_message_unrefp) sd_bus_message *reply = NULL;
	VMV_CLEANUP(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
	sd_bus_message *call;
	int r = vmv_bus_new_call(b, OBJECT, INTERFACE, method, &call);

	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot ask hostnamed: %s", strerror(-r));
	r = sd_bus_message_set_auto_start(call, 1); /* it ends when it has nothing to do */
	if (r >= 0)
		r = sd_bus_message_append(call, "sb", name, 0);
	if (r < 0) {
		sd_bus_message_unref(call);
		return vmv_fail(err, VMV_E_IO, -r, "cannot ask hostnamed: %s", strerror(-r));
	}
	r = vmv_bus_call(b, call, &e, &reply);
	if (r < 0 && is_absent(r, &e))
		return 1;
	if (r < 0)
		return vmv_fail(err, r == -ETIMEDOUT ? VMV_E_TIMEDOUT : VMV_E_IO, -r,
				"hostnamed: %s", e.message ? e.message : strerror(-r));
	return 0;
}

static int by_hostnamed(const struct vmv_action *a, const char *name, struct vmv_err *err)
{
	VMV_CLEANUP(vmv_bus_close) struct vmv_bus b = { 0 };
	int r = vmv_bus_open(&b, SERVICE);

	if (r < 0)
		return 1; /* no bus */
	b.until_ms = vmv_action_until(a->deadline_ms);
	r = ask_hostnamed(&b, "SetStaticHostname", name, err);
	if (r == 0)
		r = ask_hostnamed(&b, "SetHostname", name, err);
	return r;
}

#else

static int by_hostnamed(const struct vmv_action *a, const char *name, struct vmv_err *err)
{
	(void)a;
	(void)name;
	(void)err;
	return 1;
}

#endif

/* -- by ourselves ------------------------------------------------------------------------------ */

/* A file that takes the place of hostname later, with its mode and owner. Returns a descriptor. */
static int make_file(int etc, char name[32], struct vmv_err *err)
{
	vmv_autoclose int fd = -1;
	struct stat st;
	uint32_t random;
	bool is_there = fstatat(etc, "hostname", &st, AT_SYMLINK_NOFOLLOW) == 0;

	if (is_there && !S_ISREG(st.st_mode))
		return vmv_fail(err, VMV_E_IO, EINVAL, "/etc/hostname is no plain file");
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = (uint32_t)getpid();
	(void)snprintf(name, 32, ".hostname.%08x", random);
	fd = openat(etc, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot write in /etc: %s", strerror(errno));
	if ((is_there && fchown(fd, st.st_uid, st.st_gid) < 0) ||
	    fchmod(fd, is_there ? st.st_mode & 0777 : 0644) < 0) {
		int saved = errno;

		(void)unlinkat(etc, name, 0);
		return vmv_fail(err, VMV_E_IO, saved, "cannot write in /etc: %s", strerror(saved));
	}
	return VMV_TAKE(fd, -1);
}

/* The name of the system between the file made and the file put in its place: of the two steps that
 * can fail late the one is as good as sure then. */
static int set_both(int etc, const char *file, int fd, const char *name, struct vmv_err *err)
{
	char line[NAME_SIZE + 1];
	int len = snprintf(line, sizeof(line), "%s\n", name);

	if (write(fd, line, (size_t)len) != len || fsync(fd) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot write /etc/hostname: %s",
				strerror(errno));
	if (sethostname(name, strlen(name)) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot set the host name: %s",
				strerror(errno));
	if (renameat(etc, file, etc, "hostname") < 0)
		return vmv_fail(err, VMV_E_IO, errno,
				"set, but /etc/hostname cannot be replaced: %s", strerror(errno));
	(void)fsync(etc);
	return 0;
}

static int by_ourselves(const char *root, const char *name, struct vmv_err *err)
{
	vmv_autoclose int top = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	vmv_autoclose int etc = -1, fd = -1;
	char file[32];
	int r;

	if (top >= 0)
		etc = openat(top, "etc", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (etc < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot open /etc: %s", strerror(errno));
	fd = make_file(etc, file, err);
	if (fd < 0)
		return fd;
	r = set_both(etc, file, fd, name, err);
	if (r < 0)
		(void)unlinkat(etc, file, 0);
	return r;
}

int vmv_do_set_hostname(struct vmv_action *a, struct vmv_err *err)
{
	const char *name = a->args[VMV_SET_HOSTNAME_NAME].text;
	char before[NAME_SIZE] = "", after[NAME_SIZE] = "";
	int r;

	if (strlen(name) > KERNEL_MAX)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "hostname: longer than %d characters",
				KERNEL_MAX);
	(void)gethostname(before, sizeof(before) - 1);
	r = by_hostnamed(a, name, err);
	if (r > 0)
		r = by_ourselves(a->settings->root, name, err);
	if (r < 0)
		return r;
	(void)gethostname(after, sizeof(after) - 1);
	vmv_jw_open(&a->data, NULL);
	vmv_jw_str_or_null(&a->data, "before", before);
	vmv_jw_str_or_null(&a->data, "after", after);
	vmv_jw_close(&a->data);
	(void)snprintf(a->text, sizeof(a->text), "host name is %s", after);
	return 0;
}
