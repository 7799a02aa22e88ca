/* Commands about packages: all ask the helper (helper/software.c) and hand its JSON on; for
 * packages.c and updates.c only. */
#ifndef VMV_COMMANDS_SOFTWARE_H
#define VMV_COMMANDS_SOFTWARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmv_request;

/* What the helper said. Borrowed. */
struct vmv_software_answer {
	uint64_t count;	   /* members of the list */
	bool is_cut;	   /* there are more */
	uint64_t security; /* updates for security; VMV_UNSET: not told */
	const char *json;
	size_t len;
};

struct vmv_topic {
	const char *action;
	const char *word;	/* for the helper */
	int operand;		/* place of the argument that is asked for; -1: none */
	bool is_fresh;		/* not answered from what was computed before */
	bool is_single;		/* an object: none is NOT_FOUND */
	bool has_security;	/* its answer tells of updates for security */
	const char *one, *many; /* of the list; of a single object: what it is called */
};

/* Sorted by nothing, ended by a row without action. */
extern const struct vmv_topic vmv_package_topics[]; /* packages.c */
extern const struct vmv_topic vmv_update_topics[];  /* updates.c */

/* Answers it, now or later. */
void vmv_software_ask(struct vmv_request *req);

/* What the helper wrote, taken apart. False: it is no such answer. Pure. */
bool vmv_software_split(const char *text, size_t len, struct vmv_software_answer *ret);

#endif
