#include "exec/asker.h"

#include "base/backoff.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/num.h"
#include "exec/spawn.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define GOOD	     "ok\n"
#define BAD	     "error "
#define PACKET_MAX   (strlen(GOOD) + VMV_ASK_ANSWER_MAX)
#define FORGET_MS    600000 /* questions that nobody asked for so long */
#define SPARE_MS     10000  /* the same, when there is no room for another one */
#define QUICK_MS     20	    /* a busy worker is waited for so long before there is another one */
#define RETRY_MIN_MS 1000   /* after a worker died or could not be started */
#define RETRY_MAX_MS 60000
#define REAP_MIN_MS  5 /* looking again whether a worker that was let go has ended; doubles */
#define REAP_MAX_MS  1000
#define KIND_MAX     (VMV_ASK_WORKERS - 1) /* workers for questions that begin alike */
#define ROOM_MS	     10000 /* a stuck question has its worker so long, when others want one */
#define FREE_MS	     20	   /* at the end, for those that were killed: in all */
#define NEVER	     UINT64_MAX
#define ERRNO_MAX    4095

enum state {
	IDLE,	/* nothing under way */
	QUEUED, /* waits for a worker */
	SENT,	/* a worker has it */
	STUCK,	/* the same, and the deadline has passed */
};

struct question {
	char *text;
	uint32_t hash;
	enum state state;
	bool is_stuck;	   /* it was, and has had no answer since: it may have been asked again */
	uint64_t serial;   /* order of the queue */
	uint64_t asked_ms; /* when what is under way was asked */
	uint64_t wanted_ms;

	char *answer; /* NULL: there is none, or result is an error */
	int result;   /* length of the answer, or negative errno; -EAGAIN: never had any */
	uint64_t answered_ms;
	struct vmv_backoff deaths;
	uint64_t retry_ms; /* not asked before */
};

struct worker {
	struct worker *next; /* of those let go */
	struct vmv_ask_pool *pool;
	pid_t pid;
	int fd;
	struct event *io;
	struct question *question; /* NULL: idle */
	uint64_t since_ms;	   /* at this, or idle */
	bool has_answered;	   /* anything, ever */
	bool is_evicted;	   /* killed, to make room: not its own fault */
	/* once let go */
	uint64_t reap_ms;
	uint32_t reap_pause_ms;
};

struct vmv_ask_pool {
	struct vmv_asker asker;
	struct event_base *base;
	const struct vmv_clock *clock;
	const struct vmv_ask_calls *calls;
	void *arg;
	char *helper;

	struct question *questions[VMV_ASK_QUESTIONS];
	size_t n_questions;
	uint64_t serial;
	struct worker *workers[VMV_ASK_WORKERS];
	size_t n_workers;
	struct worker *gone; /* still to be reaped */

	struct vmv_backoff starts;
	uint64_t start_ms; /* no worker is started before */
	int start_error;   /* why not */
	struct event *timer;
};

static void on_packet(evutil_socket_t fd, short what, void *arg);
static void arm(struct vmv_ask_pool *p);

static uint64_t now_ms(const struct vmv_ask_pool *p)
{
	return vmv_mono_ms(p->clock);
}

static void wake(struct vmv_ask_pool *p)
{
	if (p->calls->wake)
		p->calls->wake(p->arg);
}

static void tell_stuck(struct vmv_ask_pool *p, const struct question *q, bool is_stuck)
{
	if (p->calls->stuck)
		p->calls->stuck(p->arg, q->text, is_stuck, now_ms(p) - q->asked_ms);
}

/* -- questions -------------------------------------------------------------------------- */

/* FNV-1a. Questions begin alike, so comparing texts would take long. */
static uint32_t hash_of(const char *text)
{
	uint32_t h = 2166136261u;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 16777619u;
	return h;
}

static void question_free(struct question *q)
{
	if (!q)
		return;
	free(q->text);
	free(q->answer);
	free(q);
}

static void forget_old(struct vmv_ask_pool *p, uint64_t now)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->n_questions; i++) {
		struct question *q = p->questions[i];

		if (q->state == IDLE && now - q->wanted_ms >= FORGET_MS)
			question_free(q);
		else
			p->questions[kept++] = q;
	}
	p->n_questions = kept;
}

/* Mounts that come and go leave questions behind that nobody asks again: they must not keep new
 * ones out. What is asked in each reading stays, as a reading is shorter than that. */
