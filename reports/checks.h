/* The health checks (PROTOCOL.md 5.4): what each looks at, and where its lines are. */
#ifndef VMV_REPORTS_CHECKS_H
#define VMV_REPORTS_CHECKS_H

#include "collectors/collector.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmv_facts;
struct vmv_metrics_options;

/* From good to bad; unknown is neither. */
enum vmv_health_status {
	VMV_HEALTH_UNKNOWN,
	VMV_HEALTH_PASSED,
	VMV_HEALTH_WARNING,
	VMV_HEALTH_FAILED,
};

/* "passed" and so on */
const char *vmv_health_word(enum vmv_health_status status);

#define VMV_CHECK_MESSAGE 200
#define VMV_CHECK_DETAILS 4096

/* What one evaluation of one check says. */
struct vmv_verdict {
	enum vmv_health_status status;
	double value;		/* in the check's unit; NaN: there is none */
	double warning, failed; /* the lines that were looked at; NaN: there is none */
	char message[VMV_CHECK_MESSAGE];
	char *details; /* owned: a JSON object; NULL: an empty one */
};

/* Frees what it owns. */
void vmv_verdict_clear(struct vmv_verdict *v);

/* What has to be remembered between evaluations. Plain values; zero it. All times are monotonic
 * milliseconds of readings, so that a step of the wall clock changes nothing. */
#define VMV_CPU_MARKS 64
#define VMV_OOM_MARKS 32
struct vmv_cpu_use {
	uint64_t at_ms, total, busy, steal; /* ticks; steal may be VMV_UNSET */
};

struct vmv_history {
	struct vmv_cpu_use now;		       /* of the latest evaluation */
	struct vmv_cpu_use cpu[VMV_CPU_MARKS]; /* before: a ring, 10 s between two of them */
	size_t n_cpu, next_cpu;

	struct {
		uint64_t at_ms, kills;
	} oom[VMV_OOM_MARKS]; /* a ring */
	size_t n_oom, next_oom;
	bool has_oom;
	uint64_t oom_at_ms, oom_count; /* of the latest evaluation */
	bool is_oom_undated;	       /* there were some, too long ago to tell when */

	bool is_unsynced;
	uint64_t unsynced_ms; /* the first evaluation that found it so */

	/* What the latest list of updates said; commands/software.c makes lists. */
	bool has_updates;
	uint64_t security_updates; /* VMV_UNSET: the package manager does not tell */
	int64_t updates_real_ms;   /* when the list was made, by the wall clock */
};

/* Takes note of a reading, before checks are evaluated with it. */
void vmv_history_update(struct vmv_history *h, const struct vmv_facts *f);

/* What an evaluation looks at. Borrowed. */
struct vmv_check_input {
	const struct vmv_facts *facts;
	const struct vmv_history *history;
	const struct vmv_metrics_options *options; /* which interfaces do not count */
};

#define VMV_CHECK_GROUPS 2

struct vmv_check {
	const char *name;
	const char *help; /* one sentence */
	const char *unit; /* of the value; NULL: it has none */
	/* Lines: at or beyond it; below it where is_low_bad. NaN: there is none. */
	double warning, failed;
	bool is_low_bad;
	const char *groups[VMV_CHECK_GROUPS]; /* that it is made of; NULL: none */
	/* ret is filled with the table's lines, unknown, and details {} before. */
	void (*evaluate)(const struct vmv_check *c, const struct vmv_check_input *in,
			 struct vmv_verdict *ret);
};

extern const struct vmv_check vmv_checks[];
extern const size_t vmv_n_checks;

/* What all checks are made of. */
vmv_groups vmv_checks_groups(void);

/* One check with one reading. What *ret owned before is not freed. */
void vmv_check_evaluate(const struct vmv_check *c, const struct vmv_check_input *in,
			struct vmv_verdict *ret);

#endif
