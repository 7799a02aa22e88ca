#include "collectors/cgroup.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/root.h"
#include "collectors/cgroup_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SLOTS (2 * VMV_CGROUPS_MAX) /* a power of two */
#define USEC  1e-6

#define FIELD(member, metric, lbl, kind, unit, scale, src, text)                                \
	VMV_FIELD(struct vmv_cgroup_sample, member, "vmvitals_cgroup_" metric, lbl, kind, unit, \
		  scale, src, text)
#define TIME(member, metric, lbl, src, text) \
	FIELD(member, metric, lbl, VMV_COUNTER, VMV_UNIT_SECONDS, USEC, src, text)
#define COUNT(member, metric, src, text) \
	FIELD(member, metric, NULL, VMV_COUNTER, VMV_UNIT_NONE, 0, src, text)
#define BYTES(member, metric, kind, src, text) \
	FIELD(member, metric, NULL, kind, VMV_UNIT_BYTES, 0, src, text)

static const struct vmv_field fields[] = {
	TIME(cpu_usage, "cpu_usage_seconds_total", NULL, "cpu.stat usage_usec, cpuacct.usage",
	     "CPU time used, by control groups below this one, too."),
	TIME(cpu_user, "cpu_seconds_total", "mode=\"user\"", "cpu.stat user_usec, cpuacct.stat",
	     "CPU time used in user mode."),
	TIME(cpu_system, "cpu_seconds_total", "mode=\"system\"",
	     "cpu.stat system_usec, cpuacct.stat", "CPU time used in kernel mode."),
	COUNT(cpu_periods, "cpu_periods_total", "cpu.stat nr_periods",
	      "Periods in which there was something to run and a CPU limit."),
	COUNT(cpu_throttled_periods, "cpu_throttled_periods_total", "cpu.stat nr_throttled",
	      "Those of the periods in which the CPU limit was hit."),
	TIME(cpu_throttled, "cpu_throttled_seconds_total", NULL,
	     "cpu.stat throttled_usec, throttled_time", "Time in which the CPU limit kept it off."),
	BYTES(memory, "memory_bytes", VMV_GAUGE, "memory.current, memory.usage_in_bytes",
	      "Memory used, page cache and control groups below included."),
	BYTES(memory_max, "memory_max_bytes", VMV_GAUGE, "memory.max, memory.limit_in_bytes",
	      "Limit of memory, null where there is none."),
	BYTES(swap, "memory_swap_bytes", VMV_GAUGE, "memory.swap.current, memory.memsw less memory",
	      "Swap used."),
	COUNT(oom_kills, "oom_kills_total", "memory.events, memory.oom_control oom_kill",
	      "Processes killed for want of memory."),
	TIME(memory_waiting, "memory_waiting_seconds_total", NULL, "memory.pressure some total",
	     "Time in which some process waited for memory."),
	FIELD(pids, "processes", NULL, VMV_GAUGE, VMV_UNIT_NONE, 0, "pids.current",
	      "Processes and threads."),
	BYTES(io_read, "io_read_bytes_total", VMV_COUNTER,
	      "io.stat rbytes, blkio.throttle.io_service_bytes_recursive",
	      "Bytes read from block devices, each once however they are stacked."),
	BYTES(io_written, "io_written_bytes_total", VMV_COUNTER,
	      "io.stat wbytes, blkio.throttle.io_service_bytes_recursive",
	      "Bytes written to block devices, each once however they are stacked."),
	FIELD(left_out, "left_out", NULL, VMV_GAUGE, VMV_UNIT_NONE, 0, "directories of cgroup",
	      "Control groups that have no row because there are too many, on the root's row."),
};

/* -- state ------------------------------------------------------------------------------------- */

enum phase {
	IDLE,
	WALKING, /* which control groups are there? */
	RANKING, /* too many: what do they use? */
	READING, /* rows */
};

struct node {
	uint32_t path; /* offset in paths: "" for the root, else "/system.slice" */
	uint8_t depth;
	bool is_leaf, is_chosen;
	uint64_t hash;
	uint64_t cpu, memory; /* for the ranking only */
};

struct usage {
	uint64_t hash, cpu;
};

struct rank {
	uint64_t key;
	size_t index;
};

