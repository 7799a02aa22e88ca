#include "virtio/port.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

static struct fixture fx;
static char path[128]; /* of a socket in the fixture */

static void up(void)
{
	fixture_up(&fx);
	(void)snprintf(path, sizeof(path), "%s/socket", fx.dir);
}

static void down(void)
{
	fixture_down(&fx);
}

/* -- finding ports -------------------------------------------------------------------------- */

static int find(const char *name, char node[VMV_NODE_SIZE])
{
	return vmv_port_find(fx.root.sys, name, node);
}

START_TEST(a_port_is_found_by_its_exact_name)
{
	char node[VMV_NODE_SIZE] = "as it was";

	fixture_put(&fx, "sys/class/virtio-ports/vport0p0/name", "");
	fixture_put(&fx, "sys/class/virtio-ports/vport0p1/name", "org.vmvitals.agent.0\n");
	fixture_put(&fx, "sys/class/virtio-ports/vport0p2/name", "org.vmvitals.agent.01\n");
	fixture_put(&fx, "sys/class/virtio-ports/vport12p30/name", "org.vmvitals.agent\n");
	ck_assert_int_eq(find("org.vmvitals.agent.0", node), 0);
	ck_assert_str_eq(node, "vport0p1");
	ck_assert_int_eq(find("org.vmvitals.agent.01", node), 0);
	ck_assert_str_eq(node, "vport0p2");
	ck_assert_int_eq(find("org.vmvitals.agent", node), 0);
	ck_assert_str_eq(node, "vport12p30");
	ck_assert_int_eq(find("org.vmvitals", node), -ENOENT);
	ck_assert_int_eq(find("ORG.VMVITALS.AGENT", node), -ENOENT);
	ck_assert_int_eq(find("org.vmvitals.agent.0\n", node), -ENOENT);
	ck_assert_str_eq(node, "vport12p30");
}
END_TEST

START_TEST(the_name_can_come_after_the_node)
{
	char node[VMV_NODE_SIZE];

	fixture_mkdir(&fx, "sys/class/virtio-ports/vport1p1");
	fixture_put(&fx, "sys/class/virtio-ports/vport1p2/name", "b\n");
	ck_assert_int_eq(find("a", node), -ENOENT);
	ck_assert_int_eq(find("b", node), 0);
	fixture_put(&fx, "sys/class/virtio-ports/vport1p1/name", "a\n");
	ck_assert_int_eq(find("a", node), 0);
	ck_assert_str_eq(node, "vport1p1");
}
END_TEST

START_TEST(without_the_class_there_is_no_port)
{
	char node[VMV_NODE_SIZE];

	ck_assert_int_eq(find("a", node), -ENOENT);
	ck_assert_int_eq(vmv_port_find(-1, "a", node), -ENOENT);
	fixture_put(&fx, "sys/class/virtio-ports", "a file");
	ck_assert_int_eq(find("a", node), -ENOENT);
}
END_TEST

START_TEST(other_entries_are_not_ports)
{
	char node[VMV_NODE_SIZE];

	fixture_put(&fx, "sys/class/virtio-ports/tty0/name", "a\n");
	fixture_put(&fx, "sys/class/virtio-ports/vport0p1", "a file");
	fixture_put(&fx, "sys/class/virtio-ports/vport00000000000000000000000000000/name", "a\n");
	fixture_link(&fx, "sys/class/virtio-ports/vport0p2", "nowhere");
	ck_assert_int_eq(find("a", node), -ENOENT);
	/* in sysfs they are links */
	fixture_put(&fx, "sys/devices/pci/vport0p3/name", "a\n");
	fixture_link(&fx, "sys/class/virtio-ports/vport0p3", "../../devices/pci/vport0p3");
	ck_assert_int_eq(find("a", node), 0);
	ck_assert_str_eq(node, "vport0p3");
}
END_TEST

