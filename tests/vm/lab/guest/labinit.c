/* First process of the lab's initramfs: load the virtio disk modules, mount the
 * real root, hand over to its /sbin/init. Static, forks nothing: the boot pays
 * for every fork and exec under software emulation. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROOT_DEVICE "/dev/vda"
#define WAIT_STEPS  4000 /* of 5 ms each */

static const char *const modules[] = {
	"virtio_ring",		 "virtio",     "virtio_pci_legacy_dev",
	"virtio_pci_modern_dev", "virtio_pci", "virtio_blk",
};

static void die(const char *what)
{
	fprintf(stderr, "labinit: %s: %s\n", what, strerror(errno));
	sleep(1);
	_exit(1); /* panics the kernel; panic=-1 makes qemu leave */
}

int main(int argc, char **argv)
{
	char path[96];
	struct stat st;
	int steps = 0;

	(void)argc;
	if (mount("dev", "/dev", "devtmpfs", 0, ""))
		die("mount /dev");
	int console = open("/dev/console", O_RDWR | O_NOCTTY);
	for (int fd = 0; console >= 0 && fd < 3; fd++)
		dup2(console, fd);
	if (console > 2)
		close(console);

	for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
		snprintf(path, sizeof path, "/mod/%s.ko", modules[i]);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			die(path);
		if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
			die(path);
		close(fd);
	}
	while (stat(ROOT_DEVICE, &st)) {
		if (++steps > WAIT_STEPS)
			die("no " ROOT_DEVICE);
		usleep(5000);
	}
	if (mount(ROOT_DEVICE, "/root", "ext4", MS_RELATIME, ""))
		die("mount " ROOT_DEVICE);
	if (mount("/dev", "/root/dev", NULL, MS_MOVE, NULL))
		die("move /dev");
	if (chdir("/root") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		die("switch root");
	argv[0] = "/sbin/init";
	execv(argv[0], argv);
	die(argv[0]);
}
