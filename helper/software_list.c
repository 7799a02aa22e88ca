/* Lists of what is installed, and of what a search finds. */
#include "helper/software.h"

#include "base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>

#define DPKG_INFO "var/lib/dpkg/info"

static void begin(struct vmv_software *s)
{
	vmv_jw_open(&s->w, NULL);
	vmv_software_time(&s->w, "generated_at", s->now_ms);
}

/* -- packages -------------------------------------------------------------------------------- */

static void write_package(struct vmv_jw *w, const struct vmv_package *p)
{
	vmv_jw_open(w, NULL);
	vmv_software_text(w, "name", p->name);
	vmv_software_text(w, "version", p->version);
	vmv_jw_bool(w, "installed", true);
	vmv_software_text(w, "description", p->description);
	vmv_software_text(w, "architecture", p->arch);
	vmv_software_text(w, "source", p->source);
	vmv_software_text(w, "vendor", p->vendor);
	vmv_jw_close(w);
}

int vmv_software_packages(struct vmv_software *s)
{
	const struct vmv_packages *list = &s->inventory.list;

	begin(s);
	s->is_cut = list->is_cut;
	vmv_jw_str(&s->w, "package_manager", vmv_manager_name(s->look.here.which));
	vmv_jw_array(&s->w, "packages");
	for (; s->count < list->n; s->count++) {
		struct vmv_jw_mark mark = vmv_jw_mark(&s->w);

		write_package(&s->w, &list->items[s->count]);
		if (vmv_software_full(s, mark))
			break;
	}
	vmv_jw_end(&s->w);
	vmv_jw_u64(&s->w, "count", s->count);
	vmv_jw_close(&s->w);
	return 0;
}

/* -- search ---------------------------------------------------------------------------------- */

static void write_hit(struct vmv_jw *w, const struct vmv_package *p)
{
	vmv_jw_open(w, NULL);
	vmv_software_text(w, "name", p->name);
	vmv_software_text(w, "version", p->version);
	vmv_software_text(w, "description", p->description);
	vmv_jw_bool(w, "installed", p->is_installed);
	vmv_jw_close(w);
}

int vmv_software_search(struct vmv_software *s)
{
	struct vmv_found found = { .is_cut = false };
	int r = vmv_inventory_search(&s->look, &s->inventory, s->operand, VMV_FOUND_MAX, &found);

	begin(s);
	s->is_cut = found.is_cut;
	vmv_jw_array(&s->w, "packages");
	for (; r == 0 && s->count < found.list.n; s->count++) {
		struct vmv_jw_mark mark = vmv_jw_mark(&s->w);

		write_hit(&s->w, &found.list.items[s->count]);
		if (vmv_software_full(s, mark))
			break;
	}
	vmv_jw_end(&s->w);
	vmv_jw_u64(&s->w, "count", s->count);
	vmv_jw_close(&s->w);
	vmv_found_free(&found);
	return r;
}

/* -- applications ---------------------------------------------------------------------------- */

/* dpkg does not note when; its list of a package's files is written then. Those of several
 * architectures have it in their names. */
static int64_t dpkg_installed_ms(const struct vmv_software *s, const struct vmv_package *p)
{
	char path[512];
	struct stat st;

	(void)snprintf(path, sizeof(path), DPKG_INFO "/%.*s.list", (int)p->name.len, p->name.s);
	if (fstatat(s->look.top, path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		(void)snprintf(path, sizeof(path), DPKG_INFO "/%.*s:%.*s.list", (int)p->name.len,
			       p->name.s, (int)p->arch.len, p->arch.s ? p->arch.s : "");
		if (fstatat(s->look.top, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -1;
	}
	return (int64_t)st.st_mtim.tv_sec * 1000;
}

static int64_t installed_ms(const struct vmv_software *s, const struct vmv_package *p)
{
	if (p->installed_s <= INT64_MAX / 1000)
		return (int64_t)p->installed_s * 1000;
	return s->look.here.which == VMV_APT ? dpkg_installed_ms(s, p) : -1;
}

static void write_application(struct vmv_software *s, const struct vmv_package *p)
{
	double mb = p->size == VMV_UNSET ? (double)NAN : (double)p->size / (double)VMV_MIB;

	vmv_software_text(&s->w, "name", p->name);
	vmv_software_text(&s->w, "version", p->version);
	vmv_software_text(&s->w, "publisher", p->vendor);
	vmv_software_time(&s->w, "install_date", installed_ms(s, p));
	vmv_jw_null(&s->w, "install_location");
	vmv_jw_num(&s->w, "size_mb", mb, 2);
}

int vmv_software_applications(struct vmv_software *s)
{
	const struct vmv_packages *list = &s->inventory.list;

	begin(s);
	s->is_cut = list->is_cut || list->n > VMV_APPLICATIONS_MAX;
	vmv_jw_array(&s->w, "applications");
	for (; s->count < list->n && s->count < VMV_APPLICATIONS_MAX; s->count++) {
		struct vmv_jw_mark mark = vmv_jw_mark(&s->w);

		vmv_jw_open(&s->w, NULL);
		write_application(s, &list->items[s->count]);
		vmv_jw_close(&s->w);
		if (vmv_software_full(s, mark))
			break;
	}
	vmv_jw_end(&s->w);
	vmv_jw_u64(&s->w, "count", s->count);
	vmv_jw_close(&s->w);
	return 0;
}

int vmv_software_application(struct vmv_software *s)
{
	const struct vmv_package *p = vmv_packages_named(&s->inventory.list, s->operand);

	if (!p) {
		vmv_jw_null(&s->w, NULL);
		return 0;
	}
	s->count = 1;
	begin(s);
	write_application(s, p);
	vmv_software_text(&s->w, "description", p->description);
	vmv_jw_close(&s->w);
	return 0;
}
