#ifdef HAVE_LIBSYSTEMD

#include "exec/bus.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#define WAIT_MAX_MS 86400000u

/* What it means for us that nobody is there; the bus has several words for it. The service manager
 * itself is only late then, where it runs the system: early in the boot it is not on the bus yet.
 */
static int result(int r, const char *name)
{
	switch (r) {
	case -ENOENT:
	case -ECONNREFUSED: /* a socket that was left behind */
	case -EHOSTUNREACH: /* ServiceUnknown */
	case -ENXIO:	    /* NameHasNoOwner */
		return strcmp(name, VMV_BUS_SYSTEMD) == 0 && sd_booted() > 0 ? -EHOSTDOWN : -ENOENT;
	default:
		return r < 0 ? r : 0;
	}
}

/* Microseconds; 0 when there is no time left. "Never" is a day: more would not fit what the library
 * adds up. */
static uint64_t time_left(const struct vmv_bus *b)
{
	uint64_t now_ms = vmv_mono_ms(&vmv_clock_system);
	uint64_t left_ms = now_ms < b->until_ms ? b->until_ms - now_ms : 0;

	return (left_ms < WAIT_MAX_MS ? left_ms : WAIT_MAX_MS) * 1000;
}

int vmv_bus_turn(struct vmv_bus *b)
{
	for (;;) {
		int r = sd_bus_process(b->bus, NULL);
		uint64_t us;

		if (r != 0)
			return r < 0 ? r : 0;
		us = time_left(b);
		if (us == 0)
			return -ETIMEDOUT;
		r = sd_bus_wait(b->bus, us);
		if (r < 0 && r != -EINTR)
			return r;
	}
}

/* A call would do this by itself, but wait for it as long as the library thinks fit: 90 s. */
static int log_in(struct vmv_bus *b)
{
	int r;

	while ((r = sd_bus_is_ready(b->bus)) == 0) {
		r = vmv_bus_turn(b);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : 0;
}

int vmv_bus_open(struct vmv_bus *ret, const char *name)
{
	struct vmv_bus b = {
		.name = name,
		.until_ms = vmv_mono_ms(&vmv_clock_system) + VMV_BUS_DEADLINE_MS,
	};
	int r = sd_bus_open_system(&b.bus);

	if (r >= 0)
		r = log_in(&b);
	if (r < 0) {
		vmv_bus_close(&b);
		return result(r, name);
	}
	*ret = b;
	return 0;
}

/* Nothing is left to be sent that anybody waits for; flushing would wait without a bound. */
void vmv_bus_close(struct vmv_bus *b)
{
	sd_bus_close_unref(b->bus); /* takes NULL */
	b->bus = NULL;
}

bool vmv_bus_is_open(const struct vmv_bus *b)
{
	return sd_bus_is_open(b->bus) > 0;
}

int vmv_bus_new_call(struct vmv_bus *b, const char *path, const char *interface, const char *member,
		     sd_bus_message **ret)
{
	sd_bus_message *m;
	int r = sd_bus_message_new_method_call(b->bus, &m, b->name, path, interface, member);

	if (r < 0)
		return r;
	r = sd_bus_message_set_auto_start(m, 0);
	if (r < 0) {
		sd_bus_message_unref(m);
		return r;
	}
	*ret = m;
	return 0;
}

int vmv_bus_call(struct vmv_bus *b, sd_bus_message *call, sd_bus_error *error, sd_bus_message **ret)
{
	uint64_t us = time_left(b);
	int r = us > 0 ? sd_bus_call(b->bus, call, us, error, ret) : -ETIMEDOUT;

	sd_bus_message_unref(call);
	return result(r, b->name);
}

int vmv_bus_send(struct vmv_bus *b, sd_bus_message *call, sd_bus_message **ret)
{
	return vmv_bus_call(b, call, NULL, ret);
}

#else
/* ISO C wants something in each file. */
typedef int vmv_bus_is_not_built;
#endif
