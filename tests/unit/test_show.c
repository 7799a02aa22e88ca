#include "host/show.h"

#include <check.h>
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/num.h"
#include "host/identity.h"
#include "host/rates.h"
#include "host/term.h"
#include "host/text.h"
#include "host/vitals.h"

#define UNKNOWN ((double)NAN)

static struct vmv_identity identity = {
	.hostname = "web-1",
	.os = "Debian GNU/Linux 12 (bookworm)",
	.kernel = "6.1.0-28-cloud-amd64",
	.arch = "x86_64",
	.agent = "vmvitals",
	.version = "1.0.0",
	.session = "0b9c2f6e-5d41-4c0a-9b8e-2f7a61d3c4e5",
	.boot_id = "5f0c2d1a-7b3e-4a86-91d2-0c4e8f6a2b17",
	.protocol = 1,
};

static double cores[] = { 20.1, 4.9 };

static struct vmv_vitals_fs filesystems[] = {
	{ .mount_point = "/",
	  .type = "ext4",
	  .total_gb = 19.52,
	  .used_gb = 6.31,
	  .available_gb = 12.2 },
	{ .mount_point = "/srv/d\xc3\xa4ten",
	  .type = "xfs",
	  .total_gb = 99.93,
	  .used_gb = 80.02,
	  .available_gb = 14.8 },
};

static struct vmv_vitals_nic nics[] = {
	{ .name = "eth0",
	  .is_up = VMV_YES,
	  .bytes_received = 73400320,
	  .bytes_sent = 1048576,
	  .addresses = { "10.20.0.15", "10.20.0.16" },
	  .n_addresses = 2 },
	{ .name = "eth1", .is_up = VMV_NO, .bytes_received = 0, .bytes_sent = VMV_UNSET },
};

static struct vmv_vitals_process processes[] = {
	{ .pid = 1033,
	  .name = "mysqld",
	  .cmd_line = "/usr/sbin/mysqld --defaults-file=/etc/mysql/my.cnf",
	  .cpu_percent = 101.5,
	  .memory_kb = 402112,
	  .status = "Sleeping" },
	{ .pid = 31, .name = "kswapd0", .cpu_percent = 0, .memory_kb = 0, .status = "Idle" },
};

static struct vmv_vitals_port ports[] = {
	{ .protocol = "TCP",
	  .port = 80,
	  .pid = 812,
	  .process_name = "nginx",
	  .connection_count = 3 },
	{ .protocol = "UDP", .port = 68, .pid = VMV_UNSET, .connection_count = 0 },
};

static struct vmv_vitals sample(void)
{
	return (struct vmv_vitals){
		.cpu_percent = 12.5,
		.temperature = 41,
		.cores = cores,
		.n_cores = 2,
		.mem_total_kb = 4028440,
		.mem_used_kb = 911204,
		.mem_available_kb = 3117236,
		.swap_total_kb = 2097148,
		.swap_used_kb = 1048574,
		.read_bytes_per_sec = 4096,
		.write_bytes_per_sec = 81920,
		.read_ops_per_sec = 1,
		.write_ops_per_sec = 12,
		.io_percent = 0.8,
		.uptime_s = 86400 + 3 * 3600 + 25 * 60,
		.load1 = 0.12,
		.load5 = 0.08,
		.load15 = 0.05,
		.filesystems = filesystems,
		.n_filesystems = VMV_COUNTOF(filesystems),
		.nics = nics,
		.n_nics = VMV_COUNTOF(nics),
		.processes = processes,
		.n_processes = VMV_COUNTOF(processes),
		.ports = ports,
		.n_ports = VMV_COUNTOF(ports),
	};
}

static char *shown(const struct vmv_page *page)
{
	struct vmv_text t;

	vmv_text_init(&t, 1 << 20);
	vmv_show(page, &t);
	ck_assert_int_eq(t.error, 0);
	ck_assert_int_eq(vmv_buf_add(&t.buf, "", 1), 0);
	return t.buf.data;
}

