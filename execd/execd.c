#include "base/cleanup.h"
#include "base/freeze.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/notify.h"
#include "collectors/os.h"
#include "config/owner.h"
#include "execd/counters.h"
#include "execd/execd_impl.h"
#include "execd/jobs.h"
#include "execd/keyring.h"
#include "execd/nonces.h"
#include "execd/qga.h"
#include "execd/scriptq.h"
#include "execd/secret.h"
#include "execd/sessions.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SUBSYS	  "execd"
#define REST_S	  1
#define LISTEN_FD 3 /* the first that a service manager hands over */

/* -- policy -------------------------------------------------------------------------------------
 */

void vmv_execd_policy(const struct vmv_execd *e, struct vmv_policy *ret)
{
	const struct vmv_config *c = e->config;

	*ret = (struct vmv_policy){
		.level = (enum vmv_level)c->policy_level,
		.deny = (const char *const *)c->deny.items,
		.n_deny = c->deny.n,
		.allow = (const char *const *)c->allow.items,
		.n_allow = c->allow.n,
		.has_executor = true,
		.can_verify = true,
	};
}

static int load_config(struct vmv_execd *e, struct vmv_err *err)
{
	const struct vmv_overrides none = { .n = 0 };
	struct vmv_config *fresh;
	/* whoever can write it could make anything of us */
	int r = vmv_config_check_owner(e->options->config, geteuid(), err);

	if (r == 0)
		r = vmv_config_load(&fresh, e->options->config, &none, err);
	if (r < 0)
		return r;
	vmv_config_free(e->config);
	e->config = fresh;
	(void)vmv_log_set_levels(e->options->log_level ? e->options->log_level : fresh->log_level,
				 NULL);
	return 0;
}

/* Keys and secret come and go with the configuration. */
static int load_trust(struct vmv_execd *e, struct vmv_err *err)
{
	struct vmv_os_sample os;
	const struct vmv_secret_places places = {
		.file = e->config->secret_file,
		.taken = e->secret_env,
		.env = e->options->secret_env,
		.owner = geteuid(),
	};
	int r = vmv_keyring_reload(e->keyring);

	vmv_secret_free(e->secret);
	e->secret = vmv_secret_load(&places);
	vmv_os_read(&e->root, &os);
	vmv_vm_id(e->config->vm_id, NULL, &e->root, &os, e->vm_id);
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "%s/trusted-keys.d: %s", e->options->config_dir,
				strerror(-r));
	return 0;
}

static void reload(struct vmv_execd *e)
{
	struct vmv_err err = { 0 };

	vmv_notify_reloading();
	if (load_config(e, &err) < 0)
		vmv_log(VMV_LOG_ERROR, SUBSYS, "configuration refused, the old one stays: %s",
			err.msg);
	else if (load_trust(e, &err) < 0)
		vmv_log(VMV_LOG_ERROR, SUBSYS, "%s", err.msg);
	else
		vmv_log(VMV_LOG_INFO, SUBSYS, "configuration and keys read again");
	vmv_notify_ready("ready");
}

/* -- what is said ------------------------------------------------------------------------------
 */

bool vmv_execd_may_log(struct vmv_execd *e)
{
	if (!vmv_bucket_take(&e->unvouched, vmv_execd_now_ms(e))) {
		e->n_unlogged++;
		return false;
	}
	if (e->n_unlogged > 0)
		vmv_log(VMV_LOG_NOTICE, SUBSYS,
			"%" PRIu64 " more such lines, connections or sessions were refused",
			e->n_unlogged);
	e->n_unlogged = 0;
	return true;
}

/* -- frozen -------------------------------------------------------------------------------------
 */