struct cgroup_state {
	const struct vmv_root *root;
	struct vmv_cgroup_tree tree;

	enum phase phase;
	size_t at;
	struct node *nodes;
	size_t n, cap;
	char *paths; /* NUL-terminated, one behind the other */
	size_t paths_len, paths_cap;
	uint16_t slots[SLOTS]; /* index + 1 by hash; 0 is free */
	uint64_t left_out;

	struct usage *last; /* of the latest ranking, by hash */
	size_t n_last;
};

_Static_assert(VMV_CGROUPS_MAX < UINT16_MAX, "slots hold an index and one");

static const char *path_of(const struct cgroup_state *st, const struct node *node)
{
	return st->paths + node->path;
}

static void *cgroup_open(const struct vmv_root *root)
{
	struct cgroup_state *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	st->root = root;
	st->tree = VMV_CGROUP_TREE_NONE;
	return st;
}

static void cgroup_close(void *state)
{
	struct cgroup_state *st = state;

	if (!st)
		return;
	vmv_cgroup_tree_close(&st->tree);
	free(st->nodes);
	free(st->paths);
	free(st->last);
	free(st);
}

/* -- which ------------------------------------------------------------------------------------- */

static uint64_t hash_of(const char *path)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (; *path; path++)
		h = (h ^ (unsigned char)*path) * UINT64_C(0x100000001b3);
	return h;
}

/* The slot of this path, or the free one where it belongs. There are always free ones. */
static uint16_t *slot_of(struct cgroup_state *st, const char *path, uint64_t hash)
{
	size_t i = hash % SLOTS;

	while (st->slots[i] && (st->nodes[st->slots[i] - 1].hash != hash ||
				strcmp(path_of(st, &st->nodes[st->slots[i] - 1]), path) != 0))
		i = (i + 1) % SLOTS;
	return &st->slots[i];
}

