#include "execd/nonces.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/num.h"
#include "base/root.h"
#include "base/uuid.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The file: a line "vmvitals-nonces 1 BOOT_ID", then one for each nonce:
 *
 *	UNTIL_REAL UNTIL_MONO NONCE CHECK
 *
 * times in ms, the nonce in hex, CHECK the hash of what stands before it. Lines are only appended;
 * when most of them are dead, the whole file is replaced. */
#define FILE_NAME    "nonces"
#define TEMP_NAME    "nonces.new"
#define MAGIC	     "vmvitals-nonces 1 "
#define BOOT_ID_SIZE 64
#define LINE_SIZE    (2 * VMV_NONCE_MAX + 64) /* with LF and NUL */
#define SLACK	     1024		      /* dead lines that are never worth a new file */
#define LIFE_MAX_MS  (2 * VMV_V1_WINDOW_MS)   /* from when it came to keep_until */
#define BUCKETS_MIN  256
#define MARKED	     0 /* until_mono of one that is dead whatever the clocks say */

/* A file of ours is shorter; of a longer one not all can be known. */
#define FILE_MAX ((2 * (size_t)VMV_NONCES_MAX + 2 * SLACK) * LINE_SIZE)

struct entry {
	struct entry *next; /* in its bucket */
	int64_t until_real, until_mono;
	bool is_saved;
	uint8_t len;
	char nonce[]; /* len bytes */
};

struct vmv_nonces {
	char *dir;
	char boot_id[BOOT_ID_SIZE];
	const struct vmv_clock *clock;
	struct entry **buckets; /* n_buckets, a power of two */
	size_t n_buckets;
	size_t n;
	uint64_t seed;
	int fd;		   /* for appending; -1: not open */
	off_t size;	   /* of the file, up to the last whole line */
	size_t lines;	   /* in the file */
	size_t purge_at;   /* entries: then the dead are looked for */
	int64_t purged_ms; /* the last time, by the monotonic clock */
	int64_t floor;	   /* no nonce is known any more that lived until then, or shorter */
	size_t rewrite_at; /* lines: then a new file is worth it */
	bool is_loaded;
	bool must_rewrite; /* the file cannot be appended to: none, another boot's, damaged */
	bool has_unsaved;
	bool is_frozen;
};

/* -- the set -------------------------------------------------------------------------------- */

/* FNV-1a. Only who has the secret gets nonces in here: it need not withstand an attack. */
static uint64_t hash(uint64_t h, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)s[i]) * UINT64_C(0x100000001b3);
	return h ^ h >> 32;
}

static struct entry **bucket_of(const struct vmv_nonces *n, const char *nonce, size_t len)
{
	return &n->buckets[hash(n->seed, nonce, len) & (n->n_buckets - 1)];
}

static struct entry *find(const struct vmv_nonces *n, const char *nonce, size_t len)
{
	for (struct entry *e = *bucket_of(n, nonce, len); e; e = e->next)
		if (e->len == len && memcmp(e->nonce, nonce, len) == 0)
			return e;
	return NULL;
}

static int grow(struct vmv_nonces *n)
{
	struct entry **old = n->buckets, **more;
	size_t n_old = n->n_buckets;

	more = calloc(n_old * 2, sizeof(struct entry *));
	if (!more)
		return -ENOMEM;
	n->buckets = more;
	n->n_buckets = n_old * 2;
	for (size_t i = 0; i < n_old; i++) {
		for (struct entry *e = old[i], *next; e; e = next) {
			struct entry **b = bucket_of(n, e->nonce, e->len);

			next = e->next;
			e->next = *b;
			*b = e;
		}
	}
	free(old);
	return 0;
}

static int insert(struct vmv_nonces *n, const char *nonce, size_t len, int64_t until_real,
		  int64_t until_mono, bool is_saved)
{
	struct entry **b;
	struct entry *e;

	if (n->n >= n->n_buckets && grow(n) < 0)
		return -ENOMEM;
	e = malloc(sizeof(*e) + len);
	if (!e)
		return -ENOMEM;
	b = bucket_of(n, nonce, len);
	*e = (struct entry){ *b, until_real, until_mono, is_saved, (uint8_t)len };
	memcpy(e->nonce, nonce, len);
	*b = e;
	n->n++;
	return 0;
}

static void drop(struct vmv_nonces *n, const struct entry *which)
{
	struct entry **p = bucket_of(n, which->nonce, which->len);
	struct entry *e;

	while (*p != which)
		p = &(*p)->next;
	e = *p;
	*p = e->next;
	free(e);
	n->n--;
}