/* Nothing is written to a disk that would hang until the thaw, and with us what is to thaw it. */
bool vmv_execd_is_frozen(struct vmv_execd *e)
{
	struct vmv_freeze_record record;
	int r = vmv_freeze_read(e->options->run_dir, &record);
	/* without their guard they are so until somebody thaws them */
	bool is_frozen = vmv_jobs_is_freezing(e->jobs) || r == 0 || r == -ESRCH;

	if (is_frozen != e->is_frozen) {
		e->is_frozen = is_frozen;
		(void)vmv_nonces_set_frozen(e->nonces, is_frozen);
		vmv_scriptq_freeze(e->scripts, is_frozen);
	}
	if (is_frozen)
		(void)event_add(e->thawing, &(struct timeval){ .tv_sec = 1 });
	return is_frozen;
}

/* What came while they were frozen is written down when that is over. */
static void on_thawing(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)vmv_execd_is_frozen(arg);
}

/* -- idle ---------------------------------------------------------------------------------------
 */

static bool is_working(struct vmv_execd *e)
{
	return vmv_jobs_is_busy(e->jobs) || vmv_scriptq_is_busy(e->scripts) ||
	       vmv_execd_qga_is_busy(e) || vmv_execd_is_frozen(e);
}

void vmv_execd_busy(struct vmv_execd *e)
{
	const struct timeval tv = { .tv_sec = (time_t)e->options->idle_s };

	if (e->is_activated && e->options->idle_s > 0 && !e->is_stopping)
		(void)event_add(e->idle, &tv);
}

/* A peer is asked before we go, since it may be about to send: it hangs up, or has work for us. */
static void on_idle(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_execd *e = arg;

	(void)fd;
	(void)what;
	if (is_working(e)) {
		vmv_execd_busy(e);
		return;
	}
	if (e->n_peers == 0) {
		vmv_log(VMV_LOG_DEBUG, SUBSYS, "nothing to do: exits");
		(void)event_base_loopbreak(e->base);
		return;
	}
	for (size_t i = 0; i < e->n_peers; i++)
		vmv_peer_ask_to_leave(e->peers[i]);
	vmv_execd_busy(e);
}

/* -- connections --------------------------------------------------------------------------------
 */

static bool may_serve(struct vmv_execd *e, int fd, pid_t *ret_pid)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	*ret_pid = peer.pid;
	if (peer.uid == 0 || (e->has_agent_uid && peer.uid == e->agent_uid))
		return true;
	if (vmv_execd_may_log(e))
		vmv_log(VMV_LOG_WARNING, SUBSYS,
			"turned away process %d of user %u: not the agent's", (int)peer.pid,
			(unsigned)peer.uid);
	return false;
}

/* What cannot be accepted for want of descriptors or memory stays where it is, and would be
 * announced again and again. */
static void rest(struct vmv_execd *e, int error)
{
	const struct timeval tv = { .tv_sec = REST_S };

	if (error != EMFILE && error != ENFILE && error != ENOMEM && error != ENOBUFS)
		return;
	vmv_log(VMV_LOG_ERROR, SUBSYS, "cannot take a connection: %s", strerror(error));
	if (event_add(e->resting, &tv) == 0)
		(void)event_del(e->accepting);
}

static void on_rested(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_execd *e = arg;

	(void)fd;
	(void)what;
	(void)event_add(e->accepting, NULL);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct vmv_execd *e = arg;
	vmv_autoclose int peer = accept4((int)fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	pid_t pid = 0;

	(void)what;
	if (peer < 0)
		rest(e, errno);
	if (peer < 0 || !may_serve(e, peer, &pid))
		return;
	if (e->n_peers == VMV_EXECD_PEERS) {
		if (vmv_execd_may_log(e))
			vmv_log(VMV_LOG_WARNING, SUBSYS,
				"turned process %d away: too many connections", (int)pid);
		return;
	}
	if (vmv_peer_new(e, peer, pid) == 0)
		peer = -1;
	vmv_execd_busy(e);
}

static int listen_at(const char *path, uid_t uid, struct vmv_err *err)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	vmv_autoclose int fd = -1;
	int ret;

	if (strlen(path) >= sizeof(at.sun_path))
		return vmv_fail(err, VMV_E_RANGE, ENAMETOOLONG, "%s: too long a path", path);
	memcpy(at.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)unlink(path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
	    chmod(path, 0600) < 0 || chown(path, uid, (gid_t)-1) < 0 || listen(fd, 16) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "%s: %s", path, strerror(errno));
	ret = fd;
	fd = -1;
	return ret;
}

