#include "agent/notify.h"

#include "base/clock.h"

#ifdef HAVE_LIBSYSTEMD

#include <systemd/sd-daemon.h>

void vmv_notify_ready(const char *status)
{
	(void)sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void vmv_notify_status(const char *status)
{
	(void)sd_notifyf(0, "STATUS=%s", status);
}

void vmv_notify_reloading(void)
{
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
			 (unsigned long long)(vmv_mono_ns(&vmv_clock_system) / 1000));
}

void vmv_notify_stopping(void)
{
	(void)sd_notify(0, "STOPPING=1\nSTATUS=stopping");
}

void vmv_notify_alive(void)
{
	(void)sd_notify(0, "WATCHDOG=1");
}

uint64_t vmv_notify_watchdog_us(void)
{
	uint64_t us;

	return sd_watchdog_enabled(0, &us) > 0 ? us : 0;
}

#else

void vmv_notify_ready(const char *status)
{
	(void)status;
}

void vmv_notify_status(const char *status)
{
	(void)status;
}

void vmv_notify_reloading(void) {}

void vmv_notify_stopping(void) {}

void vmv_notify_alive(void) {}

uint64_t vmv_notify_watchdog_us(void)
{
	return 0;
}

#endif
