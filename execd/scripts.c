#include "execd/scripts.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/uuid.h"
#include "execd/script_file.h"
#include "proto/json_read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define SUBSYS	  "scripts"
#define RETRY_MS  30000 /* after the disk said no */
#define TIMEOUT_S 600
#define TEXT_SIZE 400

/* What is known of a script without reading its file. */
struct entry {
	char *id, *channel; /* owned */
	enum vmv_script_state state;
	enum vmv_script_state on_disk; /* what a restart would find; ahead of it: */
	bool is_ahead;		       /* the outcome is still to be written, and is here */
	uint64_t order;
	bool is_repeated, is_interrupted;
	bool is_old; /* accepted by a former process */
	int64_t accepted_ms, changed_ms;
	uint64_t accepted_mono_ms;
	char boot_id[VMV_UUID_SIZE];
	int exit_code;
	uint64_t sent_in;	 /* session; 0: none yet */
	struct vmv_buf out, err; /* owned */
};

struct vmv_scripts {
	int dir;
	char boot_id[VMV_UUID_SIZE];
	int64_t expire_ms; /* 0: never */
	const struct vmv_clock *clock;
	struct entry **entries; /* owned, in ascending order */
	size_t n, cap;
	uint64_t next_order;
	bool is_frozen;
	uint64_t retry_ms; /* monotonic; 0: the disk is well */
	/* Of the record that was read last, for texts that are lent: */
	struct json_object *lent;    /* an outcome */
	struct json_object *running; /* the script itself */
};

/* -- entries ----------------------------------------------------------------------------------- */

static void entry_free(struct entry *e)
{
	if (!e)
		return;
	free(e->id);
	free(e->channel);
	vmv_buf_free(&e->out);
	vmv_buf_free(&e->err);
	free(e);
}

static struct entry *entry_new(const struct vmv_script_record *rec)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->id = strdup(rec->id);
	e->channel = rec->channel ? strdup(rec->channel) : NULL;
	e->state = e->on_disk = rec->state;
	e->order = rec->order;
	e->is_repeated = rec->is_repeated;
	e->is_interrupted = rec->is_interrupted;
	e->accepted_ms = rec->accepted_ms;
	e->changed_ms = rec->changed_ms;
	e->accepted_mono_ms = rec->accepted_mono_ms;
	e->exit_code = rec->exit_code;
	e->out.max = e->err.max = VMV_RESPONSE_MAX;
	(void)snprintf(e->boot_id, sizeof(e->boot_id), "%s", rec->boot_id);
	if (!e->id || (rec->channel && !e->channel)) {
		entry_free(e);
		return NULL;
	}
	return e;
}

static struct entry *find(const struct vmv_scripts *s, const char *id)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->entries[i]->id, id) == 0)
			return s->entries[i];
	return NULL;
}

static int make_room(struct vmv_scripts *s, size_t more)
{
	size_t cap = s->cap ? s->cap : 64;
	struct entry **grown;

	while (cap < s->n + more)
		cap *= 2;
	if (cap == s->cap)
		return 0;
	grown = reallocarray(s->entries, cap, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	s->entries = grown;
	s->cap = cap;
	return 0;
}

/* Takes e; there is room for it. */
static void insert(struct vmv_scripts *s, struct entry *e)
{
	size_t at = s->n;

	while (at > 0 && s->entries[at - 1]->order > e->order)
		at--;
	memmove(s->entries + at + 1, s->entries + at, (s->n - at) * sizeof(struct entry *));
	s->entries[at] = e;
	s->n++;
	if (e->order >= s->next_order)
		s->next_order = e->order + 1;
}

/* The entry is the caller's then. */
static void take_out(struct vmv_scripts *s, const struct entry *e)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->entries[i] != e)
			continue;
		s->n--;
		memmove(s->entries + i, s->entries + i + 1, (s->n - i) * sizeof(struct entry *));
		return;
	}
}

static size_t count_live(const struct vmv_scripts *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += s->entries[i]->state != VMV_SCRIPT_REPORTED;
	return n;
}

/* -- steps ------------------------------------------------------------------------------------- */

