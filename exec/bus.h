/* Questions to services on the system bus (libsystemd), each within a time. */
#ifndef VMV_EXEC_BUS_H
#define VMV_EXEC_BUS_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#define VMV_BUS_SYSTEMD	    "org.freedesktop.systemd1"
#define VMV_BUS_DEADLINE_MS 5000 /* for connecting and all calls together */

struct vmv_bus {
	sd_bus *bus;	   /* owned */
	const char *name;  /* of the service; borrowed */
	uint64_t until_ms; /* monotonic; may be set anew */
};

/* Each returns 0 or negative errno: -ENOENT when there is no bus, or nobody with that name on it
 * (it is not started for us); of systemd, where it is what runs the machine, -EHOSTDOWN then: it
 * will come; -ETIMEDOUT; what the service said. */
int vmv_bus_open(struct vmv_bus *ret, const char *name);
void vmv_bus_close(struct vmv_bus *b); /* may be one that was never opened, all zero */

/* False once the connection is lost, which makes all calls fail. */
bool vmv_bus_is_open(const struct vmv_bus *b);

/* Sends the call, which vmv_bus_new_call made, and waits. Takes call. *ret is new:
 * sd_bus_message_unref.
 */
int vmv_bus_new_call(struct vmv_bus *b, const char *path, const char *interface, const char *member,
		     sd_bus_message **ret);
int vmv_bus_send(struct vmv_bus *b, sd_bus_message *call, sd_bus_message **ret);

/* The same; error (SD_BUS_ERROR_NULL, the caller's) is what the service said, if it did. */
int vmv_bus_call(struct vmv_bus *b, sd_bus_message *call, sd_bus_error *error,
		 sd_bus_message **ret);

/* Handles what comes until one message was, at most until b->until_ms: 0, or -ETIMEDOUT or what the
 * connection said. */
int vmv_bus_turn(struct vmv_bus *b);

/* For VMV_CLEANUP. */
static inline void vmv_bus_message_unrefp(sd_bus_message **m)
{
	sd_bus_message_unref(*m);
}

#endif
