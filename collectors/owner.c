#include "collectors/owner.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/root.h"
#include "collectors/collector.h"
#include "collectors/pids.h"
#include "collectors/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINKS_SLICE 96 /* descriptors of processes looked at per turn: a microsecond each */
/* What one call takes, 24 bytes for each descriptor. Not readdir: it asks for 32 KiB at a time, for
 * which the kernel makes 1300 inodes. */
#define ENTRIES_SIZE 2048

#define ASK_AGAIN_MS 600000 /* search again for owners that were not visible */

#define NO_INODE 0

/* What is known about the owner of one socket. */
struct owner {
	uint64_t inode;
	uint64_t searched_ms; /* when nobody was found */
	uint32_t pid;	      /* 0: nobody found */
	int fd;		      /* the socket's number in that process */
	bool is_searched;
};

struct vmv_owners {
	struct owner *owner; /* by inode */
	size_t n;

	size_t stage; /* index of stages[] */
	size_t at;    /* how far the stage has come */
	bool is_searching;
	size_t n_missing; /* owners without a pid, while searching */
	struct vmv_pids pids;
	int fds; /* directory of pids.pid[at], when a turn ended in the midst of it; else -1 */
};

struct vmv_owners *vmv_owners_new(void)
{
	struct vmv_owners *o = calloc(1, sizeof(*o));

	if (o)
		o->fds = -1;
	return o;
}

static void close_fds(struct vmv_owners *o)
{
	vmv_closep(&o->fds);
	o->fds = -1;
}

void vmv_owners_free(struct vmv_owners *o)
{
	if (!o)
		return;
	vmv_owners_rest(o);
	free(o->owner);
	free(o);
}

void vmv_owners_rest(struct vmv_owners *o)
{
	close_fds(o);
	vmv_pids_done(&o->pids);
	o->is_searching = false;
	o->stage = 0;
	o->at = 0;
}

static int by_inode(const void *a, const void *b)
{
	const struct owner *x = a;
	const struct owner *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

static struct owner *find_owner(const struct vmv_owners *o, uint64_t inode)
{
	struct owner key = { .inode = inode };

	if (o->n == 0)
		return NULL;
	return bsearch(&key, o->owner, o->n, sizeof(key), by_inode);
}

uint32_t vmv_owners_pid(const struct vmv_owners *o, uint64_t inode)
{
	const struct owner *found = find_owner(o, inode);

	return found ? found->pid : 0;
}

int vmv_owners_set(struct vmv_owners *o, const uint64_t *inodes, size_t n)
{
	vmv_autofree struct owner *owners = calloc(n + 1, sizeof(*owners));
	size_t kept = 0;

	if (!owners)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct owner *known = find_owner(o, inodes[i]);

		owners[i] = known ? *known : (struct owner){ .inode = inodes[i] };
	}
	qsort(owners, n, sizeof(*owners), by_inode);
	for (size_t i = 0; i < n; i++)
		if (owners[i].inode != (kept ? owners[kept - 1].inode : NO_INODE))
			owners[kept++] = owners[i];
	vmv_owners_rest(o);
	free(o->owner);
	o->owner = VMV_TAKE(owners, NULL);
	o->n = kept;
	return 0;
}

/* The inode that PID/fd/N leads to; NO_INODE when that is no socket or cannot be read. */
static uint64_t socket_inode(int dir, const char *path)
{
	static const char prefix[] = "socket:[";
	char target[64];
	uint64_t inode;
	ssize_t n = readlinkat(dir, path, target, sizeof(target) - 1);

	if (n < 0)
		return NO_INODE;
	target[n] = '\0';
	if (strncmp(target, prefix, sizeof(prefix) - 1) != 0 ||
	    vmv_parse_u64(target + sizeof(prefix) - 1, &inode, NULL) < 0)
		return NO_INODE;
	return inode;
}

static bool still_owns(const struct vmv_root *root, const struct owner *o)
{
	char path[48];

	(void)snprintf(path, sizeof(path), "%u/fd/%d", o->pid, o->fd);
	return socket_inode(root->proc, path) == o->inode;
}

/* Are the known owners still right? That a process of this number has the very socket open says
 * more than the time it started: it may have closed the socket since. */
static int check(struct vmv_owners *o, const struct vmv_root *root, struct vmv_err *err)
{
	(void)err;
	for (size_t n = 0; o->at < o->n; o->at++, n++) {
		struct owner *known = &o->owner[o->at];

		if (n == VMV_SCAN_SLICE)
			return VMV_MORE;
		if (known->pid && !still_owns(root, known)) {
			known->pid = 0;
			known->is_searched = false;
		}
	}
	return 0;
}

