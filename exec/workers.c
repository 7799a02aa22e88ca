#include "exec/workers.h"

#include "base/backoff.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "exec/due.h"
#include "exec/packet.h"
#include "exec/spawn.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS_MAX  (VMV_ASK_WORKERS + VMV_ASK_FETCHERS)
#define KIND_SIZE    32	  /* the first word of a question, cut */
#define QUICK_MS     20	  /* a busy worker is waited for so long before there is another one */
#define RETRY_MIN_MS 1000 /* after a worker died or could not be started */
#define RETRY_MAX_MS 60000
#define REAP_MIN_MS  5 /* looking again whether a worker that was let go has ended; doubles */
#define REAP_MAX_MS  1000
#define ROOM_MS	     10000 /* a stuck question has its worker so long, when others want one */
#define FREE_MS	     20	   /* at the end, for those that were killed: in all */

/* One server that is down can hold many filesystems, which would take all workers: of each class
 * one is left to questions of other kinds. */
static const struct quota {
	size_t all, kind;
} quotas[VMV_N_WORK_CLASSES] = {
	[VMV_WORK_QUICK] = { .all = VMV_ASK_WORKERS, .kind = VMV_ASK_WORKERS - 1 },
	[VMV_WORK_SLOW] = { .all = VMV_ASK_FETCHERS, .kind = VMV_ASK_FETCHERS - 1 },
};

struct worker {
	struct worker *next; /* of those let go */
	struct vmv_workers *pool;
	pid_t pid;
	int fd;
	struct event *io;
	struct vmv_work *work; /* NULL: idle */
	char kind[KIND_SIZE];  /* of what it works on, or did */
	struct vmv_buf parts;  /* of an answer that comes in several */
	uint64_t since_ms;     /* at this, or idle */
	bool has_answered;     /* anything, ever */
	bool is_evicted;       /* killed, to make room: not its own fault */
	bool is_killed;	       /* because it was late */
	/* once let go */
	uint64_t reap_ms;
	uint32_t reap_pause_ms;
};

struct vmv_workers {
	struct event_base *base;
	const struct vmv_clock *clock;
	const char *helper;
	const struct vmv_worker_calls *calls;
	void *arg;

	struct vmv_work *queue; /* oldest first */
	struct worker *workers[WORKERS_MAX];
	size_t n_workers;
	struct worker *gone; /* still to be reaped */

	struct vmv_backoff starts;
	uint64_t start_ms; /* no worker is started before */
	int start_error;   /* why not */
};

static void on_packet(evutil_socket_t fd, short what, void *arg);

static uint64_t now_ms(const struct vmv_workers *p)
{
	return vmv_mono_ms(p->clock);
}

/* The last thing to be done with w, which its owner may put again from here. */
static void end_work(struct vmv_workers *p, struct vmv_work *w, enum vmv_work_end how, int result,
		     char *answer)
{
	w->state = VMV_WORK_IDLE;
	p->calls->ended(p->arg, w, how, result, answer);
}

/* -- their end --------------------------------------------------------------------------- */

static void worker_free(struct worker *w)
{
	if (w->io)
		event_free(w->io);
	vmv_closep(&w->fd);
	vmv_buf_free(&w->parts);
	free(w);
}

/* By number, so that nobody else's children are taken. What it left behind in its group ends, too,
 * while the number is still its own. Returns whether it is over. */
