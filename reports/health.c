#include "reports/health.h"

#include "base/clock.h"
#include "proto/json_write.h"
#include "reports/facts.h"

#include <stdlib.h>
#include <string.h>

#define AGREE_MS 1000 /* evaluations closer together see the same thing twice */

/* A status that holds, and one that is to be confirmed. */
struct standing {
	enum vmv_health_status status;
	int64_t since_ms; /* since 1970: the first evaluation that found it */
	enum vmv_health_status other;
	bool has_other;
	int64_t other_ms;	/* the same of the other one */
	uint64_t other_mono_ms; /* its first evaluation */
};

struct vmv_health {
	struct vmv_history history;
	bool is_evaluated;
	enum vmv_health_status overall;
	struct standing overall_standing;
	struct standing *standings;   /* owned: one per check */
	struct vmv_verdict *verdicts; /* owned likewise */
};

struct vmv_health *vmv_health_new(void)
{
	struct vmv_health *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->standings = calloc(vmv_n_checks, sizeof(*h->standings));
	h->verdicts = calloc(vmv_n_checks, sizeof(*h->verdicts));
	if (!h->standings || !h->verdicts) {
		vmv_health_free(h);
		return NULL;
	}
	return h;
}

void vmv_health_free(struct vmv_health *h)
{
	if (!h)
		return;
	for (size_t i = 0; h->verdicts && i < vmv_n_checks; i++)
		vmv_verdict_clear(&h->verdicts[i]);
	free(h->standings);
	free(h->verdicts);
	free(h);
}

/* When an evaluation was made, by both clocks. */
struct moment {
	uint64_t mono_ms;
	int64_t real_ms;
};

/* Returns whether the status that holds has changed. */
static bool settle(struct standing *s, enum vmv_health_status found, struct moment now,
		   bool is_first)
{
	if (is_first) {
		*s = (struct standing){ .status = found, .since_ms = now.real_ms };
		return false;
	}
	if (found == s->status) {
		s->has_other = false;
		return false;
	}
	if (!s->has_other || s->other != found || s->other_mono_ms > now.mono_ms) {
		s->has_other = true;
		s->other = found;
		s->other_ms = now.real_ms;
		s->other_mono_ms = now.mono_ms;
		return false;
	}
	if (now.mono_ms - s->other_mono_ms < AGREE_MS)
		return false;
	s->status = found;
	s->since_ms = s->other_ms;
	s->has_other = false;
	return true;
}

static enum vmv_health_status worst(const struct vmv_health *h)
{
	enum vmv_health_status status = VMV_HEALTH_UNKNOWN;

	for (size_t i = 0; i < vmv_n_checks; i++)
		if (h->verdicts[i].status > status)
			status = h->verdicts[i].status;
	return status;
}

void vmv_health_update(struct vmv_health *h, const struct vmv_facts *f,
		       const struct vmv_metrics_options *options, vmv_health_changed *changed,
		       void *arg)
{
	const struct moment now = { vmv_facts_mono_ns(f) / 1000000, vmv_facts_real_ms(f) };
	const struct vmv_check_input in = { f, &h->history, options };
	bool is_first = !h->is_evaluated;

	vmv_history_update(&h->history, f);
	for (size_t i = 0; i < vmv_n_checks; i++) {
		enum vmv_health_status was = h->standings[i].status;

		vmv_verdict_clear(&h->verdicts[i]);
		vmv_check_evaluate(&vmv_checks[i], &in, &h->verdicts[i]);
		if (settle(&h->standings[i], h->verdicts[i].status, now, is_first))
			changed(arg, &vmv_checks[i], was, &h->verdicts[i]);
	}
	h->overall = worst(h);
	(void)settle(&h->overall_standing, h->overall, now, is_first);
	h->is_evaluated = true;
}

void vmv_health_note_updates(struct vmv_health *h, uint64_t security, int64_t real_ms)
{
	h->history.has_updates = true;
	h->history.security_updates = security;
	h->history.updates_real_ms = real_ms;
}

enum vmv_health_status vmv_health_status(const struct vmv_health *h)
{
	return h->overall;
}

const struct vmv_verdict *vmv_health_verdict(const struct vmv_health *h, size_t check)
{
	return check < vmv_n_checks ? &h->verdicts[check] : NULL;
}

/* -- GetHealth --------------------------------------------------------------------------------- */

static void write_since(struct vmv_jw *w, const struct vmv_health *h, const struct standing *s)
{
	char stamp[VMV_STAMP_SIZE];

	vmv_stamp(s->has_other ? s->other_ms : s->since_ms, stamp);
	vmv_jw_str(w, "since", h->is_evaluated ? stamp : NULL);
}

static void write_check(struct vmv_jw *w, const struct vmv_health *h, size_t i)
{
	const struct vmv_verdict *v = &h->verdicts[i];

	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "name", vmv_checks[i].name);
	vmv_jw_str(w, "status", vmv_health_word(v->status));
	vmv_jw_str(w, "message", v->message);
	vmv_jw_num(w, "value", v->value, 1);
	vmv_jw_str(w, "unit", vmv_checks[i].unit);
	vmv_jw_num(w, "warning", v->warning, 1);
	vmv_jw_num(w, "critical", v->failed, 1);
	write_since(w, h, &h->standings[i]);
	vmv_jw_raw(w, "details", v->details ? v->details : "{}",
		   v->details ? strlen(v->details) : 2);
	vmv_jw_close(w);
}

void vmv_health_write(struct vmv_jw *w, const struct vmv_health *h)
{
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "status", vmv_health_word(h->overall));
	write_since(w, h, &h->overall_standing);
	vmv_jw_array(w, "checks");
	for (size_t i = 0; i < vmv_n_checks; i++)
		write_check(w, h, i);
	vmv_jw_end(w);
	vmv_jw_close(w);
}
