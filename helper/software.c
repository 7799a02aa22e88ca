/* The answers to "software WHAT [OPERAND] STAMP": a line with two numbers and a third or "-",
 *
 *   412 0 -       members of the list, whether it was cut (1), updates for security
 *
 * then the data of the command's answer, JSON. With count 0 of a single object it is null: there is
 * no such thing. STAMP is the answer to "software-stamp"; it makes the question another one when
 * what is installed has changed, and is not looked at.
 *
 * -EOPNOTSUPP: no package manager that is known here, or it does not tell what was asked for. */
#include "helper/software.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/num.h"
#include "helper/question.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WORD_MAX 300

static const struct {
	const char *name;
	bool has_operand;
	size_t max;
	int (*answer)(struct vmv_software *s);
} topics[] = {
	{ "packages", false, VMV_SOFTWARE_DATA_MAX, vmv_software_packages },
	{ "search", true, VMV_SOFTWARE_DATA_MAX, vmv_software_search },
	{ "updates", false, VMV_SOFTWARE_DATA_MAX, vmv_software_updates },
	{ "updates-security", false, VMV_SOFTWARE_DATA_MAX, vmv_software_updates_security },
	{ "applications", false, VMV_APPLICATIONS_DATA_MAX, vmv_software_applications },
	{ "application", true, VMV_SOFTWARE_DATA_MAX, vmv_software_application },
	{ "application-updates", false, VMV_SOFTWARE_DATA_MAX, vmv_software_application_updates },
	{ "application-updates-security", false, VMV_SOFTWARE_DATA_MAX,
	  vmv_software_application_updates_security },
	{ "application-update", true, VMV_SOFTWARE_DATA_MAX, vmv_software_application_update },
};

void vmv_software_text(struct vmv_jw *w, const char *name, struct vmv_slice v)
{
	if (v.s)
		vmv_jw_bytes(w, name, v.s, v.len);
	else
		vmv_jw_null(w, name);
}

void vmv_software_time(struct vmv_jw *w, const char *name, int64_t ms)
{
	char stamp[VMV_STAMP_SIZE];

	if (ms >= 0)
		vmv_stamp(ms, stamp);
	vmv_jw_str(w, name, ms >= 0 ? stamp : NULL);
}

bool vmv_software_full(struct vmv_software *s, struct vmv_jw_mark mark)
{
	if (s->w.error == 0 && vmv_jw_remaining(&s->w) >= VMV_JW_TAIL)
		return false;
	vmv_jw_rewind(&s->w, mark);
	s->is_cut = true;
	return true;
}

static void done(struct vmv_software *s)
{
	if (s->look.top >= 0)
		(void)close(s->look.top);
	vmv_inventory_free(&s->inventory);
	vmv_jw_free(&s->w);
}

/* Takes the next word off *at. False: there is none, or it is too long. */
static bool next_word(const char **at, char ret[WORD_MAX])
{
	size_t len = strcspn(*at, " ");

	if (len == 0 || len >= WORD_MAX)
		return false;
	(void)snprintf(ret, WORD_MAX, "%.*s", (int)len, *at);
	*at += len;
	*at += **at == ' ';
	return true;
}

static int write_answer(struct vmv_software *s, struct vmv_buf *ret)
{
	char head[64], security[24] = "-";
	int r = vmv_jw_finish(&s->w), len;

	if (r < 0)
		return r;
	if (s->security != VMV_UNSET)
		(void)snprintf(security, sizeof(security), "%" PRIu64, s->security);
	len = snprintf(head, sizeof(head), "%" PRIu64 " %d %s\n", s->count, s->is_cut, security);
	r = vmv_buf_add(ret, head, (size_t)len);
	return r < 0 ? r : vmv_buf_add(ret, s->w.buf.data, s->w.buf.len);
}

static int answer_topic(size_t topic, const char *operand, struct vmv_buf *ret)
{
	VMV_CLEANUP(done)
	struct vmv_software s = {
		.look = { .top = -1, .run = vmv_software_run },
		.now_ms = vmv_real_ms(&vmv_clock_system),
		.operand = operand,
		.security = VMV_UNSET,
	};
	int r;

	vmv_jw_init(&s.w, topics[topic].max);
	s.look.top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s.look.top < 0)
		return -errno;
	r = vmv_manager_detect(s.look.top, &s.look.here);
	if (r == 0)
		r = vmv_inventory_load(&s.look, &s.inventory);
	if (r == 0)
		r = topics[topic].answer(&s);
	if (r == 0)
		r = write_answer(&s, ret);
	/* of the agent's it would mean that there is no helper */
	return r == -ENOENT ? -EIO : r;
}

int vmv_answer_software(const char *argument, struct vmv_buf *ret)
{
	char what[WORD_MAX], operand[WORD_MAX] = "";

	if (!next_word(&argument, what))
		return -EINVAL;
	for (size_t i = 0; i < VMV_COUNTOF(topics); i++) {
		if (strcmp(what, topics[i].name) != 0)
			continue;
		/* what looks like an option never reaches a program */
		if (topics[i].has_operand && (!next_word(&argument, operand) || *operand == '-'))
			return -EINVAL;
		return answer_topic(i, operand, ret);
	}
	return -EINVAL;
}

int vmv_answer_software_stamp(const char *argument, struct vmv_buf *ret)
{
	vmv_autoclose int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct vmv_manager_here here;
	char stamp[256];
	int r;

	if (*argument)
		return -EINVAL;
	if (top < 0)
		return -errno;
	r = vmv_manager_detect(top, &here);
	if (r == 0)
		r = vmv_inventory_stamp(top, &here, stamp, sizeof(stamp));
	return r < 0 ? r : vmv_buf_add(ret, stamp, strlen(stamp));
}
