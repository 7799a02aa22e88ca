#include "virtio/channel_impl.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static ssize_t sys_read(int fd, void *buf, size_t len)
{
	return read(fd, buf, len);
}

static ssize_t sys_write(int fd, const void *buf, size_t len)
{
	return write(fd, buf, len);
}

static const struct vmv_channel_io system_io = { sys_read, sys_write };

int vmv_channel_new(struct vmv_channel **ret, const struct vmv_channel_params *params,
		    const struct vmv_spec *spec, struct vmv_err *err)
{
	struct vmv_channel *ch = calloc(1, sizeof(*ch));
	int r;

	if (!ch)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	ch->p = *params;
	if (!ch->p.io)
		ch->p.io = &system_io;
	ch->spec = *spec;
	ch->traits = vmv_channel_traits(spec->transport);
	ch->rfd = ch->wfd = ch->listener = ch->spare = -1;
	ch->stdin_flags = ch->stdout_flags = -1;
	ch->is_edge = event_base_get_features(ch->p.base) & EV_FEATURE_ET;
	ch->backoff = (struct vmv_backoff){ .min_ms = ch->traits->retry_min_ms,
					    .max_ms = ch->traits->retry_max_ms };
	vmv_outq_init(&ch->queue);
	ch->retry = event_new(ch->p.base, -1, 0, vmv_channel_on_retry, ch);
	if (!ch->retry || !vmv_channel_make_events(ch)) {
		vmv_channel_free(ch);
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	}
	*ret = ch;				      /* callbacks may come from here on */
	if (spec->transport == VMV_TRANSPORT_STDIO) { /* there is no second try */
		r = vmv_channel_open_link(ch, err);
		if (r < 0) {
			*ret = NULL;
			vmv_channel_free(ch);
			return r;
		}
		return 0;
	}
	vmv_channel_try_open(ch);
	return 0;
}

void vmv_channel_free(struct vmv_channel *ch)
{
	struct stat st;

	if (!ch)
		return;
	if (ch->rfd >= 0)
		vmv_channel_drop_link(ch, VMV_DETACH_CLOSED);
	vmv_channel_forget_event(&ch->lev);
	/* another agent may have put its own there meanwhile */
	if (ch->socket_ino && lstat(ch->spec.target, &st) == 0 && st.st_ino == ch->socket_ino)
		(void)unlink(ch->spec.target);
	vmv_closep(&ch->listener);
	vmv_closep(&ch->spare);
	vmv_channel_put_back_stdio(ch);
	vmv_channel_forget_event(&ch->kick);
	vmv_channel_forget_event(&ch->grace);
	vmv_channel_forget_event(&ch->linger);
	vmv_channel_forget_event(&ch->tick);
	vmv_channel_forget_event(&ch->retry);
	vmv_outq_free(&ch->queue);
	free(ch);
}

static bool can_inherit(const struct vmv_channel *ch)
{
	return ch->state == VMV_CHANNEL_AWAY && event_pending(ch->grace, EV_TIMEOUT, NULL);
}

int vmv_channel_send(struct vmv_channel *ch, enum vmv_class class, unsigned sub, const char *line,
		     size_t len)
{
	int r;

	if (vmv_outq_bytes(&ch->queue) == 0) /* its time to move begins now */
		ch->progress_ms = vmv_mono_ms(ch->p.clock);
	if (ch->state != VMV_CHANNEL_UP && !(class == VMV_CLASS_REPLY && can_inherit(ch)))
		return -ENOTCONN;
	r = vmv_outq_add(&ch->queue, class, sub, line, len);
	if (r == 0 && ch->state == VMV_CHANNEL_UP)
		vmv_channel_write_soon(ch);
	return r;
}

int vmv_channel_begin(struct vmv_channel *ch, const char *line, size_t len)
{
	int r = vmv_outq_begin(&ch->queue, line, len);

	ch->progress_ms = vmv_mono_ms(ch->p.clock);
	if (r == 0)
		vmv_channel_write_soon(ch);
	return r;
}

void vmv_channel_drop(struct vmv_channel *ch)
{
	vmv_outq_clear(&ch->queue);
}

void vmv_channel_release(struct vmv_channel *ch)
{
	vmv_outq_release(&ch->queue);
	vmv_channel_write_soon(ch);
}

void vmv_channel_ack(struct vmv_channel *ch, uint64_t bytes)
{
	vmv_outq_ack(&ch->queue, bytes);
	vmv_channel_write_soon(ch);
}

void vmv_channel_set_queue_high(struct vmv_channel *ch, size_t bytes)
{
	ch->p.queue_high = bytes;
}

void vmv_channel_pause(struct vmv_channel *ch, bool is_paused)
{
	bool was = ch->is_paused;

	ch->is_paused = is_paused;
	if (is_paused)
		ch->paused_ms = vmv_mono_ms(ch->p.clock);
	if (was && !is_paused)
		vmv_channel_again(ch);
}

size_t vmv_channel_flush(struct vmv_channel *ch)
{
	if (ch->rfd >= 0 && ch->state == VMV_CHANNEL_UP)
		(void)vmv_channel_write(ch);
	return ch->state == VMV_CHANNEL_UP ? vmv_outq_bytes(&ch->queue) : 0;
}

enum vmv_channel_state vmv_channel_state(const struct vmv_channel *ch)
{
	return ch->state;
}

const struct vmv_spec *vmv_channel_spec(const struct vmv_channel *ch)
{
	return &ch->spec;
}

const struct vmv_outq *vmv_channel_queue(const struct vmv_channel *ch)
{
	return &ch->queue;
}

const struct vmv_channel_counters *vmv_channel_counters(const struct vmv_channel *ch)
{
	return &ch->counters;
}
