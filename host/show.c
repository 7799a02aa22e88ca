#include "host/show.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "host/identity.h"
#include "host/rates.h"
#include "host/text.h"
#include "host/vitals.h"

#define GIB	       1073741824.0
#define BAR_MAX	       30 /* columns */
#define LABEL	       9  /* columns of the word a line begins with */
#define CORE_LINES_MAX 8
#define PORTS_SHOWN    40
#define SIZE_COLUMN    11 /* "999.9 KiB" and two blanks */

enum style {
	PLAIN,
	BOLD,
	DIM,
	GOOD,
	WARN,
	BAD,
};

static const char *const codes[] = {
	[PLAIN] = "", [BOLD] = "1", [DIM] = "2", [GOOD] = "32", [WARN] = "33", [BAD] = "31",
};

/* What every part of the page is drawn with. */
struct pen {
	const struct vmv_page *page;
	const struct vmv_vitals *v;
	struct vmv_text *out;
	size_t width;
};

static void style_on(const struct pen *p, enum style s)
{
	if (p->page->is_color && s != PLAIN)
		vmv_text_fmt(p->out, "\033[%sm", codes[s]);
}

static void style_off(const struct pen *p, enum style s)
{
	if (p->page->is_color && s != PLAIN)
		vmv_text_add(p->out, "\033[0m");
}

static void styled(const struct pen *p, enum style s, const char *text)
{
	style_on(p, s);
	vmv_text_add(p->out, text);
	style_off(p, s);
}

static void label(const struct pen *p, const char *word)
{
	style_on(p, BOLD);
	vmv_text_cell(p->out, word, LABEL);
	style_off(p, BOLD);
}

static void end_line(const struct pen *p)
{
	vmv_text_add(p->out, "\n");
}

static enum style style_of_percent(double percent)
{
	return !isfinite(percent) ? DIM : percent >= 90 ? BAD : percent >= 75 ? WARN : GOOD;
}

/* " 12.5" or "    -" */
static void percent(const struct pen *p, double value, int decimals)
{
	char text[16];

	if (isfinite(value))
		(void)snprintf(text, sizeof(text), "%5.*f", decimals, value);
	else
		(void)snprintf(text, sizeof(text), "%5s", "-");
	styled(p, style_of_percent(value), text);
}

static void bar(const struct pen *p, double value)
{
	size_t columns = p->width / 2 < BAR_MAX ? p->width / 2 : BAR_MAX;
	size_t full =
		isfinite(value) && value > 0 ? (size_t)lround(value / 100 * (double)columns) : 0;

	if (full > columns)
		full = columns;
	vmv_text_add(p->out, "[");
	style_on(p, style_of_percent(value));
	for (size_t i = 0; i < full; i++)
		vmv_text_add(p->out, "|");
	style_off(p, style_of_percent(value));
	vmv_text_pad(p->out, columns - full);
	vmv_text_add(p->out, "] ");
	percent(p, value, 1);
	vmv_text_add(p->out, " %");
}

static double ratio(uint64_t part, uint64_t whole)
{
	if (part == VMV_UNSET || whole == VMV_UNSET || whole == 0)
		return (double)NAN;
	return 100.0 * (double)part / (double)whole;
}

static const char *kib_text(char buf[VMV_SIZE_TEXT], uint64_t kib)
{
	return vmv_size_text(buf, vmv_mul_sat(kib, 1024));
}

static const char *gib_text(char buf[VMV_SIZE_TEXT], double gib)
{
	return vmv_size_text_num(buf, gib * GIB);
}

static const char *count_text(char buf[VMV_SIZE_TEXT], uint64_t n)
{
	if (n == VMV_UNSET || n > UINT64_C(999999999999999))
		(void)snprintf(buf, VMV_SIZE_TEXT, "-");
	else
		(void)snprintf(buf, VMV_SIZE_TEXT, "%" PRIu64, n);
	return buf;
}

/* The first of the two that says something. */
static const char *either(const char *a, const char *b)
{
	return a && *a ? a : b;
}

