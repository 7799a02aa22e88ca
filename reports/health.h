/* How the guest is: the checks of PROTOCOL.md 5.4 over time, and GetHealth. */
#ifndef VMV_REPORTS_HEALTH_H
#define VMV_REPORTS_HEALTH_H

#include "reports/checks.h"

struct vmv_facts;
struct vmv_health;
struct vmv_jw;
struct vmv_metrics_options;

/* What is made of no reading yet. NULL: out of memory. */
struct vmv_health *vmv_health_new(void);
void vmv_health_free(struct vmv_health *h);

/* A check's status changed from what it was to what it is. */
typedef void vmv_health_changed(void *arg, const struct vmv_check *check,
				enum vmv_health_status from, const struct vmv_verdict *to);

/* Evaluates all checks with a reading (of vmv_checks_groups) and calls back for each whose status
 * changed. A status changes only when a second evaluation, at least a second after the first that
 * found it so, finds the same: what is told by 'since', and to changed, does not flap. The first
 * evaluation of all says what was, and changes nothing. */
void vmv_health_update(struct vmv_health *h, const struct vmv_facts *f,
		       const struct vmv_metrics_options *options, vmv_health_changed *changed,
		       void *arg);

/* A list of updates was made at that time (ms since 1970): so many are for security, VMV_UNSET when
 * that is unknown. Counts from the next evaluation on. */
void vmv_health_note_updates(struct vmv_health *h, uint64_t security, int64_t real_ms);

/* By the latest evaluation; the worst of all checks that are not unknown. */
enum vmv_health_status vmv_health_status(const struct vmv_health *h);

/* The latest evaluation of a check, of as many as vmv_n_checks. Borrowed until the next update. */
const struct vmv_verdict *vmv_health_verdict(const struct vmv_health *h, size_t check);

/* The data of GetHealth: statuses of the latest evaluation. 'since' says since when the status that
 * is told has been found, by the wall clock of that evaluation. */
void vmv_health_write(struct vmv_jw *w, const struct vmv_health *h);

#endif