static bool forget_one(struct vmv_ask_pool *p, uint64_t now)
{
	size_t oldest = p->n_questions;

	for (size_t i = 0; i < p->n_questions; i++) {
		const struct question *q = p->questions[i];

		if (q->state == IDLE && now - q->wanted_ms >= SPARE_MS &&
		    (oldest == p->n_questions || q->wanted_ms < p->questions[oldest]->wanted_ms))
			oldest = i;
	}
	if (oldest == p->n_questions)
		return false;
	question_free(p->questions[oldest]);
	p->questions[oldest] = p->questions[--p->n_questions];
	return true;
}

static int add_question(struct vmv_ask_pool *p, const char *text, uint32_t hash,
			struct question **ret)
{
	uint64_t now = now_ms(p);
	struct question *q;

	if (strlen(text) > VMV_ASK_QUESTION_MAX)
		return -EINVAL;
	forget_old(p, now);
	if (p->n_questions == VMV_ASK_QUESTIONS && !forget_one(p, now))
		return -EBUSY;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	*q = (struct question){
		.text = strdup(text),
		.hash = hash,
		.result = -EAGAIN,
		.deaths = { .min_ms = RETRY_MIN_MS, .max_ms = RETRY_MAX_MS },
	};
	if (!q->text) {
		question_free(q);
		return -ENOMEM;
	}
	p->questions[p->n_questions++] = q;
	*ret = q;
	return 0;
}

static int find_question(struct vmv_ask_pool *p, const char *text, struct question **ret)
{
	uint32_t hash = hash_of(text);

	for (size_t i = 0; i < p->n_questions; i++) {
		struct question *q = p->questions[i];

		if (q->hash == hash && strcmp(q->text, text) == 0) {
			*ret = q;
			return 0;
		}
	}
	return add_question(p, text, hash, ret);
}

/* Takes the answer. */
static void settle(struct vmv_ask_pool *p, struct question *q, int result, char *answer)
{
	bool was_stuck = q->is_stuck;

	q->is_stuck = false;
	free(q->answer);
	q->answer = answer;
	q->result = result;
	q->answered_ms = now_ms(p);
	q->state = IDLE;
	if (was_stuck)
		tell_stuck(p, q, false);
}

/* The first of those with this serial number or a later one. */
static struct question *next_queued(const struct vmv_ask_pool *p, uint64_t from)
{
	struct question *first = NULL;

	for (size_t i = 0; i < p->n_questions; i++) {
		struct question *q = p->questions[i];

		if (q->state == QUEUED && q->serial >= from &&
		    (!first || q->serial < first->serial))
			first = q;
	}
	return first;
}

/* -- workers: their end ------------------------------------------------------------------ */

static void worker_free(struct worker *w)
{
	if (w->io)
		event_free(w->io);
	vmv_closep(&w->fd);
	free(w);
}

/* By number, so that nobody else's children are taken. Returns whether it is over. */
static bool has_ended(const struct worker *w)
{
	pid_t r;

	do {
		r = waitpid(w->pid, NULL, WNOHANG);
	} while (r < 0 && errno == EINTR);
	return r != 0;
}

static void reap(struct vmv_ask_pool *p, uint64_t now)
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

/* The closed socket ends it, if it is idle. Its question, if any, is the caller's to settle. */
static void let_go(struct worker *w)
{
	struct vmv_ask_pool *p = w->pool;

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
	w->question = NULL;
	w->reap_pause_ms = REAP_MIN_MS;
	w->reap_ms = now_ms(p) + REAP_MIN_MS;
	w->next = p->gone;
	p->gone = w;
}

/* Nothing is started for a while. */
static void pause_starts(struct vmv_ask_pool *p, int error)
{
	p->start_error = error;
	p->start_ms = now_ms(p) + vmv_backoff_next(&p->starts);
}

/* Still stuck as far as anybody knows, but no worker has it. */
static void drop(struct question *q)
{
	free(q->answer);
	q->answer = NULL;
	q->result = -ETIMEDOUT;
	q->answered_ms = q->asked_ms;
	q->state = IDLE;
}

/* It died, or does not keep to the protocol. */
static void lose(struct worker *w, int error)
{
	struct vmv_ask_pool *p = w->pool;
	struct question *q = w->question;

	(void)kill(-w->pid, SIGKILL);
	if (!w->has_answered &&
	    !w->is_evicted) /* most likely the next one would end like this, too */
		pause_starts(p, error);
	let_go(w);
	if (!q)
		return;
	q->retry_ms = now_ms(p) + vmv_backoff_next(&q->deaths);
	if (w->is_evicted)
		drop(q);
	else
		settle(p, q, error, NULL);
}

/* -- workers: their start ---------------------------------------------------------------- */

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

