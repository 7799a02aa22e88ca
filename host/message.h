/* A command as it is sent: its message, checked against the table before anything is sent. */
#ifndef VMV_HOST_MESSAGE_H
#define VMV_HOST_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"
#include "proto/json_write.h"

struct vmv_command;
struct vmv_err;
struct vmv_options;

/* Plain values; vmv_message_free. */
struct vmv_message {
	const struct vmv_command *command; /* static storage */
	char id[VMV_UUID_SIZE];
	struct vmv_jw w; /* the text, after vmv_message_finish */
	uint32_t timeout_s;
	bool is_reading; /* changes nothing: may be asked again */
	bool is_streamed;
};

/* An action or the raw command by its name. NULL: there is none. */
const struct vmv_command *vmv_message_command(const char *name);

/* Seconds for a command: what --timeout says, else its default. Returns 0, or -EINVAL with err set:
 * more than a command that changes the guest may have. */
int vmv_message_timeout(const struct vmv_options *o, const struct vmv_command *c, uint32_t *ret,
			struct vmv_err *err);

/* Begins a message with a fresh id; then its arguments are written to w, as members. Returns 0, or
 * negative errno with err set; vmv_message_free in either case. */
int vmv_message_begin(struct vmv_message *m, const struct vmv_command *c, struct vmv_err *err);

/* Ends it. is_streamed: output is to come while the command runs, byte for byte. Returns 0; -EINVAL
 * with err set (VMV_E_RANGE): the guest would not take these arguments; -ENOMEM. */
int vmv_message_finish(struct vmv_message *m, uint32_t timeout_s, bool is_streamed,
		       struct vmv_err *err);
void vmv_message_free(struct vmv_message *m);

#endif
