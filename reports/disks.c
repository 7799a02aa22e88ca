#include "reports/disks.h"

#include "base/err.h"
#include "base/num.h"
#include "base/utf8.h"
#include "collectors/filesystem.h"
#include "proto/json_write.h"
#include "reports/facts.h"
#include "reports/pick.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define GIB	   (1024.0 * 1024.0 * 1024.0)
#define NAME_SHOWN 120 /* bytes of a mount point in the line for people */

enum status { OK, WARNING, CRITICAL };

static const char *const words[] = { "ok", "warning", "critical" };

struct disks {
	const struct vmv_filesystem_sample *rows;
	size_t n;
	struct vmv_disk_lines lines;
	size_t known, stuck, shown;
	const struct vmv_filesystem_sample *worst; /* NULL: none is known */
};

static bool is_known(const struct vmv_filesystem_sample *s)
{
	return s->size != VMV_UNSET && s->free != VMV_UNSET && s->avail != VMV_UNSET &&
	       s->free <= s->size && (s->size > s->free || s->avail > 0);
}

static double used_of(const struct vmv_filesystem_sample *s)
{
	return (double)(s->size - s->free);
}

/* As df shows it. */
static double percent_of(const struct vmv_filesystem_sample *s)
{
	return 100 * used_of(s) / (used_of(s) + (double)s->avail);
}

static enum status status_of(const struct disks *d, const struct vmv_filesystem_sample *s)
{
	double percent = percent_of(s);

	if (percent >= d->lines.critical)
		return CRITICAL;
	return percent >= d->lines.warning ? WARNING : OK;
}

static void look(struct disks *d)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct vmv_filesystem_sample *s = &d->rows[i];

		d->stuck += s->stuck == 1;
		if (!is_known(s))
			continue;
		d->known++;
		if (!d->worst || percent_of(s) > percent_of(d->worst))
			d->worst = s;
	}
}

/* -- writing ----------------------------------------------------------------------------------- */

static void write_disk(struct vmv_jw *w, const struct disks *d,
		       const struct vmv_filesystem_sample *s)
{
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "mount_point", s->mount_point);
	vmv_jw_str(w, "filesystem", s->fstype);
	vmv_jw_num(w, "total_gb", (double)s->size / GIB, 2);
	vmv_jw_num(w, "used_gb", used_of(s) / GIB, 2);
	vmv_jw_num(w, "available_gb", (double)s->avail / GIB, 2);
	vmv_jw_num(w, "usage_percent", percent_of(s), 1);
	vmv_jw_str(w, "status", words[status_of(d, s)]);
	vmv_jw_close(w);
}

/* The same once more, for hosts that think in drives. */
static void write_drive(struct vmv_jw *w, const struct disks *d,
			const struct vmv_filesystem_sample *s)
{
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "drive", s->mount_point);
	vmv_jw_str(w, "drive_letter", s->mount_point);
	vmv_jw_str(w, "label", "");
	vmv_jw_num(w, "total_gb", (double)s->size / GIB, 2);
	vmv_jw_num(w, "used_gb", used_of(s) / GIB, 2);
	vmv_jw_num(w, "free_gb", (double)s->avail / GIB, 2);
	vmv_jw_num(w, "available_gb", (double)s->avail / GIB, 2);
	vmv_jw_num(w, "used_percent", percent_of(s), 1);
	vmv_jw_str(w, "status", words[status_of(d, s)]);
	vmv_jw_close(w);
}

/* Disks take a quarter of the room: what a drive says of the same filesystem is less than twice as
 * long. */
static void write_disks(struct vmv_jw *w, struct disks *d)
{
	size_t least = vmv_jw_remaining(w) / 4 * 3;

	vmv_jw_array(w, "disks");
	for (size_t i = 0; i < d->n; i++) {
		struct vmv_jw_mark mark = vmv_jw_mark(w);

		if (!is_known(&d->rows[i]))
			continue;
		write_disk(w, d, &d->rows[i]);
		if (vmv_jw_remaining(w) < least) {
			vmv_jw_rewind(w, mark);
			break;
		}
		d->shown++;
	}
	vmv_jw_end(w);
}

static void write_drives(struct vmv_jw *w, const struct disks *d)
{
	size_t n = 0;

	vmv_jw_array(w, "drives");
	for (size_t i = 0; i < d->n && n < d->shown; i++) {
		if (!is_known(&d->rows[i]))
			continue;
		write_drive(w, d, &d->rows[i]);
		n++;
	}
	vmv_jw_end(w);
}

/* Returns how many. */
static size_t write_stuck(struct vmv_jw *w, const struct disks *d)
{
	size_t n = 0;

	vmv_jw_array(w, "stuck");
	for (size_t i = 0; i < d->n; i++) {
		struct vmv_jw_mark mark = vmv_jw_mark(w);

		if (d->rows[i].stuck != 1)
			continue;
		vmv_jw_str(w, NULL, d->rows[i].mount_point);
		if (vmv_jw_remaining(w) < VMV_JW_TAIL) {
			vmv_jw_rewind(w, mark);
			break;
		}
		n++;
	}
	vmv_jw_end(w);
	return n;
}

/* A mount point may hold anything. */
static void write_text(const struct disks *d, char ret[VMV_DISKS_TEXT])
{
	enum status status = d->worst ? status_of(d, d->worst) : OK;
	size_t len = d->worst ? vmv_utf8_cut(d->worst->mount_point, strlen(d->worst->mount_point),
					     NAME_SHOWN)
			      : 0;
	char stuck[40] = "";

	if (d->stuck > 0)
		(void)snprintf(stuck, sizeof(stuck), "; %zu stuck", d->stuck);
	if (status == OK)
		(void)snprintf(ret, VMV_DISKS_TEXT, "ok: %zu filesystem%s%s", d->known,
			       d->known == 1 ? "" : "s", stuck);
	else
		(void)snprintf(ret, VMV_DISKS_TEXT, "%s: %.*s %.1f %% used%s", words[status],
			       (int)len, d->worst->mount_point, percent_of(d->worst), stuck);
	for (; *ret; ret++)
		if ((unsigned char)*ret < ' ' || *ret == 0x7f)
			*ret = '?';
}

static void write_all(struct vmv_jw *w, struct disks *d, bool *ret_is_cut)
{
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "status", words[d->worst ? status_of(d, d->worst) : OK]);
	write_disks(w, d);
	write_drives(w, d);
	vmv_jw_double(w, "warning_threshold", d->lines.warning);
	vmv_jw_double(w, "critical_threshold", d->lines.critical);
	*ret_is_cut = write_stuck(w, d) < d->stuck || d->shown < d->known;
	vmv_jw_close(w);
}

int vmv_disks_write(struct vmv_jw *w, const struct vmv_facts *f, struct vmv_disk_lines lines,
		    char ret_text[VMV_DISKS_TEXT], bool *ret_is_cut, struct vmv_err *err)
{
	struct vmv_pick p = vmv_pick_rows(f, "filesystem");
	struct disks d = {
		.rows = (const struct vmv_filesystem_sample *)(const void *)p.rows,
		.n = p.n,
		.lines = lines,
	};

	if (!p.is_ok && p.n == 0)
		return vmv_fail(err, VMV_E_IO, ENODATA, "mounted filesystems cannot be read");
	look(&d);
	if (d.known == 0 && d.n > 0)
		return vmv_fail(err, VMV_E_IO, ENODATA,
				"none of %zu filesystems tells its size, %zu of them are stuck",
				d.n, d.stuck);
	write_all(w, &d, ret_is_cut);
	write_text(&d, ret_text);
	return 0;
}
