#include "collectors/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/root.h"

#define STAT_MAX 2048 /* bytes; 52 numbers of up to 20 digits and a comm */

/* Columns of /proc/PID/stat as proc(5) counts them. */
enum {
	COL_PPID = 4,
	COL_UTIME = 14,
	COL_STIME = 15,
	COL_THREADS = 20,
	COL_STARTTIME = 22,
	COL_VSIZE = 23,
	COL_RSS = 24,
	N_COLS,
};

#define S	  struct vmv_process_sample
#define TICK	  0.01 /* seconds; USER_HZ is 100 wherever the agent runs */
#define CPU_TOTAL "vmvitals_process_cpu_seconds_total"

static const struct vmv_field fields[] = {
	VMV_FIELD(S, comm, "name", NULL, VMV_INFO, VMV_UNIT_NONE, 0, "comm",
		  "Name of the process as the kernel knows it."),
	VMV_FIELD(S, state, "state", NULL, VMV_INFO, VMV_UNIT_NONE, 0, "state",
		  "Scheduling state, one letter as in proc(5)."),
	VMV_FIELD(S, ppid, "vmvitals_process_parent_pid", NULL, VMV_GAUGE, VMV_UNIT_NONE, 0, "ppid",
		  "Pid of the parent process."),
	VMV_FIELD(S, utime, CPU_TOTAL, "mode=\"user\"", VMV_COUNTER, VMV_UNIT_SECONDS, TICK,
		  "utime", "CPU time spent in user mode."),
	VMV_FIELD(S, stime, CPU_TOTAL, "mode=\"system\"", VMV_COUNTER, VMV_UNIT_SECONDS, TICK,
		  "stime", "CPU time spent in kernel mode."),
	VMV_FIELD(
		S, starttime, "vmvitals_process_start_since_boot_seconds", NULL, VMV_GAUGE,
		VMV_UNIT_SECONDS, TICK, "starttime",
		"When the process started, counted from boot; with the pid it names the process."),
	VMV_FIELD(S, threads, "vmvitals_process_threads", NULL, VMV_GAUGE, VMV_UNIT_NONE, 0,
		  "num_threads", "Threads of the process."),
	VMV_FIELD(S, rss, "vmvitals_process_resident_memory_bytes", NULL, VMV_GAUGE, VMV_UNIT_BYTES,
		  0, "rss", "Memory of the process that is in RAM, shared pages included."),
	VMV_FIELD(S, vsize, "vmvitals_process_virtual_memory_bytes", NULL, VMV_GAUGE,
		  VMV_UNIT_BYTES, 0, "vsize", "Address space of the process."),
};

#undef S

static int malformed(struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_PARSE, EINVAL, "/proc/PID/stat: malformed line");
}

/* One column with the blank before it. Some (tty, nice) are signed: a negative one becomes
 * VMV_UNSET, because none that we want is. */
static int take_number(const char **at, uint64_t *ret)
{
	const char *s = *at;
	bool is_negative;
	int r;

	if (*s++ != ' ')
		return -EINVAL;
	is_negative = *s == '-';
	r = vmv_parse_u64(s + is_negative, ret, at);
	if (is_negative)
		*ret = VMV_UNSET;
	return r;
}

/* " ppid pgrp ... rss", which is as far as we read. */
static int parse_numbers(const char *s, size_t page_size, struct vmv_process_sample *ret)
{
	static const unsigned wanted[] = { COL_PPID,	  COL_UTIME, COL_STIME, COL_THREADS,
					   COL_STARTTIME, COL_VSIZE, COL_RSS };
	uint64_t col[N_COLS] = { 0 };
	uint64_t rss;

	for (unsigned i = COL_PPID; i < N_COLS; i++)
		if (take_number(&s, &col[i]) < 0)
			return -EINVAL;
	if (*s != ' ' && *s != '\n')
		return -EINVAL; /* cut within the last number */
	for (size_t i = 0; i < VMV_COUNTOF(wanted); i++)
		if (col[wanted[i]] == VMV_UNSET)
			return -EINVAL;
	if (__builtin_mul_overflow(col[COL_RSS], (uint64_t)page_size, &rss))
		return -EINVAL;

	ret->ppid = col[COL_PPID];
	ret->utime = col[COL_UTIME];
	ret->stime = col[COL_STIME];
	ret->threads = col[COL_THREADS];
	ret->starttime = col[COL_STARTTIME];
	ret->vsize = col[COL_VSIZE];
	ret->rss = rss;
	return 0;
}