/* The one that the service manager hands over (sd_listen_fds(3)), or our own. */
static int find_listener(struct vmv_execd *e, struct vmv_err *err)
{
	socklen_t len = sizeof(int);
	int type = 0;

	if (e->options->socket) {
		e->listener = listen_at(e->options->socket,
					e->has_agent_uid ? e->agent_uid : getuid(), err);
		return e->listener < 0 ? e->listener : 0;
	}
	if (!e->options->is_activated ||
	    getsockopt(LISTEN_FD, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_SEQPACKET)
		return vmv_fail(err, VMV_E_IO, ENOTSOCK,
				"no socket: to be started by its socket unit, or with --socket");
	e->listener = LISTEN_FD;
	e->is_activated = true;
	(void)evutil_make_socket_nonblocking(e->listener);
	(void)evutil_make_socket_closeonexec(e->listener);
	return 0;
}

static void find_agent_user(struct vmv_execd *e)
{
	const struct passwd *pw = getpwnam(e->options->agent_user);

	e->has_agent_uid = pw != NULL;
	if (pw)
		e->agent_uid = pw->pw_uid;
	else
		vmv_log(VMV_LOG_WARNING, SUBSYS, "there is no user '%s': root alone is served",
			e->options->agent_user);
}

/* -- signals ------------------------------------------------------------------------------------
 */

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct vmv_execd *e = arg;

	(void)what;
	if (number == SIGHUP) {
		reload(e);
		return;
	}
	e->is_stopping = true;
	vmv_notify_stopping();
	vmv_jobs_interrupt(e->jobs);
	(void)event_base_loopbreak(e->base);
}

static int make_events(struct vmv_execd *e)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };

	e->idle = event_new(e->base, -1, 0, on_idle, e);
	e->thawing = event_new(e->base, -1, 0, on_thawing, e);
	e->resting = event_new(e->base, -1, 0, on_rested, e);
	e->accepting = event_new(e->base, e->listener, EV_READ | EV_PERSIST, on_accept, e);
	if (!e->idle || !e->thawing || !e->resting || !e->accepting ||
	    event_add(e->accepting, NULL) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < VMV_COUNTOF(numbers); i++) {
		e->signals[i] = evsignal_new(e->base, numbers[i], on_signal, e);
		if (!e->signals[i] || event_add(e->signals[i], NULL) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* -- life ---------------------------------------------------------------------------------------
 */

/* Root's own, whoever made it. */
static int own_folder(const char *path, mode_t mode, struct vmv_err *err)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		(void)chmod(path, mode); /* whatever the umask */
	else if (errno != EEXIST)
		return vmv_fail(err, VMV_E_IO, errno, "%s: %s", path, strerror(errno));
	if (lstat(path, &st) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "%s: %s", path, strerror(errno));
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022))
		return vmv_fail(err, VMV_E_DENIED, EPERM,
				"%s: must be a folder that nobody but its owner, us, may write to",
				path);
	return 0;
}

static int open_stores(struct vmv_execd *e, struct vmv_err *err)
{
	const struct vmv_execd_options *o = e->options;
	char keys[PATH_MAX], boot_id[64] = "";
	int r;

	(void)vmv_read_attr_at(e->root.proc, "sys/kernel/random/boot_id", boot_id, sizeof(boot_id));
	(void)snprintf(keys, sizeof(keys), "%s/trusted-keys.d", o->config_dir);
	e->keyring = vmv_keyring_new(keys, geteuid());
	e->nonces = vmv_nonces_new(o->state_dir, boot_id, e->clock);
	if (!e->keyring || !e->nonces)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	r = vmv_counters_open(&e->counters, o->run_dir);
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "%s: %s", o->run_dir, strerror(-r));
	return load_trust(e, err);
}

