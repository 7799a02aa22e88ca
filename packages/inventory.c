#include "packages/inventory.h"

#include "base/cleanup.h"
#include "base/num.h"
#include "base/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUTPUT_MAX   ((size_t)16 << 20)
#define PACMAN_DESC  65536 /* bytes of one desc file; a longer one is left out */
#define LISTS_LOOKED 1024  /* entries of a directory of lists */

/* -- children -------------------------------------------------------------------------------- */

/* Runs what an operation takes. *ret is owned by the caller, NUL-terminated. Returns the exit code
 * or negative errno. */
static int run_words(const struct vmv_look *look, const struct vmv_argv *argv, char **ret,
		     bool *ret_is_cut)
{
	struct vmv_buf out = { .max = OUTPUT_MAX + 1 };
	int r, code;

	out.max = OUTPUT_MAX;
	code = look->run(look->arg, argv->words, &out, ret_is_cut);
	out.max++;
	r = code < 0 ? code : vmv_buf_add(&out, "", 1);
	if (r < 0) {
		vmv_buf_free(&out);
		return r;
	}
	*ret = out.data;
	return code;
}

static int run(const struct vmv_look *look, enum vmv_operation op, const char *operand, char **ret,
	       bool *ret_is_cut)
{
	VMV_CLEANUP(vmv_argv_free) struct vmv_argv argv = { .n = 0 };
	int r = vmv_manager_argv(&look->here, op, operand, 0, &argv);

	*ret_is_cut = false;
	return r < 0 ? r : run_words(look, &argv, ret, ret_is_cut);
}

/* -- what is installed ----------------------------------------------------------------------- */

static int add_desc(int dir, const char *name, char *buf, struct vmv_buf *all)
{
	char path[NAME_MAX + 8];
	int n;

	if (snprintf(path, sizeof(path), "%s/desc", name) >= (int)sizeof(path))
		return 0;
	n = vmv_read_at(dir, path, buf, PACMAN_DESC);
	if (n < 0)
		return n == -ENOMEM ? n : 0; /* gone meanwhile, or the file that is no directory */
	/* each begins at the beginning of a line */
	return vmv_buf_add(all, buf, (size_t)n) < 0 ? -EFBIG : vmv_buf_add(all, "\n", 1);
}

