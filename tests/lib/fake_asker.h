/* An asker that answers as a test says, for collectors that ask. */
#ifndef VMV_TESTS_FAKE_ASKER_H
#define VMV_TESTS_FAKE_ASKER_H

#include "base/asker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FAKE_WAITING 16

/* One that waits for what it fetches. */
struct fake_waiting {
	char question[512];
	uint32_t max_age_ms, deadline_ms;
	vmv_answer_cb *cb; /* NULL: was answered, or forgotten */
	void *arg;
};

struct fake_asker {
	struct vmv_asker asker; /* first member: the callback casts back */
	const char *text;	/* the newest answer; NULL: none yet */
	uint64_t age_ms;	/* of it */
	uint64_t asked_ms;	/* when it is too old: since when a new one is awaited */
	int result;		/* not 0: what is said instead */
	unsigned n;		/* how often it was asked */
	char question[512];	/* the last one */
	/* what was fetched, oldest first: see fake_give() */
	struct fake_waiting waiting[FAKE_WAITING];
	unsigned n_fetched;
	int fetch_result; /* not 0: fetching is refused so */
};

static inline int fake_ask(struct vmv_asker *self, const char *question, uint32_t max_age_ms,
			   const char **ret_text, uint64_t *ret_age_ms)
{
	struct fake_asker *f = (struct fake_asker *)self;

	f->n++;
	(void)snprintf(f->question, sizeof(f->question), "%s", question);
	*ret_age_ms = f->asked_ms;
	if (f->result != 0)
		return f->result;
	if (!f->text || f->age_ms > max_age_ms)
		return -EAGAIN;
	*ret_age_ms = f->age_ms;
	*ret_text = f->text;
	return (int)strlen(f->text);
}

static inline int fake_fetch(struct vmv_asker *self, const struct vmv_wish *wish, vmv_answer_cb *cb,
			     void *arg)
{
	struct fake_asker *f = (struct fake_asker *)self;
	struct fake_waiting *w;

	if (f->fetch_result != 0)
		return f->fetch_result;
	if (f->n_fetched == FAKE_WAITING)
		return -EBUSY;
	w = &f->waiting[f->n_fetched++];
	*w = (struct fake_waiting){ .max_age_ms = wish->max_age_ms,
				    .deadline_ms = wish->deadline_ms,
				    .cb = cb,
				    .arg = arg };
	(void)snprintf(w->question, sizeof(w->question), "%s", wish->question);
	return 0;
}

static inline void fake_forget(struct vmv_asker *self, void *arg)
{
	struct fake_asker *f = (struct fake_asker *)self;

	for (unsigned i = 0; i < f->n_fetched; i++)
		if (f->waiting[i].arg == arg)
			f->waiting[i].cb = NULL;
}

/* Answers all that wait for this question. text NULL: the error result. Returns how many. */
static inline unsigned fake_give(struct fake_asker *f, const char *question, int result,
				 const char *text, uint64_t age_ms)
{
	unsigned n = 0;

	for (unsigned i = 0; i < f->n_fetched; i++) {
		struct fake_waiting *w = &f->waiting[i];
		vmv_answer_cb *cb = w->cb;

		if (!cb || strcmp(w->question, question) != 0)
			continue;
		w->cb = NULL;
		cb(w->arg, text ? (int)strlen(text) : result, text, age_ms);
		n++;
	}
	return n;
}

#endif
