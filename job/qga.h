/* The commands of the QEMU guest agent that change something, each as an action in a process of its
 * own (job/action.h): a.command is a row of vmv_qga_commands, a.args are checked by vmv_qga_args
 * (places: commands/qga.h), a.data is to be the value of "return" (empty: {}), a.text is for
 * nobody.
 *
 * a.message is what the executor says: { "command", "arguments" (or null), and
 *   "thaw_after_s": N     freezing: the automatic thaw
 *   "file": {...}         all of guest-file-* but open: what open has told, and "position";
 * "handle" is not looked at here }
 *
 * guest-file-*: the executor keeps of an open file what is in "file" below, and nothing is open
 * between two requests. Data of open: { "file": { "path", "mode", "dev", "ino", "position" } }.
 * Data of read, write, seek: { "return": as QGA wants it, "position": N }. Data of flush: none. An
 * action finds the file again by path, dev and ino; VMV_E_NOTFOUND: it is not that file any more.
 *
 * guest-exec becomes the program, and does not return: descriptor 4 closes without a result. */
#ifndef VMV_JOB_QGA_H
#define VMV_JOB_QGA_H

#include "job/action.h"

/* Sorted by name: one for each row of vmv_qga_commands that the executor runs as a job: all of its
 * rows but guest-exec-status and guest-file-close, which it answers itself. */
extern const struct vmv_action_row vmv_qga_actions[];
extern const size_t vmv_n_qga_actions;

const struct vmv_action_row *vmv_qga_action_find(const char *name); /* NULL: none */

/* qga_operate.c, qga_power.c, qga_hotplug.c */
vmv_action_fn vmv_do_qga_freeze; /* both */
vmv_action_fn vmv_do_qga_thaw;
vmv_action_fn vmv_do_qga_trim;
vmv_action_fn vmv_do_qga_set_time;
vmv_action_fn vmv_do_qga_shutdown;
vmv_action_fn vmv_do_qga_suspend; /* all three */
vmv_action_fn vmv_do_qga_set_vcpus;
vmv_action_fn vmv_do_qga_set_memory_blocks;

/* qga_exec.c, qga_files.c, qga_accounts.c */
vmv_action_fn vmv_do_qga_exec;
vmv_action_fn vmv_do_qga_file_open, vmv_do_qga_file_read, vmv_do_qga_file_write,
	vmv_do_qga_file_seek, vmv_do_qga_file_flush;
vmv_action_fn vmv_do_qga_set_password;
vmv_action_fn vmv_do_qga_ssh_get, vmv_do_qga_ssh_add, vmv_do_qga_ssh_remove;

#endif
