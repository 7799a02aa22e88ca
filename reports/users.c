#include "reports/users.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/root.h"
#include "proto/json_write.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#define PASSWD_MAX (16 * VMV_MIB)
#define DEFS_MAX   (256 * VMV_KIB)
#define FIELDS	   7 /* name:password:uid:gid:gecos:home:shell */

enum { NAME, PASSWORD, UID, GID, GECOS, HOME, SHELL };

struct word {
	const char *s;
	size_t len;
};

struct account {
	struct word fields[FIELDS];
	uint64_t uid, gid;
};

/* -- login.defs -------------------------------------------------------------------------------- */

struct range {
	uint64_t min, max;
};

/* A line "UID_MIN  1000"; the last one counts. */
static void parse_limit(const char *line, const char *name, uint64_t *ret)
{
	size_t len = strlen(name);
	const char *end;
	uint64_t v;

	line += strspn(line, " \t");
	if (strncmp(line, name, len) != 0 || !line[len] || !strchr(" \t", line[len]))
		return;
	line += len;
	if (vmv_parse_u64(line + strspn(line, " \t\""), &v, &end) == 0 &&
	    (*end == '\0' || strchr(" \t\n\"#", *end)))
		*ret = v;
}

/* text may be NULL. */
static struct range range_of(const char *text)
{
	struct range range = { 1000, 60000 };

	for (const char *line = text; line && *line;) {
		parse_limit(line, "UID_MIN", &range.min);
		parse_limit(line, "UID_MAX", &range.max);
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return range;
}

/* -- passwd ------------------------------------------------------------------------------------ */

static bool parse_id(struct word w, uint64_t *ret)
{
	const char *end;

	return vmv_parse_u64(w.s, ret, &end) == 0 && end == w.s + w.len && *ret < UINT32_MAX;
}

/* False for what is no account: comments, inclusions of NIS, damage. */
static bool parse_account(const char *line, struct account *ret)
{
	const char *s = line;

	if (strchr("#+-:\n", *line))
		return false;
	for (size_t i = 0; i < FIELDS; i++) {
		size_t len = strcspn(s, i < SHELL ? ":\n" : "\n");

		ret->fields[i] = (struct word){ s, len };
		s += len;
		if (i < SHELL && *s++ != ':')
			return false;
	}
	return parse_id(ret->fields[UID], &ret->uid) && parse_id(ret->fields[GID], &ret->gid);
}

static void write_word(struct vmv_jw *w, const char *name, struct word word)
{
	vmv_jw_bytes(w, name, word.s, word.len);
}

/* The full name is what stands before the first comma of the GECOS field. */
static void write_account(struct vmv_jw *w, const struct account *a)
{
	struct word description = a->fields[GECOS];
	const char *comma = memchr(description.s, ',', description.len);

	if (comma)
		description.len = (size_t)(comma - description.s);
	vmv_jw_open(w, NULL);
	write_word(w, "name", a->fields[NAME]);
	vmv_jw_u64(w, "uid", a->uid);
	vmv_jw_u64(w, "gid", a->gid);
	write_word(w, "description", description);
	write_word(w, "home", a->fields[HOME]);
	write_word(w, "shell", a->fields[SHELL]);
	vmv_jw_close(w);
}

/* False when there is no room for it. */
static bool add_account(struct vmv_jw *w, const struct account *a, size_t n)
{
	struct vmv_jw_mark mark = vmv_jw_mark(w);

	if (n == VMV_USERS_MAX)
		return false;
	write_account(w, a);
	if (vmv_jw_remaining(w) >= VMV_JW_TAIL)
		return true;
	vmv_jw_rewind(w, mark);
	return false;
}

void vmv_users_write_text(struct vmv_jw *w, const char *passwd, const char *login_defs,
			  size_t *ret_count, bool *ret_is_cut)
{
	const struct range range = range_of(login_defs);
	struct account a;
	bool is_cut = false;
	size_t n = 0;

	vmv_jw_open(w, NULL);
	vmv_jw_array(w, "users");
	for (const char *line = passwd; *line && !is_cut;) {
		if (parse_account(line, &a) &&
		    (a.uid == 0 || (a.uid >= range.min && a.uid <= range.max))) {
			is_cut = !add_account(w, &a, n);
			n += !is_cut;
		}
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	vmv_jw_end(w);
	vmv_jw_u64(w, "count", n);
	vmv_jw_close(w);
	*ret_count = n;
	*ret_is_cut = is_cut;
}

int vmv_users_write(struct vmv_jw *w, const struct vmv_root *root, size_t *ret_count,
		    bool *ret_is_cut)
{
	vmv_autofree char *passwd = NULL;
	vmv_autofree char *defs = NULL;
	size_t passwd_cap = 0, defs_cap = 0;
	int r = vmv_read_table_at(root->etc, "passwd", &passwd, &passwd_cap, PASSWD_MAX);
	bool has_defs;

	if (r < 0)
		return r;
	has_defs =
		vmv_read_table_at(root->etc, "login.defs", &defs, &defs_cap, DEFS_MAX) >= 0 ||
		vmv_read_table_at(root->top, "usr/etc/login.defs", &defs, &defs_cap, DEFS_MAX) >= 0;
	vmv_users_write_text(w, passwd, has_defs ? defs : NULL, ret_count, ret_is_cut);
	return 0;
}
