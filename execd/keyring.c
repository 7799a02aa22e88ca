#include "execd/keyring.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "proto/keyfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".pub"

struct key {
	char id[VMV_KEY_ID_SIZE];
	uint8_t pub[VMV_PUBLIC_SIZE];
};

struct keys {
	struct key list[VMV_KEYS_MAX];
	size_t n;
};

struct vmv_keyring {
	char *dir;
	uid_t owner;
	struct keys keys;
};

struct vmv_keyring *vmv_keyring_new(const char *dir, uid_t owner)
{
	struct vmv_keyring *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->owner = owner;
	k->dir = strdup(dir);
	if (!k->dir) {
		free(k);
		return NULL;
	}
	return k;
}

void vmv_keyring_free(struct vmv_keyring *k)
{
	if (!k)
		return;
	free(k->dir);
	free(k);
}

static const struct key *find(const struct keys *keys, const char *id)
{
	for (size_t i = 0; i < keys->n; i++)
		if (strcmp(keys->list[i].id, id) == 0)
			return &keys->list[i];
	return NULL;
}

static void ignore(const char *name, const char *why)
{
	vmv_log(VMV_LOG_WARNING, "keys", "ignoring '%s': %s", name, why);
}

static void add(struct keys *keys, const char *name, const uint8_t pub[VMV_PUBLIC_SIZE])
{
	struct key key;
	const struct key *same;

	memcpy(key.pub, pub, VMV_PUBLIC_SIZE);
	vmv_key_id(pub, key.id);
	same = find(keys, key.id);
	if (same && memcmp(same->pub, pub, VMV_PUBLIC_SIZE) == 0)
		return;
	if (same)
		ignore(name, "another key has the same id");
	else if (keys->n == VMV_KEYS_MAX)
		ignore(name, "too many keys");
	else
		keys->list[keys->n++] = key;
}

/* What ails the system and not the file: then nobody knows who is trusted. */
static bool may_pass(const struct vmv_err *err)
{
	return err->code == VMV_E_IO && err->sys != ENOENT && err->sys != EACCES;
}

static int add_file(const struct vmv_keyring *k, int dir, const char *name, struct keys *keys)
{
	char text[VMV_KEYFILE_MAX];
	uint8_t pub[VMV_PUBLIC_SIZE];
	struct vmv_err err = { 0 };
	int r = vmv_keyfile_read(dir, name, VMV_KEYFILE_PUBLIC, k->owner, text, sizeof(text), &err);

	if (r < 0 && may_pass(&err)) {
		vmv_log(VMV_LOG_ERROR, "keys", "%s; the trusted keys stay as they were", err.msg);
		return r;
	}
	if (r >= 0)
		r = vmv_public_parse(text, pub, NULL, &err);
	if (r < 0)
		ignore(name, err.msg);
	else
		add(keys, name, pub);
	return 0;
}

/* -- the directory ----------------------------------------------------------------------------- */

static int is_public_key(const struct dirent *e)
{
	size_t len = strlen(e->d_name);

	return e->d_name[0] != '.' && len > strlen(SUFFIX) &&
	       strcmp(e->d_name + len - strlen(SUFFIX), SUFFIX) == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_all(const struct vmv_keyring *k, int dir, struct keys *keys)
{
	struct dirent **list = NULL;
	int n = scandirat(dir, ".", &list, is_public_key, by_bytes);
	int r = n < 0 ? -errno : 0;

	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = add_file(k, dir, list[i]->d_name, keys);
		free(list[i]);
	}
	free(list);
	return r;
}

/* Who can write the directory decides who is trusted. */
static bool is_ours(const struct vmv_keyring *k, int dir)
{
	struct stat st;

	return fstat(dir, &st) == 0 && (st.st_uid == 0 || st.st_uid == k->owner) &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH));
}

int vmv_keyring_reload(struct vmv_keyring *k)
{
	vmv_autoclose int dir = open(k->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct keys keys = { .n = 0 };
	int r;

	if (dir < 0 && errno != ENOENT && errno != ENOTDIR) {
		r = -errno;
		vmv_log(VMV_LOG_ERROR, "keys", "cannot open '%s': %s", k->dir, strerror(-r));
		return r;
	}
	if (dir >= 0 && !is_ours(k, dir)) {
		ignore(k->dir, "it does not belong to root, or others can write it");
	} else if (dir >= 0) {
		r = add_all(k, dir, &keys);
		if (r < 0)
			return r;
	}
	k->keys = keys;
	return 0;
}

const uint8_t *vmv_keyring_find(const struct vmv_keyring *k, const char *id)
{
	const struct key *key = find(&k->keys, id);

	return key ? key->pub : NULL;
}

size_t vmv_keyring_count(const struct vmv_keyring *k)
{
	return k->keys.n;
}

const char *vmv_keyring_id(const struct vmv_keyring *k, size_t i)
{
	return k->keys.list[i].id;
}