static bool needs_search(const struct vmv_owners *o)
{
	uint64_t now = vmv_mono_ms(&vmv_clock_system);

	for (size_t i = 0; i < o->n; i++) {
		const struct owner *one = &o->owner[i];

		if (!one->is_searched || (one->pid == 0 && now - one->searched_ms >= ASK_AGAIN_MS))
			return true;
	}
	return false;
}

static size_t count_missing(const struct vmv_owners *o)
{
	size_t n = 0;

	for (size_t i = 0; i < o->n; i++)
		n += o->owner[i].pid == 0;
	return n;
}

static void finish_search(struct vmv_owners *o)
{
	uint64_t now = vmv_mono_ms(&vmv_clock_system);

	for (size_t i = 0; i < o->n; i++) {
		struct owner *one = &o->owner[i];

		one->is_searched = true;
		if (one->pid == 0)
			one->searched_ms = now;
	}
}

/* Returns 0 with o->fds still -1 when this process is not ours to look into. */
static int open_fds(struct vmv_owners *o, const struct vmv_root *root, uint32_t pid,
		    struct vmv_err *err)
{
	char path[24];
	int r;

	(void)snprintf(path, sizeof(path), "%u/fd", pid);
	o->fds = openat(root->proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = o->fds < 0 ? -errno : 0;
	if (vmv_process_is_gone(r))
		return 0;
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "cannot list '/proc/%s': %s", path,
				strerror(-r));
	return 0;
}

static void take_fd(struct vmv_owners *o, const char *name, uint32_t pid)
{
	const char *end;
	struct owner *one;
	uint64_t fd;

	if (vmv_parse_u64(name, &fd, &end) < 0 || *end || fd > INT32_MAX)
		return;
	one = find_owner(o, socket_inode(o->fds, name));
	if (!one || one->pid)
		return; /* pids come in ascending order: the first one stays */
	o->n_missing--;
	one->pid = pid;
	one->fd = (int)fd;
	one->is_searched = true;
}

/* Returns how many entries; 0 at the end, and when the process has ended: it is left alone. */
static unsigned take_some(struct vmv_owners *o, uint32_t pid)
{
	_Alignas(struct dirent64) char entries[ENTRIES_SIZE];
	ssize_t len = getdents64(o->fds, entries, sizeof(entries));
	unsigned n = 0;

	for (ssize_t at = 0; at < len; n++) {
		const struct dirent64 *d = (const void *)(entries + at);

		take_fd(o, d->d_name, pid);
		at += d->d_reclen;
	}
	return n;
}

/* Looks through the descriptors of one process. VMV_MORE when *links ran out; then the next
 * call goes on with it. */
static int search_process(struct vmv_owners *o, const struct vmv_root *root, uint32_t pid,
			  unsigned *links, struct vmv_err *err)
{
	unsigned n;

	if (o->fds < 0) {
		int r = open_fds(o, root, pid, err);

		if (r < 0 || o->fds < 0)
			return r;
	}
	while ((n = take_some(o, pid)) > 0) {
		if (n >= *links)
			return VMV_MORE;
		*links -= n;
	}
	close_fds(o);
	return 0;
}

/* The processes to search; only when there is a socket that was not searched for lately. */
static int list(struct vmv_owners *o, const struct vmv_root *root, struct vmv_err *err)
{
	int r;

	if (!o->is_searching && !needs_search(o))
		return 0;
	o->is_searching = true;
	r = vmv_pids_step(&o->pids, root, err);
	if (r == 0)
		o->n_missing = count_missing(o);
	return r;
}

/* One walk through all descriptors of all processes, for all sockets whose owner is not known. */
static int search(struct vmv_owners *o, const struct vmv_root *root, struct vmv_err *err)
{
	unsigned links = LINKS_SLICE;
	int r;

	if (!o->is_searching)
		return 0;
	for (size_t n = 0; o->at < o->pids.n && o->n_missing > 0; o->at++, n++) {
		if (n == VMV_SCAN_SLICE)
			return VMV_MORE;
		r = search_process(o, root, o->pids.pid[o->at], &links, err);
		if (r != 0)
			return r;
	}
	finish_search(o);
	return 0;
}

typedef int stage_fn(struct vmv_owners *o, const struct vmv_root *root, struct vmv_err *err);

static stage_fn *const stages[] = { check, list, search };

int vmv_owners_find(struct vmv_owners *o, const struct vmv_root *root, struct vmv_err *err)
{
	int r = 0;

	for (; r == 0 && o->stage < VMV_COUNTOF(stages); o->stage += r == 0) {
		r = stages[o->stage](o, root, err);
		if (r == 0)
			o->at = 0;
	}
	if (r != VMV_MORE)
		vmv_owners_rest(o);
	return r;
}
