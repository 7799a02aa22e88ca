/* Processes: one scan of /proc that everybody shares, and the details of a few. */
#ifndef VMV_COLLECTORS_PROCESS_H
#define VMV_COLLECTORS_PROCESS_H

#include <sys/types.h>

#include "collectors/collector.h"
#include "collectors/pids.h"

struct vmv_err;
struct vmv_root;

/* From /proc/PID/stat alone: the scan is what dominates the agent's cost. */
struct vmv_process_sample {
	uint64_t pid, ppid;
	char comm[64];	       /* as the kernel shows it, bytes of any kind but NUL; never empty */
	char state[2];	       /* one letter: R S D T t Z X I ... */
	uint64_t utime, stime; /* ticks of USER_HZ */
	uint64_t starttime;    /* ticks of USER_HZ since boot; with pid it names the process */
	uint64_t threads;
	uint64_t rss;	/* bytes */
	uint64_t vsize; /* bytes */
};

/* One row per process, its pid as id, in ascending order of pid. Works in slices of
 * VMV_SCAN_SLICE processes (VMV_MORE). A process that ends while it is read is left out.
 *
 * What makes it cheap on the running kernel: the descriptors of /proc/PID/stat stay open, up to a
 * bound (vmv_process_kept_max), and /proc is listed anew only when a pid was handed out since
 * (last column of /proc/loadavg), at the latest after VMV_LIST_AGE_MS; each time where that column
 * is of another pid namespace than /proc, or comes from lxcfs. */
extern const struct vmv_collector vmv_collector_process;

/* How many there are, by state, out of the same scan: a struct vmv_processes_sample. */
extern const struct vmv_collector vmv_collector_processes;

struct vmv_processes_sample {
	uint64_t pids, threads;
	uint64_t max_processes, max_threads; /* limits of the kernel; VMV_UNSET: not readable */
	uint64_t running, sleeping, disk_sleep, idle, stopped, tracing_stop, zombie, dead;
};

/* How many descriptors of /proc/PID/stat may stay open: an open one costs the kernel about 4.5 KiB
 * (buffer, file, inode), all of them together at most 1/512 of RAM; and descriptors have to remain
 * for everything else. ram and nofile (RLIMIT_NOFILE): bytes, descriptors. */
size_t vmv_process_kept_max(uint64_t ram, uint64_t nofile);

/* Pure: one line of /proc/PID/stat ("pid (comm) state ppid ..."; comm may hold blanks and
 * parentheses). page_size in bytes. -EINVAL with err set when malformed. */
int vmv_process_parse(const char *text, size_t page_size, struct vmv_process_sample *ret,
		      struct vmv_err *err);

/* Reads /proc/PID/stat of one process. Negative errno when that fails: err is left alone when
 * vmv_process_is_gone() says so, else set; ret is written only on success. */
int vmv_process_stat(const struct vmv_root *root, uint64_t pid, struct vmv_process_sample *ret,
		     struct vmv_err *err);

/* True for the (negative) errors of a process that has ended or is hidden from us (hidepid). */
bool vmv_process_is_gone(int r);

/* What is read for the few processes that are shown. */
struct vmv_process_detail {
	bool has_exe, has_cmdline, has_io, has_uid;
	char exe[4096];	    /* link target of /proc/PID/exe; may end in " (deleted)" */
	char cmdline[4096]; /* arguments joined by one blank, cut; has_cmdline is false for
			     * kernel threads and zombies, which have none */
	size_t cmdline_len;
	uint64_t read_bytes, write_bytes; /* of /proc/PID/io: storage I/O since its start */
	uid_t uid;			  /* effective: owner of /proc/PID */
};

/* Reads the details of a process that is still the one that started at starttime. What is not
 * readable for us is marked so in has_...; -ESRCH when the process is gone or another one,
 * other negative errno when its stat cannot be read. */
int vmv_process_detail(const struct vmv_root *root, uint64_t pid, uint64_t starttime,
		       struct vmv_process_detail *ret);

#endif
