#include "reports/accounts.h"

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/root.h"

#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
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

static bool add(struct vmv_accounts *a, const struct passwd *pw)
{
	struct account *more = reallocarray(a->list, a->n + 1, sizeof(*more));

	if (!more)
		return false;
	a->list = more;
	a->list[a->n] = (struct account){ pw->pw_uid, strdup(pw->pw_name) };
	return a->list[a->n].name && ++a->n < ACCOUNTS_MAX;
}

struct vmv_accounts *vmv_accounts_read(const struct vmv_root *root)
{
	struct vmv_accounts *a;
	vmv_autofree char *text = NULL;
	char line[4096];
	struct passwd pw, *found;
	size_t cap = 0;
	FILE *f;
	int len = vmv_read_table_at(root->etc, "passwd", &text, &cap, 16 * VMV_MIB);

	if (len <= 0)
		return NULL;
	a = calloc(1, sizeof(*a));
	f = a ? fmemopen(text, (size_t)len, "r") : NULL;
	if (!f) {
		free(a);
		return NULL;
	}
	while (fgetpwent_r(f, &pw, line, sizeof(line), &found) == 0 && add(a, &pw))
		;
	(void)fclose(f);
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
