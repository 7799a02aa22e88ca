#include "collectors/temperature.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HWMON	     "class/hwmon"
#define THERMAL	     "class/thermal"
#define NUMBERS_MAX  256     /* chips, zones, sensors of one chip; further ones are left out */
#define NUMBER_LIMIT 1000000 /* so that paths have a known length */
#define MILLI_MAX    INT64_C(150000) /* 150 degrees: above, a sensor is broken */
#define PATH_SIZE    64

static const struct vmv_field fields[] = {
	VMV_FIELD(struct vmv_temperature_sample, celsius, "vmvitals_temperature_celsius", NULL,
		  VMV_GAUGE, VMV_UNIT_CELSIUS, 0, "hwmon tempN_input, thermal_zone temp",
		  "Temperature of one sensor."),
	VMV_FIELD(struct vmv_temperature_sample, chip, "chip", NULL, VMV_INFO, VMV_UNIT_NONE, 0,
		  "hwmon name, thermal_zone type", "What has the sensor."),
	VMV_FIELD(struct vmv_temperature_sample, label, "label", NULL, VMV_INFO, VMV_UNIT_NONE, 0,
		  "hwmon tempN_label", "Which of its sensors."),
};

/* The number in the middle of a name: ("temp1_input", "temp", "_input") gives 1. */
static bool number_in(const char *name, const char *before, const char *behind, unsigned *ret)
{
	size_t len = strlen(before);
	const char *end;
	uint64_t v;

	if (strncmp(name, before, len) != 0 || vmv_parse_u64(name + len, &v, &end) < 0 ||
	    v >= NUMBER_LIMIT || strcmp(end, behind) != 0)
		return false;
	*ret = (unsigned)v;
	return true;
}

static int by_number(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return (x > y) - (x < y);
}

/* The numbers of a directory's entries before<number>behind, ascending: sysfs has no order of
 * its own. Returns how many, or negative errno. */
static int list_numbers(int dirfd, const char *path, const char *before, const char *behind,
			unsigned numbers[NUMBERS_MAX])
{
	vmv_autoclose int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	vmv_autoclosedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	int n = 0;

	if (!d)
		return -errno;
	fd = -1; /* owned by d now */
	while (n < NUMBERS_MAX && (e = readdir(d)))
		n += number_in(e->d_name, before, behind, &numbers[n]);
	qsort(numbers, (size_t)n, sizeof(numbers[0]), by_number);
	return n;
}

/* False for a sensor that cannot be read or says nonsense: the others still count. */
static bool read_celsius(int dirfd, const char *path, double *ret)
{
	char text[32];
	const char *end;
	int64_t milli;

	if (vmv_read_attr_at(dirfd, path, text, sizeof(text)) < 0 ||
	    vmv_parse_i64(text, &milli, &end) < 0 || *end != '\0' || milli < 0 || milli > MILLI_MAX)
		return false;
	*ret = (double)milli / 1000.0;
	return true;
}

static void read_text(int dirfd, const char *path, const char *otherwise, char *ret, size_t cap)
{
	if (vmv_read_attr_at(dirfd, path, ret, cap) <= 0)
		(void)snprintf(ret, cap, "%s", otherwise);
}

static int hwmon_sensor(int sys, unsigned chip, unsigned sensor, struct vmv_sink *sink)
{
	struct vmv_temperature_sample s = { .is_hwmon = 1 };
	char path[PATH_SIZE], name[16], id[32];

	(void)snprintf(path, sizeof(path), HWMON "/hwmon%u/temp%u_input", chip, sensor);
	if (!read_celsius(sys, path, &s.celsius))
		return 0;
	(void)snprintf(path, sizeof(path), HWMON "/hwmon%u/name", chip);
	read_text(sys, path, "", s.chip, sizeof(s.chip));
	(void)snprintf(path, sizeof(path), HWMON "/hwmon%u/temp%u_label", chip, sensor);
	(void)snprintf(name, sizeof(name), "temp%u", sensor);
	read_text(sys, path, name, s.label, sizeof(s.label));
	(void)snprintf(id, sizeof(id), "hwmon%u/temp%u", chip, sensor);
	return sink->row(sink, id, &s);
}

static int hwmon_chip(int sys, unsigned chip, struct vmv_sink *sink)
{
	unsigned sensors[NUMBERS_MAX];
	char path[PATH_SIZE];
	int n, r;

	(void)snprintf(path, sizeof(path), HWMON "/hwmon%u", chip);
	n = list_numbers(sys, path, "temp", "_input", sensors);
	for (int i = 0; i < n; i++) {
		r = hwmon_sensor(sys, chip, sensors[i], sink);
		if (r < 0)
			return r;
	}
	return 0; /* a chip that cannot be listed has gone, or is none of ours */
}

static int thermal_zone(int sys, unsigned zone, struct vmv_sink *sink)
{
	struct vmv_temperature_sample s = { .is_hwmon = 0 };
	char path[PATH_SIZE], id[32];

	(void)snprintf(path, sizeof(path), THERMAL "/thermal_zone%u/temp", zone);
	if (!read_celsius(sys, path, &s.celsius))
		return 0;
	(void)snprintf(path, sizeof(path), THERMAL "/thermal_zone%u/type", zone);
	read_text(sys, path, "", s.chip, sizeof(s.chip));
	(void)snprintf(id, sizeof(id), "thermal_zone%u", zone);
	return sink->row(sink, id, &s);
}

static int fail_class(const char *class, int r, struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_IO, -r, "cannot read /sys/%s: %s", class, strerror(-r));
}

static int temperature_read(void *state, const struct vmv_root *root, struct vmv_sink *sink,
			    struct vmv_err *err)
{
	unsigned chips[NUMBERS_MAX], zones[NUMBERS_MAX];
	int n_chips = list_numbers(root->sys, HWMON, "hwmon", "", chips);
	int n_zones = list_numbers(root->sys, THERMAL, "thermal_zone", "", zones);
	int r = 0;

	(void)state;
	if (n_chips < 0 && n_chips != -ENOENT)
		return fail_class(HWMON, n_chips, err);
	if (n_zones < 0 && (n_zones != -ENOENT || n_chips < 0)) /* one of the two is enough */
		return fail_class(THERMAL, n_zones, err);
	for (int i = 0; i < n_chips && r >= 0; i++)
		r = hwmon_chip(root->sys, chips[i], sink);
	for (int i = 0; i < n_zones && r >= 0; i++)
		r = thermal_zone(root->sys, zones[i], sink);
	return r < 0 ? r : 0;
}

const struct vmv_collector vmv_collector_temperature = {
	.name = "temperature",
	.help = "Temperatures of sensors that the guest can see.",
	.file = "/sys/class/hwmon, /sys/class/thermal",
	.key = "sensor",
	.fields = fields,
	.n_fields = VMV_COUNTOF(fields),
	.sample_size = sizeof(struct vmv_temperature_sample),
	.min_period_ms = 5000,
	.is_default = true,
	.read = temperature_read,
};