static int make_room(struct cgroup_state *st, size_t len)
{
	if (st->n == st->cap) {
		size_t want = st->cap ? st->cap * 2 : 128;
		struct node *bigger = reallocarray(st->nodes, want, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		st->nodes = bigger;
		st->cap = want;
	}
	if (st->paths_cap - st->paths_len < len + 1) {
		size_t want = st->paths_cap ? st->paths_cap * 2 : 16 * VMV_KIB;
		char *bigger = realloc(st->paths, want); /* twice is enough for any path */

		if (!bigger)
			return -ENOMEM;
		st->paths = bigger;
		st->paths_cap = want;
	}
	return 0;
}

/* is_first: found in the hierarchy that is asked first; only there are those counted that find no
 * room, because others may have them, too. */
static int add_node(struct cgroup_state *st, const char *path, unsigned depth, bool is_first)
{
	size_t len = strlen(path);
	uint64_t hash = hash_of(path);
	uint16_t *slot = slot_of(st, path, hash);
	int r;

	if (*slot)
		return 0;
	if (st->n == VMV_CGROUPS_MAX) {
		st->left_out += is_first;
		return 0;
	}
	r = make_room(st, len);
	if (r < 0)
		return r;
	memcpy(st->paths + st->paths_len, path, len + 1);
	st->nodes[st->n] = (struct node){
		.path = (uint32_t)st->paths_len,
		.depth = (uint8_t)depth,
		.is_leaf = true,
		.hash = hash,
	};
	st->paths_len += len + 1;
	*slot = (uint16_t)++st->n;
	return 0;
}

static bool is_directory(DIR *d, const struct dirent *e)
{
	struct stat sb;

	if (e->d_name[0] == '.' && (!e->d_name[1] || strcmp(e->d_name, "..") == 0))
		return false;
	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_DIR;
	return fstatat(dirfd(d), e->d_name, &sb, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(sb.st_mode);
}

static int add_child(struct cgroup_state *st, size_t parent, const char *name, bool is_first)
{
	char path[VMV_CGROUP_PATH_MAX + 1];
	int len = snprintf(path, sizeof(path), "%s/%s", path_of(st, &st->nodes[parent]), name);

	st->nodes[parent].is_leaf = false;
	if (len >= (int)sizeof(path)) {
		st->left_out += is_first;
		return 0;
	}
	return add_node(st, path, st->nodes[parent].depth + 1u, is_first);
}

/* Most have none, and need not be listed. */
static bool has_children(const struct cgroup_state *st, int place, const char *path)
{
	struct stat sb;

	if (!st->tree.has_links)
		return true;
	return fstatat(place, path, &sb, 0) == 0 && sb.st_nlink != 2;
}

static int list_children(struct cgroup_state *st, int place, size_t parent)
{
	char path[VMV_CGROUP_PATH_MAX + 2];
	vmv_autoclose int fd = -1;
	vmv_autoclosedir DIR *d = NULL;
	const struct dirent *e;
	int r = 0;

	(void)snprintf(path, sizeof(path), ".%s", path_of(st, &st->nodes[parent]));
	if (!has_children(st, place, path))
		return 0;
	fd = openat(place, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return 0; /* gone, or not in this hierarchy */
	fd = -1;	  /* owned by d now */
	while (r == 0 && (e = readdir(d)))
		if (is_directory(d, e))
			r = add_child(st, parent, e->d_name, place == st->tree.walk[0]);
	return r;
}

static int visit(struct cgroup_state *st, size_t i)
{
	int r = 0;

	if (st->nodes[i].depth == VMV_CGROUP_DEPTH) {
		st->nodes[i].is_leaf = false; /* nobody looked */
		return 0;
	}
	for (size_t k = 0; k < st->tree.n_walk && r == 0; k++)
		r = list_children(st, st->tree.walk[k], i);
	return r;
}

static bool is_known(const struct vmv_cgroup_sample *s)
{
	const uint64_t *v = (const uint64_t *)s;

	for (size_t i = 0; i < sizeof(*s) / sizeof(*v); i++)
		if (v[i] != VMV_UNSET)
			return true;
	return false;
}

_Static_assert(sizeof(struct vmv_cgroup_sample) % sizeof(uint64_t) == 0, "numbers only");

static int deliver(struct cgroup_state *st, size_t i, struct vmv_sink *sink)
{
	const struct node *node = &st->nodes[i];
	const char *path = path_of(st, node);
	struct vmv_cgroup_sample s;

	vmv_cgroup_read(&st->tree, path, node->is_leaf, &s);
	if (i == 0)
		s.left_out = st->left_out;
	if (!is_known(&s))
		return 0; /* gone since it was found */
	return sink->row(sink, *path ? path : "/", &s);
}

/* -- the most important ones ------------------------------------------------------------------- */

static int by_hash(const void *a, const void *b)
{
	const struct usage *x = a, *y = b;

	return (x->hash > y->hash) - (x->hash < y->hash);
}

/* Largest first; for equals, the order in which they were found. */
static int by_key(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? 1 : -1;
	return (x->index > y->index) - (x->index < y->index);
}

static uint64_t known(uint64_t v)
{
	return v == VMV_UNSET ? 0 : v;
}

/* One that was not there in the last ranking has used all it used since then. */
static uint64_t used_since(const struct cgroup_state *st, const struct node *node)
{
	const struct usage key = { .hash = node->hash };
	const struct usage *was =
		st->n_last == 0 ? NULL
				: bsearch(&key, st->last, st->n_last, sizeof(*st->last), by_hash);
	uint64_t delta;

	return was && vmv_counter_delta(was->cpu, node->cpu, &delta) ? delta : known(node->cpu);
}

static size_t choose_by(struct cgroup_state *st, struct rank *ranks, size_t room)
{
	qsort(ranks, st->n, sizeof(*ranks), by_key);
	for (size_t i = 0; i < st->n && room > 0 && ranks[i].key > 0; i++) {
		room -= !st->nodes[ranks[i].index].is_chosen;
		st->nodes[ranks[i].index].is_chosen = true;
	}
	return room;
}

static void remember(struct cgroup_state *st, struct usage *last)
{
	for (size_t i = 0; i < st->n; i++)
		last[i] = (struct usage){ st->nodes[i].hash, st->nodes[i].cpu };
	qsort(last, st->n, sizeof(*last), by_hash);
	free(st->last);
	st->last = last;
	st->n_last = st->n;
}

/* Half of the rows for the CPU, the rest for memory; the root is always there. */
static int choose(struct cgroup_state *st)
{
	vmv_autofree struct rank *ranks = calloc(st->n, sizeof(*ranks));
	struct usage *last = calloc(st->n, sizeof(*last));
	size_t room;

	if (!ranks || !last) {
		free(last);
		return -ENOMEM;
	}
	st->nodes[0].is_chosen = true;
	for (size_t i = 0; i < st->n; i++)
		ranks[i] = (struct rank){ used_since(st, &st->nodes[i]), i };
	room = choose_by(st, ranks, VMV_CGROUP_ROWS / 2) + VMV_CGROUP_ROWS / 2 - 1;
	for (size_t i = 0; i < st->n; i++)
		ranks[i] = (struct rank){ vmv_add_sat(known(st->nodes[i].memory), 1), i };
	(void)choose_by(st, ranks, room);
	remember(st, last);
	st->left_out += st->n - VMV_CGROUP_ROWS;
	return 0;
}

/* -- a reading --------------------------------------------------------------------------------- */

static int begin(struct cgroup_state *st)
{
	int r = 0;

	if (st->tree.n_walk == 0)
		r = vmv_cgroup_tree_open(&st->tree, st->root->sys);
	if (r < 0)
		return r;
	st->n = 0;
	st->paths_len = 0;
	st->left_out = 0;
	st->tree.n_devices = 0; /* numbers are given to others when devices come and go */
	memset(st->slots, 0, sizeof(st->slots));
	st->at = 0;
	st->phase = WALKING;
	return add_node(st, "", 0, true);
}

static int after_walk(struct cgroup_state *st)
{
	bool has_room = st->n <= VMV_CGROUP_ROWS;

	for (size_t i = 0; i < st->n; i++)
		st->nodes[i].is_chosen = has_room;
	if (has_room)
		st->n_last = 0; /* too old when there are many again */
	st->phase = has_room ? READING : RANKING;
	return VMV_MORE;
}

/* Nothing is left to be done in this phase: what comes then? */
static int next_phase(struct cgroup_state *st)
{
	int r;

	st->at = 0;
	switch (st->phase) {
	case WALKING:
		return after_walk(st);
	case RANKING:
		r = choose(st);
		st->phase = READING;
		return r < 0 ? r : VMV_MORE;
	case READING:
	case IDLE:
		break;
	}
	st->phase = IDLE;
	return 0;
}

static int step(struct cgroup_state *st, struct vmv_sink *sink, unsigned *budget)
{
	size_t i = st->at++;

	if (st->phase == READING && !st->nodes[i].is_chosen)
		return 0;
	(*budget)--;
	if (st->phase == WALKING)
		return visit(st, i);
	if (st->phase == READING)
		return deliver(st, i, sink);
	vmv_cgroup_read_rank(&st->tree, path_of(st, &st->nodes[i]), &st->nodes[i].cpu,
			     &st->nodes[i].memory);
	return 0;
}

static int take_turn(struct cgroup_state *st, struct vmv_sink *sink)
{
	unsigned budget = VMV_CGROUP_SLICE;
	int r = st->phase == IDLE ? begin(st) : 0;

	while (r >= 0 && st->phase != IDLE && budget > 0) {
		if (st->at < st->n)
			r = step(st, sink, &budget);
		else
			r = next_phase(st);
	}
	if (r < 0)
		return r;
	return st->phase == IDLE ? 0 : VMV_MORE;
}

static int cgroup_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
		       struct vmv_err *err)
{
	struct cgroup_state *st = state;
	int r = take_turn(st, sink);

	(void)root;
	if (r >= 0)
		return r;
	st->phase = IDLE;
	return vmv_fail(err, VMV_E_IO, -r, "cannot read /sys/fs/cgroup: %s", strerror(-r));
}

const struct vmv_collector vmv_collector_cgroup = {
	.name = "cgroup",
	.help = "Control groups, which are units and containers: CPU, memory, processes, disk.",
	.file = "/sys/fs/cgroup",
	.key = "cgroup",
	.fields = fields,
	.n_fields = VMV_COUNTOF(fields),
	.sample_size = sizeof(struct vmv_cgroup_sample),
	.min_period_ms = 5000,
	.is_default = false,
	.open = cgroup_open,
	.close = cgroup_close,
	.read = cgroup_read,
};