/* Those of sessions that a former executor did not see the end of. */
static void drop_counters(struct vmv_execd *e)
{
	const char *ids[VMV_CHANNELS_MAX];
	size_t n = 0;

	while (n < VMV_COUNTOF(ids) && vmv_sessions_id(e->sessions, n)) {
		ids[n] = vmv_sessions_id(e->sessions, n);
		n++;
	}
	vmv_counters_keep_only(e->counters, ids, n);
}

static int open_parts(struct vmv_execd *e, struct vmv_err *err)
{
	const struct vmv_execd_options *o = e->options;
	int r = vmv_root_open(&e->root, o->root, err);

	if (r == 0)
		r = own_folder(o->run_dir, 0755, err);
	if (r == 0)
		r = own_folder(o->state_dir, 0700, err);
	if (r == 0)
		r = open_stores(e, err);
	if (r == 0)
		r = vmv_sessions_open(&e->sessions, o->run_dir, err);
	if (r == 0)
		drop_counters(e);
	if (r == 0)
		r = vmv_jobs_new(&e->jobs, e, err);
	if (r == 0)
		r = vmv_scriptq_new(&e->scripts, e, err);
	if (r == 0)
		r = vmv_execd_qga_new(&e->qga, e, err);
	return r;
}

int vmv_execd_new(struct vmv_execd **ret, const struct vmv_execd_options *options, char *secret,
		  struct vmv_err *err)
{
	struct vmv_execd *e = calloc(1, sizeof(*e));
	int r;

	if (!e) {
		vmv_secret_free(secret);
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	}
	e->secret_env = secret;
	e->options = options;
	e->root = VMV_ROOT_NONE;
	e->clock = &vmv_clock_system;
	e->listener = -1;
	e->unvouched = VMV_BUCKET(VMV_UNVOUCHED_BURST, VMV_UNVOUCHED_MS);
	e->base = event_base_new();
	r = e->base ? load_config(e, err) : vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	if (r == 0) {
		find_agent_user(e);
		r = open_parts(e, err);
	}
	if (r == 0)
		r = find_listener(e, err);
	if (r == 0 && make_events(e) < 0)
		r = vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	if (r < 0) {
		vmv_execd_free(e);
		return r;
	}
	*ret = e;
	return 0;
}

int vmv_execd_run(struct vmv_execd *e, struct vmv_err *err)
{
	vmv_log(VMV_LOG_INFO, SUBSYS, "ready: level %s, %zu keys%s",
		vmv_level_name((enum vmv_level)e->config->policy_level),
		vmv_keyring_count(e->keyring), e->secret ? ", a secret" : "");
	vmv_notify_ready("ready");
	vmv_execd_busy(e);
	if (event_base_dispatch(e->base) < 0)
		return vmv_fail(err, VMV_E_IO, 0, "the event loop failed");
	return 0;
}

void vmv_execd_free(struct vmv_execd *e)
{
	struct event **events[] = { &e->accepting,  &e->resting,    &e->idle,	   &e->thawing,
				    &e->signals[0], &e->signals[1], &e->signals[2] };

	while (e->n_peers > 0)
		vmv_peer_free(e->peers[0]);
	vmv_scriptq_free(e->scripts);
	vmv_jobs_free(e->jobs);
	vmv_execd_qga_free(e->qga);
	vmv_sessions_free(e->sessions);
	vmv_counters_free(e->counters);
	vmv_nonces_free(e->nonces);
	vmv_keyring_free(e->keyring);
	vmv_secret_free(e->secret);
	vmv_secret_free(e->secret_env);
	for (size_t i = 0; i < VMV_COUNTOF(events); i++)
		if (*events[i])
			event_free(*events[i]);
	if (e->base)
		event_base_free(e->base);
	if (e->options->socket && e->listener >= 0)
		(void)unlink(e->options->socket);
	vmv_closep(&e->listener);
	vmv_config_free(e->config);
	vmv_root_close(&e->root);
	free(e);
}
