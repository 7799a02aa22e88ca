/* Questions whose answer may block (statvfs of a network mount, D-Bus): asked of somebody else, who
 * answers later. Collectors meet this table only; exec/ fills it. */
#ifndef VMV_BASE_ASKER_H
#define VMV_BASE_ASKER_H

#include <stddef.h>
#include <stdint.h>

/* A question whose answer is waited for. */
struct vmv_wish {
	const char *question;
	uint32_t max_age_ms;  /* an earlier answer is good when it is no older */
	uint32_t deadline_ms; /* then its process is ended, with its children */
};

/* result: the length of text, or negative errno as of ask() below (-ETIMEDOUT: the deadline struck;
 * -ECANCELED: the agent stops); text is NUL-terminated and borrowed for the call. */
typedef void vmv_answer_cb(void *arg, int result, const char *text, uint64_t age_ms);

struct vmv_asker {
	/* The newest answer to a question ("statvfs /mnt"), which is one of vmv_questions of
	 * helper/. One that is older than max_age_ms is asked for anew. Never blocks. Returns
	 *   >= 0        length of the answer; *ret_text is NUL-terminated, borrowed until the next
	 *               call; *ret_age_ms says how old it is: not over max_age_ms
	 *   -EAGAIN     asked, no answer yet; *ret_age_ms: since when
	 *   -ETIMEDOUT  no answer within the deadline (VMV_ASK_DEADLINE_MS): stuck; not asked again
	 *               before that answer comes, or its process was ended to make room for others;
	 *               *ret_age_ms: since when it was asked
	 *   other       what the answer was instead of a text (-EACCES ...), or why it cannot be
	 *               asked (-ENOENT: no helper program; -EBUSY: too many are stuck) */
	int (*ask)(struct vmv_asker *self, const char *question, uint32_t max_age_ms,
		   const char **ret_text, uint64_t *ret_age_ms);
	/* For commands: answers may be up to VMV_ASK_LONG_MAX. All that wish for the same wait for
	 * one. Calls back once, never from within this call. Returns 0, or -ENOMEM, -EBUSY, -EINVAL
	 * (then it does not call back). */
	int (*fetch)(struct vmv_asker *self, const struct vmv_wish *wish, vmv_answer_cb *cb,
		     void *arg);
	/* Those with this arg are not called back any more. */
	void (*forget)(struct vmv_asker *self, void *arg);
};

#endif
