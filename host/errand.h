/* One command that a guest is asked for, from sending it to its answer. */
#ifndef VMV_HOST_ERRAND_H
#define VMV_HOST_ERRAND_H

#include <stdbool.h>

struct json_object;
struct vmv_err;
struct vmv_message;
struct vmv_progress;
struct vmv_remote;

#define VMV_ERRAND_GRACE_MS  5000 /* after the command's own time: then no answer is coming */
#define VMV_ERRAND_CANCEL_MS 5000 /* for the answer of a job that was cancelled */
#define VMV_ERRAND_REST_MS \
	5000 /* without a piece of the output that is missing behind the answer */
#define VMV_ERRAND_STATUS_MS 1000 /* between questions how it stands */

struct vmv_errand {
	const struct vmv_message *message; /* borrowed */
	struct vmv_progress *progress;	   /* borrowed; NULL: none is shown */
	/* Takes an output message. A negative return, with err set, cancels the command. */
	int (*output)(void *arg, struct json_object *msg, struct vmv_err *err);
	/* Whether all the output that the answer counts has come: it may come behind the answer,
	 * which is of a higher class. Not waited for longer than it takes when the guest has thrown
	 * some away. NULL: it has. */
	bool (*is_complete)(void *arg, struct json_object *response);
	void *arg;
};

/* Sends the command and waits for its answer, of which *ret gets a new reference: whatever it says.
 * A signal cancels a command that changes the guest (remote->signal then has its number, and the
 * answer still comes), any other, and a second signal, ends the waiting: -ECANCELED. When a new
 * session begins, what only reads is asked again; what changes the guest is looked up by JobStatus,
 * never sent again; with output it is over: -ECONNRESET. Other errors as vmv_client_next. */
int vmv_errand_run(struct vmv_remote *remote, const struct vmv_errand *errand,
		   struct json_object **ret, struct vmv_err *err);

/* The same for a message that is not shown, whose answer must be a success. A reference to its data
 * in *ret. Errors also as vmv_answer_check, and -ECANCELED after any signal. */
int vmv_errand_ask(struct vmv_remote *remote, const struct vmv_message *message,
		   struct json_object **ret, struct vmv_err *err);

#endif