/* pacman has a directory for each package. */
static int read_pacman(int top, const char *path, char **ret)
{
	struct vmv_buf all = { .max = VMV_INVENTORY_TEXT_MAX };
	int fd = openat(top, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	vmv_autoclosedir DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	vmv_autofree char *buf = malloc(PACMAN_DESC);
	struct dirent *e;
	int r = !d ? -errno : !buf ? -ENOMEM : 0;

	if (!d && fd >= 0)
		(void)close(fd);
	while (r == 0 && (e = readdir(d)))
		if (e->d_name[0] != '.')
			r = add_desc(fd, e->d_name, buf, &all);
	if (r == 0)
		r = vmv_buf_add(&all, "", 1);
	if (r < 0)
		vmv_buf_free(&all);
	else
		*ret = all.data;
	return r;
}

static int read_rpm(const struct vmv_look *look, char **ret)
{
	bool is_cut;
	int r = run(look, VMV_OP_INVENTORY, NULL, ret, &is_cut);

	if (r > 0)
		return -EIO;
	return r == 0 && is_cut ? -EFBIG : r;
}

static int read_file(const struct vmv_look *look, struct vmv_inventory *ret)
{
	int r = vmv_read_table_at(look->top, look->here.database, &ret->text, &ret->cap,
				  VMV_INVENTORY_TEXT_MAX);

	return r < 0 ? r : 0;
}

int vmv_inventory_load(const struct vmv_look *look, struct vmv_inventory *ret)
{
	int r = -EOPNOTSUPP;

	switch (look->here.which) {
	case VMV_APT:
		r = read_file(look, ret);
		r = r < 0 ? r : vmv_parse_dpkg(ret->text, &ret->list);
		break;
	case VMV_APK:
		r = read_file(look, ret);
		r = r < 0 ? r : vmv_parse_apk(ret->text, &ret->list);
		break;
	case VMV_DNF:
	case VMV_ZYPPER:
		r = read_rpm(look, &ret->text);
		r = r < 0 ? r : vmv_parse_rpm(ret->text, &ret->list);
		break;
	case VMV_PACMAN:
		r = read_pacman(look->top, look->here.database, &ret->text);
		r = r < 0 ? r : vmv_parse_pacman(ret->text, &ret->list);
		break;
	case VMV_NO_MANAGER:
		break;
	}
	if (r == 0)
		vmv_packages_sort(&ret->list);
	return r;
}

void vmv_inventory_free(struct vmv_inventory *inv)
{
	free(inv->text);
	vmv_packages_free(&inv->list);
	*inv = (struct vmv_inventory){ .cap = 0 };
}

/* -- versions and sizes of what could be installed ------------------------------------------- */

static int add_name(struct vmv_argv *argv, enum vmv_manager m, struct vmv_slice name,
		    struct vmv_slice arch)
{
	char text[512];

	/* what looks like an option is no name */
	if (name.len == 0 || name.s[0] == '-' || name.len + arch.len + 2 > sizeof(text))
		return 0;
	/* "all" is no architecture to ask apt for */
	if (m == VMV_APT && arch.len > 0 && !vmv_slice_is(arch, "all"))
		(void)snprintf(text, sizeof(text), "%.*s:%.*s", (int)name.len, name.s,
			       (int)arch.len, arch.s);
	else if (m == VMV_DNF && arch.len > 0)
		(void)snprintf(text, sizeof(text), "%.*s.%.*s", (int)name.len, name.s,
			       (int)arch.len, arch.s);
	else
		(void)snprintf(text, sizeof(text), "%.*s", (int)name.len, name.s);
	return vmv_argv_add(argv, text);
}

/* Details of names that argv has been filled with; they are an addition: without them, or when
 * they cannot be had, lists are shorter on facts and no less true. ret is sorted. */
static int load_details(const struct vmv_look *look, const struct vmv_argv *argv, char **ret_text,
			struct vmv_packages *ret)
{
	bool is_cut = false;
	int r = run_words(look, argv, ret_text, &is_cut);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	r = look->here.which == VMV_APT ? vmv_parse_dpkg(*ret_text, ret)
					: vmv_parse_dnf_details(*ret_text, ret);
	if (is_cut && ret->n > 0)
		ret->n--; /* it may be half of one */
	vmv_packages_sort(ret);
	return r;
}

/* -- searching ------------------------------------------------------------------------------- */

static int parse_found(enum vmv_manager m, char *text, struct vmv_packages *ret)
{
	switch (m) {
	case VMV_APT:
		return vmv_parse_apt_search(text, ret);
	case VMV_DNF:
		return vmv_parse_dnf_search(text, ret);
	case VMV_ZYPPER:
		return vmv_parse_zypper_search(text, ret);
	case VMV_APK:
		return vmv_parse_apk_search(text, ret);
	case VMV_PACMAN:
		return vmv_parse_pacman_search(text, ret);
	case VMV_NO_MANAGER:
		break;
	}
	return -EOPNOTSUPP;
}

/* Versions that the search did not print. */
static int add_versions(const struct vmv_look *look, struct vmv_found *found)
{
	VMV_CLEANUP(vmv_argv_free) struct vmv_argv argv = { .n = 0 };
	VMV_CLEANUP(vmv_packages_free) struct vmv_packages details = { .n = 0 };
	int r = vmv_manager_argv(&look->here, VMV_OP_DETAILS, NULL, 0, &argv);

	if (r < 0)
		return r == -EOPNOTSUPP ? 0 : r;
	for (size_t i = 0; r == 0 && i < found->list.n; i++)
		r = add_name(&argv, look->here.which, found->list.items[i].name,
			     found->list.items[i].arch);
	if (r == 0 && found->list.n > 0)
		r = load_details(look, &argv, &found->details_text, &details);
	for (size_t i = 0; r == 0 && i < found->list.n; i++) {
		struct vmv_package *p = &found->list.items[i];
		const struct vmv_package *d = vmv_packages_find(&details, p->name, p->arch);

		if (d && !p->version.s)
			p->version = d->version;
	}
	return r;
}

static void add_installed(struct vmv_found *found, const struct vmv_inventory *inv)
{
	for (size_t i = 0; i < found->list.n; i++) {
		struct vmv_package *p = &found->list.items[i];
		const struct vmv_package *is = vmv_packages_find(&inv->list, p->name, p->arch);

		p->is_installed = is != NULL;
		if (is && !p->version.s)
			p->version = is->version;
	}
}

/* A name may be found twice: one for each repository. The first is the manager's choice. */
static void drop_repeated(struct vmv_packages *list)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++)
		if (n == 0 || !vmv_slice_equal(list->items[i].name, list->items[n - 1].name) ||
		    !vmv_slice_equal(list->items[i].arch, list->items[n - 1].arch))
			list->items[n++] = list->items[i];
	list->n = n;
}

/* What tools say when they found nothing is no failure: zypper has a code for it. */
static bool has_searched(enum vmv_manager m, int code)
{
	return code == 0 || (m == VMV_ZYPPER && code == 104) || (m == VMV_PACMAN && code == 1);
}

