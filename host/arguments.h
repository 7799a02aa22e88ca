/* Arguments of a command as they are typed, key=value, made JSON by the command's table. */
#ifndef VMV_HOST_ARGUMENTS_H
#define VMV_HOST_ARGUMENTS_H

#include <stddef.h>

struct vmv_command;
struct vmv_err;
struct vmv_jw;

/* Writes each argument that the words name as a member into w, an object that is open. A list is
 * comma separated, or its key comes again and again; a member of a map is key.name=value; base64
 * is @FILE, or base64 already; of a text, key@=FILE is what the file holds, without a last LF.
 * Returns 0, or negative errno with err set: -EINVAL (VMV_E_RANGE) the words are wrong, or a file
 * cannot be read; -ENOMEM. Limits are for vmv_message_finish to check. */
int vmv_arguments_write(const struct vmv_command *c, char *const *words, size_t n, struct vmv_jw *w,
			struct vmv_err *err);

#endif
