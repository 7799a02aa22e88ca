/* Who in the agent does which reading action: the table of its handlers. */
#ifndef VMV_COMMANDS_HANDLERS_H
#define VMV_COMMANDS_HANDLERS_H

#include <stddef.h>

struct vmv_request;

struct vmv_handler {
	const char *action;
	/* Arguments are checked. Answers the request exactly once, now or (ASYNC) later, with
	 * vmv_request_done or vmv_request_fail. */
	void (*run)(struct vmv_request *req);
};

/* Sorted by action: one for each row of vmv_commands that is done by agent or helper and is no
 * alias, and for what has a reading operation. */
extern const struct vmv_handler vmv_handlers[];
extern const size_t vmv_n_handlers;

/* For an action or an alias; NULL: none. */
const struct vmv_handler *vmv_handler_find(const char *action);

#endif
