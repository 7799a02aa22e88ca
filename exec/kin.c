#include "exec/kin.h"

#include "base/cleanup.h"
#include "base/num.h"
#include "base/root.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STAT_MAX 1024 /* bytes of /proc/PID/stat; 52 numbers and a name */

struct process {
	struct vmv_kin_one one;
	pid_t parent, session;
	bool is_alive; /* no zombie */
	bool is_kin;
};

struct list {
	struct process *rows; /* owned; by pid */
	size_t n, cap;
};

static void list_free(struct list *l)
{
	free(l->rows);
}

/* -- /proc ---------------------------------------------------------------------------------------
 */

/* "12 (name) S 1 12 12 …", the name with anything in it. False: not like that. */
static bool parse_stat(const char *text, struct process *ret)
{
	const char *at = strrchr(text, ')');
	int64_t fields[23] = { 0 }; /* numbered as in proc(5), from 1 */
	uint64_t pid;

	if (vmv_parse_u64(text, &pid, NULL) < 0 || !at || at[1] != ' ' || at[2] == '\0')
		return false;
	ret->is_alive = !strchr("ZXx", at[2]);
	at += 3;
	for (int i = 4; i <= 22; i++)
		if (*at != ' ' || vmv_parse_i64(at + 1, &fields[i], &at) < 0)
			return false;
	ret->one = (struct vmv_kin_one){ .pid = (pid_t)pid, .start = (uint64_t)fields[22] };
	ret->parent = (pid_t)fields[4];
	ret->session = (pid_t)fields[6];
	return true;
}

static bool read_process(int proc, const char *name, struct process *ret)
{
	char path[32], text[STAT_MAX];

	if (!isdigit((unsigned char)*name) ||
	    snprintf(path, sizeof(path), "%.20s/stat", name) >= (int)sizeof(path))
		return false;
	return vmv_read_at(proc, path, text, sizeof(text)) > 0 && parse_stat(text, ret);
}

static int grow(struct list *l)
{
	size_t cap = l->cap ? l->cap * 2 : 256;
	struct process *bigger = reallocarray(l->rows, cap, sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	l->rows = bigger;
	l->cap = cap;
	return 0;
}

static int by_pid(const void *a, const void *b)
{
	pid_t x = ((const struct process *)a)->one.pid, y = ((const struct process *)b)->one.pid;

	return (x > y) - (x < y);
}

static int read_all(struct list *l)
{
	vmv_autoclosedir DIR *d = opendir("/proc");
	struct process p = { 0 };
	const struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		if (!read_process(dirfd(d), e->d_name, &p))
			continue;
		if (l->n == l->cap && grow(l) < 0)
			return -ENOMEM;
		l->rows[l->n++] = p;
	}
	qsort(l->rows, l->n, sizeof(l->rows[0]), by_pid);
	return 0;
}

/* -- who is kin ----------------------------------------------------------------------------------
 */

static struct process *find(const struct list *l, pid_t pid)
{
	const struct process key = { .one.pid = pid };

	return l->n > 0 ? bsearch(&key, l->rows, l->n, sizeof(key), by_pid) : NULL;
}

/* Neither we nor pid 1 ever are, whatever /proc says. */
static bool may_be(const struct vmv_kin *k, const struct process *p)
{
	return p->one.pid > 1 && p->one.pid != k->root && p->one.pid != getpid();
}

static void mark_first(const struct vmv_kin *k, const struct list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct process *p = &l->rows[i];

		p->is_kin = may_be(k, p) && (p->session == k->root || p->parent == k->root);
	}
	for (size_t i = 0; i < k->n; i++) {
		struct process *p = find(l, k->known[i].pid);

		if (p && p->one.start == k->known[i].start && may_be(k, p))
			p->is_kin = true;
	}
}

/* Their children. Returns whether there were any that nobody knew of. */
static bool mark_more(const struct vmv_kin *k, const struct list *l)
{
	bool is_new = false;

	for (size_t i = 0; i < l->n; i++) {
		struct process *p = &l->rows[i];
		const struct process *parent = p->is_kin ? NULL : find(l, p->parent);

		if (parent && parent->is_kin && may_be(k, p))
			p->is_kin = is_new = true;
	}
	return is_new;
}

int vmv_kin_look(struct vmv_kin *k)
{
	VMV_CLEANUP(list_free) struct list l = { 0 };
	struct vmv_kin_one *known;
	size_t n = 0;
	int r = read_all(&l);

	if (r < 0)
		return r;
	mark_first(k, &l);
	while (mark_more(k, &l))
		;
	known = calloc(l.n + 1, sizeof(*known));
	if (!known)
		return -ENOMEM;
	for (size_t i = 0; i < l.n; i++)
		if (l.rows[i].is_kin && l.rows[i].is_alive)
			known[n++] = l.rows[i].one;
	free(k->known);
	k->known = known;
	k->n = n;
	return (int)n;
}

void vmv_kin_signal(const struct vmv_kin *k, int signal)
{
	for (size_t i = 0; i < k->n; i++)
		(void)kill(k->known[i].pid, signal);
}

void vmv_kin_free(struct vmv_kin *k)
{
	free(k->known);
	k->known = NULL;
	k->n = 0;
}