static void copy_comm(char *ret, size_t cap, const char *s, size_t len)
{
	if (len >= cap)
		len = cap - 1;
	if (len == 0) { /* prctl(PR_SET_NAME, "") */
		s = "?";
		len = 1;
	}
	memcpy(ret, s, len);
	ret[len] = '\0';
}

int vmv_process_parse(const char *text, size_t page_size, struct vmv_process_sample *ret,
		      struct vmv_err *err)
{
	struct vmv_process_sample s = { .pid = 0 };
	/* comm may hold anything, newlines and ") R 1" included, but nothing behind it holds
	 * a parenthesis */
	const char *right = strrchr(text, ')');
	const char *left;
	char state;

	if (!right || vmv_parse_u64(text, &s.pid, &left) < 0)
		return malformed(err);
	if (left[0] != ' ' || left[1] != '(' || right < left + 2 || right[1] != ' ')
		return malformed(err);
	state = right[2];
	if (!((state >= 'A' && state <= 'Z') || (state >= 'a' && state <= 'z')))
		return malformed(err);
	if (parse_numbers(right + 3, page_size, &s) < 0)
		return malformed(err);
	copy_comm(s.comm, sizeof(s.comm), left + 2, (size_t)(right - left - 2));
	s.state[0] = state;
	*ret = s;
	return 0;
}

bool vmv_process_is_gone(int r)
{
	return r == -ENOENT || r == -ESRCH || r == -EACCES || r == -EPERM;
}

int vmv_process_stat(const struct vmv_root *root, uint64_t pid, struct vmv_process_sample *ret,
		     struct vmv_err *err)
{
	char text[STAT_MAX];
	char path[32];
	int r;

	(void)snprintf(path, sizeof(path), "%ju/stat", (uintmax_t)pid);
	r = vmv_read_at(root->proc, path, text, sizeof(text));
	if (vmv_process_is_gone(r))
		return r;
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot read '/proc/%s': %s", path,
				strerror(-r));
	r = vmv_process_parse(text, (size_t)sysconf(_SC_PAGESIZE), ret, err);
	if (r < 0)
		return r;
	ret->pid = pid; /* the directory is what further look-ups go by */
	return 0;
}

/* -- one reading --------------------------------------------------------------------- */

struct slot {
	uint32_t pid;
	int fd;	       /* of its stat; -1: not kept */
	bool is_known; /* was there in an earlier reading: it may be worth keeping */
};

struct process_state {
	struct vmv_pids pids;
	bool has_last_pid; /* loadavg tells of the processes in /proc */
	int loadavg;	   /* -1 until it could be opened */
	uint64_t last_pid; /* handed out when /proc was listed */
	uint64_t listed_ms;
	bool is_listed;

	struct slot *slots; /* ascending by pid */
	size_t n, at;
	size_t n_kept, max_kept;
	size_t page_size;
	enum { IDLE, LISTING, READING } phase;

	struct vmv_processes_sample counts;
	bool has_counts;  /* of a whole scan, not yet delivered */
	uint64_t counted; /* in this reading */
};

size_t vmv_process_kept_max(uint64_t ram, uint64_t nofile)
{
	uint64_t by_ram = ram / 512 / 4608;
	uint64_t by_nofile = nofile > VMV_NOFILE_RESERVE ? nofile - VMV_NOFILE_RESERVE : 0;
	uint64_t max = by_ram < by_nofile ? by_ram : by_nofile;

	return max < VMV_KEPT_STATS_MAX ? (size_t)max : VMV_KEPT_STATS_MAX;
}

static size_t kept_max(const struct vmv_root *root)
{
	struct sysinfo info;
	struct rlimit nofile;

	if (!root->is_live || sysinfo(&info) < 0 || getrlimit(RLIMIT_NOFILE, &nofile) < 0)
		return 0;
	return vmv_process_kept_max((uint64_t)info.totalram * info.mem_unit, nofile.rlim_cur);
}