static void drop_all(struct vmv_nonces *n)
{
	for (size_t i = 0; i < n->n_buckets; i++) {
		for (struct entry *e = n->buckets[i], *next; e; e = next) {
			next = e->next;
			free(e);
		}
		n->buckets[i] = NULL;
	}
	n->n = 0;
}

static int64_t mono_ms(const struct vmv_nonces *n)
{
	return (int64_t)vmv_mono_ms(n->clock);
}

/* By both clocks: a step forward makes nobody old, after a step back an envelope is fresh again. */
static bool is_dead(const struct entry *e, int64_t real, int64_t mono)
{
	return real > e->until_real && mono > e->until_mono;
}

/* Anybody may set the clock back, guest-set-time is not signed: envelopes whose nonces are
 * forgotten would be fresh again. So the latest of the dead stays, and none passes that would have
 * died before it. It is marked, to be known as such whatever the clocks of the next boot say. */
static struct entry *find_last_dead(struct vmv_nonces *n, int64_t real, int64_t mono)
{
	struct entry *last = NULL;

	for (size_t i = 0; i < n->n_buckets; i++) {
		for (struct entry *e = n->buckets[i]; e; e = e->next) {
			if (mono > e->until_mono && e->until_real > n->floor)
				n->floor = e->until_real;
			if (is_dead(e, real, mono) && (!last || e->until_real > last->until_real))
				last = e;
		}
	}
	if (last)
		last->until_mono = MARKED;
	return last;
}

static void purge(struct vmv_nonces *n)
{
	int64_t real = vmv_real_ms(n->clock), mono = mono_ms(n);
	const struct entry *last = find_last_dead(n, real, mono);

	for (size_t i = 0; i < n->n_buckets; i++) {
		for (struct entry **p = &n->buckets[i]; *p;) {
			struct entry *e = *p;

			if (e == last || !is_dead(e, real, mono)) {
				p = &e->next;
				continue;
			}
			*p = e->next;
			free(e);
			n->n--;
		}
	}
	n->purged_ms = mono;
	n->purge_at = n->n * 2 < SLACK ? SLACK : n->n * 2;
	if (n->purge_at > VMV_NONCES_MAX)
		n->purge_at = VMV_NONCES_MAX;
}

/* Now and then; when it is full, not for each of many that are refused. */
static void purge_if_due(struct vmv_nonces *n)
{
	if (n->n >= n->purge_at && (n->n < VMV_NONCES_MAX || mono_ms(n) - n->purged_ms >= 1000))
		purge(n);
}

/* -- lines ----------------------------------------------------------------------------------- */