static bool has_ended(const struct worker *w)
{
	siginfo_t info = { .si_pid = 0 };

	if (waitid(P_PID, (id_t)w->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	    info.si_pid == 0)
		return false;
	if (info.si_pid == w->pid) {
		(void)kill(-w->pid, SIGKILL);
		(void)waitpid(w->pid, NULL, WNOHANG);
	}
	return true;
}

static void reap(struct vmv_workers *p, uint64_t now)
{
	for (struct worker **at = &p->gone; *at;) {
		struct worker *w = *at;

		if (now >= w->reap_ms && has_ended(w)) {
			*at = w->next;
			worker_free(w);
			continue;
		}
		if (now >= w->reap_ms) {
			w->reap_ms = now + w->reap_pause_ms;
			if (w->reap_pause_ms < REAP_MAX_MS)
				w->reap_pause_ms *= 2;
			else /* it was asked to go, and had a second */
				(void)kill(-w->pid, SIGKILL);
		}
		at = &w->next;
	}
}

/* The closed socket ends it, if it is idle. Its work, if any, is the caller's to end. */
static void let_go(struct worker *w)
{
	struct vmv_workers *p = w->pool;

	for (size_t i = 0; i < p->n_workers; i++) {
		if (p->workers[i] == w) {
			p->workers[i] = p->workers[--p->n_workers];
			break;
		}
	}
	event_free(w->io);
	w->io = NULL;
	vmv_closep(&w->fd);
	w->fd = -1;
	w->work = NULL;
	vmv_buf_free(&w->parts);
	w->reap_pause_ms = REAP_MIN_MS;
	w->reap_ms = now_ms(p) + REAP_MIN_MS;
	w->next = p->gone;
	p->gone = w;
}

/* Nothing is started for a while. */
static void pause_starts(struct vmv_workers *p, int error)
{
	p->start_error = error;
	p->start_ms = now_ms(p) + vmv_backoff_next(&p->starts);
}

/* Most likely the next one would end like this, too. One that dies of a slow question says nothing
 * about the quick ones, which must not wait for it. */
static bool is_start_to_blame(const struct worker *w)
{
	return !w->has_answered && !w->is_evicted && !(w->work && w->work->class == VMV_WORK_SLOW);
}

/* It died, does not keep to the protocol, or was late. */
static void lose(struct worker *w, int error)
{
	struct vmv_workers *p = w->pool;
	struct vmv_work *work = w->work;

	(void)kill(-w->pid, SIGKILL);
	if (is_start_to_blame(w))
		pause_starts(p, error);
	let_go(w);
	if (!work)
		return;
	if (w->is_evicted)
		end_work(p, work, VMV_WORK_EVICTED, -ETIMEDOUT, NULL);
	else
		end_work(p, work, w->is_killed ? VMV_WORK_KILLED : VMV_WORK_DIED, error, NULL);
}

/* -- their start ------------------------------------------------------------------------- */

/* fd becomes its standard input. Returns 0 or negative errno: what exec said included. */
static int spawn(const char *path, int fd, pid_t *ret)
{
	static const char *const env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL };
	static const char *const argv[] = { "vmvitals-helper", NULL };
	const struct vmv_spawn_fd in = { .ours = fd, .theirs = STDIN_FILENO };
	const struct vmv_spawn s = {
		.path = path, .argv = argv, .env = env, .fds = &in, .n_fds = 1
	};

	return vmv_spawn(ret, &s);
}

static int start_worker(struct vmv_workers *p, struct worker **ret)
{
	int fds[2], r;
	struct worker *w;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	vmv_autoclose int ours = fds[0];
	vmv_autoclose int theirs = fds[1];

	if (evutil_make_socket_nonblocking(ours) < 0)
		return -errno;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	*w = (struct worker){ .pool = p, .fd = -1 };
	w->io = event_new(p->base, ours, EV_READ | EV_PERSIST, on_packet, w);
	r = w->io && event_add(w->io, NULL) == 0 ? 0 : -ENOMEM;
	if (r == 0)
		r = spawn(p->helper, theirs, &w->pid);
	if (r < 0) {
		worker_free(w);
		return r;
	}
	w->fd = VMV_TAKE(ours, -1);
	w->since_ms = now_ms(p);
	p->workers[p->n_workers++] = w;
	*ret = w;
	return 0;
}

/* -- work to workers --------------------------------------------------------------------- */

static bool is_stuck(const struct worker *w)
{
	return w->work && w->work->state == VMV_WORK_STUCK;
}

static bool has_class(const struct worker *w, enum vmv_work_class class)
{
	return w->work && w->work->class == class;
}

/* One that can be expected to be free some time. */
static bool has_busy(const struct vmv_workers *p, enum vmv_work_class class)
{
	for (size_t i = 0; i < p->n_workers; i++)
		if (has_class(p->workers[i], class) && !is_stuck(p->workers[i]))
			return true;
	return false;
}

/* One that will be free in a moment: then a further process is not worth it. */
static bool has_quick(const struct vmv_workers *p, uint64_t now)
{
	for (size_t i = 0; i < p->n_workers; i++)
		if (has_class(p->workers[i], VMV_WORK_QUICK) && !is_stuck(p->workers[i]) &&
		    now - p->workers[i]->since_ms < QUICK_MS)
			return true;
	return false;
}

static struct worker *idle_worker(const struct vmv_workers *p)
{
	for (size_t i = 0; i < p->n_workers; i++)
		if (!p->workers[i]->work)
			return p->workers[i];
	return NULL;
}

static void kind_of(const struct vmv_work *work, char ret[KIND_SIZE])
{
	(void)snprintf(ret, KIND_SIZE, "%.*s", (int)strcspn(work->question, " "), work->question);
}

struct use {
	size_t all, kind, kind_stuck; /* workers of the class; of the kind in it; of them stuck */
};

/* Who was killed because it was late keeps its place until it is really over: what hangs in the
 * kernel cannot be killed, and there would be more and more of it. */
static struct use use_of(const struct vmv_workers *p, const struct vmv_work *work)
{
	struct use u = { 0 };
	char kind[KIND_SIZE];

