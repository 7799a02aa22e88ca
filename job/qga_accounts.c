/* Passwords and ssh keys of accounts. What belongs to a user is read and written as that user:
 * links and directories of his lead root nowhere. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "commands/qga.h"
#include "exec/child.h"
#include "job/program.h"
#include "job/qga.h"
#include "job/tool.h"
#include "proto/base64.h"
#include "proto/json_read.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <json-c/json.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRY_MAX VMV_MIB	 /* bytes of one entry of the user database */
#define KEYS_MAX  VMV_MIB	 /* bytes of authorized_keys; a larger one is an error */
#define KEY_MAX	  (16 * VMV_KIB) /* bytes of one key */
#define KEYS_NAME "authorized_keys"
#define KEYS_NEW  ".authorized_keys.vmvitals"
#define BLANKS	  " \t\r"

/* -- accounts -------------------------------------------------------------------------------------
 */

struct account {
	struct passwd pw;
	char *texts; /* owned: what pw points into */
};

static void account_done(struct account *a)
{
	free(a->texts);
}

static int check_name(const char *name, struct vmv_err *err)
{
	bool is_bad = *name == '\0' || *name == '-';

	for (const char *c = name; *c && !is_bad; c++)
		is_bad = (unsigned char)*c < ' ' || *c == 0x7f || *c == ':' || *c == '/';
	return is_bad ? vmv_fail(err, VMV_E_RANGE, EINVAL, "Parameter 'username' is no user name")
		      : 0;
}

static int find_account(struct account *a, const char *name, struct vmv_err *err)
{
	struct passwd *found = NULL;
	int r = check_name(name, err);

	if (r < 0)
		return r;
	r = ERANGE;
	for (size_t cap = 4096; r == ERANGE && cap <= ENTRY_MAX; cap *= 2) {
		free(a->texts);
		a->texts = malloc(cap);
		if (!a->texts)
			return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
		r = getpwnam_r(name, &a->pw, a->texts, cap, &found);
	}
	if (found)
		return 0;
	/* what modules of the name service say instead of "none" */
	if (r == 0 || r == ENOENT || r == ESRCH || r == EBADF || r == EPERM)
		return vmv_fail(err, VMV_E_NOTFOUND, ENOENT, "there is no account '%.100s'", name);
	return vmv_fail(err, VMV_E_IO, r, "cannot look up '%.100s': %s", name, strerror(r));
}

/* -- guest-set-user-password ----------------------------------------------------------------------
 */

/* A line for chpasswd(8), which takes it apart at the first colon and the newline. A hash goes into
 * /etc/shadow as it is, where a colon begins the next field. */
static bool is_password(const uint8_t *bytes, size_t len, bool is_hash)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '\0' || bytes[i] == '\n' || bytes[i] == '\r')
			return false;
		if (is_hash && (bytes[i] <= ' ' || bytes[i] >= 0x7f || bytes[i] == ':'))
			return false;
	}
	return len > 0; /* with an empty one anybody might be let in */
}

static int run_chpasswd(const struct vmv_action *a, const char *line, size_t len, bool is_hash,
			struct vmv_err *err)
{
	char path[VMV_PROGRAM_SIZE];
	const char *const argv[] = { path, is_hash ? "-e" : NULL, NULL };
	/* What it says is thrown away: it may be about the password. */
	const struct vmv_child c = {
		.argv = argv,
		.input = line,
		.input_len = len,
		.deadline_ms = vmv_tool_soft_deadline(a->deadline_ms),
	};
	struct vmv_child_end end;
	int r = vmv_program_find(a->settings->root, "chpasswd", path);

	if (r < 0)
		return vmv_fail(err, VMV_E_UNSUPPORTED, -r, "there is no chpasswd here");
	r = vmv_child_run(&end, &c);
	if (r < 0)
		return vmv_fail(err, r == -ETIMEDOUT ? VMV_E_TIMEDOUT : VMV_E_IO, -r,
				"cannot run chpasswd: %s", strerror(-r));
	if (end.is_timed_out)
		r = vmv_fail(err, VMV_E_TIMEDOUT, ETIMEDOUT, "chpasswd took too long");
	else if (end.exit_code != 0)
		r = vmv_fail(err, VMV_E_IO, EIO, "chpasswd failed, with exit code %d",
			     end.exit_code);
	vmv_child_end_free(&end);
	return r;
}

