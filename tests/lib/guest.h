/* A small guest made of files, a clock that only tests move, and whole readings of the guest. */
#ifndef VMV_TESTS_GUEST_H
#define VMV_TESTS_GUEST_H

#include "base/clock.h"
#include "tests/lib/fixture.h"

struct json_object;
struct vmv_facts;
struct vmv_jw;

/* Stands still. Starts at an uptime of 1000 s, on 2026-07-14T12:00:00Z. */
struct still_clock {
	struct vmv_clock clock; /* first member: its functions cast back */
	uint64_t mono_ns;
	int64_t real_ms;
};

#define STILL_REAL_MS INT64_C(1784030400000)

void still_clock_init(struct still_clock *c);
void still_clock_pass(struct still_clock *c, uint64_t ms);

struct guest_process {
	unsigned pid, ppid;
	const char *comm;
	char state;
	uint64_t utime, stime, starttime; /* ticks */
	uint64_t rss_kib;		  /* a multiple of the page size */
	const char *cmdline;		  /* one argument; NULL: none */
	const char *exe;		  /* NULL: no link */
	const char *io;			  /* text of the file; NULL: none */
};

void guest_put_process(struct fixture *fx, const struct guest_process *p);

/* Two CPUs, 4 GiB, a disk, the init process, web-1 with Debian 12. Uptime 1000 s. */
void guest_put(struct fixture *fx);

/* The four numbers are the columns user, system, idle, iowait of both CPUs together; each CPU has
 * half of them. */
void guest_put_cpu(struct fixture *fx, unsigned user, unsigned system, unsigned idle,
		   unsigned iowait);

/* One whole reading, all slices. */
void guest_read(struct vmv_facts *f);

/* The text as JSON, which it must be: plain ASCII, within the writer's bounds. The caller puts the
 * object. */
struct json_object *guest_json(const struct vmv_jw *w);

/* Whether this stands in the text, as it is on the wire. */
bool guest_says(const struct vmv_jw *w, const char *text);

/* Follows names (".system.cpu") and places ("[2]") from obj; fails the test where there is nothing.
 * NULL is JSON's null. Borrowed. */
struct json_object *guest_at(struct json_object *obj, const char *path);

#endif