	kind_of(work, kind);
	for (size_t i = 0; i < p->n_workers; i++) {
		const struct worker *w = p->workers[i];
		bool is_same = has_class(w, work->class) && strcmp(w->kind, kind) == 0;

		u.all += has_class(w, work->class);
		u.kind += is_same;
		u.kind_stuck += is_same && is_stuck(w);
	}
	if (work->class != VMV_WORK_SLOW)
		return u;
	for (const struct worker *w = p->gone; w; w = w->next) {
		u.all += w->is_killed;
		u.kind += w->is_killed && strcmp(w->kind, kind) == 0;
	}
	return u;
}

/* All that might serve work are stuck. The one that is for longest is ended if it has had its time:
 * what waits for NFS can be killed, what waits for FUSE cannot, and keeps its place. Otherwise a
 * few dead servers would keep all others from being asked for ever. */
static void make_room(const struct vmv_workers *p, const struct vmv_work *work, uint64_t now,
		      bool is_kind_full)
{
	struct worker *oldest = NULL;
	char kind[KIND_SIZE];

	kind_of(work, kind);
	for (size_t i = 0; i < p->n_workers; i++) {
		struct worker *w = p->workers[i];

		if (is_stuck(w) && !w->is_evicted && now - w->since_ms >= ROOM_MS &&
		    (!is_kind_full || strcmp(w->kind, kind) == 0) &&
		    (!oldest || w->since_ms < oldest->since_ms))
			oldest = w;
	}
	if (!oldest)
		return;
	oldest->is_evicted = true;
	(void)kill(-oldest->pid, SIGKILL); /* its socket tells when it is over */
}

/* None is idle. Returns 0 and a new worker, -EAGAIN when one will be idle, or why there is none. */
static int new_worker(struct vmv_workers *p, const struct vmv_work *work, uint64_t now,
		      struct worker **ret)
{
	int r;

	if (work->class == VMV_WORK_QUICK && has_quick(p, now))
		return -EAGAIN;
	if (now >= p->start_ms) {
		r = start_worker(p, ret);
		if (r == 0)
			return 0;
		pause_starts(p, r);
	}
	return has_busy(p, work->class) ? -EAGAIN : p->start_error;
}

/* Returns 0 and a worker that is idle, -EAGAIN when there will be one, or why there is none. */
static int get_worker(struct vmv_workers *p, const struct vmv_work *work, struct worker **ret)
{
	const struct quota *quota = &quotas[work->class];
	struct use u = use_of(p, work);
	uint64_t now = now_ms(p);

	if (u.kind >= quota->kind && u.kind_stuck < u.kind)
		return -EAGAIN;
	if (u.kind >= quota->kind) {
		make_room(p, work, now, true);
		return -EBUSY;
	}
	if (u.all >= quota->all) {
		if (work->class == VMV_WORK_SLOW || has_busy(p, work->class))
			return -EAGAIN;
		make_room(p, work, now, false);
		return -EBUSY;
	}
	*ret = idle_worker(p);
	return *ret ? 0 : new_worker(p, work, now, ret);
}

/* Gives it to a worker. Returns 0, -EAGAIN when it has to wait for one, or why it cannot be done.
 */
static int place(struct vmv_workers *p, struct vmv_work *work)
{
	struct worker *w;
	int r;

	while ((r = get_worker(p, work, &w)) == 0) {
		if (send(w->fd, work->question, strlen(work->question), MSG_NOSIGNAL) >= 0) {
			w->work = work;
			kind_of(work, w->kind);
			w->parts.max = work->max + 1; /* and a NUL */
			w->since_ms = now_ms(p);
			work->state = VMV_WORK_SENT;
			return 0;
		}
		lose(w, -EIO); /* it ended while idle; the next may live */
	}
	return r;
}

static void dequeue(struct vmv_workers *p, const struct vmv_work *work)
{
	for (struct vmv_work **at = &p->queue; *at; at = &(*at)->next) {
		if (*at == work) {
			*at = work->next;
			return;
		}
	}
}

/* After a worker became free, or ceased to be one that will. Those that are refused are told at the
 * end: then the queue may be changed. */
static void place_queued(struct vmv_workers *p)
{
	struct vmv_work *refused = NULL, **last = &refused;
	struct vmv_work **at = &p->queue;

	while (*at) {
		struct vmv_work *work = *at;
		int r = place(p, work);

		if (r == -EAGAIN) {
			at = &work->next;
			continue;
		}
		*at = work->next;
		if (r < 0) {
			work->refusal = r;
			work->next = NULL;
			*last = work;
			last = &work->next;
		}
	}
	while (refused) {
		struct vmv_work *work = refused;

		refused = work->next;
		end_work(p, work, VMV_WORK_REFUSED, work->refusal, NULL);
	}
}