static int start_worker(struct vmv_ask_pool *p, struct worker **ret)
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

/* -- questions to workers ---------------------------------------------------------------- */

static bool is_stuck(const struct worker *w)
{
	return w->question && w->question->state == STUCK;
}

/* One that can be expected to be free some time. */
static bool has_busy(const struct vmv_ask_pool *p)
{
	for (size_t i = 0; i < p->n_workers; i++)
		if (p->workers[i]->question && !is_stuck(p->workers[i]))
			return true;
	return false;
}

/* One that will be free in a moment: then a further process is not worth it. */
static bool has_quick(const struct vmv_ask_pool *p, uint64_t now)
{
	for (size_t i = 0; i < p->n_workers; i++)
		if (p->workers[i]->question && !is_stuck(p->workers[i]) &&
		    now - p->workers[i]->since_ms < QUICK_MS)
			return true;
	return false;
}

static struct worker *idle_worker(const struct vmv_ask_pool *p)
{
	for (size_t i = 0; i < p->n_workers; i++)
		if (!p->workers[i]->question)
			return p->workers[i];
	return NULL;
}

/* By the first word. */
static bool is_same_kind(const struct question *a, const struct question *b)
{
	size_t len = strcspn(a->text, " ");

	return strcspn(b->text, " ") == len && memcmp(a->text, b->text, len) == 0;
}

/* One server that is down can hold many filesystems, which would take all workers: one is left to
 * questions of other kinds. Returns 0 when this one may have a worker, -EAGAIN when its kind will
 * have one again, -EBUSY when all that its kind may have are stuck. */
static int check_kind(const struct vmv_ask_pool *p, const struct question *q)
{
	size_t n = 0, n_stuck = 0;

	for (size_t i = 0; i < p->n_workers; i++) {
		const struct worker *w = p->workers[i];

		if (!w->question || !is_same_kind(w->question, q))
			continue;
		n++;
		n_stuck += is_stuck(w);
	}
	if (n < KIND_MAX)
		return 0;
	return n_stuck == n ? -EBUSY : -EAGAIN;
}

/* All that might serve q are stuck. The one that is for longest is ended if it has had its time:
 * what waits for NFS can be killed, what waits for FUSE cannot, and keeps its place. Otherwise a
 * few dead servers would keep all others from being asked for ever. */
static void make_room(const struct vmv_ask_pool *p, const struct question *q, uint64_t now,
		      bool is_kind_full)
{
	struct worker *oldest = NULL;

	for (size_t i = 0; i < p->n_workers; i++) {
		struct worker *w = p->workers[i];

		if (is_stuck(w) && !w->is_evicted && now - w->since_ms >= ROOM_MS &&
		    (!is_kind_full || is_same_kind(w->question, q)) &&
		    (!oldest || w->since_ms < oldest->since_ms))
			oldest = w;
	}
	if (!oldest)
		return;
	oldest->is_evicted = true;
	(void)kill(-oldest->pid, SIGKILL); /* its socket tells when it is over */
}

/* Returns 0 and a worker that is idle, -EAGAIN when there will be one, or why there is none. */
static int get_worker(struct vmv_ask_pool *p, const struct question *q, struct worker **ret)
{
	uint64_t now = now_ms(p);
	int r = check_kind(p, q);

	if (r == -EBUSY)
		make_room(p, q, now, true);
	if (r < 0)
		return r;
	*ret = idle_worker(p);
	if (*ret)
		return 0;
	if (has_quick(p, now))
		return -EAGAIN;
	if (p->n_workers == VMV_ASK_WORKERS) {
		if (has_busy(p))
			return -EAGAIN;
		make_room(p, q, now, false);
		return -EBUSY;
	}
	if (now >= p->start_ms) {
		r = start_worker(p, ret);
		if (r == 0)
			return 0;
		pause_starts(p, r);
	}
	return has_busy(p) ? -EAGAIN : p->start_error;
}

/* Gives it to a worker. Returns 0, -EAGAIN when it has to wait for one, or why it cannot be asked.
 */
static int place(struct vmv_ask_pool *p, struct question *q)
{
	struct worker *w;
	int r;

	while ((r = get_worker(p, q, &w)) == 0) {
		if (send(w->fd, q->text, strlen(q->text), MSG_NOSIGNAL) >= 0) {
			w->question = q;
			w->since_ms = now_ms(p);
			q->state = SENT;
			return 0;
		}
		lose(w, -EIO); /* it ended while idle; the next may live */
	}
	return r;
}

