/* The physical floor of a reading: opens, reads and closes the kernel files that one metrics
 * message takes, and does nothing else. Prints a line per pass: its CPU time in ns, files,
 * processes.
 *
 * floor PASSES PERIOD_MS [lean|all]: lean leaves out the tables of sockets, which the agent does
 * not read for every message when messages are less than 5 s apart; all adds what the groups tell
 * that are not part of the message. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define COUNTOF(a) (sizeof(a) / sizeof((a)[0]))
#define DETAILS	   20 /* processes in a message, as many as [metrics] processes has by default */

static const char *const tables[] = {
	"/proc/stat",	 "/proc/meminfo",   "/proc/loadavg",
	"/proc/uptime",	 "/proc/diskstats", "/proc/self/mountinfo",
	"/proc/net/dev", "/proc/net/route", "/proc/net/if_inet6",
};

static const char *const socket_tables[] = { "/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp",
					     "/proc/net/udp6" };

static const char *const interface_files[] = { "operstate", "ifindex", "mtu",
					       "speed",	    "address", "flags" };

static const char *const other_tables[] = {
	"/proc/vmstat",
	"/proc/pressure/cpu",
	"/proc/pressure/io",
	"/proc/pressure/memory",
	"/proc/pressure/irq",
	"/proc/net/snmp",
	"/proc/net/netstat",
	"/proc/net/snmp6",
	"/proc/net/sockstat",
	"/proc/net/sockstat6",
	"/proc/net/ipv6_route",
	"/proc/sys/fs/file-nr",
	"/proc/sys/kernel/random/entropy_avail",
	"/proc/sys/kernel/random/poolsize",
	"/proc/sys/net/netfilter/nf_conntrack_count",
	"/proc/sys/net/netfilter/nf_conntrack_max",
	"/proc/sys/kernel/pid_max",
	"/proc/sys/kernel/threads-max",
	"/sys/devices/system/clocksource/clocksource0/current_clocksource",
	"/run/utmp",
};

static const char *const cgroup_files[] = { "cpu.stat",	     "memory.current",
					    "memory.max",    "memory.swap.current",
					    "memory.events", "pids.current",
					    "io.stat" };

static char buf[64 * 1024];
static unsigned n_files;

/* whole: to the end of the file; else with one read. A file that is not there costs its open. */
static void take(const char *path, int whole)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	n_files++;
	if (fd < 0)
		return;
	while (read(fd, buf, sizeof(buf)) > 0 && whole)
		;
	(void)close(fd);
}

static void take_in(const char *dir, const char *name, const char *file)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s/%s", dir, name, file);
	take(path, 0);
}

static void take_tables(const char *const *paths, size_t n)
{
	for (size_t i = 0; i < n; i++)
		take(paths[i], 1);
}

static void take_interfaces(void)
{
	DIR *d = opendir("/sys/class/net");
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		for (size_t i = 0; i < COUNTOF(interface_files); i++)
			take_in("/sys/class/net", e->d_name, interface_files[i]);
	}
	if (d)
		(void)closedir(d);
}

/* A control group with all below it. */
static void take_cgroup(const char *path, int depth)
{
	DIR *d = opendir(path);
	const struct dirent *e;
	char below[PATH_MAX];

	for (size_t i = 0; d && i < COUNTOF(cgroup_files); i++)
		take_in("", path + 1, cgroup_files[i]);
	while (d && depth < 8 && (e = readdir(d))) {
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		if (snprintf(below, sizeof(below), "%s/%s", path, e->d_name) < (int)sizeof(below))
			take_cgroup(below, depth + 1);
	}
	if (d)
		(void)closedir(d);
}

static void take_details(const char *pid)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%.16s/exe", pid);
	if (readlink(path, buf, sizeof(buf)) < 0)
		buf[0] = '\0';
	take_in("/proc", pid, "cmdline");
	take_in("/proc", pid, "io");
}

/* The stat of each process; of some, spread over all of them, what a message shows besides. */
static unsigned take_processes(unsigned expected)
{
	unsigned n = 0, every = expected / DETAILS ? expected / DETAILS : 1;
	DIR *d = opendir("/proc");
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9')
			continue;
		take_in("/proc", e->d_name, "stat");
		if (n % every == 0 && n / every < DETAILS)
			take_details(e->d_name);
		n++;
	}
	if (d)
		(void)closedir(d);
	return n;
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void wait_until(uint64_t ns)
{
	struct timespec ts = { .tv_sec = (time_t)(ns / 1000000000),
			       .tv_nsec = (long)(ns % 1000000000) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

int main(int argc, char **argv)
{
	unsigned long passes = argc > 1 ? strtoul(argv[1], NULL, 10) : 20;
	uint64_t period_ns = argc > 2 ? strtoull(argv[2], NULL, 10) * 1000000 : 0;
	int is_lean = argc > 3 && strcmp(argv[3], "lean") == 0;
	int is_all = argc > 3 && strcmp(argv[3], "all") == 0;
	uint64_t next = now_ns(CLOCK_MONOTONIC);
	unsigned processes = 0;

	for (; passes > 0; passes--) {
		uint64_t began = now_ns(CLOCK_PROCESS_CPUTIME_ID);

		n_files = 0;
		take_tables(tables, COUNTOF(tables));
		if (!is_lean)
			take_tables(socket_tables, COUNTOF(socket_tables));
		if (is_all) {
			take_tables(other_tables, COUNTOF(other_tables));
			take_cgroup("/sys/fs/cgroup", 0);
		}
		take_interfaces();
		processes = take_processes(processes);
		(void)printf("%llu %u %u\n",
			     (unsigned long long)(now_ns(CLOCK_PROCESS_CPUTIME_ID) - began),
			     n_files, processes);
		(void)fflush(stdout);
		next += period_ns;
		wait_until(next);
	}
	return EXIT_SUCCESS;
}
