/* Load averages and uptime, from /proc/loadavg and /proc/uptime. */
#ifndef VMV_COLLECTORS_LOAD_H
#define VMV_COLLECTORS_LOAD_H

#include "collectors/collector.h"

struct vmv_err;

struct vmv_load_sample {
	uint64_t load1, load5, load15; /* hundredths */
	uint64_t uptime;	       /* hundredths of a second since boot, suspend included */
};

/* One row. */
extern const struct vmv_collector vmv_collector_load;

/* Pure: text of /proc/loadavg, text of /proc/uptime. -EINVAL with err set when malformed;
 * each writes only its own members, and those only on success. */
int vmv_loadavg_parse(const char *text, struct vmv_load_sample *ret, struct vmv_err *err);
int vmv_uptime_parse(const char *text, struct vmv_load_sample *ret, struct vmv_err *err);

#endif
