#include "virtio/spec.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *text;
	enum vmv_transport transport;
	const char *target, *name;
	uint32_t port;
} good[] = {
	{ "virtio:org.vmvitals.agent.0", VMV_TRANSPORT_VIRTIO, "org.vmvitals.agent.0",
	  "virtio:org.vmvitals.agent.0", 0 },
	{ "virtio:a,dialect=native", VMV_TRANSPORT_VIRTIO, "a", "virtio:a", 0 },
	{ "virtio:a,b", VMV_TRANSPORT_VIRTIO, "a,b", "virtio:a,b", 0 },
	{ "virtio:a:b", VMV_TRANSPORT_VIRTIO, "a:b", "virtio:a:b", 0 },
	{ "path:/dev/ttyS1", VMV_TRANSPORT_PATH, "/dev/ttyS1", "path:/dev/ttyS1", 0 },
	{ "path:/tmp/x,dialect=native", VMV_TRANSPORT_PATH, "/tmp/x", "path:/tmp/x", 0 },
	{ "path:/tmp/,dialect=qga,y", VMV_TRANSPORT_PATH, "/tmp/,dialect=qga,y",
	  "path:/tmp/,dialect=qga,y", 0 },
	{ "unix-listen:/run/x.sock", VMV_TRANSPORT_UNIX_LISTEN, "/run/x.sock",
	  "unix-listen:/run/x.sock", 0 },
	{ "unix-connect:x", VMV_TRANSPORT_UNIX_CONNECT, "x", "unix-connect:x", 0 },
	{ "vsock-listen:0", VMV_TRANSPORT_VSOCK_LISTEN, "0", "vsock-listen:0", 0 },
	{ "vsock-listen:1024,dialect=native", VMV_TRANSPORT_VSOCK_LISTEN, "1024",
	  "vsock-listen:1024", 1024 },
	{ "vsock-listen:4294967294", VMV_TRANSPORT_VSOCK_LISTEN, "4294967294",
	  "vsock-listen:4294967294", 4294967294u },
	{ "stdio", VMV_TRANSPORT_STDIO, "", "stdio", 0 },
	{ "stdio,dialect=native", VMV_TRANSPORT_STDIO, "", "stdio", 0 },
};

START_TEST(good_ones_are_taken_apart)
{
	struct vmv_spec s;
	struct vmv_err err = { 0 };

	ck_assert_msg(vmv_spec_parse(good[_i].text, &s, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(s.transport, good[_i].transport);
	ck_assert_str_eq(s.target, good[_i].target);
	ck_assert_str_eq(s.name, good[_i].name);
	ck_assert_uint_eq(s.port, good[_i].port);
}
END_TEST

START_TEST(the_language_is_the_ports_or_the_suffixs)
{
	static const struct {
		const char *text;
		enum vmv_dialect dialect;
	} cases[] = {
		{ "virtio:org.vmvitals.agent.0", VMV_DIALECT_NATIVE },
		{ "virtio:org.qemu.guest_agent.0", VMV_DIALECT_QGA },
		{ "virtio:org.qemu.guest_agent.0,dialect=native", VMV_DIALECT_NATIVE },
		{ "virtio:org.qemu.guest_agent.1", VMV_DIALECT_NATIVE },
		{ "virtio:a,dialect=qga", VMV_DIALECT_QGA },
		{ "unix-listen:org.qemu.guest_agent.0", VMV_DIALECT_NATIVE },
		{ "unix-listen:/run/x.sock,dialect=qga", VMV_DIALECT_QGA },
		{ "stdio,dialect=qga", VMV_DIALECT_QGA },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vmv_spec s;

		ck_assert_int_eq(vmv_spec_parse(cases[i].text, &s, NULL), 0);
		ck_assert_msg(s.dialect == cases[i].dialect, "%s", cases[i].text);
		ck_assert_ptr_null(strstr(s.name, ",dialect="));
	}
}
END_TEST

static const char *const bad[] = {
	"",
	":",
	"virtio",
	"virtio:",
	"virtio:,dialect=native",
	"virtio:/dev/vport0p1",
	"virtio:a/b",
	"Virtio:a",
	"virtio :a",
	" virtio:a",
	"virt:a",
	"virtios:a",
	"path",
	"path:",
	"unix-listen:",
	"unix-connect",
	"unix:/run/x",
	"tcp:127.0.0.1:80",
	"stdio:",
	"stdio:x",
	"stdiox",
	"vsock-listen:",
	"vsock-listen:x",
	"vsock-listen:-1",
	"vsock-listen:+1",
	"vsock-listen:1 ",
	"vsock-listen:0x10",
	"vsock-listen:3:1024",
	"vsock-listen:4294967295", /* any */
	"vsock-listen:4294967296",
	"vsock-listen:18446744073709552640", /* 1024 modulo 2^64 */
	"virtio:a,dialect=qgA",
	"virtio:a,dialect=",
	"virtio:a,dialect=native ",
	"virtio:a,dialect=nativee",
	",dialect=native",
};

START_TEST(bad_ones_are_refused_and_leave_output_alone)
{
	struct vmv_spec s = { .port = 7 };
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_spec_parse(bad[_i], &s, &err), -EINVAL);
	ck_assert_int_eq(err.code, VMV_E_RANGE);
	ck_assert_str_ne(err.msg, "");
	ck_assert_uint_eq(s.port, 7);
	ck_assert_str_eq(s.name, "");
}
END_TEST

/* "WORD:xxx" of so many bytes after the colon. */
static int parse_long(const char *word, size_t len)
{
	char text[1024];
	struct vmv_spec s;
	size_t at = (size_t)snprintf(text, sizeof(text), "%s:", word);
	int r;

	memset(text + at, 'x', len);
	text[at + len] = '\0';
	r = vmv_spec_parse(text, &s, NULL);
	if (r == 0) {
		ck_assert_str_eq(s.target, text + at);
		ck_assert_str_eq(s.name, text);
	}
	return r;
}

START_TEST(lengths_are_checked)
{
	ck_assert_int_eq(parse_long("unix-listen", 107), 0);
	ck_assert_int_eq(parse_long("unix-listen", 108), -EINVAL);
	ck_assert_int_eq(parse_long("unix-connect", 107), 0);
	ck_assert_int_eq(parse_long("unix-connect", 108), -EINVAL);
	ck_assert_int_eq(parse_long("path", 250), 0);
	for (size_t len = 251; len < 1000; len++)
		ck_assert_int_eq(parse_long("path", len), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("spec");
	TCase *tc = tcase_create("spec");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, good_ones_are_taken_apart, 0, (int)VMV_COUNTOF(good));
	tcase_add_test(tc, the_language_is_the_ports_or_the_suffixs);
	tcase_add_loop_test(tc, bad_ones_are_refused_and_leave_output_alone, 0,
			    (int)VMV_COUNTOF(bad));
	tcase_add_test(tc, lengths_are_checked);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
