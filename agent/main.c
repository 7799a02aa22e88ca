#include "agent/agent.h"
#include "agent/options.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "config/settings.h"
#include "exec/spawn.h"

#include <event2/event.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

/* libevent says on its own what we find out from return values. */
static void on_libevent(int severity, const char *text)
{
	vmv_log(severity == EVENT_LOG_ERR ? VMV_LOG_ERROR : VMV_LOG_DEBUG, "libevent", "%s", text);
}

/* Descriptors of /proc/PID/stat stay open; the usual soft limit of 1,024 is for programs that use
 * select(2), and we do not. */
static void raise_nofile(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= VMV_NOFILE_WANTED)
		return;
	vmv_spawn_set_nofile(limit.rlim_cur);
	limit.rlim_cur = limit.rlim_max < VMV_NOFILE_WANTED ? limit.rlim_max : VMV_NOFILE_WANTED;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* One that is closed would be the next file or channel that is opened, and what is logged or
 * printed would go there. They become something that cannot be written to, as they were. */
static void fill_standard_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDONLY); /* no CLOEXEC: children have them, too */
	} while (fd >= 0 && fd <= STDERR_FILENO);
	vmv_closep(&fd);
}

static int serve(const struct vmv_options *o, struct vmv_config *config)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	const struct sigaction usual = { .sa_handler = SIG_DFL };
	const struct vmv_agent_env env = {
		.vm_id = secure_getenv("INFINIBAY_VM_ID"),
		.runtime_dir = secure_getenv("RUNTIME_DIRECTORY"),
	};
	struct vmv_agent *agent;
	struct vmv_err err = { 0 };
	int r;

	event_set_log_callback(on_libevent);
	raise_nofile();
	(void)sigaction(SIGPIPE, &ignore, NULL); /* a write to a peer that left says EPIPE */
	(void)sigaction(SIGCHLD, &usual,
			NULL); /* ignored, children could not be told from others */
	r = vmv_agent_new(&agent, o, config, &env, &err);
	if (r == 0) {
		r = o->mode == VMV_MODE_ONCE ? vmv_agent_once(agent, stdout, &err)
					     : vmv_agent_run(agent, &err);
		vmv_agent_free(agent);
	}
	if (r < 0)
		vmv_log(VMV_LOG_ERROR, "main", "%s", err.msg);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int with_config(const struct vmv_options *o)
{
	struct vmv_config *config;
	struct vmv_err err = { 0 };

	if (vmv_config_load(&config, o->config, &o->overrides, &err) < 0) {
		vmv_log(VMV_LOG_ERROR, "main", "%s", err.msg);
		return EX_CONFIG;
	}
	if (o->mode == VMV_MODE_DUMP)
		vmv_settings_dump(vmv_config_table, vmv_n_config_table, config, stdout);
	if (o->mode == VMV_MODE_DUMP || o->mode == VMV_MODE_CHECK) {
		vmv_config_free(config);
		return fflush(stdout) == EOF ? EX_IOERR : EXIT_SUCCESS;
	}
	(void)vmv_log_set_levels(config->log_level, NULL);
	return serve(o, config);
}

/* Buffers come and go with each reading, and once in a while they are large (thousands of processes
 * or sockets). Left to itself the C library learns from the first large one to keep all of them. */
static void tame_malloc(void)
{
#ifdef __GLIBC__
	(void)mallopt(M_MMAP_THRESHOLD, 64 * 1024);
	(void)mallopt(M_TRIM_THRESHOLD, 64 * 1024);
	(void)mallopt(M_TOP_PAD, 16 * 1024);
#endif
}

int main(int argc, char **argv)
{
	struct vmv_options o;
	int status = EXIT_SUCCESS;

	tame_malloc();
	fill_standard_descriptors();
	vmv_log_open("vmvitalsd");
	if (vmv_options_parse(&o, argc, argv) < 0) {
		(void)fprintf(stderr, "Try 'vmvitalsd --help'.\n");
		status = EX_USAGE;
	} else if (o.mode == VMV_MODE_HELP) {
		vmv_options_help(stdout);
	} else if (o.mode == VMV_MODE_VERSION) {
		(void)printf("vmvitalsd %s\n", PACKAGE_VERSION);
	} else {
		status = with_config(&o);
	}
	free(o.overrides.list);
	return status;
}