static void show_name(const struct pen *p)
{
	const struct vmv_identity *id = p->page->identity;
	size_t columns;

	style_on(p, BOLD);
	columns = vmv_text_guest(p->out, either(id->hostname, p->v->hostname), p->width / 2);
	style_off(p, BOLD);
	vmv_text_add(p->out, "  ");
	(void)vmv_text_guest(p->out, either(id->os, p->v->os_name), p->width - columns - 2);
	end_line(p);
	label(p, "kernel");
	columns = vmv_text_guest(p->out, either(id->kernel, p->v->kernel), p->width / 2);
	vmv_text_add(p->out, "  ");
	(void)vmv_text_guest(p->out, id->arch, p->width - LABEL - columns - 2);
	end_line(p);
}

static void show_agent(const struct pen *p)
{
	const struct vmv_identity *id = p->page->identity;
	size_t columns;

	label(p, "agent");
	columns = vmv_text_guest(p->out, id->agent, 20);
	vmv_text_add(p->out, " ");
	columns += vmv_text_guest(p->out, id->version, 20);
	if (p->width >= LABEL + columns + strlen("   boot ") + VMV_UUID_SIZE) {
		vmv_text_add(p->out, "   boot ");
		(void)vmv_text_guest(p->out, id->boot_id, VMV_UUID_SIZE - 1);
	}
	end_line(p);
}

static void load(const struct pen *p, double value)
{
	if (isfinite(value))
		vmv_text_fmt(p->out, " %.2f", value);
	else
		vmv_text_add(p->out, " -");
}

static void show_uptime(const struct pen *p)
{
	uint64_t s = p->v->uptime_s, days = s / 86400;

	label(p, "up");
	if (s == VMV_UNSET)
		vmv_text_add(p->out, "-");
	else if (days > 0)
		vmv_text_fmt(p->out, "%" PRIu64 " %s %" PRIu64 ":%02" PRIu64, days,
			     days == 1 ? "day" : "days", s / 3600 % 24, s / 60 % 60);
	else
		vmv_text_fmt(p->out, "%" PRIu64 ":%02" PRIu64, s / 3600, s / 60 % 60);
	vmv_text_add(p->out, "   load");
	load(p, p->v->load1);
	load(p, p->v->load5);
	load(p, p->v->load15);
	end_line(p);
}

static void show_cores(const struct pen *p)
{
	size_t per_line = (p->width - LABEL) / 12;
	size_t n = p->v->n_cores, shown = per_line * CORE_LINES_MAX;

	if (shown > n)
		shown = n;
	for (size_t i = 0; i < shown; i++) {
		if (i % per_line == 0)
			vmv_text_pad(p->out, LABEL);
		vmv_text_fmt(p->out, "%6zu:", i);
		percent(p, p->v->cores[i], 1);
		if ((i + 1) % per_line == 0 || i + 1 == shown)
			end_line(p);
	}
	if (shown < n) {
		vmv_text_pad(p->out, LABEL);
		vmv_text_fmt(p->out, "and %zu more\n", n - shown);
	}
}

static void show_cpu(const struct pen *p)
{
	label(p, "cpu");
	bar(p, p->v->cpu_percent);
	vmv_text_add(p->out, "   temperature ");
	if (isfinite(p->v->temperature))
		vmv_text_fmt(p->out, "%.1f C\n", p->v->temperature);
	else
		vmv_text_add(p->out, "-\n");
	show_cores(p);
}

static void show_memory(const struct pen *p)
{
	char used[VMV_SIZE_TEXT], total[VMV_SIZE_TEXT], available[VMV_SIZE_TEXT];

	label(p, "memory");
	bar(p, ratio(p->v->mem_used_kb, p->v->mem_total_kb));
	vmv_text_fmt(p->out, "   %s of %s, %s available\n", kib_text(used, p->v->mem_used_kb),
		     kib_text(total, p->v->mem_total_kb),
		     kib_text(available, p->v->mem_available_kb));
	label(p, "swap");
	if (p->v->swap_total_kb == 0) {
		vmv_text_add(p->out, "none\n");
		return;
	}
	bar(p, ratio(p->v->swap_used_kb, p->v->swap_total_kb));
	vmv_text_fmt(p->out, "   %s of %s\n", kib_text(used, p->v->swap_used_kb),
		     kib_text(total, p->v->swap_total_kb));
}

static void heading(const struct pen *p, const char *text)
{
	end_line(p);
	styled(p, BOLD, text);
	end_line(p);
}