/* After a worker became free, or ceased to be one that will. */
static void place_queued(struct vmv_ask_pool *p)
{
	struct question *q;
	uint64_t from = 0;

	while ((q = next_queued(p, from))) {
		int r = place(p, q);

		from = q->serial + 1;
		if (r == -EAGAIN && check_kind(p, q) == 0)
			return;		   /* nor is there a worker for any other */
		if (r < 0 && r != -EAGAIN) /* asked again, it gets the reason */
			q->state = IDLE;
	}
}

/* -- what workers say -------------------------------------------------------------------- */

/* "error 116" to -116; false for anything else. What has a meaning of its own in ask() becomes
 * -EIO: a soft mount of NFS that gave up is not stuck. */
static bool parse_error(const char *text, int *ret)
{
	const char *end;
	uint64_t v;

	if (strncmp(text, BAD, strlen(BAD)) != 0 ||
	    vmv_parse_u64(text + strlen(BAD), &v, &end) < 0 || *end != '\0' || v == 0 ||
	    v > ERRNO_MAX)
		return false;
	*ret = v == EAGAIN || v == ETIMEDOUT ? -EIO : -(int)v;
	return true;
}

/* Takes the packet, len bytes and a NUL. Returns false when it is none of the protocol's. */
static bool take_packet(struct vmv_ask_pool *p, struct question *q, char *packet, size_t len)
{
	size_t head = strlen(GOOD);
	int error;

	if (len > PACKET_MAX) {
		free(packet);
		settle(p, q, -EFBIG, NULL);
		return true;
	}
	if (strlen(packet) != len) {
		free(packet);
		return false;
	}
	if (strncmp(packet, GOOD, head) == 0) {
		memmove(packet, packet + head, len - head + 1);
		settle(p, q, (int)(len - head), packet);
		return true;
	}
	if (!parse_error(packet, &error)) {
		free(packet);
		return false;
	}
	free(packet);
	settle(p, q, error, NULL);
	return true;
}

/* Returns the length of the next packet, which is *ret, new and NUL-terminated. 0: the end;
 * -EAGAIN: there is none. Of one that is too long, *ret is no more than the beginning. */
static ssize_t receive(int fd, char **ret)
{
	ssize_t len = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC);
	vmv_autofree char *packet = NULL;
	size_t cap;

	if (len <= 0)
		return len < 0 ? -errno : 0;
	cap = (size_t)len > PACKET_MAX ? 1 : (size_t)len;
	packet = malloc(cap + 1);
	if (!packet)
		return -ENOMEM;
	if (recv(fd, packet, cap, 0) != (ssize_t)cap)
		return -EIO;
	packet[cap] = '\0';
	*ret = VMV_TAKE(packet, NULL);
	return len;
}

static void on_packet(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	struct vmv_ask_pool *p = w->pool;
	struct question *q = w->question;
	char *packet = NULL;
	ssize_t len = receive((int)fd, &packet);

	(void)what;
	if (len == -EAGAIN || len == -EINTR)
		return;
	if (len <= 0) {
		lose(w, -EIO);
	} else if (!q) { /* nobody asked */
		free(packet);
		lose(w, -EPROTO);
	} else if (!take_packet(p, q, packet, (size_t)len)) {
		lose(w, -EPROTO);
	} else {
		w->question = NULL;
		w->since_ms = now_ms(p);
		w->has_answered = true;
		vmv_backoff_reset(&p->starts);
		vmv_backoff_reset(&q->deaths);
		q->retry_ms = 0;
	}
	place_queued(p);
	arm(p);
	wake(p);
}

/* -- time -------------------------------------------------------------------------------- */

/* What is overdue is looked at in a moment. */
static void must(uint64_t *due, uint64_t when, uint64_t now)
{
	when = when > now ? when : now + 1;
	if (when < *due)
		*due = when;
}

/* What is past has had its chance. */
static void may(uint64_t *due, uint64_t when, uint64_t now)
{
	if (when > now)
		must(due, when, now);
}

/* When something is to be looked at again. */
static uint64_t next_due(const struct vmv_ask_pool *p, uint64_t now)
{
	bool is_waiting = next_queued(p, 0) != NULL;
	uint64_t due = NEVER;

	for (size_t i = 0; i < p->n_workers; i++) {
		const struct worker *w = p->workers[i];

		if (is_stuck(w))
			continue;
		must(&due, w->since_ms + (w->question ? VMV_ASK_DEADLINE_MS : VMV_ASK_IDLE_MS),
		     now);
		if (is_waiting)
			may(&due, w->since_ms + QUICK_MS, now);
	}
	if (is_waiting)
		may(&due, p->start_ms, now);
	for (const struct worker *w = p->gone; w; w = w->next)
		must(&due, w->reap_ms, now);
	return due;
}