static const char page_text[] =
	"web-1  Debian GNU/Linux 12 (bookworm)\n"
	"kernel   6.1.0-28-cloud-amd64  x86_64\n"
	"agent    vmvitals 1.0.0   boot 5f0c2d1a-7b3e-4a86-91d2-0c4e8f6a2b17\n"
	"up       1 day 3:25   load 0.12 0.08 0.05\n"
	"\n"
	"cpu      [||||                          ]  12.5 %   temperature 41.0 C\n"
	"              0: 20.1     1:  4.9\n"
	"memory   [|||||||                       ]  22.6 %   889.8 MiB of 3.8 GiB, 3.0 GiB "
	"available\n"
	"swap     [|||||||||||||||               ]  50.0 %   1.0 GiB of 2.0 GiB\n"
	"\n"
	"FILESYSTEM                       TYPE          SIZE       USED      AVAIL   USE%\n"
	"/                                ext4      19.5 GiB    6.3 GiB   12.2 GiB     34\n"
	"/srv/d\xc3\xa4ten                       xfs       99.9 GiB   80.0 GiB   14.8 GiB     84\n"
	"\n"
	"disk     read 4.0 KiB/s (1/s)   write 80.0 KiB/s (12/s)   busy 0.8 %\n"
	"\n"
	"INTERFACE        STATE   RECEIVED       SENT  ADDRESSES\n"
	"eth0             up      70.0 MiB    1.0 MiB  10.20.0.15 10.20.0.16\n"
	"eth1             down         0 B          -  -\n"
	"\n"
	"    PID   CPU%     MEMORY  STATE       COMMAND\n"
	"   1033  101.5  392.7 MiB  Sleeping    /usr/sbin/mysqld "
	"--defaults-file=/etc/my\xe2\x80\xa6\n"
	"     31    0.0        0 B  Idle        [kswapd0]\n"
	"\n"
	"LISTENING   CONNECTIONS      PID  PROCESS\n"
	"TCP     80            3      812  nginx\n"
	"UDP     68            0        -  -\n";

START_TEST(a_page_reads_like_this)
{
	struct vmv_vitals v = sample();
	struct vmv_page page = { .identity = &identity, .vitals = &v, .width = 80 };
	vmv_autofree char *text = shown(&page);

	ck_assert_str_eq(text, page_text);
}
END_TEST

START_TEST(rates_have_columns_of_their_own)
{
	struct vmv_vitals v = sample();
	struct vmv_rates rates = { .received = { 2048, UNKNOWN }, .sent = { 0.4, 1e9 } };
	struct vmv_page page = {
		.identity = &identity, .vitals = &v, .rates = &rates, .width = 100
	};
	vmv_autofree char *text = shown(&page);

	ck_assert_ptr_nonnull(strstr(
		text,
		"INTERFACE        STATE   RECEIVED       SENT       IN/s      OUT/s  ADDRESSES\n"
		"eth0             up      70.0 MiB    1.0 MiB    2.0 KiB        0 B  "
		"10.20.0.15 10.20.0.16\n"
		"eth1             down         0 B          -          -  953.7 MiB  -\n"));
}
END_TEST