/* Used percent as df(1) has it: what is reserved counts on neither side. */
static double fs_percent(const struct vmv_vitals_fs *fs)
{
	double sum = fs->used_gb + fs->available_gb;

	return isfinite(sum) && sum > 0 ? 100 * fs->used_gb / sum : (double)NAN;
}

static void show_filesystems(const struct pen *p)
{
	size_t mount = p->width - 9 - 3 * SIZE_COLUMN - 7;
	char size[VMV_SIZE_TEXT];

	if (mount > 40)
		mount = 40;
	end_line(p);
	style_on(p, BOLD);
	vmv_text_cell(p->out, "FILESYSTEM", mount);
	vmv_text_add(p->out, "  TYPE          SIZE       USED      AVAIL   USE%");
	style_off(p, BOLD);
	end_line(p);
	for (size_t i = 0; i < p->v->n_filesystems; i++) {
		const struct vmv_vitals_fs *fs = &p->v->filesystems[i];

		vmv_text_cell(p->out, fs->mount_point, mount);
		vmv_text_add(p->out, "  ");
		vmv_text_cell(p->out, fs->type, 7);
		vmv_text_cell_right(p->out, gib_text(size, fs->total_gb), SIZE_COLUMN);
		vmv_text_cell_right(p->out, gib_text(size, fs->used_gb), SIZE_COLUMN);
		vmv_text_cell_right(p->out, gib_text(size, fs->available_gb), SIZE_COLUMN);
		vmv_text_add(p->out, "  ");
		percent(p, fs_percent(fs), 0);
		end_line(p);
	}
}

static void show_disk_io(const struct pen *p)
{
	char bytes[VMV_SIZE_TEXT], ops[VMV_SIZE_TEXT];

	end_line(p);
	label(p, "disk");
	vmv_text_fmt(p->out, "read %s/s (%s/s)   ", vmv_size_text(bytes, p->v->read_bytes_per_sec),
		     count_text(ops, p->v->read_ops_per_sec));
	vmv_text_fmt(p->out, "write %s/s (%s/s)   busy ",
		     vmv_size_text(bytes, p->v->write_bytes_per_sec),
		     count_text(ops, p->v->write_ops_per_sec));
	if (isfinite(p->v->io_percent))
		vmv_text_fmt(p->out, "%.1f %%\n", p->v->io_percent);
	else
		vmv_text_add(p->out, "-\n");
}

/* Columns for the name of an interface: as long as they get, shorter if it is tight. */
static size_t nic_name_columns(const struct pen *p)
{
	return p->page->rates && p->width < 100 ? 12 : 15;
}

static void nic_addresses(const struct pen *p, const struct vmv_vitals_nic *nic)
{
	size_t sizes = p->page->rates ? 4 : 2;
	size_t left = p->width - nic_name_columns(p) - 7 - sizes * SIZE_COLUMN - 2;

	vmv_text_add(p->out, "  ");
	if (nic->n_addresses == 0)
		vmv_text_add(p->out, "-");
	for (size_t i = 0; i < nic->n_addresses && left > 1; i++) {
		if (i > 0) {
			vmv_text_add(p->out, " ");
			left--;
		}
		left -= vmv_text_guest(p->out, nic->addresses[i], left);
	}
	end_line(p);
}

static void show_nic(const struct pen *p, size_t i)
{
	static const char *const states[] = {
		[VMV_NO] = "down", [VMV_YES] = "up", [VMV_MAYBE] = "-"
	};
	const struct vmv_vitals_nic *nic = &p->v->nics[i];
	const struct vmv_rates *rates = p->page->rates;
	enum style style = nic->is_up == VMV_YES ? GOOD : DIM;
	char size[VMV_SIZE_TEXT];

	vmv_text_cell(p->out, nic->name, nic_name_columns(p));
	vmv_text_add(p->out, "  ");
	style_on(p, style);
	vmv_text_cell(p->out, states[nic->is_up], 5);
	style_off(p, style);
	vmv_text_cell_right(p->out, vmv_size_text(size, nic->bytes_received), SIZE_COLUMN);
	vmv_text_cell_right(p->out, vmv_size_text(size, nic->bytes_sent), SIZE_COLUMN);
	if (rates) {
		vmv_text_cell_right(p->out, vmv_size_text_num(size, rates->received[i]),
				    SIZE_COLUMN);
		vmv_text_cell_right(p->out, vmv_size_text_num(size, rates->sent[i]), SIZE_COLUMN);
	}
	nic_addresses(p, nic);
}