static void arm(struct vmv_ask_pool *p)
{
	uint64_t now = now_ms(p);
	uint64_t due = next_due(p, now);
	uint64_t ms = due - now;
	struct timeval tv = { .tv_sec = (time_t)(ms / 1000),
			      .tv_usec = (suseconds_t)(ms % 1000) * 1000 };

	if (due == NEVER)
		(void)event_del(p->timer);
	else
		(void)event_add(p->timer, &tv);
}

/* Returns whether a question became stuck. */
static bool look_at_workers(struct vmv_ask_pool *p, uint64_t now)
{
	bool is_late = false;

	for (size_t i = p->n_workers; i-- > 0;) {
		struct worker *w = p->workers[i];

		if (!w->question && now - w->since_ms >= VMV_ASK_IDLE_MS) {
			let_go(w);
		} else if (w->question && !is_stuck(w) &&
			   now - w->since_ms >= VMV_ASK_DEADLINE_MS) {
			w->question->state = STUCK;
			if (!w->question->is_stuck)
				tell_stuck(p, w->question, true);
			w->question->is_stuck = true;
			is_late = true;
		}
	}
	return is_late;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_ask_pool *p = arg;
	uint64_t now = now_ms(p);
	bool is_late = look_at_workers(p, now);

	(void)fd;
	(void)what;
	reap(p, now);
	forget_old(p, now);
	place_queued(p);
	arm(p);
	if (is_late)
		wake(p);
}

/* -- the table --------------------------------------------------------------------------- */

static int give(const struct question *q, uint64_t now, const char **ret_text, uint64_t *ret_age_ms)
{
	*ret_age_ms = now - q->answered_ms;
	if (q->result >= 0)
		*ret_text = q->answer;
	return q->result;
}

static int submit(struct vmv_ask_pool *p, struct question *q, uint64_t now)
{
	int r;

	q->serial = p->serial++;
	if (!q->is_stuck)
		q->asked_ms = now;
	r = place(p, q);
	if (r == -EAGAIN)
		q->state = QUEUED;
	arm(p);
	return r == 0 || r == -EAGAIN ? -EAGAIN : r;
}

static int ask(struct vmv_asker *self, const char *text, uint32_t max_age_ms, const char **ret_text,
	       uint64_t *ret_age_ms)
{
	struct vmv_ask_pool *p =
		(struct vmv_ask_pool *)((char *)self - offsetof(struct vmv_ask_pool, asker));
	uint64_t now = now_ms(p);
	struct question *q;
	int r = find_question(p, text, &q);

	*ret_age_ms = 0;
	if (r < 0)
		return r;
	q->wanted_ms = now;
	if (q->result < 0 && max_age_ms > VMV_ASK_ERROR_MS)
		max_age_ms = VMV_ASK_ERROR_MS;
	if (q->state != STUCK && q->result != -EAGAIN && now - q->answered_ms <= max_age_ms)
		return give(q, now, ret_text, ret_age_ms);
	if (q->state == IDLE && now < q->retry_ms)
		return give(q, now, ret_text, ret_age_ms);
	r = q->state == IDLE ? submit(p, q, now) : -EAGAIN;
	*ret_age_ms = r == -EAGAIN || q->is_stuck ? now - q->asked_ms : 0;
	return q->is_stuck ? -ETIMEDOUT : r;
}

/* -- life -------------------------------------------------------------------------------- */

struct vmv_ask_pool *vmv_ask_pool_new(struct event_base *base, const struct vmv_clock *clock,
				      const char *helper, const struct vmv_ask_calls *calls,
				      void *arg)
{
	struct vmv_ask_pool *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->asker.ask = ask;
	p->base = base;
	p->clock = clock;
	p->calls = calls;
	p->arg = arg;
	p->starts = (struct vmv_backoff){ .min_ms = RETRY_MIN_MS, .max_ms = RETRY_MAX_MS };
	p->helper = strdup(helper);
	p->timer = event_new(base, -1, 0, on_timer, p);
	if (!p->helper || !p->timer) {
		vmv_ask_pool_free(p);
		return NULL;
	}
	return p;
}

void vmv_ask_pool_free(struct vmv_ask_pool *p)
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
	for (size_t i = 0; i < p->n_questions; i++)
		question_free(p->questions[i]);
	if (p->timer)
		event_free(p->timer);
	free(p->helper);
	free(p);
}

struct vmv_asker *vmv_ask_pool_asker(struct vmv_ask_pool *p)
{
	return &p->asker;
}
