/* Temperatures, from hwmon and thermal zones in sysfs. */
#ifndef VMV_COLLECTORS_TEMPERATURE_H
#define VMV_COLLECTORS_TEMPERATURE_H

#include "collectors/collector.h"

struct vmv_temperature_sample {
	double celsius;	   /* within 0 to 150; others are not reported */
	uint64_t is_hwmon; /* 1: class/hwmon, 0: class/thermal */
	char chip[64];	   /* "coretemp", or the type of the thermal zone */
	char label[64];	   /* tempN_label, else "tempN"; "" for thermal zones */
};

/* One row per sensor, id "hwmon0/temp1" or "thermal_zone0"; none in most guests, which is
 * -ENOENT when neither class directory exists. */
extern const struct vmv_collector vmv_collector_temperature;

#endif
