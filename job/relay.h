/* Runs a program that is not to be broken off, and hands on what it prints. */
#ifndef VMV_JOB_RELAY_H
#define VMV_JOB_RELAY_H

/* Its output goes to our stdout and stderr by way of us: when nobody reads these any more the
 * program does not notice, and is not ended by SIGPIPE half way through. (We must ignore that
 * signal.) stdin is /dev/null. It stays in our process group. argv[0] is absolute; env is what it
 * has beside, or instead of, what PROTOCOL.md 5.1 gives every child of root's; NULL-terminated.
 * Returns its exit code, 128 + n after signal n, or negative errno: it could not be run. */
int vmv_relay_run(const char *const *argv, const char *const *env);

#endif