static struct vmv_script_record record_of(const struct entry *e)
{
	return (struct vmv_script_record){
		.state = e->state,
		.order = e->order,
		.id = e->id,
		.channel = e->channel,
		.is_repeated = e->is_repeated,
		.accepted_ms = e->accepted_ms,
		.changed_ms = e->changed_ms,
		.accepted_mono_ms = e->accepted_mono_ms,
		.boot_id = e->boot_id,
		.exit_code = e->exit_code,
		.is_interrupted = e->is_interrupted,
		.out = e->out.data,
		.err = e->err.data,
		.out_len = e->out.len,
		.err_len = e->err.len,
	};
}

static int64_t real_ms(const struct vmv_scripts *s)
{
	return vmv_real_ms(s->clock);
}

static uint64_t mono_ms(const struct vmv_scripts *s)
{
	return vmv_mono_ms(s->clock);
}

static void disk_said_no(struct vmv_scripts *s, int r)
{
	if (s->retry_ms == 0)
		vmv_log(VMV_LOG_ERROR, SUBSYS, "cannot write scripts down: %s", strerror(-r));
	s->retry_ms = mono_ms(s) + RETRY_MS;
}

/* Writes what the entry is. What cannot be written now is written later (catch_up). */
static void write_down(struct vmv_scripts *s, struct entry *e)
{
	struct vmv_script_record rec = record_of(e);
	int r = s->is_frozen ? -EBUSY : vmv_script_write(s->dir, &rec);

	e->is_ahead = r < 0;
	if (r < 0 && !s->is_frozen)
		disk_said_no(s, r);
	if (r == 0) {
		e->on_disk = e->state;
		vmv_buf_free(&e->out);
		vmv_buf_free(&e->err);
	}
}

/* What the disk does not know yet; stops at the first that it does not take. */
static void catch_up(struct vmv_scripts *s)
{
	if (s->is_frozen || mono_ms(s) < s->retry_ms)
		return;
	for (size_t i = 0; i < s->n; i++) {
		if (!s->entries[i]->is_ahead)
			continue;
		write_down(s, s->entries[i]);
		if (s->entries[i]->is_ahead)
			return;
	}
	s->retry_ms = 0;
}

/* Out of memory: the exit code has to do. */
static void keep(struct vmv_buf *b, const char *text, size_t len)
{
	vmv_buf_clear(b, 0);
	if (len > b->max)
		len = b->max;
	if (len > 0)
		(void)vmv_buf_add(b, text, len);
}

static void finish(struct vmv_scripts *s, struct entry *e, int exit_code, const char *out,
		   size_t out_len, const char *err, size_t err_len)
{
	e->state = VMV_SCRIPT_FINISHED;
	e->exit_code = exit_code;
	e->changed_ms = real_ms(s);
	e->sent_in = 0;
	keep(&e->out, out, out_len);
	keep(&e->err, err, err_len);
	write_down(s, e);
}

static void finish_unrun(struct vmv_scripts *s, struct entry *e, const char *why)
{
	finish(s, e, -1, "", 0, why, strlen(why));
}

/* -- what was reported ------------------------------------------------------------------------- */

static void forget(struct vmv_scripts *s, struct entry *e)
{
	(void)vmv_script_remove(s->dir, e->id);
	take_out(s, e);
	entry_free(e);
}

/* In order of reporting: the oldest come first. A clock that was wrong keeps some longer. */
static void purge(struct vmv_scripts *s)
{
	int64_t before_ms = real_ms(s) - (int64_t)VMV_SCRIPTS_KEPT_S * 1000;
	size_t reported = s->n - count_live(s);

	for (size_t i = 0; i < s->n && !s->is_frozen;) {
		struct entry *e = s->entries[i];

		if (e->state == VMV_SCRIPT_REPORTED &&
		    (reported > VMV_SCRIPTS_KEPT || e->changed_ms < before_ms)) {
			forget(s, e);
			reported--;
		} else {
			i++;
		}
	}
}

/* -- opening ----------------------------------------------------------------------------------- */

static bool has_suffix(const char *name, const char *suffix)
{
	size_t len = strlen(name), n = strlen(suffix);

	return len >= n && strcmp(name + len - n, suffix) == 0;
}