static size_t format(const struct entry *e, char line[LINE_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	char *p = line + snprintf(line, LINE_SIZE, "%" PRId64 " %" PRId64 " ", e->until_real,
				  e->until_mono);

	for (size_t i = 0; i < e->len; i++) {
		*p++ = digits[(unsigned char)e->nonce[i] >> 4];
		*p++ = digits[e->nonce[i] & 0xf];
	}
	p += snprintf(p, (size_t)(line + LINE_SIZE - p), " %08" PRIx32 "\n",
		      (uint32_t)hash(0, line, (size_t)(p - line)));
	return (size_t)(p - line);
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Returns the length, 0 when it is no nonce. */
static size_t parse_nonce(const char *hex, const char *end, char ret[VMV_NONCE_MAX])
{
	size_t len = (size_t)(end - hex) / 2;

	if ((end - hex) % 2 || len > VMV_NONCE_MAX)
		return 0;
	for (size_t i = 0; i < len; i++) {
		int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return 0;
		ret[i] = (char)(high << 4 | low);
	}
	return len;
}

/* A line that ends in a NUL. nonce receives *ret_len bytes. */
static bool parse_line(const char *line, int64_t *real, int64_t *mono, char nonce[VMV_NONCE_MAX],
		       size_t *ret_len)
{
	const char *p, *end;
	uint64_t check;

	if (vmv_parse_i64(line, real, &p) < 0 || *p++ != ' ' || vmv_parse_i64(p, mono, &p) < 0 ||
	    *p++ != ' ')
		return false;
	end = strchr(p, ' ');
	if (!end || vmv_parse_hex(end + 1, &check, &line) < 0 || *line || strlen(end + 1) != 8)
		return false;
	*ret_len = parse_nonce(p, end, nonce);
	return *ret_len > 0;
}

/* -- reading --------------------------------------------------------------------------------- */

/* What another boot's monotonic clock said is of no use: it lives as long as it could. No entry
 * lives longer by it than one that comes now. */
static int64_t mono_of(const struct vmv_nonces *n, bool is_this_boot, int64_t mono)
{
	int64_t most = mono_ms(n) + LIFE_MAX_MS;

	if (mono == MARKED)
		return MARKED;
	return !is_this_boot || mono > most ? most : mono;
}

/* Takes one line; a garbled one is skipped. Returns whether it was good, or -ENOMEM. */
static int load_line(struct vmv_nonces *n, char *line, size_t len, bool is_this_boot)
{
	char nonce[VMV_NONCE_MAX];
	size_t nonce_len = 0;
	int64_t real = 0, mono = 0;
	uint64_t check = 0;
	struct entry *e;

	if (len < 9 || strlen(line) != len || vmv_parse_hex(line + len - 8, &check, NULL) < 0 ||
	    check != (uint32_t)hash(0, line, len - 9) ||
	    !parse_line(line, &real, &mono, nonce, &nonce_len))
		return 0;
	mono = mono_of(n, is_this_boot, mono);
	e = find(n, nonce, nonce_len);
	if (!e)
		return insert(n, nonce, nonce_len, real, mono, true) < 0 ? -ENOMEM : 1;
	if (real > e->until_real) /* it was used again after it had died */
		e->until_real = real;
	if (mono > e->until_mono)
		e->until_mono = mono;
	return 1;
}

/* The whole text of the file; it ends in a NUL. */
static int load_text(struct vmv_nonces *n, char *text, size_t size)
{
	size_t garbled = 0, at = 0;
	char *nl = memchr(text, '\n', size);
	bool is_good = nl && strncmp(text, MAGIC, strlen(MAGIC)) == 0;
	bool is_this_boot = false;
	int r;

	if (is_good) {
		*nl = '\0';
		is_this_boot = strcmp(text + strlen(MAGIC), n->boot_id) == 0;
		at = (size_t)(nl + 1 - text);
	}
	for (; (nl = memchr(text + at, '\n', size - at)); at = (size_t)(nl + 1 - text)) {
		*nl = '\0';
		r = load_line(n, text + at, (size_t)(nl - text) - at, is_this_boot);
		if (r < 0)
			return r;
		garbled += r == 0;
		n->lines++;
	}
	if (garbled > 0 || !is_good)
		vmv_log(VMV_LOG_WARNING, "nonces",
			"'%s/" FILE_NAME "' is damaged: %zu lines ignored, %zu kept", n->dir,
			garbled, n->n);
	/* what follows the last LF is a record that was being written: nobody was told it was done
	 */
	n->size = (off_t)at;
	n->must_rewrite = !is_this_boot || garbled > 0 || at < size;
	return 0;
}

static int check_owner(int fd, mode_t type)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_mode & S_IFMT) != type || st.st_uid != geteuid() ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)))
		return -EPERM;
	return 0;
}

/* Returns a descriptor or negative errno. */
static int open_dir(const struct vmv_nonces *n)
{
	vmv_autoclose int dir = open(n->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = dir < 0 ? -errno : check_owner(dir, S_IFDIR);

	return r < 0 ? r : VMV_TAKE(dir, -1);
}

/* No file is a beginning; no directory is not: it may be mounted later, with the file. */
static int load_file(struct vmv_nonces *n)
{
	vmv_autoclose int dir = open_dir(n);
	vmv_autoclose int fd = -1;
	vmv_autofree char *text = NULL;
	size_t cap = 0;
	int r;

	if (dir < 0)
		return dir;
	fd = openat(dir, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		n->must_rewrite = true;
		return 0;
	}
	if (fd < 0)
		return -errno;
	r = check_owner(fd, S_IFREG);
	if (r == 0)
		r = vmv_read_table_fd(fd, &text, &cap, FILE_MAX);
	return r < 0 ? r : load_text(n, text, (size_t)r);
}

/* A file that is there and cannot be read is an error as long as it is so: without it anything that
 * was recorded could pass. */
static int load(struct vmv_nonces *n)
{
	int r;

	n->lines = 0;
	n->size = 0;
	r = load_file(n);
	if (r < 0) {
		drop_all(n);
		vmv_log(VMV_LOG_ERROR, "nonces", "cannot read '%s/" FILE_NAME "': %s", n->dir,
			r == -EPERM ? "it or its directory belongs to or can be written by others"
				    : strerror(-r));
		return r;
	}
	purge(n);
	n->is_loaded = true;
	return 0;
}

/* -- writing --------------------------------------------------------------------------------- */

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t w = write(fd, data, len);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		data += w;
		len -= (size_t)w;
	}
	return 0;
}

