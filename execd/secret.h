/* The secret of version 1 envelopes (PROTOCOL.md 4.1). */
#ifndef VMV_EXECD_SECRET_H
#define VMV_EXECD_SECRET_H

#include <stddef.h>
#include <sys/types.h>

#define VMV_SECRET_NAME "INFINISERVICE_SHARED_SECRET"

/* Takes it out of an environment (environ of main, before anything else runs): neither a child nor
 * /proc/PID/environ has it afterwards. Returns its value or NULL, owned by the caller
 * (vmv_secret_free). On -ENOMEM it is lost, which locks. */
char *vmv_secret_take(char **env);

/* Wipes it. Takes NULL. */
void vmv_secret_free(char *secret);

/* Where it is looked for, in this order. */
struct vmv_secret_places {
	const char *file;  /* [policy] secret_file; NULL or "": none */
	const char *taken; /* what vmv_secret_take returned, or NULL */
	const char *env;   /* /etc/infiniservice/agent.env; NULL: none */
	uid_t owner;	   /* beside root, who may own these files (0 in production) */
};

/* The first that is there. Files that others can read are refused, with a line in the log, as are
 * those that hold no secret; none of the later places is tried then, because they may hold an older
 * one. Returns a string (vmv_secret_free), or NULL: there is none. */
char *vmv_secret_load(const struct vmv_secret_places *places);

#endif
