#include "exec/leftover.h"

#include "base/cleanup.h"
#include "exec/cgroup.h"

#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#define TRIES	 20 /* before Linux 5.14 something may have been born meanwhile */
#define PAUSE_MS 5

static void kill_group(const char *path)
{
	vmv_autoclose int fd = vmv_cgroup_open(path);

	for (int tries = 0; fd >= 0 && tries < TRIES && vmv_cgroup_kill(fd) > 0; tries++)
		(void)poll(NULL, 0, PAUSE_MS);
	vmv_cgroup_remove(path);
}

/* As job/group.c names them: without systemd, and with it. */
void vmv_leftover_kill(const char *group)
{
	char paths[2][512];

	(void)snprintf(paths[0], sizeof(paths[0]), "/" VMV_CGROUP_DIR "/" VMV_CGROUP_PREFIX "%s",
		       group);
	(void)snprintf(paths[1], sizeof(paths[1]), "/vmvitals.slice/vmvitals-job-%s.scope", group);
	for (size_t i = 0; i < VMV_COUNTOF(paths); i++)
		if (vmv_cgroup_is_of(paths[i], group))
			kill_group(paths[i]);
}