static void show_nics(const struct pen *p)
{
	end_line(p);
	style_on(p, BOLD);
	vmv_text_cell(p->out, "INTERFACE", nic_name_columns(p));
	vmv_text_add(p->out, "  STATE   RECEIVED       SENT");
	if (p->page->rates)
		vmv_text_add(p->out, "       IN/s      OUT/s");
	vmv_text_add(p->out, "  ADDRESSES");
	style_off(p, BOLD);
	end_line(p);
	for (size_t i = 0; i < p->v->n_nics && i < VMV_METRICS_INTERFACES; i++)
		show_nic(p, i);
}

/* Kernel threads and whatever hides its arguments stand in brackets, as ps(1) does. */
static void command(const struct pen *p, const struct vmv_vitals_process *proc, size_t width)
{
	if (proc->cmd_line && *proc->cmd_line) {
		(void)vmv_text_guest(p->out, proc->cmd_line, width);
		return;
	}
	vmv_text_add(p->out, "[");
	(void)vmv_text_guest(p->out, proc->name, width - 2);
	vmv_text_add(p->out, "]");
}

static void show_processes(const struct pen *p)
{
	char text[VMV_SIZE_TEXT];

	if (p->v->n_processes == 0)
		return;
	heading(p, "    PID   CPU%     MEMORY  STATE       COMMAND");
	for (size_t i = 0; i < p->v->n_processes; i++) {
		const struct vmv_vitals_process *proc = &p->v->processes[i];

		vmv_text_cell_right(p->out, count_text(text, proc->pid), 7);
		vmv_text_add(p->out, " ");
		if (isfinite(proc->cpu_percent))
			vmv_text_fmt(p->out, "%6.1f", proc->cpu_percent);
		else
			vmv_text_cell_right(p->out, NULL, 6);
		vmv_text_cell_right(p->out, kib_text(text, proc->memory_kb), SIZE_COLUMN);
		vmv_text_add(p->out, "  ");
		vmv_text_cell(p->out, proc->status, 10);
		vmv_text_add(p->out, "  ");
		command(p, proc, p->width - 39);
		end_line(p);
	}
}

static void show_ports(const struct pen *p)
{
	char text[VMV_SIZE_TEXT];

	if (p->v->n_ports == 0)
		return;
	heading(p, "LISTENING   CONNECTIONS      PID  PROCESS");
	for (size_t i = 0; i < p->v->n_ports && i < PORTS_SHOWN; i++) {
		const struct vmv_vitals_port *port = &p->v->ports[i];

		vmv_text_cell(p->out, port->protocol, 4);
		vmv_text_cell_right(p->out, count_text(text, port->port), 6);
		vmv_text_cell_right(p->out, count_text(text, port->connection_count), 13);
		vmv_text_cell_right(p->out, count_text(text, port->pid), 9);
		vmv_text_add(p->out, "  ");
		(void)vmv_text_guest(p->out, port->process_name, p->width - 34);
		end_line(p);
	}
	if (p->v->n_ports > PORTS_SHOWN)
		vmv_text_fmt(p->out, "and %zu more\n", p->v->n_ports - PORTS_SHOWN);
}

static void show_doubts(const struct pen *p)
{
	if (p->v->left_out + p->v->bad_values == 0)
		return;
	end_line(p);
	vmv_text_fmt(p->out,
		     "The guest sent %zu values that make no sense and %zu rows that were "
		     "left out.\n",
		     p->v->bad_values, p->v->left_out);
}

static size_t clamp_width(size_t width)
{
	return width < VMV_PAGE_WIDTH_MIN   ? VMV_PAGE_WIDTH_MIN
	       : width > VMV_PAGE_WIDTH_MAX ? VMV_PAGE_WIDTH_MAX
					    : width;
}

void vmv_show(const struct vmv_page *page, struct vmv_text *out)
{
	const struct pen p = { page, page->vitals, out, clamp_width(page->width) };

	show_name(&p);
	show_agent(&p);
	show_uptime(&p);
	end_line(&p);
	show_cpu(&p);
	show_memory(&p);
	show_filesystems(&p);
	show_disk_io(&p);
	show_nics(&p);
	show_processes(&p);
	show_ports(&p);
	show_doubts(&p);
}
