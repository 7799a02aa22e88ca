#include "virtio/monitor.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_LIBUDEV
#include <libudev.h>
#endif

#ifdef HAVE_LIBUDEV

struct vmv_monitor {
	struct udev *udev;
	struct udev_monitor *monitor;
	struct event *ev;
	void (*changed)(void *arg);
	void *arg;
};

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_monitor *m = arg;
	struct udev_device *d;
	bool is_ours = false;

	(void)fd;
	(void)what;
	/* Which device it was does not matter: names are found in sysfs. But the kernel's own
	 * events come unfiltered: only libudev knows whether one is of a port. */
	while ((d = udev_monitor_receive_device(m->monitor))) {
		is_ours = true;
		udev_device_unref(d);
	}
	if (is_ours)
		m->changed(m->arg);
}

static bool start(struct vmv_monitor *m, struct event_base *base)
{
	/* udev speaks after its rules have set owner and mode; without it the kernel has to do */
	const char *group = access("/run/udev/control", F_OK) == 0 ? "udev" : "kernel";

	m->udev = udev_new();
	m->monitor = m->udev ? udev_monitor_new_from_netlink(m->udev, group) : NULL;
	if (!m->monitor ||
	    udev_monitor_filter_add_match_subsystem_devtype(m->monitor, "virtio-ports", NULL) < 0 ||
	    udev_monitor_enable_receiving(m->monitor) < 0)
		return false;
	m->ev = event_new(base, udev_monitor_get_fd(m->monitor), EV_READ | EV_PERSIST, on_readable,
			  m);
	return m->ev && event_add(m->ev, NULL) == 0;
}

int vmv_monitor_new(struct vmv_monitor **ret, struct event_base *base, void (*changed)(void *arg),
		    void *arg, struct vmv_err *err)
{
	struct vmv_monitor *m = calloc(1, sizeof(*m));

	if (!m)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	m->changed = changed;
	m->arg = arg;
	if (!start(m, base)) {
		vmv_monitor_free(m);
		return vmv_fail(err, VMV_E_IO, EIO, "cannot receive udev events");
	}
	*ret = m;
	return 0;
}

void vmv_monitor_free(struct vmv_monitor *m)
{
	if (!m)
		return;
	if (m->ev)
		event_free(m->ev);
	udev_monitor_unref(m->monitor);
	udev_unref(m->udev);
	free(m);
}

#else

int vmv_monitor_new(struct vmv_monitor **ret, struct event_base *base, void (*changed)(void *arg),
		    void *arg, struct vmv_err *err)
{
	(void)ret;
	(void)base;
	(void)changed;
	(void)arg;
	return vmv_fail(err, VMV_E_UNSUPPORTED, ENOSYS, "built without libudev");
}

void vmv_monitor_free(struct vmv_monitor *m)
{
	(void)m;
}

#endif
