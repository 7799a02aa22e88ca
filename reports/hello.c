#include "reports/hello.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "collectors/os.h"
#include "proto/json_write.h"

#include <errno.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>

#define PROTOCOL_VERSION 1
#define SHORT_TEXT	 24 /* bytes; each may take three characters on the wire */

static void write_os(struct vmv_jw *w, const struct vmv_os_sample *os)
{
	vmv_jw_open(w, "os");
	vmv_jw_str_or_null(w, "id", os->id);
	vmv_jw_str_or_null(w, "version_id", os->version_id);
	vmv_jw_str_or_null(w, "name", os->pretty_name);
	vmv_jw_str_or_null(w, "kernel", os->kernel);
	vmv_jw_str_or_null(w, "arch", os->arch);
	vmv_jw_close(w);
}

static void write_clock(struct vmv_jw *w)
{
	struct timex t = { .modes = 0 };
	int state = adjtimex(&t); /* modes 0 only reads */

	vmv_jw_open(w, "clock");
	vmv_jw_int(w, "realtime_ms", vmv_real_ms(&vmv_clock_system));
	vmv_jw_u64(w, "monotonic_ns", vmv_mono_ns(&vmv_clock_system));
	if (state < 0)
		vmv_jw_null(w, "synchronized");
	else
		vmv_jw_bool(w, "synchronized", !(t.status & STA_UNSYNC));
	vmv_jw_close(w);
}

static void write_limits(struct vmv_jw *w, const struct vmv_hello *h)
{
	vmv_jw_open(w, "limits");
	vmv_jw_u64(w, "line_in", h->line_in);
	vmv_jw_u64(w, "line_out", VMV_LINE_OUT_MAX);
	vmv_jw_u64(w, "in_flight", h->in_flight);
	vmv_jw_u64(w, "subscriptions", VMV_SUBSCRIPTIONS_MAX);
	vmv_jw_u64(w, "interval_ms", VMV_SAMPLE_PERIOD_MIN);
	vmv_jw_u64(w, "file_chunk", VMV_FILE_CHUNK_MAX);
	vmv_jw_close(w);
}

void vmv_hello_members(struct vmv_jw *w, const struct vmv_hello *h)
{
	vmv_jw_str(w, "version", PACKAGE_VERSION);
	vmv_jw_str(w, "platform", "linux");
	vmv_jw_array(w, "capabilities");
	for (const char *const *c = h->capabilities; *c; c++)
		vmv_jw_str(w, NULL, *c);
	vmv_jw_end(w);
	vmv_jw_int(w, "protocol", PROTOCOL_VERSION);
	vmv_jw_str(w, "session", h->session);
	vmv_jw_str_or_null(w, "boot_id", h->os->boot_id);
	vmv_jw_open(w, "agent");
	vmv_jw_str(w, "name", PACKAGE_NAME);
	vmv_jw_str(w, "version", PACKAGE_VERSION);
	vmv_jw_close(w);
	vmv_jw_str_or_null(w, "hostname", h->os->hostname);
	write_os(w, h->os);
	vmv_jw_str(w, "schema", h->schema);
	vmv_jw_open(w, "policy");
	vmv_jw_str(w, "level", h->policy_level);
	vmv_jw_bool(w, "executor", h->has_executor);
	vmv_jw_bool(w, "require_signature", h->requires_signature);
	vmv_jw_close(w);
	write_clock(w);
	vmv_jw_open(w, "events"); /* none is kept yet: the first will be number 1 */
	vmv_jw_int(w, "next_seq", 1);
	vmv_jw_null(w, "oldest_unacked");
	vmv_jw_int(w, "lost", 0);
	vmv_jw_close(w);
	write_limits(w, h);
}

static void cut(char *text, size_t max)
{
	text[vmv_utf8_cut(text, strlen(text), max)] = '\0';
}

static int write_once(struct vmv_jw *w, const char *stamp, const struct vmv_hello *h)
{
	vmv_jw_open(w, NULL);
	vmv_jw_str(w, "type", "handshake");
	vmv_jw_str(w, "timestamp", stamp);
	vmv_jw_str(w, "vm_id", h->vm_id);
	vmv_hello_members(w, h);
	vmv_jw_close(w);
	return vmv_jw_finish(w);
}

int vmv_hello_write(struct vmv_jw *w, const char *stamp, const struct vmv_hello *h)
{
	struct vmv_hello shorter = *h;
	struct vmv_os_sample os = *h->os;
	struct vmv_jw_mark mark = vmv_jw_mark(w);
	int r = write_once(w, stamp, h);

	if (r != -EFBIG)
		return r;
	/* a handshake must go: names somebody made up are cut */
	vmv_jw_rewind(w, mark);
	cut(os.id, SHORT_TEXT);
	cut(os.version_id, SHORT_TEXT);
	cut(os.pretty_name, SHORT_TEXT);
	cut(os.kernel, SHORT_TEXT);
	cut(os.arch, SHORT_TEXT);
	cut(os.hostname, SHORT_TEXT);
	shorter.os = &os;
	return write_once(w, stamp, &shorter);
}
