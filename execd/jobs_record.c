#include "base/cleanup.h"
#include "base/log.h"
#include "exec/leftover.h"
#include "execd/jobs_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUBSYS	   "jobs"
#define RECORD_MAX 256
#define NAME_SIZE  48

/* A record is a file, named after a job, with the name of its control group: it is there from
 * before the job begins until after it has ended. Those of jobs that are let finish are not
 * written: nobody may end them. Lies on a tmpfs. */

static void name_of(char ret[NAME_SIZE], unsigned number)
{
	(void)snprintf(ret, NAME_SIZE, "%d-%u", (int)getpid(), number);
}

void vmv_records_add(struct vmv_jobs *js, const struct entry *e, const char *group)
{
	char name[NAME_SIZE];
	vmv_autoclose int fd = -1;

	if (!group || (e->command->flags & VMV_COMMAND_FINISHES))
		return;
	name_of(name, e->number);
	fd = openat(js->records, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, group, strlen(group)) < 0)
		vmv_log(VMV_LOG_WARNING, SUBSYS, "%s: no record of the job: %s", e->id,
			strerror(errno));
}

void vmv_records_remove(struct vmv_jobs *js, unsigned number)
{
	char name[NAME_SIZE];

	name_of(name, number);
	(void)unlinkat(js->records, name, 0);
}

/* What a former executor did not see the end of. */
static void settle(int dir, const char *name)
{
	char group[RECORD_MAX + 1];
	vmv_autoclose int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, group, RECORD_MAX);

	if (n > 0) {
		group[n] = '\0';
		vmv_log(VMV_LOG_WARNING, SUBSYS,
			"job %s was left by an executor that did not end well; what is left of it "
			"is "
			"killed",
			group);
		vmv_leftover_kill(group);
	}
	(void)unlinkat(dir, name, 0);
}

static void settle_all(int dir)
{
	int copy = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);

	if (!d) {
		vmv_closep(&copy);
		return;
	}
	for (const struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.')
			settle(dir, e->d_name);
	(void)closedir(d);
}

int vmv_records_open(struct vmv_jobs *js, struct vmv_err *err)
{
	const char *run_dir = js->execd->options->run_dir;
	vmv_autoclose int run = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (run < 0 || (mkdirat(run, "jobs", 0700) < 0 && errno != EEXIST))
		return vmv_fail(err, VMV_E_IO, errno, "%s/jobs: %s", run_dir, strerror(errno));
	js->records = openat(run, "jobs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (js->records < 0)
		return vmv_fail(err, VMV_E_IO, errno, "%s/jobs: %s", run_dir, strerror(errno));
	settle_all(js->records);
	return 0;
}
