/* An asker that answers as a test says, for collectors that ask. */
#ifndef VMV_TESTS_FAKE_ASKER_H
#define VMV_TESTS_FAKE_ASKER_H

#include "base/asker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct fake_asker {
	struct vmv_asker asker; /* first member: the callback casts back */
	const char *text;	/* the newest answer; NULL: none yet */
	uint64_t age_ms;	/* of it */
	uint64_t asked_ms;	/* when it is too old: since when a new one is awaited */
	int result;		/* not 0: what is said instead */
	unsigned n;		/* how often it was asked */
	char question[512];	/* the last one */
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

#endif
