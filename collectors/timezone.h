/* The time zone of the guest, out of /etc/localtime. Read anew each time: the C library looks at
 * that file once, or only where a stale TZ does not keep it from it. */
#ifndef VMV_COLLECTORS_TIMEZONE_H
#define VMV_COLLECTORS_TIMEZONE_H

#include <stddef.h>
#include <stdint.h>

struct vmv_err;
struct vmv_root;

#define VMV_ZONE_NAME 64 /* bytes, NUL included */

struct vmv_timezone {
	char name[VMV_ZONE_NAME]; /* the abbreviation in force: "CEST", "+03" */
	int32_t offset;		  /* seconds east of UTC, summer time included */
};

/* What is in force at this second since 1970. Without the file that is UTC, as localtime(5) says.
 * Returns 0, or negative errno with err set; ret is written only on success. */
int vmv_timezone_read(const struct vmv_root *root, int64_t at, struct vmv_timezone *ret,
		      struct vmv_err *err);

/* Pure: the same out of the bytes of such a file, tzfile(5), versions 1 to 4. Returns 0, or -EINVAL
 * when it is malformed. */
int vmv_tzfile_parse(const void *bytes, size_t len, int64_t at, struct vmv_timezone *ret);

/* Pure: the same out of a rule as the TZ variable has them ("CET-1CEST,M3.5.0,M10.5.0/3"), with the
 * days on which summer time begins and ends, if there is any. */
int vmv_tzrule_parse(const char *rule, int64_t at, struct vmv_timezone *ret);

#endif
