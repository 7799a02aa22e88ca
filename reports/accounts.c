#include "reports/accounts.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/root.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNTS_MAX 65536

struct account {
	uid_t uid;
	char *name;
};

struct vmv_accounts {
	struct account *list;
	size_t n;
};

/* "name:password:uid:...". False for what is none: comments, inclusions of NIS, damage. */
static bool parse_line(const char *line, size_t *ret_name_len, uid_t *ret_uid)
{
	size_t name_len = strcspn(line, ":\n");
	const char *s = line + name_len;
	uint64_t uid;

	if (name_len == 0 || *s != ':' || strchr("#+-", *line))
		return false;
	s++;
	s += strcspn(s, ":\n");
	if (*s != ':' || vmv_parse_u64(s + 1, &uid, &s) < 0 || *s != ':' || uid >= UINT32_MAX)
		return false;
	*ret_name_len = name_len;
	*ret_uid = (uid_t)uid;
	return true;
}

static bool add(struct vmv_accounts *a, uid_t uid, const char *name, size_t len)
{
	struct account *more = reallocarray(a->list, a->n + 1, sizeof(*more));

	if (!more)
		return false;
	a->list = more;
	a->list[a->n] = (struct account){ uid, strndup(name, len) };
	return a->list[a->n].name && ++a->n < ACCOUNTS_MAX;
}

struct vmv_accounts *vmv_accounts_read(const struct vmv_root *root)
{
	vmv_autofree char *text = NULL;
	struct vmv_accounts *a;
	size_t cap = 0, len;
	uid_t uid;

	if (vmv_read_table_at(root->etc, "passwd", &text, &cap, 16 * VMV_MIB) < 0)
		return NULL;
	a = calloc(1, sizeof(*a));
	for (const char *line = text; a && *line;) {
		if (parse_line(line, &len, &uid) && !add(a, uid, line, len))
			break;
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return a;
}

void vmv_accounts_free(struct vmv_accounts *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n; i++)
		free(a->list[i].name);
	free(a->list);
	free(a);
}

const char *vmv_accounts_name(const struct vmv_accounts *a, uid_t uid)
{
	for (size_t i = 0; a && i < a->n; i++)
		if (a->list[i].uid == uid)
			return a->list[i].name;
	return NULL;
}