START_TEST(what_is_unknown_is_a_dash_and_never_zero)
{
	struct vmv_vitals_fs fs = {
		.mount_point = "/", .total_gb = UNKNOWN, .used_gb = UNKNOWN, .available_gb = UNKNOWN
	};
	struct vmv_vitals_nic nic = { .name = "eth0",
				      .is_up = VMV_MAYBE,
				      .bytes_received = VMV_UNSET,
				      .bytes_sent = VMV_UNSET };
	struct vmv_vitals_process proc = { .pid = 7,
					   .cpu_percent = UNKNOWN,
					   .memory_kb = VMV_UNSET };
	struct vmv_vitals_port port = {
		.protocol = "TCP", .port = 22, .pid = VMV_UNSET, .connection_count = VMV_UNSET
	};
	struct vmv_vitals v = {
		.cpu_percent = UNKNOWN,
		.temperature = UNKNOWN,
		.mem_total_kb = VMV_UNSET,
		.mem_used_kb = VMV_UNSET,
		.mem_available_kb = VMV_UNSET,
		.swap_total_kb = VMV_UNSET,
		.swap_used_kb = VMV_UNSET,
		.read_bytes_per_sec = VMV_UNSET,
		.write_bytes_per_sec = VMV_UNSET,
		.read_ops_per_sec = VMV_UNSET,
		.write_ops_per_sec = VMV_UNSET,
		.io_percent = UNKNOWN,
		.uptime_s = VMV_UNSET,
		.load1 = UNKNOWN,
		.load5 = UNKNOWN,
		.load15 = UNKNOWN,
		.filesystems = &fs,
		.n_filesystems = 1,
		.nics = &nic,
		.n_nics = 1,
		.processes = &proc,
		.n_processes = 1,
		.ports = &port,
		.n_ports = 1,
	};
	struct vmv_identity nobody = { 0 };
	struct vmv_page page = { .identity = &nobody, .vitals = &v, .width = 80 };
	vmv_autofree char *text = shown(&page);

	ck_assert_str_eq(
		text,
		"-  -\n"
		"kernel   -  -\n"
		"agent    - -   boot -\n"
		"up       -   load - - -\n"
		"\n"
		"cpu      [                              ]     - %   temperature -\n"
		"memory   [                              ]     - %   - of -, - available\n"
		"swap     [                              ]     - %   - of -\n"
		"\n"
		"FILESYSTEM                       TYPE          SIZE       USED      AVAIL   USE%\n"
		"/                                -                -          -          -      -\n"
		"\n"
		"disk     read -/s (-/s)   write -/s (-/s)   busy -\n"
		"\n"
		"INTERFACE        STATE   RECEIVED       SENT  ADDRESSES\n"
		"eth0             -              -          -  -\n"
		"\n"
		"    PID   CPU%     MEMORY  STATE       COMMAND\n"
		"      7      -          -  -           [-]\n"
		"\n"
		"LISTENING   CONNECTIONS      PID  PROCESS\n"
		"TCP     22            -        -  -\n");
}
END_TEST

/* -- a hostile guest ----------------------------------------------------------------- */

#define EVIL                               \
	"\033]0;x\007\r\n\t\b\x7f\xc2\x9b" \
	"31m\xe2\x80\xae\xe2\x81\xa6\xe2\x80\xa8\xff"

/* Nothing but LF, printable ASCII and harmless characters. */
static void assert_harmless(const char *text)
{
	static const char *const steering[] = { "\xc2\x9b", "\xe2\x80\xae", "\xe2\x81\xa6",
						"\xe2\x80\xa8", "\xff" };

	for (const char *p = text; *p; p++)
		ck_assert_msg(*p == '\n' || ((unsigned char)*p >= 0x20 && *p != 0x7f),
			      "control character 0x%02x in the page", (unsigned)*p);
	for (size_t i = 0; i < VMV_COUNTOF(steering); i++)
		ck_assert_ptr_null(strstr(text, steering[i]));
}

START_TEST(no_text_of_the_guest_can_steer_the_terminal)
{
	struct vmv_vitals v = sample();
	struct vmv_vitals_fs fs = { .mount_point = EVIL, .type = EVIL };
	struct vmv_vitals_nic nic = { .name = EVIL, .addresses = { EVIL, EVIL }, .n_addresses = 2 };
	struct vmv_vitals_process procs[] = {
		{ .name = EVIL, .status = EVIL },
		{ .cmd_line = EVIL },
	};
	struct vmv_vitals_port port = { .protocol = EVIL, .process_name = EVIL };
	struct vmv_identity evil = { .hostname = EVIL,
				     .os = EVIL,
				     .kernel = EVIL,
				     .arch = EVIL,
				     .agent = EVIL,
				     .version = EVIL,
				     .boot_id = EVIL };
	struct vmv_page page = { .identity = &evil, .vitals = &v, .width = 200 };
	vmv_autofree char *text = NULL;
	size_t lines = 0;

	v.filesystems = &fs;
	v.nics = &nic;
	v.processes = procs;
	v.ports = &port;
	v.n_filesystems = v.n_nics = v.n_ports = 1;
	text = shown(&page);
	assert_harmless(text);
	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	ck_assert_uint_eq(lines, 24); /* and it cannot add lines */
}
END_TEST