int vmv_workers_put(struct vmv_workers *p, struct vmv_work *w)
{
	struct vmv_work **at = &p->queue;
	int r = place(p, w);

	if (r != -EAGAIN)
		return r;
	while (*at)
		at = &(*at)->next;
	w->next = NULL;
	w->state = VMV_WORK_QUEUED;
	*at = w;
	return 0;
}

void vmv_workers_withdraw(struct vmv_workers *p, struct vmv_work *w)
{
	if (w->state != VMV_WORK_QUEUED)
		return;
	dequeue(p, w);
	w->state = VMV_WORK_IDLE;
}

/* -- what they say ----------------------------------------------------------------------- */

/* The worker is idle again. Takes answer. */
static void finish(struct worker *w, int result, char *answer)
{
	struct vmv_work *work = w->work;

	w->work = NULL;
	w->since_ms = now_ms(w->pool);
	w->has_answered = true;
	vmv_buf_free(&w->parts);
	vmv_backoff_reset(&w->pool->starts);
	end_work(w->pool, work, VMV_WORK_ANSWERED, result, answer);
}

/* Returns 0, or negative errno: the worker is no good. */
static int take_packet(struct worker *w, const char *packet, size_t len)
{
	char *answer = NULL;
	int result, r;

	if (!w->work) /* nobody asked */
		return -EPROTO;
	r = vmv_packet_take(&w->parts, w->work->max, packet, len, &result, &answer);
	if (r > 0)
		finish(w, result, answer);
	return r < 0 ? r : 0;
}

static void on_packet(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	struct vmv_workers *p = w->pool;
	vmv_autofree char *packet = NULL;
	ssize_t len = vmv_packet_receive((int)fd, &packet);
	int r;

	(void)what;
	if (len == -EAGAIN || len == -EINTR)
		return;
	r = len > 0 ? take_packet(w, packet, (size_t)len) : -EIO;
	if (r < 0)
		lose(w, r);
	place_queued(p);
	p->calls->turned(p->arg);
}

/* -- time -------------------------------------------------------------------------------- */

static uint64_t late_ms(const struct worker *w)
{
	uint64_t at = w->since_ms + w->work->deadline_ms;

	return at < w->work->until_ms ? at : w->work->until_ms;
}

uint64_t vmv_workers_next_due(const struct vmv_workers *p, uint64_t now)
{
	uint64_t due = VMV_DUE_NEVER;

	for (size_t i = 0; i < p->n_workers; i++) {
		const struct worker *w = p->workers[i];

		if (is_stuck(w))
			continue;
		vmv_due_must(&due, w->work ? late_ms(w) : w->since_ms + VMV_ASK_IDLE_MS, now);
		if (p->queue && has_class(w, VMV_WORK_QUICK))
			vmv_due_may(&due, w->since_ms + QUICK_MS, now);
	}
	if (p->queue)
		vmv_due_may(&due, p->start_ms, now);
	for (const struct worker *w = p->gone; w; w = w->next)
		vmv_due_must(&due, w->reap_ms, now);
	return due;
}

static void strike(struct worker *w)
{
	if (w->work->class == VMV_WORK_SLOW) {
		w->is_killed = true;
		lose(w, -ETIMEDOUT);
		return;
	}
	w->work->state = VMV_WORK_STUCK;
	w->pool->calls->late(w->pool->arg, w->work);
}

void vmv_workers_tick(struct vmv_workers *p, uint64_t now)
{
	for (size_t i = p->n_workers; i-- > 0;) {
		struct worker *w = p->workers[i];

		if (!w->work && now - w->since_ms >= VMV_ASK_IDLE_MS)
			let_go(w);
		else if (w->work && !is_stuck(w) && now >= late_ms(w))
			strike(w);
	}
	reap(p, now);
	place_queued(p);
}

/* -- life -------------------------------------------------------------------------------- */

struct vmv_workers *vmv_workers_new(struct event_base *base, const struct vmv_clock *clock,
				    const char *helper, const struct vmv_worker_calls *calls,
				    void *arg)
{
	struct vmv_workers *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	*p = (struct vmv_workers){
		.base = base,
		.clock = clock,
		.helper = helper,
		.calls = calls,
		.arg = arg,
		.starts = { .min_ms = RETRY_MIN_MS, .max_ms = RETRY_MAX_MS },
	};
	return p;
}

void vmv_workers_free(struct vmv_workers *p)
{
	unsigned ms_left = FREE_MS;

	if (!p)
		return;
	while (p->n_workers > 0) {
		(void)kill(-p->workers[0]->pid, SIGKILL);
		let_go(p->workers[0]);
	}
	while (p->gone) {
		struct worker *w = p->gone;

		p->gone = w->next;
		(void)kill(-w->pid, SIGKILL);
		for (; !has_ended(w) && ms_left > 0; ms_left--)
			(void)poll(NULL, 0, 1);
		worker_free(w);
	}
	free(p);
}
