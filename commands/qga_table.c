#include "commands/qga.h"

#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

#define ARGS(a) .args = (a), .n_args = sizeof(a) / sizeof((a)[0])

#define FILE_READ_MAX  (2 * VMV_MIB) /* of one answer; a host asks again for what is left */
#define FILE_WRITE_MAX (5 * VMV_MIB)
#define NAME_MAX_BYTES 256
#define PATH_BYTES     4096

/* -- words ------------------------------------------------------------------------------------ */

static const char *const mode_words[] = { [VMV_QGA_POWERDOWN] = "powerdown",
					  [VMV_QGA_HALT] = "halt",
					  [VMV_QGA_REBOOT] = "reboot",
					  NULL };

/* -- arguments -------------------------------------------------------------------------------- */

static const struct vmv_arg sync_args[] = {
	[VMV_QGA_SYNC_ID] = { .name = "id",
			      .type = VMV_ARG_INT,
			      .is_required = true,
			      .min = INT64_MIN,
			      .max = INT64_MAX,
			      .help = "any number: it is returned" },
};

static const struct vmv_arg shutdown_args[] = {
	[VMV_QGA_SHUTDOWN_MODE] = { .name = "mode",
				    .type = VMV_ARG_ENUM,
				    .choices = mode_words,
				    .help = "how" },
};

static const struct vmv_arg freeze_args[] = {
	[VMV_QGA_MOUNTPOINTS] = { .name = "mountpoints",
				  .type = VMV_ARG_NAMES,
				  .max = 1024,
				  .fallback_text = "all that can be frozen",
				  .help = "mount points; those that are not there are ignored" },
};

static const struct vmv_arg trim_args[] = {
	[VMV_QGA_TRIM_MINIMUM] = { .name = "minimum",
				   .type = VMV_ARG_INT,
				   .min = INT64_MIN,
				   .max = INT64_MAX,
				   .help = "bytes of a contiguous free range, at least" },
};

static const struct vmv_arg time_args[] = {
	[VMV_QGA_TIME] = { .name = "time",
			   .type = VMV_ARG_INT,
			   .min = INT64_MIN,
			   .max = INT64_MAX,
			   .fallback_text = "what the hardware clock says",
			   .help = "nanoseconds since 1970" },
};

static const struct vmv_arg vcpus_args[] = {
	[VMV_QGA_VCPUS] = { .name = "vcpus",
			    .type = VMV_ARG_LIST,
			    .is_required = true,
			    .max = VMV_CPUS_MAX,
			    .help = "objects with logical-id and online" },
};

static const struct vmv_arg mem_blks_args[] = {
	[VMV_QGA_MEM_BLKS] = { .name = "mem-blks",
			       .type = VMV_ARG_LIST,
			       .is_required = true,
			       .max = 16384,
			       .help = "objects with phys-index and online" },
};

static const struct vmv_arg exec_args[] = {
	[VMV_QGA_EXEC_PATH] = { .name = "path",
				.type = VMV_ARG_TEXT,
				.is_required = true,
				.max = PATH_BYTES,
				.help = "program, looked up in PATH when it holds no slash" },
	[VMV_QGA_EXEC_ARG] = { .name = "arg",
			       .type = VMV_ARG_NAMES,
			       .max = 4096,
			       .help = "its arguments" },
	[VMV_QGA_EXEC_ENV] = { .name = "env",
			       .type = VMV_ARG_NAMES,
			       .max = VMV_ENV_VARS,
			       .fallback_text = "a plain one",
			       .help = "its whole environment, NAME=VALUE" },
	[VMV_QGA_EXEC_INPUT] = { .name = "input-data",
				 .type = VMV_ARG_BASE64,
				 .max = FILE_WRITE_MAX,
				 .help = "what it can read from standard input" },
	[VMV_QGA_EXEC_CAPTURE] = { .name = "capture-output",
				   .type = VMV_ARG_ANY,
				   .help = "true or false; or none, stdout, stderr, separated, "
					   "merged" },
};

static const struct vmv_arg pid_args[] = {
	[VMV_QGA_PID] = { .name = "pid",
			  .type = VMV_ARG_INT,
			  .is_required = true,
			  .min = INT64_MIN,
			  .max = INT64_MAX,
			  .help = "that guest-exec has told" },
};

