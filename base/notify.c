#include "base/notify.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/num.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGE_SIZE   512
#define STATUS_MAX     400 /* bytes */
#define PATIENCE_US    1000000
#define DROP_WHEN_FULL MSG_DONTWAIT

/* A path, or '@' and an abstract name. Returns the length of the address; 0 without a manager, or
 * with one at an address that is none of ours (vsock, in a virtual machine's own manager). */
static socklen_t manager_address(struct sockaddr_un *ret)
{
	const char *name = secure_getenv("NOTIFY_SOCKET");
	size_t len = name ? strlen(name) : 0;

	if (len < 2 || len >= sizeof(ret->sun_path) || (*name != '/' && *name != '@'))
		return 0;
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret->sun_path, name, len);
	if (*name == '@')
		ret->sun_path[0] = '\0'; /* the length, not a NUL, ends an abstract name */
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

/* A signal ends a wait with a timeout even where calls are restarted. */
static ssize_t send_patiently(int fd, const char *message, int flags,
			      const struct sockaddr_un *address, socklen_t len)
{
	ssize_t n;

	do {
		n = sendto(fd, message, strlen(message), MSG_NOSIGNAL | flags,
			   (const struct sockaddr *)address, len);
	} while (n < 0 && errno == EINTR);
	return n;
}

/* A new socket each time: the manager may have been restarted, and a service that lives for months
 * tells it something every minute at most. */
static void tell(int flags, const char *message)
{
	const struct timeval patience = { .tv_sec = PATIENCE_US / 1000000 };
	struct sockaddr_un address;
	socklen_t len = manager_address(&address);
	int saved = errno;
	vmv_autoclose int fd = len > 0 ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0)
		(void)send_patiently(fd, message, flags, &address, len);
	errno = saved;
}

static void tell_status(int flags, const char *before, const char *status)
{
	char message[MESSAGE_SIZE];
	size_t len = strcspn(status, "\n");

	(void)snprintf(message, sizeof(message), "%sSTATUS=%.*s", before,
		       (int)(len < STATUS_MAX ? len : STATUS_MAX), status);
	tell(flags, message);
}

void vmv_notify_ready(const char *status)
{
	tell_status(0, "READY=1\n", status);
}

void vmv_notify_status(const char *status)
{
	tell_status(DROP_WHEN_FULL, "", status);
}

void vmv_notify_reloading(void)
{
	char message[MESSAGE_SIZE];

	(void)snprintf(message, sizeof(message), "RELOADING=1\nMONOTONIC_USEC=%llu",
		       (unsigned long long)(vmv_mono_ns(&vmv_clock_system) / 1000));
	tell(0, message);
}

void vmv_notify_stopping(void)
{
	tell_status(0, "STOPPING=1\n", "stopping");
}

void vmv_notify_alive(void)
{
	tell(DROP_WHEN_FULL, "WATCHDOG=1");
}

/* A number and nothing behind it. */
static int number_of(const char *name, uint64_t *ret)
{
	const char *text = secure_getenv(name);
	const char *end;
	uint64_t v;

	if (!text)
		return -ENOENT;
	if (vmv_parse_u64(text, &v, &end) < 0 || *end != '\0')
		return -EINVAL;
	*ret = v;
	return 0;
}

uint64_t vmv_notify_watchdog_us(void)
{
	uint64_t us, pid;
	int r = number_of("WATCHDOG_PID", &pid);

	if (r == -EINVAL || (r == 0 && pid != (uint64_t)getpid()))
		return 0; /* inherited: it is another process that is watched */
	if (number_of("WATCHDOG_USEC", &us) < 0 || us == UINT64_MAX)
		return 0;
	return us;
}
