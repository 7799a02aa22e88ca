/* Scripts of hosts, durably (PROTOCOL.md 7): each is written down before the step it is about to
 * take, so that whatever happens none runs twice and none that was accepted is forgotten. Knows no
 * event loop, blocks for the disk. One process at a time has a store open. */
#ifndef VMV_EXECD_SCRIPTS_H
#define VMV_EXECD_SCRIPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;
struct vmv_clock;
struct vmv_err;
struct vmv_scripts;

/* One that is to run. Texts are borrowed until vmv_scripts_finished; NULL: not given. */
struct vmv_script {
	const char *id, *name, *channel;
	const char *shell, *run_as;
	const char *content;
	size_t content_len;
	uint32_t timeout_s; /* 1 to VMV_SCRIPT_SECONDS */
};

/* An outcome that the host is to be told. Texts are borrowed until the next call. */
struct vmv_script_outcome {
	const char *id;
	const char *channel; /* it came in on; may be NULL */
	int exit_code;	     /* -1: it was not run, or it is not known how it ended */
	const char *out, *err;
	size_t out_len, err_len;
	bool is_interrupted; /* a restart ended it: worth an event */
	uint64_t sent_in;    /* the latest session; 0: none */
};

struct vmv_scripts_counts {
	unsigned accepted; /* will run */
	unsigned known;	   /* were accepted before, and are told when they have ended */
	unsigned answered; /* told at once */
	unsigned skipped;  /* no execution_id or no script_content: cannot be told */
};

/* Opens state_dir/scripts and settles what a former process left: what ran is finished with -1,
 * "interrupted: ..."; what is damaged is put aside, with a line in the log.
 *
 * boot_id   of the running kernel; copied
 * expire_s  what was accepted longer ago, before a restart, is not run any more; 0: none
 * clock     borrowed
 * Returns 0 and a new store, or negative errno with err set. */
int vmv_scripts_open(struct vmv_scripts **ret, const char *state_dir, const char *boot_id,
		     uint64_t expire_s, const struct vmv_clock *clock, struct vmv_err *err);
void vmv_scripts_free(struct vmv_scripts *s); /* takes NULL; the disk is left as it is */

/* Takes the scripts[] of a message that was verified.
 *
 * channel  it came in on; copied
 * refusal  NULL, or why none is to run ("scripts need policy level full, ..."): each is told -1,
 *          "refused: <refusal>"
 * told     is called for each that is settled at once: refused, over a bound, could not be written
 *          down (then none of the message is accepted), or run before (stderr "already run")
 * Those that were accepted are on disk, all of them, when this returns 0. -EINVAL: no array. */
int vmv_scripts_accept(struct vmv_scripts *s, struct json_object *scripts, const char *channel,
		       const char *refusal,
		       void (*told)(void *arg, const struct vmv_script_outcome *o), void *arg,
		       struct vmv_scripts_counts *ret, struct vmv_err *err);

/* The one that is next, in order of arrival. False: none, or one is running, or the disk is not to
 * be had for the moment (vmv_scripts_wait_ms tells for how long). */
bool vmv_scripts_next(struct vmv_scripts *s, struct vmv_script *ret);

/* Monotonic ms when to ask for the next one again though nothing happened; UINT64_MAX: never. */
uint64_t vmv_scripts_wait_ms(const struct vmv_scripts *s);

/* To be called before what vmv_scripts_next gave is started. Negative errno with err set when that
 * cannot be written down: it must not be started; it stays what it is and is tried again. */
int vmv_scripts_started(struct vmv_scripts *s, const char *id, struct vmv_err *err);

/* What was started has ended, or could not be started after all. When the disk is full, the outcome
 * is kept in memory. -ENOENT: it does not run. */
int vmv_scripts_finished(struct vmv_scripts *s, const char *id, int exit_code, const char *out,
			 size_t out_len, const char *err_text, size_t err_len);

/* The next outcome that was not yet sent in this session or a later one. Sessions have ascending
 * numbers, from 1 on, over all channels. */
bool vmv_scripts_owed(struct vmv_scripts *s, uint64_t session, struct vmv_script_outcome *ret);

/* It was sent in this session, or is not to be. */
void vmv_scripts_sent(struct vmv_scripts *s, const char *id, uint64_t session);

/* The host has it: only its id is kept. -ENOENT when no such outcome is owed. */
int vmv_scripts_delivered(struct vmv_scripts *s, const char *id);

/* While filesystems are frozen nothing is written: what comes is refused, nothing new starts, and
 * what ends is written, and only then owed, after the thaw. */
void vmv_scripts_freeze(struct vmv_scripts *s, bool is_frozen);

/* True while something is to be run, runs, or is to be told: no time to exit. */
bool vmv_scripts_has_work(const struct vmv_scripts *s);

#endif
