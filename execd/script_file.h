/* One script on disk: a file per execution_id, replaced as a whole, that tells by a checksum
 * whether it is what was written. */
#ifndef VMV_EXECD_SCRIPT_FILE_H
#define VMV_EXECD_SCRIPT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;
struct vmv_err;

enum vmv_script_state {
	VMV_SCRIPT_ACCEPTED, /* is to run */
	VMV_SCRIPT_RUNNING,  /* was about to start, at least */
	VMV_SCRIPT_FINISHED, /* has an outcome that is to be told */
	VMV_SCRIPT_REPORTED, /* was told: only the id is kept */
};

/* Texts are borrowed; NULL is null but for id. */
struct vmv_script_record {
	enum vmv_script_state state;
	uint64_t order; /* of arrival; of what was reported: in which it was */
	const char *id, *channel;
	bool is_repeated;		 /* SCHEDULED: its id is used again */
	int64_t accepted_ms, changed_ms; /* since 1970, by a clock that may have been wrong */
	uint64_t accepted_mono_ms;	 /* monotonic, in the boot of this id: */
	const char *boot_id;
	/* accepted */
	const char *name, *shell, *run_as;
	uint32_t timeout_s;
	const char *content;
	size_t content_len;
	/* finished; reported: the exit code */
	int exit_code;
	bool is_interrupted;
	const char *out, *err;
	size_t out_len, err_len;
};

#define VMV_SCRIPT_FILE_SIZE 72 /* name of a file, with NUL */

/* Opens state_dir/scripts, made if it is not there; it belongs to us alone. Returns a descriptor or
 * negative errno with err set. */
int vmv_script_dir_open(const char *state_dir, struct vmv_err *err);

/* The name that the record of this id has: of its hash, as ids are any text. */
void vmv_script_file_name(const char *id, const char *suffix, char ret[VMV_SCRIPT_FILE_SIZE]);

#define VMV_SCRIPT_SUFFIX     ".script"
#define VMV_SCRIPT_SUFFIX_TMP ".tmp"
#define VMV_SCRIPT_SUFFIX_BAD ".bad"

/* In two steps, so that several can be made sure of before the first one counts: prepare writes
 * the record beside its place, durably; commit puts it there; sync makes that durable. drop
 * takes back what was prepared. 0 or negative errno. */
int vmv_script_prepare(int dir, const struct vmv_script_record *rec);
int vmv_script_commit(int dir, const char *id);
int vmv_script_sync(int dir);
void vmv_script_drop(int dir, const char *id);

/* All of it, for one. */
int vmv_script_write(int dir, const struct vmv_script_record *rec);

/* Reads the file of that name. Returns 0, *ret with texts that live as long as *ret_owner
 * (json_object_put); -ENOENT; -EBADMSG when it is not what was written, or has another name. */
int vmv_script_read(int dir, const char *file, struct vmv_script_record *ret,
		    struct json_object **ret_owner, struct vmv_err *err);

/* Gives it a name by which nobody takes it for a script. */
int vmv_script_set_aside(int dir, const char *file);

/* Whether the record of this id was set aside: what became of the script is not known. */
bool vmv_script_was_set_aside(int dir, const char *id);

int vmv_script_remove(int dir, const char *id);

#endif