/* The last pid in loadavg is that of the reader's pid namespace; /proc may show another one. */
static bool is_our_namespace(const struct vmv_root *root)
{
	char text[24], self[24];
	ssize_t n = readlinkat(root->proc, "self", text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	(void)snprintf(self, sizeof(self), "%jd", (intmax_t)getpid());
	return strcmp(text, self) == 0;
}

static void *process_open(const struct vmv_root *root)
{
	struct process_state *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	st->loadavg = -1;
	st->page_size = (size_t)sysconf(_SC_PAGESIZE);
	st->max_kept = kept_max(root);
	st->has_last_pid = root->is_live && is_our_namespace(root);
	return st;
}

static void drop(struct process_state *st, struct slot *s)
{
	if (s->fd >= 0) {
		vmv_closep(&s->fd);
		st->n_kept--;
	}
	s->fd = -1;
}

static void process_close(void *state)
{
	struct process_state *st = state;

	if (!st)
		return;
	for (size_t i = 0; i < st->n; i++)
		drop(st, &st->slots[i]);
	vmv_closep(&st->loadavg);
	vmv_pids_done(&st->pids);
	free(st->slots);
	free(st);
}

/* Not what lxcfs puts in its place: a number that is brought up to date every few seconds. */
static int open_loadavg(const struct vmv_root *root)
{
	vmv_autoclose int fd = openat(root->proc, "loadavg", O_RDONLY | O_CLOEXEC);
	struct statfs fs;

	return fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC ? VMV_TAKE(fd, -1)
										 : -1;
}

/* "0.20 0.18 0.12 1/80 11206": the pid that was handed out last. Threads have one, too, so it
 * changes more often than there is a new process, never less. UINT64_MAX: not known. */
static uint64_t read_last_pid(struct process_state *st, const struct vmv_root *root)
{
	char text[128];
	const char *column;
	uint64_t pid;

	if (st->has_last_pid && st->loadavg < 0)
		st->loadavg = open_loadavg(root);
	if (st->loadavg < 0 || vmv_read_fd(st->loadavg, text, sizeof(text)) < 0)
		return UINT64_MAX;
	column = strrchr(text, ' ');
	return column && vmv_parse_u64(column + 1, &pid, NULL) == 0 ? pid : UINT64_MAX;
}

/* Must /proc be listed? Only pids that were handed out since can be new in it. Rare ways around
 * that (a pid chosen by its creator, all pids handed out in between, a process that becomes visible
 * under hidepid) are caught by age. */
static bool needs_list(struct process_state *st, const struct vmv_root *root)
{
	uint64_t last_pid = read_last_pid(st, root);
	uint64_t now_ms = vmv_mono_ms(&vmv_clock_system);

	if (st->is_listed && last_pid != UINT64_MAX && last_pid == st->last_pid &&
	    now_ms - st->listed_ms < VMV_LIST_AGE_MS)
		return false;
	st->last_pid = last_pid; /* read before the list: what comes in between is seen twice */
	st->listed_ms = now_ms;
	return true;
}

/* The slots become those of the list; descriptors of pids that stay are taken along. */
static int take_list(struct process_state *st)
{
	struct slot *slots = reallocarray(NULL, st->pids.n + 1, sizeof(*slots));
	size_t old = 0;

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < st->pids.n; i++) {
		slots[i] = (struct slot){ .pid = st->pids.pid[i], .fd = -1 };
		while (old < st->n && st->slots[old].pid < slots[i].pid)
			drop(st, &st->slots[old++]);
		if (old < st->n && st->slots[old].pid == slots[i].pid)
			slots[i] = st->slots[old++];
	}
	while (old < st->n)
		drop(st, &st->slots[old++]);
	free(st->slots);
	st->slots = slots;
	st->n = st->pids.n;
	st->is_listed = true;
	return 0;
}

/* Through the kept descriptor: it stays with its process, and says ESRCH when that has ended,
 * whoever has the number now. */