struct cleaning {
	const char *raw, *clean;
};

static const struct cleaning cleanings[] = {
	{ "web-1", "web-1" },
	{ "d\xc3\xa4ten \xe6\x97\xa5\xf0\x9f\x98\x80",
	  "d\xc3\xa4ten \xe6\x97\xa5\xf0\x9f\x98\x80" },
	{ "\033[31m", "?[31m" },
	{ "a\nb\tc\x7f", "a?b?c?" },
	{ "\xc2\x80\xc2\x9f\xc2\xa0", "??\xc2\xa0" },
	{ "\xe2\x80\xaa\xe2\x80\xab\xe2\x80\xac\xe2\x80\xad\xe2\x80\xae", "?????" },
	{ "\xe2\x81\xa6\xe2\x81\xa7\xe2\x81\xa8\xe2\x81\xa9", "????" },
	{ "\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\x8f\xef\xbb\xbf", "????" },
	{ "\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd" },
	{ "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },		    /* overlong */
	{ "\xe2\x80", "\xef\xbf\xbd" },				    /* cut */
	{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* surrogate */
	{ "", "-" },
	{ NULL, "-" },
};

START_TEST(guest_text_is_cleaned)
{
	struct vmv_text t;

	vmv_text_init(&t, 4096);
	(void)vmv_text_guest(&t, cleanings[_i].raw, SIZE_MAX);
	ck_assert_uint_eq(t.buf.len, strlen(cleanings[_i].clean));
	ck_assert_mem_eq(t.buf.data, cleanings[_i].clean, t.buf.len);
	vmv_text_free(&t);
}
END_TEST

START_TEST(guest_text_is_cut_at_characters)
{
	struct vmv_text t;

	vmv_text_init(&t, 4096);
	ck_assert_uint_eq(vmv_text_guest(&t, "\xc3\xa4\xc3\xb6\xc3\xbc", 3), 3);
	ck_assert_uint_eq(vmv_text_guest(&t, "\xc3\xa4\xc3\xb6\xc3\xbcx", 3), 3);
	vmv_text_cell(&t, "\xc3\xa4", 3);
	vmv_text_cell_right(&t, "\xc3\xa4", 3);
	ck_assert_uint_eq(vmv_text_guest(&t, "abc", 0), 0);
	ck_assert_int_eq(vmv_buf_add(&t.buf, "", 1), 0);
	ck_assert_str_eq(t.buf.data, "\xc3\xa4\xc3\xb6\xc3\xbc"
				     "\xc3\xa4\xc3\xb6\xe2\x80\xa6"
				     "\xc3\xa4  "
				     "  \xc3\xa4");
	vmv_text_free(&t);
}
END_TEST

START_TEST(a_cleaned_message_fits_its_buffer)
{
	char buf[8];

	ck_assert_str_eq(vmv_text_clean(buf, sizeof(buf), "ab\033cdefghi"), "ab?cdef");
	ck_assert_str_eq(vmv_text_clean(buf, sizeof(buf), "abcdef\xc3\xa4"), "abcdef");
}
END_TEST

START_TEST(json_is_printed_in_ascii)
{
	struct json_object *obj = json_object_new_object();
	struct vmv_text t;

	ck_assert_int_eq(
		json_object_object_add(obj, "a",
				       json_object_new_string("\033\x7f\xc2\x9b\xe2\x80\xae/"
							      "\xf0\x9f\x98\x80")),
		0);
	vmv_text_init(&t, 4096);
	vmv_text_json(&t, obj);
	ck_assert_int_eq(vmv_buf_add(&t.buf, "", 1), 0);
	ck_assert_str_eq(t.buf.data, "{\"a\":\"\\u001b\\u007f\\u009b\\u202e/\\ud83d\\ude00\"}\n");
	vmv_text_free(&t);
	json_object_put(obj);
}
END_TEST

/* -- colours, frames, sizes ---------------------------------------------------------- */

START_TEST(colours_add_sequences_and_nothing_else)
{
	struct vmv_vitals v = sample();
	struct vmv_page page = {
		.identity = &identity, .vitals = &v, .width = 80, .is_color = true
	};
	vmv_autofree char *text = shown(&page);
	size_t at = 0, switched_on = 0;

	for (const char *p = text; *p; p++) {
		if (*p == '\033') {
			switched_on += strncmp(p, "\033[0m", 4) != 0;
			p = strchr(p, 'm');
			ck_assert_ptr_nonnull(p);
			continue;
		}
		text[at++] = *p;
	}
	text[at] = '\0';
	ck_assert_str_eq(text, page_text);
	ck_assert_uint_gt(switched_on, 10);
}
END_TEST

START_TEST(a_frame_is_cut_to_the_terminal)
{
	static const char page[] = "\033[1mabcdef\033[0m\n\xc3\xa4\xc3\xb6\xc3\xbcx\n\nlast\n";
	struct vmv_text t;

	vmv_text_init(&t, 4096);
	vmv_term_frame(page, strlen(page), (struct vmv_term_size){ 3, 3 }, &t);
	ck_assert_int_eq(vmv_buf_add(&t.buf, "", 1), 0);
	ck_assert_str_eq(t.buf.data, "\033[H\033[1mabc\033[0m\033[K\r\n"
				     "\xc3\xa4\xc3\xb6\xc3\xbc\033[K\r\n"
				     "\033[K\033[J");
	vmv_text_free(&t);
}
END_TEST

struct size_case {
	uint64_t bytes;
	const char *text;
};

static const struct size_case sizes[] = {
	{ 0, "0 B" },
	{ 999, "999 B" },
	{ 1000, "1.0 KiB" },
	{ 1024, "1.0 KiB" },
	{ 1023897, "999.9 KiB" },
	{ 1023949, "1.0 MiB" },
	{ 1073741824, "1.0 GiB" },
	{ UINT64_C(1) << 63, "8.0 EiB" },
	{ VMV_UNSET, "-" },
};

START_TEST(sizes_are_for_people)
{
	char buf[VMV_SIZE_TEXT];

	ck_assert_str_eq(vmv_size_text(buf, sizes[_i].bytes), sizes[_i].text);
}
END_TEST

START_TEST(long_lists_are_shortened_with_a_count)
{
	static struct vmv_vitals_port many[100];
	static double many_cores[500];
	struct vmv_vitals v = sample();
	struct vmv_page page = { .identity = &identity, .vitals = &v, .width = 80 };
	vmv_autofree char *text = NULL;

	for (size_t i = 0; i < VMV_COUNTOF(many); i++)
		many[i] = (struct vmv_vitals_port){ .protocol = "TCP", .port = i };
	v.ports = many;
	v.n_ports = VMV_COUNTOF(many);
	v.cores = many_cores;
	v.n_cores = VMV_COUNTOF(many_cores);
	v.left_out = 3;
	v.bad_values = 2;
	text = shown(&page);
	ck_assert_ptr_nonnull(strstr(text, "\nand 60 more\n"));
	ck_assert_ptr_nonnull(strstr(text, "         and 460 more\n"));
	ck_assert_ptr_nonnull(
		strstr(text, "2 values that make no sense and 3 rows that were left out.\n"));
}
END_TEST

#define LOOP(tc, test, table) tcase_add_loop_test((tc), test, 0, (int)VMV_COUNTOF(table))

int main(void)
{
	Suite *s = suite_create("show");
	TCase *tc = tcase_create("page");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, a_page_reads_like_this);
	tcase_add_test(tc, rates_have_columns_of_their_own);
	tcase_add_test(tc, what_is_unknown_is_a_dash_and_never_zero);
	tcase_add_test(tc, no_text_of_the_guest_can_steer_the_terminal);
	LOOP(tc, guest_text_is_cleaned, cleanings);
	tcase_add_test(tc, guest_text_is_cut_at_characters);
	tcase_add_test(tc, a_cleaned_message_fits_its_buffer);
	tcase_add_test(tc, json_is_printed_in_ascii);
	tcase_add_test(tc, colours_add_sequences_and_nothing_else);
	tcase_add_test(tc, a_frame_is_cut_to_the_terminal);
	LOOP(tc, sizes_are_for_people, sizes);
	tcase_add_test(tc, long_lists_are_shortened_with_a_count);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