int vmv_inventory_search(const struct vmv_look *look, const struct vmv_inventory *inv,
			 const char *query, size_t max, struct vmv_found *ret)
{
	enum vmv_manager m = look->here.which;
	char literal[1024];
	int r;

	if (m == VMV_APT || m == VMV_PACMAN) {
		(void)vmv_manager_literal(query, literal, sizeof(literal));
		query = literal;
	}
	r = run(look, VMV_OP_SEARCH, query, &ret->text, &ret->is_cut);
	if (r < 0 || !has_searched(m, r))
		return r < 0 ? r : -EIO;
	r = parse_found(m, ret->text, &ret->list);
	drop_repeated(&ret->list);
	ret->is_cut |= ret->list.is_cut || ret->list.n > max;
	if (ret->list.n > max)
		ret->list.n = max;
	if (r == 0)
		r = add_versions(look, ret);
	if (r == 0)
		add_installed(ret, inv);
	return r;
}

void vmv_found_free(struct vmv_found *found)
{
	free(found->text);
	free(found->details_text);
	vmv_packages_free(&found->list);
	*found = (struct vmv_found){ .is_cut = false };
}

/* -- updates --------------------------------------------------------------------------------- */

static int parse_pending(enum vmv_manager m, char *text, struct vmv_updates *ret)
{
	switch (m) {
	case VMV_APT:
		return vmv_parse_apt_updates(text, ret);
	case VMV_DNF:
		return vmv_parse_dnf_updates(text, ret);
	case VMV_ZYPPER:
		return vmv_parse_zypper_updates(text, ret);
	case VMV_APK:
		return vmv_parse_apk_updates(text, ret);
	case VMV_PACMAN:
		return vmv_parse_pacman_updates(text, ret);
	case VMV_NO_MANAGER:
		break;
	}
	return -EOPNOTSUPP;
}

/* 100 of dnf: there are some; 1 of pacman: there are none. */
static bool has_listed(enum vmv_manager m, int code)
{
	return code == 0 || (m == VMV_DNF && code == 100) || (m == VMV_PACMAN && code == 1);
}

/* A list that is cut would be a wrong number. */
static int load_pending(const struct vmv_look *look, struct vmv_pending *ret)
{
	bool is_cut;
	int r = run(look, VMV_OP_UPDATES, NULL, &ret->text, &is_cut);

	if (r < 0 || !has_listed(look->here.which, r))
		return r < 0 ? r : -EIO;
	return is_cut ? -EFBIG : parse_pending(look->here.which, ret->text, &ret->list);
}

static void set_security(struct vmv_updates *list, int security)
{
	for (size_t i = 0; i < list->n; i++)
		list->items[i].security = (unsigned)security;
}

static uint64_t count_security(const struct vmv_updates *list)
{
	uint64_t n = 0;

	for (size_t i = 0; i < list->n; i++)
		n += list->items[i].security == VMV_SECURITY_YES;
	return n;
}

/* zypper knows of patches which packages they are for only when they are applied: with none
 * pending no update is for security, else it is unknown which are. */
static int take_patches(struct vmv_pending *ret)
{
	int r = vmv_parse_zypper_updates(ret->security_text, &ret->patches);

	if (r < 0)
		return r;
	set_security(&ret->patches, VMV_SECURITY_YES);
	if (ret->patches.n == 0)
		set_security(&ret->list, VMV_SECURITY_NO);
	ret->security_count = ret->patches.n;
	return 0;
}

static int add_security(const struct vmv_look *look, struct vmv_pending *ret)
{
	bool is_cut;
	int r;

	ret->security_count = VMV_UNSET;
	if (look->here.which == VMV_APT)
		ret->security_count = count_security(&ret->list);
	r = run(look, VMV_OP_SECURITY, NULL, &ret->security_text, &is_cut);
	if (r == -ENOMEM)
		return r;
	if (r != 0 || is_cut)
		return 0; /* it remains unknown */
	if (look->here.which == VMV_ZYPPER)
		return take_patches(ret);
	vmv_parse_dnf_security(ret->security_text, &ret->list);
	ret->security_count = count_security(&ret->list);
	return 0;
}

static int add_sizes(const struct vmv_look *look, struct vmv_pending *ret)
{
	VMV_CLEANUP(vmv_argv_free) struct vmv_argv argv = { .n = 0 };
	VMV_CLEANUP(vmv_packages_free) struct vmv_packages details = { .n = 0 };
	int r = vmv_manager_argv(&look->here, VMV_OP_DETAILS, NULL, 0, &argv);

	if (r < 0)
		return r == -EOPNOTSUPP ? 0 : r;
	for (size_t i = 0; r == 0 && i < ret->list.n; i++)
		r = add_name(&argv, look->here.which, ret->list.items[i].name,
			     ret->list.items[i].arch);
	if (r == 0 && ret->list.n > 0)
		r = load_details(look, &argv, &ret->details_text, &details);
	for (size_t i = 0; r == 0 && i < ret->list.n; i++) {
		struct vmv_update *u = &ret->list.items[i];
		const struct vmv_package *d = vmv_packages_find(&details, u->name, u->arch);

		/* the size of another version is no size of this one */
		if (d && vmv_slice_equal(d->version, u->available))
			u->size = d->size;
	}
	return r;
}

