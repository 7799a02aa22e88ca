/* Users who are logged in. */
#ifndef VMV_COLLECTORS_USER_H
#define VMV_COLLECTORS_USER_H

#include "base/limits.h"
#include "collectors/collector.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmv_err;

/* One session. Texts are empty where nobody says; longer ones are cut. */
struct vmv_user_sample {
	char user[64];
	char tty[64];	  /* "pts/0", "tty1", ":0" */
	char from[256];	  /* host it was opened from */
	char service[64]; /* PAM service: "sshd" */
	char type[32];	  /* "tty", "x11", "wayland", ... */
	uint64_t start;	  /* microseconds since 1970 */
	uint64_t pid;	  /* of its first process */
};

/* Sessions of the login manager, by its ids; where there is none, those of utmp, by terminal. */
extern const struct vmv_collector vmv_collector_user;

struct vmv_session {
	char id[VMV_SESSION_ID_MAX + 1];
	struct vmv_user_sample sample;
};

struct vmv_sessions {
	struct vmv_session *list; /* owned; free() it */
	size_t n;
};

/* Pure: the answer of the helper to "users" (helper/users.c says what it looks like). Sessions over
 * VMV_SESSIONS_MAX are left out. Returns 0, -EINVAL (malformed, an id twice) or -ENOMEM with err
 * set, and then ret is untouched. */
int vmv_users_parse(const char *text, struct vmv_sessions *ret, struct vmv_err *err);

/* Pure but for is_alive, which says whether a process exists: the records of utmp(5) as this
 * system's C library writes them. What is no login, is cut, has no user or no living process is
 * skipped; of two logins on one terminal the later stays. Returns 0 or -ENOMEM, and then ret is
 * untouched. */
int vmv_utmp_parse(const void *bytes, size_t len, bool (*is_alive)(void *arg, uint64_t pid),
		   void *arg, struct vmv_sessions *ret);

/* The same from /run/utmp: for who knows that there is no login manager. Returns 0, -ENOENT (no
 * such file), or negative errno, each with err set, and then ret is untouched. */
int vmv_utmp_read(const struct vmv_root *root, struct vmv_sessions *ret, struct vmv_err *err);

#endif