static int read_kept(struct process_state *st, struct slot *s, struct vmv_process_sample *ret)
{
	char text[STAT_MAX];
	int r = vmv_read_fd(s->fd, text, sizeof(text));

	if (r >= 0)
		r = vmv_process_parse(text, st->page_size, ret, NULL);
	if (r < 0)
		drop(st, s);
	return r;
}

static int open_stat(const struct vmv_root *root, uint32_t pid)
{
	char path[32];
	int fd;

	(void)snprintf(path, sizeof(path), "%u/stat", pid);
	fd = openat(root->proc, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* Ours run out: all are given back, and fewer are kept from now on. */
static void keep_less(struct process_state *st)
{
	for (size_t i = 0; i < st->n; i++)
		drop(st, &st->slots[i]);
	st->max_kept /= 2;
}

static int read_anew(struct process_state *st, const struct vmv_root *root, struct slot *s,
		     struct vmv_process_sample *ret, struct vmv_err *err)
{
	char text[STAT_MAX];
	vmv_autoclose int fd = open_stat(root, s->pid);
	int r = fd;

	if (r == -EMFILE && st->n_kept > 0) {
		keep_less(st);
		r = fd = open_stat(root, s->pid);
	}
	if (r >= 0)
		r = vmv_read_fd(fd, text, sizeof(text));
	if (vmv_process_is_gone(r))
		return r;
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot read '/proc/%u/stat': %s", s->pid,
				strerror(-r));
	r = vmv_process_parse(text, st->page_size, ret, err);
	if (r == 0 && s->is_known && st->n_kept < st->max_kept) {
		s->fd = VMV_TAKE(fd, -1);
		st->n_kept++;
	}
	return r;
}

static void count(struct vmv_processes_sample *c, const struct vmv_process_sample *s)
{
	uint64_t *const by_letter[] = {
		['R'] = &c->running, ['S'] = &c->sleeping, ['D'] = &c->disk_sleep,
		['I'] = &c->idle,    ['T'] = &c->stopped,  ['t'] = &c->tracing_stop,
		['Z'] = &c->zombie,  ['X'] = &c->dead,
	};
	unsigned char letter = (unsigned char)s->state[0];

	c->pids++;
	c->threads = vmv_add_sat(c->threads, s->threads);
	if (letter < VMV_COUNTOF(by_letter) && by_letter[letter])
		++*by_letter[letter];
}

static int deliver(struct process_state *st, const struct vmv_root *root, struct slot *slot,
		   struct vmv_sink *sink, struct vmv_err *err)
{
	struct vmv_process_sample s;
	char id[16];
	int r = -ESRCH;

	if (slot->fd >= 0)
		r = read_kept(st, slot, &s);
	if (r < 0)
		r = read_anew(st, root, slot, &s, err);
	slot->is_known = true;
	if (vmv_process_is_gone(r))
		return 0;
	if (r < 0)
		return r;
	s.pid = slot->pid; /* the directory is what further look-ups go by */
	count(&st->counts, &s);
	if (!sink)
		return 0;
	(void)snprintf(id, sizeof(id), "%u", slot->pid);
	return sink->row(sink, id, &s);
}

static int begin(struct process_state *st, const struct vmv_root *root)
{
	st->at = 0;
	st->counts = (struct vmv_processes_sample){ .pids = 0 };
	st->has_counts = false;
	st->pids.is_listing = false;
	return needs_list(st, root) ? LISTING : READING;
}

static int list_slice(struct process_state *st, const struct vmv_root *root, struct vmv_err *err)
{
	int r = vmv_pids_step(&st->pids, root, err);

	if (r != 0)
		return r;
	r = take_list(st);
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "no memory for the processes");
	st->phase = READING;
	return VMV_MORE;
}

static int read_slice(struct process_state *st, const struct vmv_root *root, struct vmv_sink *sink,
		      struct vmv_err *err)
{
	size_t end = st->n - st->at > VMV_SCAN_SLICE ? st->at + VMV_SCAN_SLICE : st->n;
	int r;

	while (st->at < end) {
		r = deliver(st, root, &st->slots[st->at++], sink, err);
		if (r < 0)
			return r;
	}
	if (end < st->n)
		return VMV_MORE;
	st->has_counts = true;
	return 0;
}

