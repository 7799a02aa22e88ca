#include "virtio/channel_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "virtio/port.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct vmv_channel_traits traits[] = {
	[VMV_TRANSPORT_VIRTIO] = { true, false, VMV_RETRY_MIN_MS, VMV_TICK_IDLE_MS },
	[VMV_TRANSPORT_PATH] = { true, false, VMV_RETRY_MIN_MS, VMV_TICK_IDLE_MS },
	[VMV_TRANSPORT_UNIX_LISTEN] = { false, true, VMV_RETRY_MIN_MS, VMV_TICK_IDLE_MS },
	[VMV_TRANSPORT_UNIX_CONNECT] = { false, false, VMV_CONNECT_MIN_MS, VMV_CONNECT_MAX_MS },
	[VMV_TRANSPORT_VSOCK_LISTEN] = { false, true, VMV_RETRY_MIN_MS, VMV_TICK_IDLE_MS },
	[VMV_TRANSPORT_STDIO] = { false, false, 0, 0 },
};

const struct vmv_channel_traits *vmv_channel_traits(enum vmv_transport transport)
{
	return &traits[transport];
}

static void adopt(struct vmv_channel *ch, int rfd, int wfd)
{
	ch->rfd = rfd;
	ch->wfd = wfd;
	ch->counters.opens++;
	ch->said = 0;
	ch->opened_ms = vmv_mono_ms(ch->p.clock);
	ch->is_tty = ch->spec.transport == VMV_TRANSPORT_PATH && isatty(rfd);
	ch->state = VMV_CHANNEL_AWAY;
	if (!ch->traits->is_port)
		vmv_channel_set_up(ch); /* a stream is its host */
	else
		vmv_channel_tell(ch, VMV_REPORT_OPENED, NULL);
	if (!vmv_channel_arm(ch)) {
		vmv_channel_drop_link(ch, VMV_DETACH_GONE);
		return;
	}
	if (!ch->is_edge) /* with epoll, adding the event reports the present state */
		vmv_channel_again(ch);
}

static void keep_spare(struct vmv_channel *ch)
{
	if (ch->spare < 0)
		ch->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void turn_away(struct vmv_channel *ch, int fd, int reason)
{
	struct vmv_err err;

	(void)vmv_fail(&err, VMV_E_BUSY, reason, "%s",
		       reason == EBUSY ? "one peer is served at a time" : strerror(reason));
	(void)close(fd);
	vmv_channel_tell(ch, VMV_REPORT_REFUSED, &err);
}

/* No descriptor is left: accept and hang up on the one kept back, or the loop would spin on a
 * listener that stays readable. Where even that does not help, it is not looked at for a while. */
static void shed(struct vmv_channel *ch, int reason)
{
	int fd;

	vmv_closep(&ch->spare);
	ch->spare = -1;
	fd = vmv_socket_accept(ch->listener);
	if (fd >= 0)
		turn_away(ch, fd, reason);
	keep_spare(ch);
	if (fd < 0 && fd != -EAGAIN) {
		(void)event_del(ch->lev);
		vmv_channel_timer(ch->retry, VMV_RETRY_MIN_MS);
	}
}

static void on_listener(evutil_socket_t listener, short what, void *arg)
{
	struct vmv_channel *ch = arg;
	int fd = vmv_socket_accept((int)listener);

	(void)what;
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM) {
		shed(ch, -fd);
		return;
	}
	if (fd < 0)
		return;
	/* a peer that has gone may not have been noticed yet, or has left much unread */
	if (ch->rfd >= 0)
		vmv_channel_turn(ch);
	if (ch->rfd >= 0 && vmv_channel_hung_up(ch))
		vmv_channel_drop_link(ch, VMV_DETACH_GONE);
	if (ch->rfd >= 0)
		turn_away(ch, fd, EBUSY);
	else
		adopt(ch, fd, fd);
	keep_spare(ch);
}

