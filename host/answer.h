/* What an agent's response says, in our own error codes. */
#ifndef VMV_HOST_ANSWER_H
#define VMV_HOST_ANSWER_H

struct json_object;
struct vmv_err;

/* response: a message of type response, borrowed; action names what was asked, for err. Returns 0
 * and the answer's data in *ret (borrowed from response, NULL if null), or negative errno with
 * err->code by the closed list of error codes: VMV_E_UNKNOWN for UNKNOWN_ACTION, VMV_E_UNSUPPORTED,
 * VMV_E_BUSY, VMV_E_NOTFOUND, VMV_E_NOEXECUTOR; VMV_E_DENIED for every refusal by signature or
 * policy; VMV_E_PARSE for BAD_ARGUMENT and for a response that is none; VMV_E_IO with EREMOTEIO or
 * ETIMEDOUT for a failure in the guest. err->msg is cleaned of what could steer a terminal. */
int vmv_answer_check(struct json_object *response, const char *action, struct json_object **ret,
		     struct vmv_err *err);

#endif
