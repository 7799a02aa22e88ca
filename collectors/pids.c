#include "collectors/pids.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/root.h"
#include "collectors/collector.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIDS_START 256

/* What one call takes, 32 bytes for each process. Not readdir: it asks for 32 KiB at a time, which
 * are a thousand processes in one turn of the loop. */
#define ENTRIES_SIZE 2048

static int add_pid(struct vmv_pids *pids, uint32_t pid)
{
	if (pids->n == pids->cap) {
		size_t want = pids->cap ? pids->cap * 2 : PIDS_START;
		uint32_t *bigger = reallocarray(pids->pid, want, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		pids->pid = bigger;
		pids->cap = want;
	}
	pids->pid[pids->n++] = pid;
	return 0;
}

static int add_entry(struct vmv_pids *pids, const char *name)
{
	const char *end;
	uint64_t pid;

	if (vmv_parse_u64(name, &pid, &end) < 0 || *end || pid > VMV_PROCESSES_MAX ||
	    pids->n == VMV_PROCESSES_MAX)
		return 0;
	return add_pid(pids, (uint32_t)pid);
}

/* Returns whether there may be more, or negative errno. */
static int list_some(struct vmv_pids *pids)
{
	_Alignas(struct dirent64) char entries[ENTRIES_SIZE];
	ssize_t n = getdents64(pids->fd, entries, sizeof(entries));
	int r = 0;

	if (n < 0)
		return -errno;
	for (ssize_t at = 0; at < n && r == 0;) {
		const struct dirent64 *d = (const void *)(entries + at);

		r = add_entry(pids, d->d_name);
		at += d->d_reclen;
	}
	return r < 0 ? r : n > 0;
}

static int begin(struct vmv_pids *pids, const struct vmv_root *root)
{
	pids->n = 0;
	if (!pids->is_open) {
		pids->fd = openat(root->proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		pids->is_open = pids->fd >= 0;
	}
	return !pids->is_open || lseek(pids->fd, 0, SEEK_SET) < 0 ? -errno : 0;
}

static int by_pid(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* procfs lists pids in order, other file systems (recorded trees) do not. */
static void sort_pids(struct vmv_pids *pids)
{
	for (size_t i = 1; i < pids->n; i++) {
		if (pids->pid[i - 1] > pids->pid[i]) {
			qsort(pids->pid, pids->n, sizeof(*pids->pid), by_pid);
			return;
		}
	}
}

int vmv_pids_step(struct vmv_pids *pids, const struct vmv_root *root, struct vmv_err *err)
{
	int r = pids->is_listing ? 0 : begin(pids, root);

	if (r == 0)
		r = list_some(pids);
	pids->is_listing = r > 0;
	if (r < 0) {
		pids->n = 0;
		return vmv_fail(err, VMV_E_IO, -r, "cannot list /proc: %s", strerror(-r));
	}
	if (r > 0)
		return VMV_MORE;
	sort_pids(pids);
	return 0;
}

void vmv_pids_done(struct vmv_pids *pids)
{
	if (pids->is_open)
		vmv_closep(&pids->fd);
	free(pids->pid);
	*pids = (struct vmv_pids){ .n = 0 };
}