START_TEST(looking_for_a_port_leaks_no_descriptor)
{
	char node[VMV_NODE_SIZE];
	int before, after;

	fixture_put(&fx, "sys/class/virtio-ports/vport0p1/name", "a\n");
	before = open("/", O_RDONLY | O_CLOEXEC);
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(find("a", node), 0);
		ck_assert_int_eq(find("b", node), -ENOENT);
	}
	after = open("/", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(after, before + 1);
	ck_assert_int_eq(close(before), 0);
	ck_assert_int_eq(close(after), 0);
}
END_TEST

START_TEST(a_port_that_is_not_there_is_enoent)
{
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_port_open(fx.root.sys, "vmvitals.test.none", &err), -ENOENT);
	ck_assert_int_eq(err.code, VMV_E_IO);
	ck_assert_ptr_nonnull(strstr(err.msg, "vmvitals.test.none"));
}
END_TEST

/* -- devices ---------------------------------------------------------------------------------- */

static void check_flags(int fd)
{
	ck_assert_int_ge(fd, 0);
	ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
	ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

START_TEST(a_terminal_is_made_raw)
{
	vmv_autoclose int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	vmv_autoclose int fd = -1;
	char name[64], got[8];
	struct termios t;

	ck_assert_int_ge(master, 0);
	ck_assert_int_eq(unlockpt(master), 0);
	ck_assert_int_eq(ptsname_r(master, name, sizeof(name)), 0);
	fd = vmv_device_open(name, NULL);
	check_flags(fd);
	ck_assert_int_eq(tcgetattr(fd, &t), 0);
	ck_assert(!(t.c_lflag & (ICANON | ECHO | ISIG)));
	ck_assert(!(t.c_oflag & OPOST));
	ck_assert_int_eq(write(fd, "a\n\x03", 3), 3); /* as it is, nothing added */
	ck_assert_int_eq(read(master, got, sizeof(got)), 3);
	ck_assert_int_eq(memcmp(got, "a\n\x03", 3), 0);
}
END_TEST

START_TEST(devices_that_cannot_be_opened)
{
	struct vmv_err err = { 0 };

	ck_assert_int_eq(vmv_device_open(path, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, path));
	ck_assert_int_eq(vmv_device_open(fx.dir, &err), -EISDIR);
	ck_assert_int_eq(vmv_device_open(fx.dir, NULL), -EISDIR);
}
END_TEST

/* -- sockets --------------------------------------------------------------------------------------
 */

static int connect_to(const char *where)
{
	return vmv_unix_connect(where, NULL);
}

START_TEST(a_listening_socket_is_for_owner_and_group)
{
	mode_t old = umask(0);
	vmv_autoclose int fd = vmv_unix_listen(path, NULL);
	vmv_autoclose int peer = -1;
	vmv_autoclose int served = -1;
	struct stat st;

	check_flags(fd);
	ck_assert_int_eq(umask(old), 0); /* put back */
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 07777, 0660);
	ck_assert_int_eq(vmv_socket_accept(fd), -EAGAIN);
	peer = connect_to(path);
	check_flags(peer);
	served = vmv_socket_accept(fd);
	check_flags(served);
	ck_assert_int_eq(vmv_socket_accept(fd), -EAGAIN);
}
END_TEST

START_TEST(what_a_dead_listener_left_is_replaced)
{
	vmv_autoclose int fd = -1;
	vmv_autoclose int peer = -1;
	int dead = vmv_unix_listen(path, NULL);

	ck_assert_int_ge(dead, 0);
	ck_assert_int_eq(close(dead), 0);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_eq(connect_to(path), -ECONNREFUSED);
	fd = vmv_unix_listen(path, NULL);
	ck_assert_int_ge(fd, 0);
	peer = connect_to(path);
	ck_assert_int_ge(peer, 0);
}
END_TEST

