/* What the executor tells a job: one JSON object on descriptor 3. It comes from root's own daemon,
 * but what it carries does not. */
#ifndef VMV_JOB_DESCRIBE_H
#define VMV_JOB_DESCRIBE_H

#include "job/action.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmv_description {
	struct json_object *json; /* owned; texts and message are borrowed from it */
	bool is_raw;		  /* kind: "raw", else "action", or: */
	bool is_qga;		  /* kind: "qga": the message is of job/qga.h */
	bool is_after;		  /* kind: "after": what an earlier answer promised. No message */
	int after;		  /* of that: VMV_AFTER_* */
	bool is_forced;
	struct json_object *message;
	uint64_t deadline_ms; /* monotonic; UINT64_MAX: never */
	const char *group;    /* NULL: none; else 1 to 64 of a-z, 0-9, - */
	struct vmv_job_settings settings;
	const char **lists; /* owned: what the lists of settings point into */
};

/* Every member is there and is what it has to be, members that are not known are ignored. Returns
 * 0, or negative errno with err set: VMV_E_PARSE when it is not. */
int vmv_description_parse(struct vmv_description *ret, const char *text, size_t len,
			  struct vmv_err *err);
void vmv_description_free(struct vmv_description *d); /* may be all zero */

#endif