/* line: NAME: with room for the password and its newline; len: of NAME: */
static int set_password(const struct vmv_action *a, char *line, size_t len, struct vmv_err *err)
{
	const struct vmv_value *password = &a->args[VMV_QGA_PASSWORD];
	bool is_hash = a->args[VMV_QGA_CRYPTED].number;
	uint8_t *bytes = (uint8_t *)line + len;
	size_t n = 0;

	if (!vmv_base64_decode(password->text, password->len, bytes, &n))
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "Parameter 'password' is no base64");
	if (!is_password(bytes, n, is_hash))
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"Parameter 'password' is empty, or holds what it may not");
	if (len + n + 1 > VMV_CHILD_INPUT_MAX)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "Parameter 'password' is too long");
	bytes[n] = '\n';
	return run_chpasswd(a, line, len + n + 1, is_hash, err);
}

int vmv_do_qga_set_password(struct vmv_action *a, struct vmv_err *err)
{
	VMV_CLEANUP(account_done) struct account account = { 0 };
	const char *name = a->args[VMV_QGA_USERNAME].text;
	size_t size = strlen(name) + 2 + VMV_BASE64_BYTES(a->args[VMV_QGA_PASSWORD].len) + 1;
	char *line;
	int r = find_account(&account, name, err);

	if (r < 0)
		return r;
	line = malloc(size);
	if (!line)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	r = set_password(a, line, (size_t)snprintf(line, size, "%s:", name), err);
	explicit_bzero(line, size);
	free(line);
	return r;
}

/* -- as the user ----------------------------------------------------------------------------------
 */

