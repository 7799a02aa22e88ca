#include "tests/lib/devices.h"

#include "tests/lib/fixture.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static void print(char ret[static 512], const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(ret, 512, fmt, ap);
	va_end(ap);
	ck_assert_int_lt(n, 512);
}

static const char *name_of(const char *path)
{
	return strrchr(path, '/') + 1;
}

static void put(struct fixture *fx, const char *path, const char *number, unsigned sectors)
{
	char file[512], text[512];

	print(file, "sys/devices/%s/dev", path);
	print(text, "%s\n", number);
	fixture_put(fx, file, text);
	print(file, "sys/devices/%s/size", path);
	print(text, "%u\n", sectors);
	fixture_put(fx, file, text);
	print(file, "sys/devices/%s/uevent", path);
	print(text, "MAJOR=1\nDEVNAME=%s\n", name_of(path));
	fixture_put(fx, file, text);
	print(text, "../../devices/%s", path);
	print(file, "sys/dev/block/%s", number);
	fixture_link(fx, file, text);
	print(file, "sys/class/block/%s", name_of(path));
	fixture_link(fx, file, text);
}

void devices_put(struct fixture *fx, const char *path, const char *number, unsigned sectors)
{
	char file[512], text[512];

	put(fx, path, number, sectors);
	print(file, "sys/devices/%s/slaves", path);
	fixture_mkdir(fx, file);
	print(text, "../devices/%s", path);
	print(file, "sys/block/%s", name_of(path));
	fixture_link(fx, file, text);
}

void devices_put_partition(struct fixture *fx, const char *path, const char *number,
			   unsigned sectors)
{
	char file[512];

	put(fx, path, number, sectors);
	print(file, "sys/devices/%s/partition", path);
	fixture_put(fx, file, "1\n");
}

void devices_driver(struct fixture *fx, const char *path, const char *driver)
{
	char file[512], text[512];

	print(file, "sys/devices/%s/driver", path);
	print(text, "../../../bus/pci/drivers/%s", driver);
	fixture_link(fx, file, text);
}

void devices_slave(struct fixture *fx, const char *path, const char *slave)
{
	char file[512];

	print(file, "sys/devices/%s/slaves/%s", path, slave);
	fixture_link(fx, file, "../../nowhere");
}

void devices_udev(struct fixture *fx, const char *number, const char *lines)
{
	char file[512];

	print(file, "run/udev/data/b%s", number);
	fixture_put(fx, file, lines);
}
