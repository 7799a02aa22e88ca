/* The log: structured entries in the systemd journal, or lines on standard error. */
#ifndef VMV_BASE_LOG_H
#define VMV_BASE_LOG_H

#include <stdbool.h>

struct vmv_err;

/* syslog's numbers */
enum vmv_log_level {
	VMV_LOG_ERROR = 3,
	VMV_LOG_WARNING = 4,
	VMV_LOG_NOTICE = 5,
	VMV_LOG_INFO = 6,
	VMV_LOG_DEBUG = 7,
};

/* A journal field: NAME=value. Names are upper case. A NULL value leaves the field out. */
struct vmv_log_field {
	const char *name;
	const char *value;
};

#define VMV_LOG_FIELDS_MAX 16

/* To the journal when standard error is connected to it, else lines on standard error; with
 * a priority prefix "<6>" where they lead to the journal all the same (its socket is not there, or
 * does not keep up). Never waits for the journal: what neither way takes is lost.
 * identifier is borrowed for ever. */
void vmv_log_open(const char *identifier);

/* "info", or per subsystem: "warning,channel=debug,session=info". Returns 0, or -EINVAL with err
 * set and everything as it was. */
int vmv_log_set_levels(const char *spec, struct vmv_err *err);
int vmv_log_check_levels(const char *spec, struct vmv_err *err);

bool vmv_log_wants(enum vmv_log_level level, const char *subsys);

/* One entry. subsys is a lower-case token by which the log can be filtered. message_id (32 hex
 * digits, or NULL) names the kind of entry; fields (or NULL) ends with a NULL name. Keeps
 * errno. */
void vmv_log_entry(enum vmv_log_level level, const char *subsys, const char *message_id,
		   const struct vmv_log_field *fields, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

#define vmv_log(level, subsys, ...) vmv_log_entry((level), (subsys), NULL, NULL, __VA_ARGS__)

#endif