/* Of kernels several versions are installed: the one that came last is what is updated. */
static const struct vmv_package *latest_of(const struct vmv_packages *list,
					   const struct vmv_package *p)
{
	const struct vmv_package *end = list->items + list->n, *latest = p;

	for (; p && p < end && vmv_slice_equal(p->name, latest->name) &&
	       vmv_slice_equal(p->arch, latest->arch);
	     p++)
		if (p->installed_s != VMV_UNSET &&
		    (latest->installed_s == VMV_UNSET || p->installed_s >= latest->installed_s))
			latest = p;
	return latest;
}

static void add_current(struct vmv_pending *ret, const struct vmv_inventory *inv)
{
	for (size_t i = 0; i < ret->list.n; i++) {
		struct vmv_update *u = &ret->list.items[i];
		const struct vmv_package *is =
			latest_of(&inv->list, vmv_packages_find(&inv->list, u->name, u->arch));

		if (is && !u->current.s)
			u->current = is->version;
		if (is && !u->arch.s)
			u->arch = is->arch;
	}
}

int vmv_inventory_pending(const struct vmv_look *look, const struct vmv_inventory *inv,
			  struct vmv_pending *ret)
{
	int r = load_pending(look, ret);

	if (r == 0)
		r = add_security(look, ret);
	if (r == 0)
		r = add_sizes(look, ret);
	if (r == 0)
		add_current(ret, inv);
	return r;
}

void vmv_pending_free(struct vmv_pending *pending)
{
	free(pending->text);
	free(pending->security_text);
	free(pending->details_text);
	vmv_updates_free(&pending->list);
	vmv_updates_free(&pending->patches);
	*pending = (struct vmv_pending){ .security_count = VMV_UNSET };
}

/* -- when ------------------------------------------------------------------------------------ */

static void take_newest(int dir, const char *path, int64_t *ms)
{
	struct stat st;
	int64_t t;

	if (fstatat(dir, path, &st, 0) < 0)
		return;
	t = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	if (t > *ms)
		*ms = t;
}

/* Directories of single repositories, as dnf and zypper keep them. */
static void take_entries(int top, const char *path, int64_t *ms)
{
	int fd = openat(top, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	vmv_autoclosedir DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	char name[NAME_MAX + 32];
	struct dirent *e;

	if (!d && fd >= 0)
		(void)close(fd);
	for (unsigned n = 0; d && n < LISTS_LOOKED && (e = readdir(d)); n++) {
		if (e->d_name[0] == '.')
			continue;
		take_newest(fd, e->d_name, ms);
		(void)snprintf(name, sizeof(name), "%s/repodata/repomd.xml", e->d_name);
		take_newest(fd, name, ms);
	}
}

int64_t vmv_lists_refreshed_ms(const struct vmv_look *look)
{
	const char *const *lists = vmv_manager_lists(look->here.which);
	int64_t ms = -1;

	for (; *lists; lists++) {
		take_newest(look->top, *lists, &ms);
		/* apt gives its files the server's times */
		if (look->here.which != VMV_APT)
			take_entries(look->top, *lists, &ms);
	}
	return ms;
}

static void mix(uint64_t *hash, uint64_t n)
{
	for (int i = 0; i < 8; i++, n >>= 8)
		*hash = (*hash ^ (n & 0xff)) * UINT64_C(0x100000001b3);
}

static void mix_file(int top, const char *path, uint64_t *hash)
{
	struct stat st;

	if (fstatat(top, path, &st, 0) < 0) {
		mix(hash, 0);
		return;
	}
	mix(hash, (uint64_t)st.st_size);
	mix(hash, (uint64_t)st.st_ino);
	mix(hash, (uint64_t)st.st_mtim.tv_sec);
	mix(hash, (uint64_t)st.st_mtim.tv_nsec);
}

/* sqlite writes beside the database before it writes into it. */
int vmv_inventory_stamp(int top, const struct vmv_manager_here *here, char *buf, size_t cap)
{
	const struct vmv_look look = { .top = top, .here = *here };
	const char *const *lists = vmv_manager_lists(here->which);
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	char journal[PATH_MAX];

	mix_file(top, here->database, &hash);
	(void)snprintf(journal, sizeof(journal), "%s-wal", here->database);
	mix_file(top, journal, &hash);
	for (; *lists; lists++)
		mix_file(top, *lists, &hash);
	mix(&hash, (uint64_t)vmv_lists_refreshed_ms(&look));
	mix_file(top, "run/reboot-required", &hash);
	if (snprintf(buf, cap, "%016" PRIx64, hash) >= (int)cap)
		return -ENOSPC;
	return 0;
}
