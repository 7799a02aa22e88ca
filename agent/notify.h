/* What the service manager is told. Without libsystemd, or without a service manager, nothing. */
#ifndef VMV_AGENT_NOTIFY_H
#define VMV_AGENT_NOTIFY_H

#include <stdint.h>

void vmv_notify_ready(const char *status);
void vmv_notify_status(const char *status);
void vmv_notify_reloading(void);
void vmv_notify_stopping(void);
void vmv_notify_alive(void);

/* How often vmv_notify_alive is to be called at least, in microseconds; 0: not at all. */
uint64_t vmv_notify_watchdog_us(void);

#endif