/* One slice of a scan; without a sink it only counts. */
static int scan(struct process_state *st, const struct vmv_root *root, struct vmv_sink *sink,
		struct vmv_err *err)
{
	int r;

	if (st->phase == IDLE)
		st->phase = begin(st, root);
	r = st->phase == LISTING ? list_slice(st, root, err) : read_slice(st, root, sink, err);
	if (r != VMV_MORE)
		st->phase = IDLE;
	if (r < 0)
		st->is_listed = false;
	return r;
}

static int process_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
			struct vmv_err *err)
{
	struct process_state *st = state;

	st->counted = sink->reading;
	return scan(st, root, sink, err);
}

const struct vmv_collector vmv_collector_process = {
	.name = "process",
	.help = "Processes: CPU time, memory, threads, state.",
	.file = "/proc/PID/stat",
	.key = "pid",
	.fields = fields,
	.n_fields = VMV_COUNTOF(fields),
	.sample_size = sizeof(struct vmv_process_sample),
	.min_period_ms = 1000,
	.is_default = false,
	.open = process_open,
	.close = process_close,
	.read = process_read,
};

/* -- counts -------------------------------------------------------------------------- */

#define COUNT(member, metric, labels, source, text)                                              \
	VMV_FIELD(struct vmv_processes_sample, member, metric, labels, VMV_GAUGE, VMV_UNIT_NONE, \
		  0, source, text)
#define STATE(member, letter, text) \
	COUNT(member, "node_processes_state", "state=\"" letter "\"", "state " letter, text)

static const struct vmv_field count_fields[] = {
	COUNT(pids, "node_processes_pids", NULL, "/proc", "Processes."),
	COUNT(threads, "node_processes_threads", NULL, "num_threads", "Threads of all processes."),
	COUNT(max_processes, "node_processes_max_processes", NULL, "/proc/sys/kernel/pid_max",
	      "Limit of process and thread numbers."),
	COUNT(max_threads, "node_processes_max_threads", NULL, "/proc/sys/kernel/threads-max",
	      "Limit of threads."),
	STATE(running, "R", "Processes that run or could run."),
	STATE(sleeping, "S", "Processes that wait, and can be interrupted."),
	STATE(disk_sleep, "D",
	      "Processes that wait, most often for I/O, and cannot be interrupted."),
	STATE(idle, "I", "Kernel threads with nothing to do."),
	STATE(stopped, "T", "Processes stopped by a signal."),
	STATE(tracing_stop, "t", "Processes stopped by a debugger."),
	STATE(zombie, "Z", "Processes that ended, and whose parent has not taken note."),
	STATE(dead, "X", "Processes that are being removed."),
};

static uint64_t read_limit(const struct vmv_root *root, const char *path)
{
	char text[32];
	uint64_t v;

	if (vmv_read_attr_at(root->proc, path, text, sizeof(text)) < 0 ||
	    vmv_parse_u64(text, &v, NULL) < 0)
		return VMV_UNSET;
	return v;
}

/* Where the processes themselves were read in this reading, all has been counted. */
static int processes_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
			  struct vmv_err *err)
{
	struct process_state *st = state;
	bool is_counted = st->has_counts && st->counted == sink->reading;
	int r = is_counted ? 0 : scan(st, root, NULL, err);

	if (r != 0)
		return r;
	st->has_counts = false;
	st->counts.max_processes = read_limit(root, "sys/kernel/pid_max");
	st->counts.max_threads = read_limit(root, "sys/kernel/threads-max");
	return sink->row(sink, "", &st->counts);
}

const struct vmv_collector vmv_collector_processes = {
	.name = "processes",
	.help = "Numbers of processes and threads, by state.",
	.file = "/proc/PID/stat, /proc/sys/kernel",
	.fields = count_fields,
	.n_fields = VMV_COUNTOF(count_fields),
	.sample_size = sizeof(struct vmv_processes_sample),
	.min_period_ms = 1000,
	.is_default = true,
	.state_of = &vmv_collector_process,
	.read = processes_read,
};