static const struct vmv_arg open_args[] = {
	[VMV_QGA_OPEN_PATH] = { .name = "path",
				.type = VMV_ARG_TEXT,
				.is_required = true,
				.max = PATH_BYTES,
				.help = "absolute path" },
	[VMV_QGA_OPEN_MODE] = { .name = "mode",
				.type = VMV_ARG_TEXT,
				.max = 8,
				.fallback_text = "r",
				.help = "as of fopen(3)" },
};

#define HANDLE                                    \
	[VMV_QGA_HANDLE] = { .name = "handle",    \
			     .type = VMV_ARG_INT, \
			     .is_required = true, \
			     .min = INT64_MIN,    \
			     .max = INT64_MAX,    \
			     .help = "that guest-file-open has returned" }

static const struct vmv_arg handle_args[] = { HANDLE };

static const struct vmv_arg file_read_args[] = {
	HANDLE,
	[VMV_QGA_READ_COUNT] = { .name = "count",
				 .type = VMV_ARG_INT,
				 .min = INT64_MIN,
				 .max = INT64_MAX,
				 .fallback = 4096,
				 .help = "bytes, at most 2 MiB of which come at once" },
};

static const struct vmv_arg file_write_args[] = {
	HANDLE,
	[VMV_QGA_WRITE_BUF] = { .name = "buf-b64",
				.type = VMV_ARG_BASE64,
				.is_required = true,
				.max = FILE_WRITE_MAX,
				.help = "what is to be written" },
	[VMV_QGA_WRITE_COUNT] = { .name = "count",
				  .type = VMV_ARG_INT,
				  .min = INT64_MIN,
				  .max = INT64_MAX,
				  .fallback_text = "all",
				  .help = "bytes of it" },
};

static const struct vmv_arg file_seek_args[] = {
	HANDLE,
	[VMV_QGA_SEEK_OFFSET] = { .name = "offset",
				  .type = VMV_ARG_INT,
				  .is_required = true,
				  .min = INT64_MIN,
				  .max = INT64_MAX,
				  .help = "bytes" },
	[VMV_QGA_SEEK_WHENCE] = { .name = "whence",
				  .type = VMV_ARG_ANY,
				  .is_required = true,
				  .help = "set, cur or end; or 0, 1, 2" },
};

#define USERNAME                                      \
	[VMV_QGA_USERNAME] = { .name = "username",    \
			       .type = VMV_ARG_TEXT,  \
			       .is_required = true,   \
			       .max = NAME_MAX_BYTES, \
			       .help = "account" }

static const struct vmv_arg password_args[] = {
	USERNAME,
	[VMV_QGA_PASSWORD] = { .name = "password",
			       .type = VMV_ARG_BASE64,
			       .is_required = true,
			       .max = 4096,
			       .help = "the new password" },
	[VMV_QGA_CRYPTED] = { .name = "crypted",
			      .type = VMV_ARG_BOOL,
			      .is_required = true,
			      .help = "it is a hash already, as in /etc/shadow" },
};

static const struct vmv_arg ssh_get_args[] = { USERNAME };

#define KEYS                                      \
	[VMV_QGA_KEYS] = { .name = "keys",        \
			   .type = VMV_ARG_NAMES, \
			   .is_required = true,   \
			   .max = 1024,           \
			   .help = "lines of authorized_keys" }

static const struct vmv_arg ssh_remove_args[] = { USERNAME, KEYS };
static const struct vmv_arg ssh_add_args[] = {
	USERNAME,
	KEYS,
	[VMV_QGA_KEYS_RESET] = { .name = "reset",
				 .type = VMV_ARG_BOOL,
				 .help = "they replace those that are there" },
};

/* -- commands --------------------------------------------------------------------------------- */

