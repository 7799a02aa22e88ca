/* What the service manager is told (sd_notify(3), spoken directly). Without a service manager,
 * nothing. All keep errno and raise no signal. */
#ifndef VMV_AGENT_NOTIFY_H
#define VMV_AGENT_NOTIFY_H

#include <stdint.h>

/* What the manager waits for or acts on: ready, reloading, stopping. They wait up to a second for
 * room in its queue. status is one line; what follows a newline is left out. */
void vmv_notify_ready(const char *status);
void vmv_notify_reloading(void);
void vmv_notify_stopping(void);

/* What comes again anyway: dropped while its queue is full. */
void vmv_notify_status(const char *status);
void vmv_notify_alive(void);

/* How often vmv_notify_alive is to be called at least, in microseconds; 0: not at all. */
uint64_t vmv_notify_watchdog_us(void);

#endif
