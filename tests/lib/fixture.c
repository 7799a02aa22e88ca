#include "tests/lib/fixture.h"

#include "base/err.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void full_path(const struct fixture *fx, const char *path, char out[PATH_MAX])
{
	int n = snprintf(out, PATH_MAX, "%s/%s", fx->dir, path);

	ck_assert_int_lt(n, PATH_MAX);
}

static void make_parents(char *path, size_t skip)
{
	for (char *p = path + skip; (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			ck_abort_msg("mkdir %s: %s", path, strerror(errno));
		*p = '/';
	}
}

void fixture_up(struct fixture *fx)
{
	struct vmv_err err = { 0 };

	strcpy(fx->dir, "/tmp/vmvitals-fixture-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(fx->dir));
	fixture_mkdir(fx, "proc");
	fixture_mkdir(fx, "sys");
	fixture_mkdir(fx, "etc");
	ck_assert_msg(vmv_root_open(&fx->root, fx->dir, &err) == 0, "%s", err.msg);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void fixture_down(struct fixture *fx)
{
	vmv_root_close(&fx->root);
	ck_assert_int_eq(nftw(fx->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void fixture_mkdir(struct fixture *fx, const char *path)
{
	char full[PATH_MAX];

	full_path(fx, path, full);
	make_parents(full, strlen(fx->dir) + 1);
	if (mkdir(full, 0755) < 0 && errno != EEXIST)
		ck_abort_msg("mkdir %s: %s", full, strerror(errno));
}

void fixture_put_bytes(struct fixture *fx, const char *path, const void *bytes, size_t len)
{
	char full[PATH_MAX];
	int fd;

	full_path(fx, path, full);
	make_parents(full, strlen(fx->dir) + 1);
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ck_assert_msg(fd >= 0, "%s: %s", full, strerror(errno));
	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
	ck_assert_int_eq(close(fd), 0);
}

void fixture_put(struct fixture *fx, const char *path, const char *text)
{
	fixture_put_bytes(fx, path, text, strlen(text));
}

void fixture_link(struct fixture *fx, const char *path, const char *target)
{
	char full[PATH_MAX];

	full_path(fx, path, full);
	make_parents(full, strlen(fx->dir) + 1);
	ck_assert_msg(symlink(target, full) == 0, "%s: %s", full, strerror(errno));
}

static int keep_row(struct vmv_sink *sink, const char *id, const void *sample)
{
	struct kept *k = (struct kept *)sink;

	k->ids = realloc(k->ids, (k->n + 1) * sizeof(*k->ids));
	k->samples = realloc(k->samples, (k->n + 1) * k->sample_size);
	ck_assert_ptr_nonnull(k->ids);
	ck_assert_ptr_nonnull(k->samples);
	ck_assert_uint_lt(strlen(id), sizeof(*k->ids));
	strcpy(k->ids[k->n], id);
	memcpy(k->samples + k->n * k->sample_size, sample, k->sample_size);
	k->n++;
	return 0;
}

bool fixture_recorded(const char *name, struct vmv_root *ret)
{
	const char *top = getenv("top_srcdir");
	struct vmv_err err = { 0 };
	char path[4096];

	if (!top)
		return false;
	(void)snprintf(path, sizeof(path), "%s/tests/fixtures/%s", top, name);
	ck_assert_msg(vmv_root_open(ret, path, &err) == 0, "%s", err.msg);
	return true;
}

void kept_init(struct kept *k, const struct vmv_collector *c)
{
	*k = (struct kept){ .sink = { .row = keep_row }, .sample_size = c->sample_size };
}

void kept_clear(struct kept *k)
{
	free(k->ids);
	free(k->samples);
	k->ids = NULL;
	k->samples = NULL;
	k->n = 0;
}

const void *kept_row(const struct kept *k, const char *id)
{
	for (size_t i = 0; i < k->n; i++)
		if (strcmp(k->ids[i], id) == 0)
			return k->samples + i * k->sample_size;
	return NULL;
}

int kept_read(struct kept *k, const struct vmv_collector *c, const struct vmv_root *root,
	      struct vmv_err *err)
{
	const struct vmv_collector *owner = c->state_of ? c->state_of : c;
	void *state = owner->open ? owner->open(root) : NULL;
	int r;

	ck_assert(!owner->open || state);
	do {
		r = c->read(state, root, &k->sink, err);
	} while (r == VMV_MORE);
	if (owner->close)
		owner->close(state);
	return r;
}