/* For good: this process does nothing else. */
static int become(const struct passwd *pw, struct vmv_err *err)
{
	uid_t ids[3];
	gid_t groups[3];

	if (pw->pw_uid == geteuid())
		return 0;
	if (initgroups(pw->pw_name, pw->pw_gid) < 0 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot become '%.100s': %s", pw->pw_name,
				strerror(errno));
	if (getresuid(&ids[0], &ids[1], &ids[2]) < 0 ||
	    getresgid(&groups[0], &groups[1], &groups[2]) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot tell which account this is");
	for (int i = 0; i < 3; i++)
		if (ids[i] != pw->pw_uid || groups[i] != pw->pw_gid)
			return vmv_fail(err, VMV_E_IO, EPERM, "has not become '%.100s'",
					pw->pw_name);
	/* that has taken it back */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return 0;
}

/* The user's home, as it may be, and what is in it, which is never a link. */
static int open_home(const struct vmv_job_settings *s, const struct passwd *pw, struct vmv_err *err)
{
	const char *root = strcmp(s->root, "/") == 0 ? "" : s->root;
	char path[PATH_MAX];
	int fd;

	if (!pw->pw_dir || *pw->pw_dir != '/' ||
	    snprintf(path, sizeof(path), "%s%s", root, pw->pw_dir) >= (int)sizeof(path))
		return vmv_fail(err, VMV_E_NOTFOUND, ENOENT, "'%.100s' has no home directory",
				pw->pw_name);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? vmv_fail(err, errno == ENOENT ? VMV_E_NOTFOUND : VMV_E_IO, errno,
				 "cannot open the home directory of '%.100s': %s", pw->pw_name,
				 strerror(errno))
		      : fd;
}

/* Returns 0 with *ret, which is -1 when there is none and none is to be made, or negative errno
 * with err set. */
static int open_ssh(int home, bool creates, int *ret, struct vmv_err *err)
{
	int fd;

	if (creates && mkdirat(home, ".ssh", 0700) < 0 && errno != EEXIST)
		return vmv_fail(err, VMV_E_IO, errno, "cannot make '.ssh': %s", strerror(errno));
	fd = openat(home, ".ssh", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 || (errno == ENOENT && !creates)) {
		*ret = fd;
		return 0;
	}
	if (errno == ELOOP || errno == ENOTDIR)
		return vmv_fail(err, VMV_E_DENIED, errno, "'.ssh' is no directory");
	return vmv_fail(err, VMV_E_IO, errno, "cannot open '.ssh': %s", strerror(errno));
}

/* -- the file -------------------------------------------------------------------------------------
 */

static int read_all(int fd, struct vmv_buf *ret)
{
	for (;;) {
		int r = vmv_buf_reserve(ret, 4 * VMV_KIB);
		ssize_t n;

		if (r < 0)
			return r;
		n = read(fd, ret->data + ret->len, ret->cap - ret->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		ret->len += (size_t)n;
	}
}

/* Nothing where there is none. It is opened by what O_PATH has found: whatever the user puts there
 * meanwhile, no fifo and no device is. */
static int read_keys(int ssh, struct vmv_buf *ret, struct vmv_err *err)
{
	vmv_autoclose int path = openat(ssh, KEYS_NAME, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	vmv_autoclose int fd = -1;
	struct stat st;
	char own[32];
	int r;

	if (path < 0 && errno == ENOENT)
		return 0;
	if (path < 0 || fstat(path, &st) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot look at '" KEYS_NAME "': %s",
				strerror(errno));
	if (!S_ISREG(st.st_mode))
		return vmv_fail(err, VMV_E_DENIED, EINVAL, "'" KEYS_NAME "' is no regular file");
	(void)snprintf(own, sizeof(own), "/proc/self/fd/%d", path);
	fd = open(own, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	r = fd < 0 ? -errno : read_all(fd, ret);
	if (r == -EFBIG)
		return vmv_fail(err, VMV_E_TOOLARGE, EFBIG, "'" KEYS_NAME "' is too large");
	return r < 0 ? vmv_fail(err, VMV_E_IO, -r, "cannot read '" KEYS_NAME "': %s", strerror(-r))
		     : 0;
}

static int write_all(int fd, const struct vmv_buf *b)
{
	for (size_t done = 0; done < b->len;) {
		ssize_t n = write(fd, b->data + done, b->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return fchmod(fd, 0600) < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* The lock is held, so that a file of that name is what somebody left who did not come to its end.
 */
static int replace(int ssh, const struct vmv_buf *b)
{
	vmv_autoclose int fd = -1;
	int r;

	if (unlinkat(ssh, KEYS_NEW, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(ssh, KEYS_NEW, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, b);
	if (r == 0 && renameat(ssh, KEYS_NEW, ssh, KEYS_NAME) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(ssh, KEYS_NEW, 0);
	return r < 0 || fsync(ssh) == 0 ? r : -errno;
}

/* -- keys -----------------------------------------------------------------------------------------
 */

struct line {
	const char *text; /* not terminated */
	size_t len;
};

/* The next line of the text, and then the text behind it, without the blanks around it. */
static bool next_line(struct line *text, struct line *ret_whole, struct line *ret)
{
	const char *end = text->len > 0 ? memchr(text->text, '\n', text->len) : NULL;
	struct line l = { text->text, end ? (size_t)(end - text->text) : text->len };

	if (text->len == 0)
		return false;
	*ret_whole = l;
	text->len -= l.len + (end ? 1 : 0);
	text->text += l.len + (end ? 1 : 0);
	while (l.len > 0 && memchr(BLANKS, l.text[0], strlen(BLANKS))) {
		l.text++;
		l.len--;
	}
	while (l.len > 0 && memchr(BLANKS, l.text[l.len - 1], strlen(BLANKS)))
		l.len--;
	*ret = l;
	return true;
}

static bool is_key(const struct line *l)
{
	return l->len > 0 && l->text[0] != '#';
}

/* What a host sends is checked, so there is one line. */
static struct line line_of(struct json_object *key)
{
	size_t len = 0;
	const char *text = vmv_json_text(key, &len);
	struct line all = { text, len }, whole, ret = { 0 };

	(void)next_line(&all, &whole, &ret);
	return ret;
}

static bool has_key(const struct vmv_buf *b, const struct line *key)
{
	struct line text = { b->data, b->len }, whole, l;

	while (next_line(&text, &whole, &l))
		if (is_key(&l) && l.len == key->len && memcmp(l.text, key->text, l.len) == 0)
			return true;
	return false;
}

static bool is_listed(struct json_object *keys, const struct line *key)
{
	for (size_t i = 0; i < json_object_array_length(keys); i++) {
		struct line l = line_of(json_object_array_get_idx(keys, i));

		if (l.len == key->len && memcmp(l.text, key->text, l.len) == 0)
			return true;
	}
	return false;
}

static int check_keys(struct json_object *keys, struct vmv_err *err)
{
	for (size_t i = 0; i < json_object_array_length(keys); i++) {
		const char *text = json_object_get_string(json_object_array_get_idx(keys, i));
		struct line l = line_of(json_object_array_get_idx(keys, i));
		bool is_bad = !is_key(&l) || strlen(text) > KEY_MAX;

		for (const char *c = text; *c && !is_bad; c++)
			is_bad = ((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f;
		if (is_bad)
			return vmv_fail(err, VMV_E_RANGE, EINVAL, "'keys[%zu]' is no key: one line",
					i);
	}
	return 0;
}

static int add_line(struct vmv_buf *b, const struct line *l)
{
	int r = vmv_buf_add(b, l->text, l->len);

	return r == 0 ? vmv_buf_add(b, "\n", 1) : r;
}

/* Those that are missing, behind what is there. Returns 1 when there were any, 0, or negative
 * errno. */
static int add_missing(struct vmv_buf *b, struct json_object *keys)
{
	int r = 0, has_changed = 0;

	for (size_t i = 0; i < json_object_array_length(keys) && r == 0; i++) {
		struct line l = line_of(json_object_array_get_idx(keys, i));

		if (has_key(b, &l))
			continue;
		has_changed = 1;
		if (b->len > 0 && b->data[b->len - 1] != '\n')
			r = vmv_buf_add(b, "\n", 1);
		if (r == 0)
			r = add_line(b, &l);
	}
	return r < 0 ? r : has_changed;
}

/* All that stays goes to ret. Returns as above. */
static int leave_out(const struct vmv_buf *b, struct json_object *keys, struct vmv_buf *ret)
{
	struct line text = { b->data, b->len }, whole, l;
	int r = 0, has_changed = 0;

	while (r == 0 && next_line(&text, &whole, &l)) {
		if (is_key(&l) && is_listed(keys, &l))
			has_changed = 1;
		else
			r = add_line(ret, &whole);
	}
	return r < 0 ? r : has_changed;
}

/* -- guest-ssh-* ----------------------------------------------------------------------------------
 */

/* What is to be done in .ssh; the lock is held. */
typedef int change_fn(const struct vmv_action *a, const struct vmv_buf *old, struct vmv_buf *ret);

static int open_users(const struct vmv_action *a, bool creates, int *ret, struct vmv_err *err)
{
	VMV_CLEANUP(account_done) struct account account = { 0 };
	vmv_autoclose int home = -1;
	int r = find_account(&account, a->args[VMV_QGA_USERNAME].text, err);

	if (r == 0)
		r = become(&account.pw, err);
	if (r < 0)
		return r;
	home = open_home(a->settings, &account.pw, err);
	return home < 0 ? home : open_ssh(home, creates, ret, err);
}

/* Reads, has it changed, and writes it, unless it is the same. */
static int change(const struct vmv_action *a, int ssh, change_fn *fn, struct vmv_err *err)
{
	VMV_CLEANUP(vmv_buf_free) struct vmv_buf old = { .max = KEYS_MAX };
	VMV_CLEANUP(vmv_buf_free) struct vmv_buf new = { .max = KEYS_MAX };
	int r;

	/* not waited for: whose it is could hold it for ever */
	if (flock(ssh, LOCK_EX | LOCK_NB) < 0)
		return vmv_fail(err, VMV_E_BUSY, errno, "somebody else is changing the keys");
	r = read_keys(ssh, &old, err);
	if (r < 0)
		return r;
	r = fn(a, &old, &new);
	if (r > 0)
		r = replace(ssh, &new);
	if (r == -EFBIG)
		return vmv_fail(err, VMV_E_TOOLARGE, EFBIG, "'" KEYS_NAME "' would be too large");
	return r < 0 ? vmv_fail(err, VMV_E_IO, -r, "cannot write '" KEYS_NAME "': %s", strerror(-r))
		     : 0;
}

static int add(const struct vmv_action *a, const struct vmv_buf *old, struct vmv_buf *ret)
{
	bool resets = a->args[VMV_QGA_KEYS_RESET].number;
	int r = resets || old->len == 0 ? 0 : vmv_buf_add(ret, old->data, old->len);

	if (r == 0)
		r = add_missing(ret, a->args[VMV_QGA_KEYS].json);
	return r < 0 || !resets ? r : 1;
}

static int take_out(const struct vmv_action *a, const struct vmv_buf *old, struct vmv_buf *ret)
{
	return leave_out(old, a->args[VMV_QGA_KEYS].json, ret);
}

static int change_keys(const struct vmv_action *a, bool creates, change_fn *fn, struct vmv_err *err)
{
	vmv_autoclose int ssh = -1;
	int r = check_keys(a->args[VMV_QGA_KEYS].json, err);

	if (r < 0)
		return r;
	r = open_users(a, creates, &ssh, err);
	return r < 0 || ssh < 0 ? r : change(a, ssh, fn, err);
}

int vmv_do_qga_ssh_add(struct vmv_action *a, struct vmv_err *err)
{
	return change_keys(a, true, add, err);
}

int vmv_do_qga_ssh_remove(struct vmv_action *a, struct vmv_err *err)
{
	return change_keys(a, false, take_out, err);
}

int vmv_do_qga_ssh_get(struct vmv_action *a, struct vmv_err *err)
{
	VMV_CLEANUP(vmv_buf_free) struct vmv_buf b = { .max = KEYS_MAX };
	vmv_autoclose int ssh = -1;
	struct line text, whole, l;
	int r = open_users(a, false, &ssh, err);

	if (r == 0 && ssh >= 0)
		r = read_keys(ssh, &b, err);
	if (r < 0)
		return r;
	text = (struct line){ b.data, b.len };
	vmv_jw_open(&a->data, NULL);
	vmv_jw_array(&a->data, "keys");
	while (next_line(&text, &whole, &l))
		if (is_key(&l))
			vmv_jw_bytes(&a->data, NULL, l.text, l.len);
	vmv_jw_end(&a->data);
	vmv_jw_close(&a->data);
	return 0;
}
