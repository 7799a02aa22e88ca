/* What the helper can be asked. A question is one packet, "statvfs /mnt"; its answer is one packet,
 * either "ok", LF and a text, or "error" and a decimal errno. A long text comes in several: "more",
 * LF and a part each, then "ok", LF and the rest. No packet is over VMV_ASK_ANSWER_MAX and such a
 * word. */
#ifndef VMV_HELPER_QUESTION_H
#define VMV_HELPER_QUESTION_H

#include <stdbool.h>

struct vmv_buf;

struct vmv_question {
	const char *name; /* first word of the question */
	const char *help; /* one sentence */
	/* argument is what follows the name and a blank, "" without. Appends the answer, text
	 * without NUL. May block: that is what the helper is for. Returns 0 or negative errno. */
	int (*answer)(const char *argument, struct vmv_buf *ret);
	bool is_long; /* up to VMV_ASK_LONG_MAX bytes instead of VMV_ASK_ANSWER_MAX: to be fetched
		       */
};

/* Ended by a row without name, sorted by name. */
extern const struct vmv_question vmv_questions[];

/* Answers what is asked on the socket, one question at a time, until the other side is closed. */
void vmv_questions_serve(const struct vmv_question *table, int fd);

/* argument: an absolute path. Six decimal numbers and LF: unit in bytes, then in units size, free
 * and free for ordinary users, then inodes and free inodes. statvfs(3). */
int vmv_answer_statvfs(const char *argument, struct vmv_buf *ret);

/* Formats: see the files of these. */
int vmv_answer_services(const char *argument, struct vmv_buf *ret);
int vmv_answer_service_status(const char *argument, struct vmv_buf *ret);

/* helper/software.c */
int vmv_answer_software(const char *argument, struct vmv_buf *ret);
int vmv_answer_software_stamp(const char *argument, struct vmv_buf *ret);

int vmv_answer_units(const char *argument, struct vmv_buf *ret);
int vmv_answer_users(const char *argument, struct vmv_buf *ret);

#endif