static int open_listener(struct vmv_channel *ch, struct vmv_err *err)
{
	struct stat st;
	int fd = ch->spec.transport == VMV_TRANSPORT_UNIX_LISTEN
			 ? vmv_unix_listen(ch->spec.target, err)
			 : vmv_vsock_listen(ch->spec.port, err);

	if (fd < 0)
		return fd;
	ch->listener = fd;
	keep_spare(ch);
	ch->lev = event_new(ch->p.base, fd, EV_READ | EV_PERSIST, on_listener, ch);
	if (!ch->lev || event_add(ch->lev, NULL) < 0) {
		vmv_channel_forget_event(&ch->lev);
		vmv_closep(&ch->listener);
		vmv_closep(&ch->spare);
		ch->listener = ch->spare = -1;
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	}
	if (ch->spec.transport == VMV_TRANSPORT_UNIX_LISTEN && lstat(ch->spec.target, &st) == 0)
		ch->socket_ino = st.st_ino;
	ch->state = VMV_CHANNEL_AWAY;
	vmv_channel_tell(ch, VMV_REPORT_OPENED, NULL);
	return 0;
}

static int set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -1;
	return flags;
}

static int open_stdio(struct vmv_channel *ch, struct vmv_err *err)
{
	ch->stdin_flags = set_nonblocking(STDIN_FILENO);
	ch->stdout_flags = set_nonblocking(STDOUT_FILENO);
	if (ch->stdin_flags < 0 || ch->stdout_flags < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot use standard input and output: %s",
				strerror(errno)); /* free() puts back what was changed */
	adopt(ch, STDIN_FILENO, STDOUT_FILENO);
	return 0;
}

int vmv_channel_open_link(struct vmv_channel *ch, struct vmv_err *err)
{
	int fd = -EINVAL;

	switch (ch->spec.transport) {
	case VMV_TRANSPORT_VIRTIO:
		fd = vmv_port_open(ch->p.sysfs, ch->spec.target, err);
		break;
	case VMV_TRANSPORT_PATH:
		fd = vmv_device_open(ch->spec.target, err);
		break;
	case VMV_TRANSPORT_UNIX_CONNECT:
		fd = vmv_unix_connect(ch->spec.target, err);
		break;
	case VMV_TRANSPORT_UNIX_LISTEN:
	case VMV_TRANSPORT_VSOCK_LISTEN:
		return open_listener(ch, err);
	case VMV_TRANSPORT_STDIO:
		return open_stdio(ch, err);
	}
	if (fd < 0)
		return fd;
	adopt(ch, fd, fd);
	return 0;
}

/* A port that is not plugged in costs nothing where udev tells when it comes. */
static bool waits_for_monitor(const struct vmv_channel *ch, int r)
{
	return r == -ENOENT && ch->p.has_monitor && ch->spec.transport == VMV_TRANSPORT_VIRTIO &&
	       ch->backoff.next_ms >= ch->backoff.max_ms;
}

void vmv_channel_try_open(struct vmv_channel *ch)
{
	struct vmv_err err = { 0 };
	int r;

	if (ch->rfd >= 0 || ch->listener >= 0)
		return;
	r = vmv_channel_open_link(ch, &err);
	if (r >= 0)
		return;
	if (ch->said != -r)
		vmv_channel_tell(ch, VMV_REPORT_WAITING, &err);
	ch->said = -r;
	if (!waits_for_monitor(ch, r))
		vmv_channel_retry_later(ch);
}

void vmv_channel_on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_channel *ch = arg;

	(void)fd;
	(void)what;
	if (ch->lev) /* there was no descriptor for a new peer */
		(void)event_add(ch->lev, NULL);
	else
		vmv_channel_try_open(ch);
}

void vmv_channel_poke(struct vmv_channel *ch)
{
	if (ch->spec.transport != VMV_TRANSPORT_VIRTIO)
		return;
	if (ch->rfd >= 0) {
		vmv_channel_turn(ch); /* it may be ours that went */
		return;
	}
	vmv_backoff_reset(&ch->backoff);
	vmv_channel_try_open(ch);
}
