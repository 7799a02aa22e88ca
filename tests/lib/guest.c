#include "tests/lib/guest.h"

#include "proto/json_write.h"
#include "reports/facts.h"

#include <check.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t still_mono(const struct vmv_clock *clock)
{
	return ((const struct still_clock *)clock)->mono_ns;
}

static int64_t still_real(const struct vmv_clock *clock)
{
	return ((const struct still_clock *)clock)->real_ms;
}

void still_clock_init(struct still_clock *c)
{
	*c = (struct still_clock){
		.clock = { still_mono, still_real },
		.mono_ns = UINT64_C(1000000000000),
		.real_ms = STILL_REAL_MS,
	};
}

void still_clock_pass(struct still_clock *c, uint64_t ms)
{
	c->mono_ns += ms * 1000000;
	c->real_ms += (int64_t)ms;
}

void guest_put_process(struct fixture *fx, const struct guest_process *p)
{
	char path[64], text[1024];

	(void)snprintf(path, sizeof(path), "proc/%u/stat", p->pid);
	(void)snprintf(text, sizeof(text),
		       "%u (%s) %c %u 0 0 0 -1 0 0 0 0 0 %" PRIu64 " %" PRIu64
		       " 0 0 20 0 1 0 %" PRIu64 " 4096 %" PRIu64 " 0\n",
		       p->pid, p->comm, p->state, p->ppid, p->utime, p->stime, p->starttime,
		       p->rss_kib * 1024 / (uint64_t)sysconf(_SC_PAGESIZE));
	fixture_put(fx, path, text);
	if (p->cmdline) {
		(void)snprintf(path, sizeof(path), "proc/%u/cmdline", p->pid);
		fixture_put_bytes(fx, path, p->cmdline, strlen(p->cmdline) + 1);
	}
	if (p->exe) {
		(void)snprintf(path, sizeof(path), "proc/%u/exe", p->pid);
		fixture_link(fx, path, p->exe);
	}
	if (p->io) {
		(void)snprintf(path, sizeof(path), "proc/%u/io", p->pid);
		fixture_put(fx, path, p->io);
	}
}

void guest_put_cpu(struct fixture *fx, unsigned user, unsigned system, unsigned idle,
		   unsigned iowait)
{
	char text[512];

	(void)snprintf(text, sizeof(text),
		       "cpu  %u 0 %u %u %u 0 0 0 0 0\n"
		       "cpu0 %u 0 %u %u %u 0 0 0 0 0\n"
		       "cpu1 %u 0 %u %u %u 0 0 0 0 0\n"
		       "intr 1\nctxt 2\nbtime 1784029400\nprocesses 3\nprocs_running 1\n"
		       "procs_blocked 0\n",
		       user, system, idle, iowait, user / 2, system / 2, idle / 2, iowait / 2,
		       user / 2, system / 2, idle / 2, iowait / 2);
	fixture_put(fx, "proc/stat", text);
}

void guest_put(struct fixture *fx)
{
	guest_put_cpu(fx, 2000, 1000, 190000, 200);
	fixture_put(fx, "proc/meminfo",
		    "MemTotal:        4028440 kB\nMemFree:         1000000 kB\n"
		    "MemAvailable:    3117236 kB\nBuffers:           10000 kB\n"
		    "Cached:           500000 kB\nSwapTotal:       2097148 kB\n"
		    "SwapFree:        2097148 kB\n");
	fixture_put(fx, "proc/loadavg", "0.12 0.08 0.05 1/100 1234\n");
	fixture_put(fx, "proc/uptime", "1000.00 1900.00\n");
	fixture_put(fx, "proc/diskstats", " 254 0 vda 10 0 800 5 20 0 1600 6 0 100 11\n");
	fixture_mkdir(fx, "sys/block/vda/slaves");
	fixture_put(fx, "proc/net/tcp", "  sl  local_address rem_address   st\n");
	fixture_put(fx, "proc/sys/kernel/osrelease", "6.1.0-28-cloud-amd64\n");
	fixture_put(fx, "proc/sys/kernel/hostname", "web-1\n");
	fixture_put(fx, "proc/sys/kernel/random/boot_id", "5f0c2d1a-7b3e-4a86-91d2-0c4e8f6a2b17\n");
	fixture_put(fx, "etc/os-release",
		    "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\n"
		    "VERSION_ID=\"12\"\nID=debian\n");
	fixture_put(fx, "etc/machine-id", "3f2b6c1e9a444d7c8d526a1f0c9be001\n");
	guest_put_process(fx, &(struct guest_process){
				      .pid = 1,
				      .comm = "init",
				      .state = 'S',
				      .utime = 50,
				      .stime = 50,
				      .starttime = 1,
				      .rss_kib = 10240,
				      .cmdline = "/sbin/init",
			      });
}

void guest_read(struct vmv_facts *f)
{
	vmv_facts_begin(f, VMV_GROUPS_ALL);
	while (vmv_facts_step(f))
		;
}

struct json_object *guest_json(const struct vmv_jw *w)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *obj;

	ck_assert_int_eq(vmv_jw_finish(w), 0);
	ck_assert_uint_le(w->buf.len, w->buf.max);
	for (size_t i = 0; i < w->buf.len; i++)
		ck_assert_msg(w->buf.data[i] >= 0x20 && w->buf.data[i] < 0x7f, "byte %02x at %zu",
			      (unsigned char)w->buf.data[i], i);
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	obj = json_tokener_parse_ex(tok, w->buf.data, (int)w->buf.len);
	ck_assert_msg(json_tokener_get_error(tok) == json_tokener_success, "%s: %.*s",
		      json_tokener_error_desc(json_tokener_get_error(tok)), (int)w->buf.len,
		      w->buf.data);
	ck_assert_uint_eq(json_tokener_get_parse_end(tok), w->buf.len);
	json_tokener_free(tok);
	return obj;
}

bool guest_says(const struct vmv_jw *w, const char *text)
{
	return memmem(w->buf.data, w->buf.len, text, strlen(text)) != NULL;
}

struct json_object *guest_at(struct json_object *obj, const char *path)
{
	char name[64];

	for (const char *p = path; *p;) {
		if (*p == '[') {
			size_t i = strtoul(p + 1, NULL, 10);

			ck_assert_msg(json_object_is_type(obj, json_type_array), "%s: no array",
				      path);
			ck_assert_msg(i < json_object_array_length(obj), "%s: too short", path);
			obj = json_object_array_get_idx(obj, i);
			p = strchr(p, ']') + 1;
		} else {
			size_t len = strcspn(++p, ".[");

			ck_assert_uint_lt(len, sizeof(name));
			memcpy(name, p, len);
			name[len] = '\0';
			ck_assert_msg(json_object_is_type(obj, json_type_object) &&
					      json_object_object_get_ex(obj, name, &obj),
				      "%s: nothing at '%s'", path, name);
			p += len;
		}
	}
	return obj;
}
