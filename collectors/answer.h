/* Answers of the asker (base/asker.h) as a reading needs them: now, soon, or not at all. */
#ifndef VMV_COLLECTORS_ANSWER_H
#define VMV_COLLECTORS_ANSWER_H

#include <stddef.h>
#include <stdint.h>

struct vmv_err;
struct vmv_root;

/* The answer to question for the reading that is going on. One that is older than max_age_ms is
 * asked for anew; if the new one is slow, an older one serves that is not older than
 * VMV_ANSWER_STALE_MS.
 *
 * who       for error texts: "systemd"
 * ret_text  borrowed until the asker is asked the next time; NUL-terminated
 * Returns 0, VMV_WAIT (the reading has to wait, collector.h), or negative errno with err set:
 * -ENOENT    nobody answers such questions here (no asker, no helper program, no such service)
 * -ETIMEDOUT who does not answer
 * -EAGAIN    no answer yet, however long was waited
 * other      what the answer was instead of a text */
int vmv_answer(const struct vmv_root *root, const char *question, uint32_t max_age_ms,
	       const char *who, const char **ret_text, size_t *ret_len, struct vmv_err *err);

#define VMV_ANSWER_STALE_MS 120000

#endif