static void mark_saved(struct vmv_nonces *n)
{
	for (size_t i = 0; i < n->n_buckets; i++)
		for (struct entry *e = n->buckets[i]; e; e = e->next)
			e->is_saved = true;
	n->has_unsaved = false;
}

/* The lines of all entries, or of those that are not saved. Returns their number, or -ENOMEM. */
static int collect(const struct vmv_nonces *n, bool all, struct vmv_buf *ret)
{
	char line[LINE_SIZE];
	int count = 0, r;

	for (size_t i = 0; i < n->n_buckets; i++) {
		for (const struct entry *e = n->buckets[i]; e; e = e->next) {
			if (!all && e->is_saved)
				continue;
			r = vmv_buf_add(ret, line, format(e, line));
			if (r < 0)
				return -ENOMEM;
			count++;
		}
	}
	return count;
}

static void close_file(struct vmv_nonces *n)
{
	if (n->fd >= 0)
		(void)close(n->fd);
	n->fd = -1;
}

/* Writes text as the new file. Returns its descriptor, or negative errno and the old one stays. */
static int replace(int dir, const struct vmv_buf *text)
{
	vmv_autoclose int fd = -1;
	int r;

	if (unlinkat(dir, TEMP_NAME, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(dir, TEMP_NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text->data, text->len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(dir, TEMP_NAME, dir, FILE_NAME) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dir, TEMP_NAME, 0);
		return r;
	}
	/* renamed, but perhaps not for ever: the caller must not count on the old one either */
	return fsync(dir) < 0 ? -errno : VMV_TAKE(fd, -1);
}

static int rewrite_file(struct vmv_nonces *n)
{
	struct vmv_buf text = { .max = FILE_MAX };
	vmv_autoclose int dir = open_dir(n);
	char head[sizeof(MAGIC) + BOOT_ID_SIZE + 1];
	int len = snprintf(head, sizeof(head), MAGIC "%s\n", n->boot_id);
	int count, fd;

	if (dir < 0)
		return dir;
	if (vmv_buf_add(&text, head, (size_t)len) < 0 || (count = collect(n, true, &text)) < 0) {
		vmv_buf_free(&text);
		return -ENOMEM;
	}
	close_file(n);
	n->must_rewrite = true; /* whatever happens, until it is done */
	fd = replace(dir, &text);
	if (fd >= 0) {
		n->fd = fd;
		n->size = (off_t)text.len;
		n->lines = (size_t)count;
		n->rewrite_at = n->lines * 2 + SLACK;
		n->must_rewrite = false;
		mark_saved(n);
	}
	vmv_buf_free(&text);
	return fd < 0 ? fd : 0;
}

static int open_file(struct vmv_nonces *n)
{
	vmv_autoclose int dir = open_dir(n);
	vmv_autoclose int fd = -1;
	int r;

	if (dir < 0)
		return dir;
	fd = openat(dir, FILE_NAME, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = check_owner(fd, S_IFREG);
	if (r < 0)
		return r;
	n->fd = VMV_TAKE(fd, -1);
	n->rewrite_at = n->n * 2 + SLACK;
	return 0;
}

/* At the place we know of: what a failed write left there is written over. After a failed fsync
 * nobody knows what is on the disk: then the file is written anew. */
static int append(struct vmv_nonces *n, const char *text, size_t len, size_t lines)
{
	int r = n->fd < 0 ? open_file(n) : 0;

	if (r < 0)
		return r;
	if (lseek(n->fd, n->size, SEEK_SET) < 0)
		return -errno;
	r = write_all(n->fd, text, len);
	if (r == 0 && fdatasync(n->fd) < 0) {
		r = -errno;
		n->must_rewrite = true;
	}
	if (r < 0) {
		if (ftruncate(n->fd, n->size) < 0)
			n->must_rewrite = true;
		return r;
	}
	n->size += (off_t)len;
	n->lines += lines;
	return 0;
}

static int save_unsaved(struct vmv_nonces *n)
{
	struct vmv_buf text = { .max = FILE_MAX };
	int count = collect(n, false, &text);
	int r = count < 0 ? count : append(n, text.data, text.len, (size_t)count);

	vmv_buf_free(&text);
	if (r == 0)
		mark_saved(n);
	return r;
}

/* Brings the file to what is in memory. */
static int save_all(struct vmv_nonces *n)
{
	int r = 0;

	if (n->must_rewrite)
		r = rewrite_file(n);
	else if (n->has_unsaved)
		r = save_unsaved(n);
	if (r < 0)
		vmv_log(VMV_LOG_ERROR, "nonces", "cannot write '%s/" FILE_NAME "': %s", n->dir,
			strerror(-r));
	return r;
}

/* The one that has just come. It goes by the same way as all others, if these wait, too. */
static int save(struct vmv_nonces *n, struct entry *e)
{
	char line[LINE_SIZE];
	int r;

	if (n->is_frozen) {
		n->has_unsaved = true;
		return 0;
	}
	if (n->size > (off_t)(FILE_MAX - LINE_SIZE))
		n->must_rewrite =
			true; /* replacing it has failed for long: not more than is read back */
	if (n->has_unsaved || n->must_rewrite)
		return save_all(n);
	r = append(n, line, format(e, line), 1);
	if (r < 0) {
		vmv_log(VMV_LOG_ERROR, "nonces", "cannot write '%s/" FILE_NAME "': %s", n->dir,
			strerror(-r));
		return r;
	}
	e->is_saved = true;
	return 0;
}

/* Most of the file is dead: a smaller one. If that fails the old one still does. */
static void rewrite_if_worth_it(struct vmv_nonces *n)
{
	int r;

	if (n->is_frozen || n->has_unsaved || n->lines < n->rewrite_at)
		return;
	purge(n);
	n->rewrite_at = n->lines + SLACK; /* not again at once, if it fails or all are alive */
	if (n->n * 2 > n->lines)
		return;
	r = rewrite_file(n);
	if (r < 0)
		vmv_log(VMV_LOG_WARNING, "nonces",
			"cannot replace '%s/" FILE_NAME "', ignoring: %s", n->dir, strerror(-r));
}

/* -- the outside ------------------------------------------------------------------------------ */

struct vmv_nonces *vmv_nonces_new(const char *dir, const char *boot_id,
				  const struct vmv_clock *clock)
{
	struct vmv_nonces *n;

	if (!*boot_id || strlen(boot_id) >= BOOT_ID_SIZE || strpbrk(boot_id, " \n"))
		return NULL;
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->fd = -1;
	n->floor = INT64_MIN;
	n->clock = clock;
	n->n_buckets = BUCKETS_MIN;
	n->purge_at = SLACK;
	n->seed = (uint64_t)vmv_random_below(UINT32_MAX) | UINT64_C(1) << 40;
	memcpy(n->boot_id, boot_id, strlen(boot_id) + 1);
	n->dir = strdup(dir);
	n->buckets = calloc(n->n_buckets, sizeof(struct entry *));
	if (!n->dir || !n->buckets) {
		vmv_nonces_free(n);
		return NULL;
	}
	return n;
}

void vmv_nonces_free(struct vmv_nonces *n)
{
	if (!n)
		return;
	if (n->is_loaded && !n->is_frozen && n->has_unsaved)
		(void)save_all(n);
	close_file(n);
	if (n->buckets)
		drop_all(n);
	free(n->buckets);
	free(n->dir);
	free(n);
}

/* How long it lives by the monotonic clock. */
static int64_t life_of(const struct vmv_nonces *n, int64_t until_real)
{
	int64_t life;

	if (__builtin_sub_overflow(until_real, vmv_real_ms(n->clock), &life) || life > LIFE_MAX_MS)
		return LIFE_MAX_MS;
	return life < 0 ? 0 : life;
}

int vmv_nonces_use(struct vmv_nonces *n, const char *nonce, size_t len, int64_t keep_until_real_ms)
{
	int64_t real = vmv_real_ms(n->clock), mono = mono_ms(n);
	struct entry *e;
	int r = n->is_loaded ? 0 : load(n);

	if (r < 0)
		return r;
	if (len < 1 || len > VMV_NONCE_MAX)
		return -EINVAL;
	purge_if_due(n);
	e = find(n, nonce, len);
	if ((e && !is_dead(e, real, mono)) || keep_until_real_ms <= n->floor)
		return -EEXIST;
	if (e)
		drop(n, e);
	if (n->n >= VMV_NONCES_MAX)
		return -ENOSPC;
	r = insert(n, nonce, len, keep_until_real_ms, mono + life_of(n, keep_until_real_ms), false);
	if (r < 0)
		return r;
	e = find(n, nonce, len);
	r = save(n, e);
	if (r < 0) {
		drop(n, e);
		return r;
	}
	rewrite_if_worth_it(n);
	return 0;
}

int vmv_nonces_set_frozen(struct vmv_nonces *n, bool is_frozen)
{
	n->is_frozen = is_frozen;
	return is_frozen || !n->is_loaded || !n->has_unsaved ? 0 : save_all(n);
}

size_t vmv_nonces_count(const struct vmv_nonces *n)
{
	return n->n;
}