static void drop_old_damage(struct vmv_scripts *s, const char *name)
{
	struct stat st;

	if (fstatat(s->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    real_ms(s) / 1000 - st.st_mtime > VMV_SCRIPTS_KEPT_S)
		(void)unlinkat(s->dir, name, 0);
}

/* Ours, and no fault of the file. */
static bool is_want(int r)
{
	return r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

static int load(struct vmv_scripts *s, const char *name, struct vmv_err *err)
{
	struct json_object *owner;
	struct vmv_script_record rec;
	struct vmv_err why = { 0 };
	struct entry *e;
	int r = vmv_script_read(s->dir, name, &rec, &owner, &why);

	if (is_want(r))
		return vmv_fail(err, VMV_E_IO, -r, "cannot read '%s': %s", name, strerror(-r));
	if (r < 0) {
		vmv_log(VMV_LOG_ERROR, SUBSYS, "%s: it is put aside, and no script of it will run",
			why.msg);
		r = vmv_script_set_aside(s->dir, name);
		return r < 0 ? vmv_fail(err, VMV_E_IO, -r, "cannot put '%s' aside: %s", name,
					strerror(-r))
			     : 0;
	}
	e = entry_new(&rec);
	json_object_put(owner);
	if (!e || make_room(s, 1) < 0) {
		entry_free(e);
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	}
	e->is_old = true;
	insert(s, e);
	return 0;
}

static int load_all(struct vmv_scripts *s, struct vmv_err *err)
{
	vmv_autoclosedir DIR *d = NULL;
	int fd = fcntl(s->dir, F_DUPFD_CLOEXEC, 3), r = 0;
	const struct dirent *de;

	d = fd >= 0 ? fdopendir(fd) : NULL;
	if (!d) {
		r = vmv_fail(err, VMV_E_IO, errno, "cannot list scripts: %s", strerror(errno));
		vmv_closep(&fd);
		return r;
	}
	while (r == 0 && (errno = 0, de = readdir(d)) != NULL) {
		if (has_suffix(de->d_name, VMV_SCRIPT_SUFFIX))
			r = load(s, de->d_name, err);
		else if (has_suffix(de->d_name, VMV_SCRIPT_SUFFIX_TMP))
			(void)unlinkat(s->dir, de->d_name, 0);
		else if (has_suffix(de->d_name, VMV_SCRIPT_SUFFIX_BAD))
			drop_old_damage(s, de->d_name);
	}
	if (r == 0 && errno != 0)
		r = vmv_fail(err, VMV_E_IO, errno, "cannot list scripts: %s", strerror(errno));
	return r;
}

/* Whether it ran at all is not known: it may have been about to. */
static void interrupt_old(struct vmv_scripts *s)
{
	char text[TEXT_SIZE];

	for (size_t i = 0; i < s->n; i++) {
		struct entry *e = s->entries[i];

		if (e->state != VMV_SCRIPT_RUNNING)
			continue;
		(void)snprintf(text, sizeof(text),
			       "interrupted: the %s restarted while the script ran, it was not run "
			       "again",
			       strcmp(e->boot_id, s->boot_id) == 0 ? "executor" : "guest");
		e->is_interrupted = true;
		finish_unrun(s, e, text);
	}
}

int vmv_scripts_open(struct vmv_scripts **ret, const char *state_dir, const char *boot_id,
		     uint64_t expire_s, const struct vmv_clock *clock, struct vmv_err *err)
{
	struct vmv_scripts *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	s->clock = clock;
	s->expire_ms = (int64_t)expire_s * 1000;
	s->next_order = 1;
	(void)snprintf(s->boot_id, sizeof(s->boot_id), "%s", boot_id);
	s->dir = r = vmv_script_dir_open(state_dir, err);
	if (r >= 0)
		r = load_all(s, err);
	if (r < 0) {
		vmv_scripts_free(s);
		return r;
	}
	interrupt_old(s);
	purge(s);
	*ret = s;
	return 0;
}

void vmv_scripts_free(struct vmv_scripts *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		entry_free(s->entries[i]);
	free(s->entries);
	json_object_put(s->lent);
	json_object_put(s->running);
	vmv_closep(&s->dir);
	free(s);
}

/* -- accepting --------------------------------------------------------------------------------- */

/* One message at work. */
struct intake {
	struct vmv_scripts *s;
	const char *channel, *refusal;
	void (*told)(void *arg, const struct vmv_script_outcome *o);
	void *arg;
	struct vmv_scripts_counts counts;
	size_t text_len;			  /* bytes of script text so far */
	unsigned looked_at;			  /* with an id */
	struct entry *fresh[VMV_SCRIPTS_MESSAGE]; /* prepared on disk; owned */
	size_t n_fresh;
	size_t n_committed; /* of them: the first so many have their place */
	int failed;	    /* negative errno of the first that could not be prepared */
};

static void tell(struct intake *in, const char *id, int exit_code, const char *text)
{
	const struct vmv_script_outcome o = {
		.id = id,
		.channel = in->channel,
		.exit_code = exit_code,
		.out = "",
		.err = text,
		.err_len = strlen(text),
	};

	in->counts.answered++;
	in->told(in->arg, &o);
}

static bool is_in_message(const struct intake *in, const char *id)
{
	for (size_t i = 0; i < in->n_fresh; i++)
		if (strcmp(in->fresh[i]->id, id) == 0)
			return true;
	return false;
}

/* A text member that may be absent. False: it is no text, or too long. */
static bool optional_text(struct json_object *element, const char *name, const char **ret)
{
	struct json_object *member = vmv_json_get(element, name);

	*ret = vmv_json_str(element, name);
	return !member || (*ret && strlen(*ret) <= VMV_SCRIPT_NAME_MAX);
}

/* As of commands (PROTOCOL.md 4.4-6). */
static uint32_t timeout_of(struct json_object *element)
{
	int64_t v;

	if (!vmv_json_int(vmv_json_get(element, "timeout_seconds"), 1, VMV_INT_MAX, &v))
		return TIMEOUT_S;
	return v < VMV_SCRIPT_SECONDS ? (uint32_t)v : VMV_SCRIPT_SECONDS;
}

/* Why this one cannot run, or NULL, and rec filled with what the element says. */
static const char *why_not(const struct intake *in, struct json_object *element,
			   struct vmv_script_record *rec)
{
	if (in->looked_at > VMV_SCRIPTS_MESSAGE)
		return "refused: too many scripts in one message";
	if (in->text_len > VMV_SCRIPTS_BYTES)
		return "refused: too much script text in one message";
	if (in->s->is_frozen)
		return "refused: filesystems are frozen";
	if (memchr(rec->content, '\0', rec->content_len))
		return "refused: script_content: NUL in it";
	if (!optional_text(element, "shell", &rec->shell))
		return "refused: shell: not a string, or too long";
	if (!optional_text(element, "run_as", &rec->run_as))
		return "refused: run_as: not a string, or too long";
	if (count_live(in->s) + in->n_fresh >= VMV_SCRIPTS_LIVE)
		return "refused: too many scripts are waiting";
	return NULL;
}

static void prepare(struct intake *in, const struct vmv_script_record *rec)
{
	struct entry *e = entry_new(rec);
	int r = e ? in->failed : -ENOMEM;

	if (r == 0)
		r = vmv_script_prepare(in->s->dir, rec);
	if (r < 0 && in->failed == 0)
		in->failed = r;
	if (e)
		in->fresh[in->n_fresh++] = e; /* told with the others when one fails */
	else
		tell(in, rec->id, -1, "cannot be written down: out of memory");
}

/* True when the id is known, and that is all there is to it. */
static bool is_settled(struct intake *in, const char *id, bool is_repeated)
{
	struct entry *e = find(in->s, id);

	if (is_in_message(in, id) || (e && e->state != VMV_SCRIPT_REPORTED)) {
		if (e && e->state == VMV_SCRIPT_FINISHED)
			e->sent_in = 0;
		in->counts.known++;
		return true;
	}
	if (is_repeated)
		return false;
	if (e)
		tell(in, id, e->exit_code, "already run");
	else if (vmv_script_was_set_aside(in->s->dir, id))
		tell(in, id, -1, "its record is damaged: whether it ran is not known");
	else
		return false;
	return true;
}

static void take_element(struct intake *in, struct json_object *element)
{
	const char *type = vmv_json_str(element, "execution_type"), *why;
	char text[TEXT_SIZE];
	struct vmv_scripts *s = in->s;
	struct vmv_script_record rec = {
		.state = VMV_SCRIPT_ACCEPTED,
		.id = vmv_json_str(element, "execution_id"),
		.channel = in->channel,
		.is_repeated = type && strcasecmp(type, "SCHEDULED") == 0,
		.accepted_ms = real_ms(s),
		.changed_ms = real_ms(s),
		.accepted_mono_ms = mono_ms(s),
		.boot_id = s->boot_id,
		.timeout_s = timeout_of(element),
	};

	rec.content = vmv_json_text(vmv_json_get(element, "script_content"), &rec.content_len);
	if (!rec.id || !*rec.id || strlen(rec.id) > VMV_SCRIPT_ID_MAX || !rec.content) {
		in->counts.skipped++;
		return;
	}
	if (is_settled(in, rec.id, rec.is_repeated))
		return;
	if (in->refusal) {
		(void)snprintf(text, sizeof(text), "refused: %s", in->refusal);
		tell(in, rec.id, -1, text);
		return;
	}
	in->looked_at++;
	in->text_len += rec.content_len;
	if (!optional_text(element, "script_name", &rec.name))
		rec.name = NULL;
	why = why_not(in, element, &rec);
	if (why) {
		tell(in, rec.id, -1, why);
		return;
	}
	rec.order = s->next_order + in->n_fresh;
	prepare(in, &rec);
}

/* All that was prepared counts from here on, or nothing does. */
static void commit(struct intake *in)
{
	struct vmv_scripts *s = in->s;
	int r = in->failed;

	if (r == 0)
		r = make_room(s, in->n_fresh);
	while (r == 0 && in->n_committed < in->n_fresh) {
		r = vmv_script_commit(s->dir, in->fresh[in->n_committed]->id);
		in->n_committed += r == 0;
	}
	if (r == 0 && in->n_fresh > 0)
		r = vmv_script_sync(s->dir);
	in->failed = r;
}

/* Takes e, which was put in its place and cannot surely be taken away: it is told when that is on
 * disk, or a restart might run it. */
static void adopt_unrun(struct vmv_scripts *s, struct entry *e, const char *why)
{
	insert(s, e);
	finish_unrun(s, e, why);
}

/* What was in its place already: a record of the same id that was reported. */
static void drop_former(struct vmv_scripts *s, const char *id)
{
	struct entry *former = find(s, id);

	if (!former)
		return;
	take_out(s, former);
	entry_free(former);
}

static void settle_fresh(struct intake *in)
{
	for (size_t i = 0; i < in->n_fresh; i++) {
		drop_former(in->s, in->fresh[i]->id);
		insert(in->s, in->fresh[i]);
		in->counts.accepted++;
	}
}

static void roll_back(struct intake *in)
{
	struct vmv_scripts *s = in->s;
	char text[TEXT_SIZE];
	int r = 0;

	(void)snprintf(text, sizeof(text), "cannot be written down: %s", strerror(-in->failed));
	for (size_t i = 0; i < in->n_fresh; i++) {
		if (i >= in->n_committed)
			vmv_script_drop(s->dir, in->fresh[i]->id);
		else if (r == 0)
			r = vmv_script_remove(s->dir, in->fresh[i]->id);
	}
	if (r == 0 && in->n_committed > 0)
		r = vmv_script_sync(s->dir);
	for (size_t i = 0; i < in->n_fresh; i++) {
		struct entry *e = in->fresh[i];

		if (i < in->n_committed)
			drop_former(s, e->id);
		if (i < in->n_committed && r < 0) {
			adopt_unrun(s, e, text);
		} else {
			tell(in, e->id, -1, text);
			entry_free(e);
		}
	}
}

int vmv_scripts_accept(struct vmv_scripts *s, struct json_object *scripts, const char *channel,
		       const char *refusal,
		       void (*told)(void *arg, const struct vmv_script_outcome *o), void *arg,
		       struct vmv_scripts_counts *ret, struct vmv_err *err)
{
	struct intake in = {
		.s = s, .channel = channel, .refusal = refusal, .told = told, .arg = arg
	};

	if (!json_object_is_type(scripts, json_type_array))
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "scripts: not an array");
	for (size_t i = 0; i < json_object_array_length(scripts); i++)
		take_element(&in, json_object_array_get_idx(scripts, i));
	commit(&in);
	if (in.failed < 0)
		roll_back(&in);
	else
		settle_fresh(&in);
	*ret = in.counts;
	return 0;
}

/* -- running ----------------------------------------------------------------------------------- */

/* Of two clocks the one that cannot be set, as long as it is the same boot's; one that was set back
 * makes nothing older. */
static bool is_expired(const struct vmv_scripts *s, const struct entry *e)
{
	int64_t age_ms = real_ms(s) - e->accepted_ms;

	if (strcmp(e->boot_id, s->boot_id) == 0 && mono_ms(s) >= e->accepted_mono_ms)
		age_ms = (int64_t)(mono_ms(s) - e->accepted_mono_ms);
	return e->is_old && s->expire_ms > 0 && age_ms > s->expire_ms;
}

static void expire(struct vmv_scripts *s, struct entry *e)
{
	char text[TEXT_SIZE], stamp[VMV_STAMP_SIZE];

	vmv_stamp(e->accepted_ms, stamp);
	(void)snprintf(text, sizeof(text), "expired: it was accepted at %s, it was not run", stamp);
	finish_unrun(s, e, text);
}

/* The entry that is to run, or NULL. */
static struct entry *next_entry(struct vmv_scripts *s)
{
	struct entry *first = NULL;

	for (size_t i = 0; i < s->n; i++) {
		struct entry *e = s->entries[i];

		if (e->state == VMV_SCRIPT_RUNNING)
			return NULL;
		if (e->state == VMV_SCRIPT_ACCEPTED && is_expired(s, e))
			expire(s, e);
		else if (e->state == VMV_SCRIPT_ACCEPTED && !first)
			first = e;
	}
	return first;
}

/* What stands there is not what was written, or says that it is about to run: then it was, when
 * that could not be made durable. */
static void give_up(struct vmv_scripts *s, struct entry *e, const char *file, const char *why)
{
	vmv_log(VMV_LOG_ERROR, SUBSYS, "a script will not run: %s", why);
	if (vmv_script_set_aside(s->dir, file) < 0)
		vmv_log(VMV_LOG_ERROR, SUBSYS, "'%s' cannot be put aside, ignoring", file);
	finish_unrun(s, e, "its record on disk is damaged, it was not run");
}

/* Returns 1, 0 when it is done with, negative when it cannot be read now. */
static int fetch(struct vmv_scripts *s, struct entry *e, struct vmv_script *ret)
{
	char name[VMV_SCRIPT_FILE_SIZE];
	struct vmv_script_record rec;
	struct json_object *owner;
	struct vmv_err err = { 0 };
	int r;

	vmv_script_file_name(e->id, VMV_SCRIPT_SUFFIX, name);
	r = vmv_script_read(s->dir, name, &rec, &owner, &err);
	if (is_want(r)) {
		s->retry_ms = mono_ms(s) + RETRY_MS;
		return r;
	}
	if (r < 0) {
		give_up(s, e, name, err.msg);
		return 0;
	}
	if (rec.state != VMV_SCRIPT_ACCEPTED) {
		json_object_put(owner);
		give_up(s, e, name, "it is in another state on disk");
		return 0;
	}
	json_object_put(s->running);
	s->running = owner;
	*ret = (struct vmv_script){
		.id = e->id,
		.name = rec.name,
		.channel = e->channel,
		.shell = rec.shell,
		.run_as = rec.run_as,
		.content = rec.content,
		.content_len = rec.content_len,
		.timeout_s = rec.timeout_s,
	};
	return 1;
}

bool vmv_scripts_next(struct vmv_scripts *s, struct vmv_script *ret)
{
	struct entry *e;

	catch_up(s);
	if (s->is_frozen || mono_ms(s) < s->retry_ms)
		return false;
	while ((e = next_entry(s)) != NULL) {
		int r = fetch(s, e, ret);

		if (r != 0)
			return r > 0;
	}
	return false;
}

uint64_t vmv_scripts_wait_ms(const struct vmv_scripts *s)
{
	return s->retry_ms && !s->is_frozen ? s->retry_ms : UINT64_MAX;
}

int vmv_scripts_started(struct vmv_scripts *s, const char *id, struct vmv_err *err)
{
	struct entry *e = find(s, id);
	struct vmv_script_record rec;
	int r;

	if (!e || e->state != VMV_SCRIPT_ACCEPTED)
		return vmv_fail(err, VMV_E_NOTFOUND, ENOENT, "no such script is waiting");
	if (s->is_frozen)
		return vmv_fail(err, VMV_E_BUSY, EBUSY, "filesystems are frozen");
	rec = record_of(e);
	rec.state = VMV_SCRIPT_RUNNING;
	rec.boot_id = s->boot_id;
	rec.changed_ms = real_ms(s);
	r = vmv_script_write(s->dir, &rec);
	if (r < 0) {
		disk_said_no(s, r);
		return vmv_fail(err, VMV_E_IO, -r, "cannot write the script down: %s",
				strerror(-r));
	}
	e->state = e->on_disk = VMV_SCRIPT_RUNNING;
	e->changed_ms = rec.changed_ms;
	memcpy(e->boot_id, s->boot_id, sizeof(e->boot_id));
	return 0;
}

int vmv_scripts_finished(struct vmv_scripts *s, const char *id, int exit_code, const char *out,
			 size_t out_len, const char *err_text, size_t err_len)
{
	struct entry *e = find(s, id);

	if (!e || e->state != VMV_SCRIPT_RUNNING)
		return -ENOENT;
	finish(s, e, exit_code, out, out_len, err_text, err_len);
	json_object_put(s->running);
	s->running = NULL;
	return 0;
}

/* -- telling ----------------------------------------------------------------------------------- */

static bool lend(struct vmv_scripts *s, struct entry *e, struct vmv_script_outcome *ret)
{
	char name[VMV_SCRIPT_FILE_SIZE];
	struct vmv_script_record rec = record_of(e);
	struct vmv_err err = { 0 };

	json_object_put(s->lent);
	s->lent = NULL;
	vmv_script_file_name(e->id, VMV_SCRIPT_SUFFIX, name);
	if (!e->is_ahead && vmv_script_read(s->dir, name, &rec, &s->lent, &err) < 0) {
		vmv_log(VMV_LOG_ERROR, SUBSYS, "the output of a script is lost: %s", err.msg);
		rec.out_len = rec.err_len = 0;
	}
	*ret = (struct vmv_script_outcome){
		.id = e->id,
		.channel = e->channel,
		.exit_code = e->exit_code,
		.out = rec.out ? rec.out : "",
		.err = rec.err ? rec.err : "",
		.out_len = rec.out ? rec.out_len : 0,
		.err_len = rec.err ? rec.err_len : 0,
		.is_interrupted = e->is_interrupted,
		.sent_in = e->sent_in,
	};
	return true;
}

/* Before it is on disk only where there is no hope, and a restart could not run it after all. */
static bool may_tell(const struct vmv_scripts *s, const struct entry *e)
{
	return !e->is_ahead || (!s->is_frozen && e->on_disk != VMV_SCRIPT_ACCEPTED);
}

bool vmv_scripts_owed(struct vmv_scripts *s, uint64_t session, struct vmv_script_outcome *ret)
{
	catch_up(s);
	for (size_t i = 0; i < s->n; i++) {
		struct entry *e = s->entries[i];

		if (e->state == VMV_SCRIPT_FINISHED && e->sent_in < session && may_tell(s, e))
			return lend(s, e, ret);
	}
	return false;
}

void vmv_scripts_sent(struct vmv_scripts *s, const char *id, uint64_t session)
{
	struct entry *e = find(s, id);

	if (e && e->sent_in < session)
		e->sent_in = session;
}

int vmv_scripts_delivered(struct vmv_scripts *s, const char *id)
{
	struct entry *e = find(s, id);

	if (!e || e->state != VMV_SCRIPT_FINISHED)
		return -ENOENT;
	take_out(s, e);
	e->state = VMV_SCRIPT_REPORTED;
	e->changed_ms = real_ms(s);
	e->order = s->next_order;
	insert(s, e); /* where it was taken from there is room */
	vmv_buf_free(&e->out);
	vmv_buf_free(&e->err);
	write_down(s, e);
	purge(s);
	return 0;
}

void vmv_scripts_freeze(struct vmv_scripts *s, bool is_frozen)
{
	s->is_frozen = is_frozen;
	catch_up(s);
}

bool vmv_scripts_has_work(const struct vmv_scripts *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->entries[i]->state != VMV_SCRIPT_REPORTED || s->entries[i]->is_ahead)
			return true;
	return false;
}
