#include "collectors/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/root.h"

#define STAT_MAX   2048 /* bytes; 52 numbers of up to 20 digits and a comm */
#define IO_MAX	   1024
#define PIDS_START 256

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

struct process_state {
	struct vmv_pids pids;
	size_t at;
	bool is_reading; /* between two slices of one reading */
};

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

static int open_proc(struct vmv_pids *pids, const struct vmv_root *root)
{
	vmv_autoclose int fd = openat(root->proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	pids->dir = fdopendir(fd);
	if (!pids->dir)
		return -errno;
	(void)VMV_TAKE(fd, -1);
	return 0;
}

static int add_pid(struct vmv_pids *pids, uint32_t pid)
{
	if (pids->n == pids->cap) {
		size_t want = pids->cap ? pids->cap * 2 : PIDS_START;
		uint32_t *bigger = reallocarray(pids->pid, want, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		pids->pid = bigger;
		pids->cap = want;
	}
	pids->pid[pids->n++] = pid;
	return 0;
}

static int list_proc(struct vmv_pids *pids)
{
	const struct dirent *d;
	const char *end;
	uint64_t pid;
	int r;

	rewinddir(pids->dir);
	while (errno = 0, d = readdir(pids->dir)) {
		if (vmv_parse_u64(d->d_name, &pid, &end) < 0 || *end || pid > VMV_PROCESSES_MAX)
			continue;
		if (pids->n == VMV_PROCESSES_MAX)
			break;
		r = add_pid(pids, (uint32_t)pid);
		if (r < 0)
			return r;
	}
	return -errno;
}

static int by_pid(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* procfs lists pids in order, other file systems (recorded trees) do not. */
static void sort_pids(struct vmv_pids *pids)
{
	for (size_t i = 1; i < pids->n; i++) {
		if (pids->pid[i - 1] > pids->pid[i]) {
			qsort(pids->pid, pids->n, sizeof(*pids->pid), by_pid);
			return;
		}
	}
}

int vmv_pids_read(struct vmv_pids *pids, const struct vmv_root *root, struct vmv_err *err)
{
	int r = 0;

	pids->n = 0;
	if (!pids->dir)
		r = open_proc(pids, root);
	if (r == 0)
		r = list_proc(pids);
	if (r < 0) {
		pids->n = 0;
		return vmv_fail(err, VMV_E_IO, -r, "cannot list /proc: %s", strerror(-r));
	}
	sort_pids(pids);
	return 0;
}

void vmv_pids_done(struct vmv_pids *pids)
{
	vmv_closedirp(&pids->dir);
	free(pids->pid);
	*pids = (struct vmv_pids){ .dir = NULL };
}

static int deliver(const struct vmv_root *root, uint32_t pid, struct vmv_sink *sink,
		   struct vmv_err *err)
{
	struct vmv_process_sample s;
	char id[16];
	int r = vmv_process_stat(root, pid, &s, err);

	if (vmv_process_is_gone(r))
		return 0;
	if (r < 0)
		return r;
	(void)snprintf(id, sizeof(id), "%u", pid);
	return sink->row(sink, id, &s);
}

static int read_slice(struct process_state *st, const struct vmv_root *root, struct vmv_sink *sink,
		      struct vmv_err *err)
{
	size_t end = st->pids.n;
	int r;

	if (end - st->at > VMV_SCAN_SLICE)
		end = st->at + VMV_SCAN_SLICE;
	while (st->at < end) {
		r = deliver(root, st->pids.pid[st->at++], sink, err);
		if (r < 0)
			return r;
	}
	return end < st->pids.n ? VMV_MORE : 0;
}

static void *process_open(const struct vmv_root *root)
{
	(void)root;
	return calloc(1, sizeof(struct process_state));
}

static void process_close(void *state)
{
	struct process_state *st = state;

	if (st)
		vmv_pids_done(&st->pids);
	free(st);
}

static int process_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
			struct vmv_err *err)
{
	struct process_state *st = state;
	int r;

	if (!st->is_reading) {
		r = vmv_pids_read(&st->pids, root, err);
		if (r < 0)
			return r;
		st->at = 0;
	}
	r = read_slice(st, root, sink, err);
	st->is_reading = r == VMV_MORE;
	return r;
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

static void read_exe(int dir, struct vmv_process_detail *ret)
{
	ssize_t n = readlinkat(dir, "exe", ret->exe, sizeof(ret->exe) - 1);

	ret->has_exe = n > 0;
	ret->exe[n > 0 ? n : 0] = '\0';
}

static void read_cmdline(int dir, struct vmv_process_detail *ret)
{
	int n = vmv_read_attr_at(dir, "cmdline", ret->cmdline, sizeof(ret->cmdline));
	size_t len = n > 0 ? (size_t)n : 0;

	while (len > 0 && ret->cmdline[len - 1] == '\0')
		len--;
	for (size_t i = 0; i < len; i++)
		if (ret->cmdline[i] == '\0')
			ret->cmdline[i] = ' ';
	ret->cmdline[len] = '\0';
	ret->cmdline_len = len;
	ret->has_cmdline = len > 0;
}

/* The number of the line "key: number". */
static int io_value(const char *text, const char *key, uint64_t *ret)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0 && strncmp(line + len, ": ", 2) == 0)
			return vmv_parse_u64(line + len + 2, ret, NULL);
	}
	return -ENOENT;
}

static void read_io(int dir, struct vmv_process_detail *ret)
{
	char text[IO_MAX];

	ret->has_io = vmv_read_at(dir, "io", text, sizeof(text)) >= 0 &&
		      io_value(text, "read_bytes", &ret->read_bytes) == 0 &&
		      io_value(text, "write_bytes", &ret->write_bytes) == 0;
	if (!ret->has_io)
		ret->read_bytes = ret->write_bytes = VMV_UNSET;
}

static void read_uid(int dir, struct vmv_process_detail *ret)
{
	struct stat st;

	ret->has_uid = fstat(dir, &st) == 0;
	ret->uid = ret->has_uid ? st.st_uid : (uid_t)-1;
}

/* Checked through the directory's descriptor, which stays with this process: when its number
 * goes to another one later, everything below says ESRCH. */
static int check_starttime(int dir, uint64_t starttime)
{
	struct vmv_process_sample s;
	char text[STAT_MAX];
	int r = vmv_read_at(dir, "stat", text, sizeof(text));

	if (r == -ENOENT)
		return -ESRCH;
	if (r < 0)
		return r;
	r = vmv_process_parse(text, 1, &s, NULL);
	if (r < 0)
		return r;
	return s.starttime == starttime ? 0 : -ESRCH;
}

int vmv_process_detail(const struct vmv_root *root, uint64_t pid, uint64_t starttime,
		       struct vmv_process_detail *ret)
{
	vmv_autoclose int dir = -1;
	char path[24];
	int r;

	(void)snprintf(path, sizeof(path), "%ju", (uintmax_t)pid);
	dir = openat(root->proc, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	r = check_starttime(dir, starttime);
	if (r < 0)
		return r;
	read_exe(dir, ret);
	read_cmdline(dir, ret);
	read_io(dir, ret);
	read_uid(dir, ret);
	return 0;
}
