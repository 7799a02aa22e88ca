#include "execd/qga_children.h"

#include "base/err.h"
#include "base/limits.h"
#include "exec/job.h"
#include "proto/base64.h"
#include "proto/json_write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct text {
	char *data; /* owned; NULL: none */
	size_t len;
	bool is_cut;
};

struct child {
	struct child *next;
	pid_t pid;
	bool has_ended;
	uint64_t ended_ms;
	int exit_code, signal; /* signal 0: it ended by itself */
	struct text texts[2];
};

struct vmv_qga_children {
	struct child *first, **last; /* in the order in which they began, or ended: see to_end */
	size_t n, n_running;
	size_t bytes; /* of output */
	unsigned n_forgotten;
};

struct vmv_qga_children *vmv_qga_children_new(void)
{
	struct vmv_qga_children *c = calloc(1, sizeof(*c));

	if (c)
		c->last = &c->first;
	return c;
}

/* Takes it off the list. */
static void unlink_child(struct vmv_qga_children *c, struct child *k)
{
	struct child **at = &c->first;

	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	if (!k->next)
		c->last = at;
	k->next = NULL;
}

static void link_last(struct vmv_qga_children *c, struct child *k)
{
	*c->last = k;
	c->last = &k->next;
}

static void drop(struct vmv_qga_children *c, struct child *k)
{
	unlink_child(c, k);
	c->n--;
	if (!k->has_ended)
		c->n_running--;
	for (int i = 0; i < 2; i++) {
		c->bytes -= k->texts[i].len;
		free(k->texts[i].data);
	}
	free(k);
}

void vmv_qga_children_free(struct vmv_qga_children *c)
{
	if (!c)
		return;
	while (c->first)
		drop(c, c->first);
	free(c);
}

static struct child *find(const struct vmv_qga_children *c, int64_t pid)
{
	struct child *k = c->first;

	while (k && k->pid != pid)
		k = k->next;
	return k;
}

/* Of those that have ended; who ends goes to the end of the list. */
static struct child *oldest(const struct vmv_qga_children *c)
{
	struct child *k = c->first;

	while (k && !k->has_ended)
		k = k->next;
	return k;
}

static void forget(struct vmv_qga_children *c, struct child *k)
{
	drop(c, k);
	c->n_forgotten++;
}

int vmv_qga_children_room(const struct vmv_qga_children *c, size_t n, struct vmv_err *err)
{
	if (c->n_running + n > VMV_QGA_CHILDREN)
		return vmv_fail(err, VMV_E_BUSY, EBUSY, "too many programs run");
	return 0;
}

int vmv_qga_children_add(struct vmv_qga_children *c, pid_t pid)
{
	struct child *k = calloc(1, sizeof(*k)), *old;

	if (!k)
		return -ENOMEM;
	old = find(c, pid);
	if (old)
		forget(c, old);
	while (c->n >= VMV_QGA_CHILDREN && (old = oldest(c)))
		forget(c, old);
	k->pid = pid;
	link_last(c, k);
	c->n++;
	c->n_running++;
	return 0;
}

/* Without memory the output is lost, and said to be cut. */
static void keep_text(struct vmv_qga_children *c, struct text *to, const struct vmv_job_text *from)
{
	to->is_cut = from->is_cut;
	if (from->len == 0)
		return;
	to->data = malloc(from->len);
	if (!to->data) {
		to->is_cut = true;
		return;
	}
	memcpy(to->data, from->data, from->len);
	to->len = from->len;
	c->bytes += from->len;
}

void vmv_qga_children_ended(struct vmv_qga_children *c, pid_t pid, const struct vmv_job_end *end,
			    uint64_t now_ms)
{
	struct child *k = find(c, pid), *old;

	if (!k || k->has_ended)
		return;
	unlink_child(c, k);
	link_last(c, k);
	c->n_running--;
	k->has_ended = true;
	k->ended_ms = now_ms;
	k->exit_code = end->exit_code;
	k->signal = end->signal;
	keep_text(c, &k->texts[0], &end->out);
	keep_text(c, &k->texts[1], &end->err);
	while (c->bytes > VMV_QGA_KEPT_BYTES && (old = oldest(c)) && old != k)
		forget(c, old);
}

static int write_text(struct vmv_jw *w, const char *name, const char *cut_name,
		      const struct text *t)
{
	char *encoded;

	if (t->len > 0) {
		encoded = malloc(VMV_BASE64_LEN(t->len) + 1);
		if (!encoded)
			return -ENOMEM;
		vmv_base64(t->data, t->len, encoded);
		vmv_jw_str(w, name, encoded);
		free(encoded);
	}
	if (t->is_cut)
		vmv_jw_bool(w, cut_name, true);
	return 0;
}

static int write_end(struct vmv_jw *w, const struct child *k)
{
	int r;

	if (k->signal)
		vmv_jw_int(w, "signal", k->signal);
	else
		vmv_jw_int(w, "exitcode", k->exit_code);
	r = write_text(w, "out-data", "out-truncated", &k->texts[0]);
	return r < 0 ? r : write_text(w, "err-data", "err-truncated", &k->texts[1]);
}

int vmv_qga_children_status(struct vmv_qga_children *c, int64_t pid, struct vmv_jw *w,
			    struct vmv_err *err)
{
	struct child *k = find(c, pid);
	int r = 0;

	if (!k)
		return vmv_fail(err, VMV_E_NOTFOUND, ESRCH, "PID %lld does not exist",
				(long long)pid);
	vmv_jw_open(w, NULL);
	vmv_jw_bool(w, "exited", k->has_ended);
	if (k->has_ended)
		r = write_end(w, k);
	vmv_jw_close(w);
	if (r < 0 || vmv_jw_finish(w) < 0) /* it can be asked for again */
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	if (k->has_ended)
		drop(c, k);
	return 0;
}

unsigned vmv_qga_children_forget(struct vmv_qga_children *c, uint64_t now_ms)
{
	unsigned n;

	for (struct child *k; (k = oldest(c)) && now_ms - k->ended_ms >= VMV_QGA_CHILD_MS;)
		forget(c, k);
	n = c->n_forgotten;
	c->n_forgotten = 0;
	return n;
}

uint64_t vmv_qga_children_due(const struct vmv_qga_children *c)
{
	const struct child *k = oldest(c);

	return k ? k->ended_ms + VMV_QGA_CHILD_MS : UINT64_MAX;
}

bool vmv_qga_children_is_empty(const struct vmv_qga_children *c)
{
	return c->n == 0;
}
