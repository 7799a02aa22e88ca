/* What the parts of the executor share: execd/ only. */
#ifndef VMV_EXECD_IMPL_H
#define VMV_EXECD_IMPL_H

#include "base/bucket.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/root.h"
#include "commands/judge.h"
#include "config/identity.h"
#include "config/settings.h"
#include "execd/execd.h"
#include "execd/options.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct json_object;
struct vmv_counters;
struct vmv_execd_qga;
struct vmv_jobs;
struct vmv_jw;
struct vmv_keyring;
struct vmv_link;
struct vmv_nonces;
struct vmv_scriptq;
struct vmv_sessions;

#define VMV_EXECD_PEERS	     4 /* the agent is one; each may keep us a line of 24 MiB */
#define VMV_CHANNEL_NAME_MAX 255

/* One connection of the agent. */
struct vmv_peer {
	struct vmv_execd *execd;
	struct vmv_link *link;
	pid_t pid;
	bool is_leaving; /* was told that we would like to go */
};

struct vmv_execd {
	const struct vmv_execd_options *options;
	struct vmv_config *config;
	struct vmv_root root;
	char vm_id[VMV_VM_ID_SIZE];
	struct event_base *base;
	const struct vmv_clock *clock;
	char *secret;	  /* owned (vmv_secret_free); NULL: none */
	char *secret_env; /* what main took out of the environment; likewise */
	struct vmv_keyring *keyring;
	struct vmv_nonces *nonces;
	struct vmv_counters *counters;
	struct vmv_sessions *sessions;
	struct vmv_jobs *jobs;
	struct vmv_scriptq *scripts;
	struct vmv_execd_qga *qga;

	int listener;
	bool is_activated; /* the listener is the service manager's: it starts us again */
	uid_t agent_uid;
	bool has_agent_uid;
	struct event *accepting, *resting, *idle, *thawing, *signals[3];
	struct vmv_bucket unvouched; /* lines in the journal that anybody can cause */
	uint64_t n_unlogged;
	struct vmv_peer *peers[VMV_EXECD_PEERS];
	size_t n_peers;
	bool is_stopping, is_frozen;
};

/* execd.c */
static inline uint64_t vmv_execd_now_ms(const struct vmv_execd *e)
{
	return vmv_mono_ms(e->clock);
}
void vmv_execd_busy(struct vmv_execd *e);      /* something happened: not idle for a while */
bool vmv_execd_is_frozen(struct vmv_execd *e); /* filesystems are */
/* Whether to say in the journal what whoever has the agent could say over and over, and so drown
 * what the journal is to hold. What was not said is counted, and the sum is told. */
bool vmv_execd_may_log(struct vmv_execd *e);
void vmv_execd_policy(const struct vmv_execd *e, struct vmv_policy *ret);

/* peer.c: the verbs of the link */
int vmv_peer_new(struct vmv_execd *e, int fd, pid_t pid);
void vmv_peer_free(struct vmv_peer *p);
void vmv_peer_ask_to_leave(struct vmv_peer *p);

/* Something that it waits for could not be sent, and will not be: hangs up, so that it knows. Takes
 * NULL. */
void vmv_peer_fail(struct vmv_peer *p);

/* So much waits to be read by it that it should not be given more. NULL: no. */
bool vmv_peer_is_slow(const struct vmv_peer *p);

/* Sends what was written, if it was written well, and frees it. NULL peer: it is gone. */
void vmv_peer_send(struct vmv_peer *p, struct vmv_jw *w);

/* Where an answer goes: the peer, and what it called the question. */
struct vmv_return {
	struct vmv_peer *peer; /* NULL: gone */
	uint64_t ref;
	char channel[VMV_CHANNEL_NAME_MAX + 1];
	char session[37];
};

enum vmv_forward_class { VMV_FORWARD_REPLY, VMV_FORWARD_STREAM, VMV_FORWARD_NOTICE };

/* A line for the host. is_final: no more for this ref. execution_id: of a completion, or NULL. */
void vmv_forward(const struct vmv_return *to, enum vmv_forward_class class, bool is_final,
		 bool is_vouched, const char *execution_id, const char *line, size_t len);

/* Ends a question that nothing is to be said to. */
void vmv_settle(const struct vmv_return *to);

/* submit.c: one received line; exactly one answer to each, now or later. */
void vmv_execd_submit(struct vmv_execd *e, const struct vmv_return *from, const char *line,
		      size_t len);
void vmv_execd_verify(struct vmv_execd *e, const struct vmv_return *from, const char *line,
		      size_t len);

/* audit.c: what was decided and done, in the journal (DESIGN.md 6). key: id of the key, "secret" or
 * NULL. Never arguments, payload or output. */
struct vmv_audit {
	const char *command, *id, *channel, *session, *key;
	const char *result; /* "ok", an error code, "exit 3" */
	const char *reason; /* one sentence, of a refusal or failure */
	uint64_t duration_us;
	bool is_refusal;
};
void vmv_audit(const struct vmv_audit *a);

#endif