/* Sorted by name; tests/unit/test_qga_table.c holds us to it. */
const struct vmv_command vmv_qga_commands[] = {
	{ .name = "guest-exec",
	  .level = VMV_FULL,
	  .doer = VMV_BY_EXECUTOR,
	  ARGS(exec_args),
	  .flags = VMV_COMMAND_CHILD | VMV_COMMAND_SCOPE,
	  .timeout_s = 86400,
	  .timeout_max_s = 86400,
	  .help = "Starts a program; returns its process id." },
	{ .name = "guest-exec-status",
	  .level = VMV_FULL,
	  .doer = VMV_BY_EXECUTOR,
	  ARGS(pid_args),
	  .timeout_s = 60,
	  .timeout_max_s = 60,
	  .help = "Tells whether it has ended, and then how, with its output; once." },
	{ .name = "guest-file-close",
	  .level = VMV_FULL,
	  .doer = VMV_BY_EXECUTOR,
	  ARGS(handle_args),
	  .timeout_s = 60,
	  .timeout_max_s = 60,
	  .help = "Closes one." },
	{ .name = "guest-file-flush",
	  .level = VMV_FULL,
	  .doer = VMV_BY_EXECUTOR,
	  ARGS(handle_args),
	  .timeout_s = 60,
	  .timeout_max_s = 60,
	  .help = "Writes to disk what was written to it." },
	{ .name = "guest-file-open",
	  .level = VMV_FULL,
	  .doer = VMV_BY_EXECUTOR,
	  ARGS(open_args),
	  .timeout_s = 60,
	  .timeout_max_s = 60,
	  .help = "Opens a file; returns a handle." },
	{ .name = "guest-file-read",
	  .level = VMV_FULL,
	  .doer = VMV_BY_EXECUTOR,
	  ARGS(file_read_args),
	  .timeout_s = 60,
	  .timeout_max_s = 60,
	  .help = "Reads from one." },
	{ .name = "guest-file-seek",
	  .level = VMV_FULL,
	  .doer = VMV_BY_EXECUTOR,
	  ARGS(file_seek_args),
	  .timeout_s = 60,
	  .timeout_max_s = 60,
	  .help = "Moves its position." },
	{ .name = "guest-file-write",
	  .level = VMV_FULL,
	  .doer = VMV_BY_EXECUTOR,
	  ARGS(file_write_args),
	  .timeout_s = 60,
	  .timeout_max_s = 60,
	  .help = "Writes to one." },
	{ .name = "guest-fsfreeze-freeze",
	  .level = VMV_OPERATE,
	  .doer = VMV_BY_EXECUTOR,
	  .timeout_s = 300,
	  .timeout_max_s = 300,
	  .help = "Freezes filesystems; returns how many." },
	{ .name = "guest-fsfreeze-freeze-list",
	  .level = VMV_OPERATE,
	  .doer = VMV_BY_EXECUTOR,
	  ARGS(freeze_args),
	  .timeout_s = 300,
	  .timeout_max_s = 300,
	  .help = "Freezes these filesystems; returns how many." },
	{ .name = "guest-fsfreeze-status",
	  .level = VMV_MONITOR,
	  .doer = VMV_BY_AGENT,
	  .flags = VMV_COMMAND_FROZEN,
	  .timeout_s = 1,
	  .timeout_max_s = 1,
	  .help = "Tells whether filesystems are frozen." },
	{ .name = "guest-fsfreeze-thaw",
	  .level = VMV_OPERATE,
	  .doer = VMV_BY_EXECUTOR,
	  .flags = VMV_COMMAND_FROZEN,
	  .timeout_s = 120,
	  .timeout_max_s = 120,
	  .help = "Thaws filesystems; returns how many." },
	{ .name = "guest-fstrim",
	  .level = VMV_OPERATE,
	  .doer = VMV_BY_EXECUTOR,
	  ARGS(trim_args),
	  .timeout_s = 3600,
	  .timeout_max_s = 3600,
	  .help = "Discards unused blocks." },
	{ .name = "guest-get-cpustats",
	  .level = VMV_MONITOR,
	  .doer = VMV_BY_AGENT,
	  .timeout_s = 1,
	  .timeout_max_s = 1,
	  .help = "Tells how CPUs spent their time, in milliseconds." },
	{ .name = "guest-get-disks",
	  .level = VMV_MONITOR,
	  .doer = VMV_BY_AGENT,
	  .timeout_s = 1,
	  .timeout_max_s = 1,
	  .help = "Lists disks and partitions." },
	{ .name = "guest-get-diskstats",
	  .level = VMV_MONITOR,
	  .doer = VMV_BY_AGENT,
	  .timeout_s = 1,
	  .timeout_max_s = 1,
	  .help = "Tells the I/O counters of block devices." },
	{ .name = "guest-get-fsinfo",
	  .level = VMV_MONITOR,
	  .doer = VMV_BY_AGENT,
	  .timeout_s = 1,
	  .timeout_max_s = 1,
	  .help = "Lists filesystems on disks, with their size and use in bytes." },
	{ .name = "guest-get-host-name",
	  .level = VMV_MONITOR,
	  .doer = VMV_BY_AGENT,
	  .timeout_s = 1,
	  .timeout_max_s = 1,
	  .help = "Tells the host name." },
	{ .name = "guest-get-load",
	  .level = VMV_MONITOR,
	  .doer = VMV_BY_AGENT,
	  .timeout_s = 1,
	  .timeout_max_s = 1,
	  .help = "Tells the load averages." },
	{ .name = "guest-get-memory-block-info",
	  .level = VMV_MONITOR,
	  .doer = VMV_BY_AGENT,
	  .timeout_s = 1,
	  .timeout_max_s = 1,
	  .help = "Tells the size of a memory block, in bytes." },
	{ .name = "guest-get-memory-blocks",
	  .level = VMV_MONITOR,
	  .doer = VMV_BY_AGENT,
	  .timeout_s = 1,
	  .timeout_max_s = 1,
	  .help = "Lists memory blocks." },
	{ .name = "guest-get-osinfo",
	  .level = VMV_MONITOR,
	  .doer = VMV_BY_AGENT,
	  .timeout_s = 1,
	  .timeout_max_s = 1,
	  .help = "Tells which system and kernel this is." },
	{ .name = "guest-get-time",
	  .level = VMV_MONITOR,
	  .doer = VMV_BY_AGENT,
	  .timeout_s = 1,
	  .timeout_max_s = 1,
	  .help = "Tells the time, in nanoseconds since 1970." },
	{ .name = "guest-get-timezone",
	  .level = VMV_MONITOR,
	  .doer = VMV_BY_AGENT,
	  .timeout_s = 1,
	  .timeout_max_s = 1,
	  .help = "Tells the time zone, and its offset in seconds." },
	{ .name = "guest-get-users",
	  .level = VMV_MONITOR,
	  .doer = VMV_BY_AGENT,
	  .timeout_s = 1,
	  .timeout_max_s = 1,
	  .help = "Lists who is logged in." },
	{ .name = "guest-get-vcpus",
	  .level = VMV_MONITOR,
	  .doer = VMV_BY_AGENT,
	  .timeout_s = 1,
	  .timeout_max_s = 1,
	  .help = "Lists CPUs." },
	{ .name = "guest-info",
	  .level = VMV_MONITOR,
	  .doer = VMV_BY_AGENT,
	  .flags = VMV_COMMAND_FROZEN,
	  .timeout_s = 1,
	  .timeout_max_s = 1,
	  .help = "Tells the version and the commands." },
	{ .name = "guest-network-get-interfaces",
	  .level = VMV_MONITOR,
	  .doer = VMV_BY_AGENT,
	  .timeout_s = 1,
	  .timeout_max_s = 1,
	  .help = "Lists network interfaces with addresses and counters." },
	{ .name = "guest-network-get-route",
	  .level = VMV_MONITOR,
	  .doer = VMV_BY_AGENT,
	  .timeout_s = 1,
	  .timeout_max_s = 1,
	  .help = "Lists routes." },
	{ .name = "guest-ping",
	  .level = VMV_MONITOR,
	  .doer = VMV_BY_AGENT,
	  .flags = VMV_COMMAND_FROZEN,
	  .timeout_s = 1,
	  .timeout_max_s = 1,
	  .help = "Answers." },
	{ .name = "guest-set-memory-blocks",
	  .level = VMV_OPERATE,
	  .doer = VMV_BY_EXECUTOR,
	  ARGS(mem_blks_args),
	  .timeout_s = 60,
	  .timeout_max_s = 60,
	  .help = "Takes memory blocks online or offline." },
	{ .name = "guest-set-time",
	  .level = VMV_OPERATE,
	  .doer = VMV_BY_EXECUTOR,
	  ARGS(time_args),
	  .timeout_s = 60,
	  .timeout_max_s = 60,
	  .help = "Sets the clock, and the hardware clock with it, or from it." },
	{ .name = "guest-set-user-password",
	  .level = VMV_FULL,
	  .doer = VMV_BY_EXECUTOR,
	  ARGS(password_args),
	  .timeout_s = 60,
	  .timeout_max_s = 60,
	  .help = "Sets a password." },
	{ .name = "guest-set-vcpus",
	  .level = VMV_OPERATE,
	  .doer = VMV_BY_EXECUTOR,
	  ARGS(vcpus_args),
	  .timeout_s = 60,
	  .timeout_max_s = 60,
	  .help = "Takes CPUs online or offline; returns how many, up to the first failure." },
	{ .name = "guest-shutdown",
	  .level = VMV_OPERATE,
	  .doer = VMV_BY_EXECUTOR,
	  ARGS(shutdown_args),
	  .flags = VMV_COMMAND_SILENT,
	  .timeout_s = 30,
	  .timeout_max_s = 30,
	  .help = "Powers off, halts or reboots." },
	{ .name = "guest-ssh-add-authorized-keys",
	  .level = VMV_FULL,
	  .doer = VMV_BY_EXECUTOR,
	  ARGS(ssh_add_args),
	  .timeout_s = 60,
	  .timeout_max_s = 60,
	  .help = "Adds such keys." },
	{ .name = "guest-ssh-get-authorized-keys",
	  .level = VMV_FULL,
	  .doer = VMV_BY_EXECUTOR,
	  ARGS(ssh_get_args),
	  .timeout_s = 60,
	  .timeout_max_s = 60,
	  .help = "Lists the ssh keys that open an account." },
	{ .name = "guest-ssh-remove-authorized-keys",
	  .level = VMV_FULL,
	  .doer = VMV_BY_EXECUTOR,
	  ARGS(ssh_remove_args),
	  .timeout_s = 60,
	  .timeout_max_s = 60,
	  .help = "Removes such keys." },
	{ .name = "guest-suspend-disk",
	  .level = VMV_OPERATE,
	  .doer = VMV_BY_EXECUTOR,
	  .flags = VMV_COMMAND_SILENT,
	  .timeout_s = 60,
	  .timeout_max_s = 60,
	  .help = "Suspends to disk." },
	{ .name = "guest-suspend-hybrid",
	  .level = VMV_OPERATE,
	  .doer = VMV_BY_EXECUTOR,
	  .flags = VMV_COMMAND_SILENT,
	  .timeout_s = 60,
	  .timeout_max_s = 60,
	  .help = "Suspends to both." },
	{ .name = "guest-suspend-ram",
	  .level = VMV_OPERATE,
	  .doer = VMV_BY_EXECUTOR,
	  .flags = VMV_COMMAND_SILENT,
	  .timeout_s = 60,
	  .timeout_max_s = 60,
	  .help = "Suspends to memory." },
	{ .name = "guest-sync",
	  .level = VMV_MONITOR,
	  .doer = VMV_BY_AGENT,
	  ARGS(sync_args),
	  .flags = VMV_COMMAND_FROZEN | VMV_COMMAND_SYNC,
	  .timeout_s = 1,
	  .timeout_max_s = 1,
	  .help = "Answers with its argument: what was asked before is settled." },
	{ .name = "guest-sync-delimited",
	  .level = VMV_MONITOR,
	  .doer = VMV_BY_AGENT,
	  ARGS(sync_args),
	  .flags = VMV_COMMAND_FROZEN | VMV_COMMAND_SYNC,
	  .timeout_s = 1,
	  .timeout_max_s = 1,
	  .help = "The same, with a byte 0xFF before the answer." },
	{ .name = "vmvitals-get-health",
	  .level = VMV_MONITOR,
	  .doer = VMV_BY_AGENT,
	  .timeout_s = 1,
	  .timeout_max_s = 1,
	  .help = "Tells the health checks, and what each found." },
	{ .name = "vmvitals-get-memory",
	  .level = VMV_MONITOR,
	  .doer = VMV_BY_AGENT,
	  .timeout_s = 1,
	  .timeout_max_s = 1,
	  .help = "Tells memory and swap, in bytes, as the guest kernel sees them." },
	{ .name = "vmvitals-get-pressure",
	  .level = VMV_MONITOR,
	  .doer = VMV_BY_AGENT,
	  .timeout_s = 1,
	  .timeout_max_s = 1,
	  .help = "Tells pressure stall information: for how long work waited." },
};
const size_t vmv_n_qga_commands = sizeof(vmv_qga_commands) / sizeof(vmv_qga_commands[0]);

static int by_name(const void *key, const void *elem)
{
	return strcmp(key, ((const struct vmv_command *)elem)->name);
}

const struct vmv_command *vmv_qga_find(const char *name)
{
	return bsearch(name, vmv_qga_commands, vmv_n_qga_commands, sizeof(vmv_qga_commands[0]),
		       by_name);
}