START_TEST(a_socket_in_use_is_left_alone)
{
	vmv_autoclose int fd = vmv_unix_listen(path, NULL);
	vmv_autoclose int peer = -1;
	struct vmv_err err = { 0 };

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(vmv_unix_listen(path, &err), -EADDRINUSE);
	ck_assert_ptr_nonnull(strstr(err.msg, path));
	peer = connect_to(path);
	ck_assert_int_ge(peer, 0);
}
END_TEST

START_TEST(a_socket_in_use_with_a_full_backlog_is_left_alone)
{
	vmv_autoclose int fd = vmv_unix_listen(path, NULL);
	int peers[64], n = 0;

	ck_assert_int_ge(fd, 0);
	while (n < 64 && (peers[n] = connect_to(path)) >= 0)
		n++;
	ck_assert_int_lt(n, 64);
	ck_assert_int_eq(connect_to(path), -EAGAIN);
	ck_assert_int_eq(vmv_unix_listen(path, NULL), -EADDRINUSE);
	while (n > 0)
		ck_assert_int_eq(close(peers[--n]), 0);
}
END_TEST

START_TEST(what_is_no_socket_is_never_removed)
{
	struct vmv_err err = { 0 };
	char target[128];

	fixture_put(&fx, "socket", "precious");
	ck_assert_int_eq(vmv_unix_listen(path, &err), -EEXIST);
	ck_assert_ptr_nonnull(strstr(err.msg, "no socket"));
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_eq(unlink(path), 0);
	/* nor a link, wherever it leads */
	(void)snprintf(target, sizeof(target), "%s/nowhere", fx.dir);
	fixture_link(&fx, "socket", target);
	ck_assert_int_eq(vmv_unix_listen(path, &err), -EEXIST);
	ck_assert_int_lt(access(target, F_OK), 0);
	ck_assert_int_eq(unlink(path), 0);
	fixture_mkdir(&fx, "socket");
	ck_assert_int_eq(vmv_unix_listen(path, &err), -EEXIST);
}
END_TEST

START_TEST(errors_of_sockets_are_told)
{
	struct vmv_err err = { 0 };
	char deep[160];

	(void)snprintf(deep, sizeof(deep), "%s/none/socket", fx.dir);
	ck_assert_int_eq(vmv_unix_listen(deep, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, deep));
	ck_assert_int_eq(vmv_unix_connect(path, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.msg, path));
	fixture_put(&fx, "socket", "");
	ck_assert_int_eq(vmv_unix_connect(path, &err), -ECONNREFUSED);
	ck_assert_int_eq(vmv_socket_accept(-1), -EBADF);
}
END_TEST

START_TEST(vsock_says_what_it_can)
{
	struct vmv_err err = { 0 };
	vmv_autoclose int fd = vmv_vsock_listen(65001, &err);

	if (fd < 0) /* no such family here, or no leave */
		ck_assert_str_ne(err.msg, "");
	else
		check_flags(fd);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("port");
	TCase *tc = tcase_create("port");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, a_port_is_found_by_its_exact_name);
	tcase_add_test(tc, the_name_can_come_after_the_node);
	tcase_add_test(tc, without_the_class_there_is_no_port);
	tcase_add_test(tc, other_entries_are_not_ports);
	tcase_add_test(tc, looking_for_a_port_leaks_no_descriptor);
	tcase_add_test(tc, a_port_that_is_not_there_is_enoent);
	tcase_add_test(tc, a_terminal_is_made_raw);
	tcase_add_test(tc, devices_that_cannot_be_opened);
	tcase_add_test(tc, a_listening_socket_is_for_owner_and_group);
	tcase_add_test(tc, what_a_dead_listener_left_is_replaced);
	tcase_add_test(tc, a_socket_in_use_is_left_alone);
	tcase_add_test(tc, a_socket_in_use_with_a_full_backlog_is_left_alone);
	tcase_add_test(tc, what_is_no_socket_is_never_removed);
	tcase_add_test(tc, errors_of_sockets_are_told);
	tcase_add_test(tc, vsock_says_what_it_can);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
