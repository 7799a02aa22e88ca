#include "watch/rtnetlink.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <errno.h>
#include <event2/event.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct vmv_rtnetlink {
	int fd;
	struct event *ev;
	void (*changed)(void *arg);
	void *arg;
};

/* What changed is read afresh by the collector; the message only says that something did. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_rtnetlink *w = arg;
	char buf[8192];

	(void)what;
	while (recv((int)fd, buf, sizeof(buf), MSG_DONTWAIT) > 0 || errno == ENOBUFS)
		errno = 0;
	w->changed(w->arg);
}

int vmv_rtnetlink_new(struct vmv_rtnetlink **ret, struct event_base *base,
		      void (*changed)(void *arg), void *arg, struct vmv_err *err)
{
	/* addresses only: counters of links change them all the time on some drivers */
	struct sockaddr_nl a = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
	};
	vmv_autoclose int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct vmv_rtnetlink *w;

	if (fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot listen to rtnetlink: %s",
				strerror(errno));
	w = calloc(1, sizeof(*w));
	if (!w)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	*w = (struct vmv_rtnetlink){ .fd = VMV_TAKE(fd, -1), .changed = changed, .arg = arg };
	w->ev = event_new(base, w->fd, EV_READ | EV_PERSIST, on_readable, w);
	if (!w->ev || event_add(w->ev, NULL) < 0) {
		vmv_rtnetlink_free(w);
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	}
	*ret = w;
	return 0;
}

void vmv_rtnetlink_free(struct vmv_rtnetlink *w)
{
	if (!w)
		return;
	if (w->ev)
		event_free(w->ev);
	vmv_closep(&w->fd);
	free(w);
}
