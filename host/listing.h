/* The metrics of a guest as lines "name value", for grep and awk. Pure. */
#ifndef VMV_HOST_LISTING_H
#define VMV_HOST_LISTING_H

struct vmv_text;
struct vmv_vitals;

/* Appends one line per value, in a fixed order: a name without blanks, one blank, the value to the
 * end of the line; "-" is unknown. Names are the paths on the wire, with the key of an element in
 * brackets: memory.total_kb, cpu.cores_usage[0], disk.usage_stats[/].total_gb,
 * network.interfaces[eth0].ip_addresses[0], processes[1033].cpu_percent, ports[TCP/80].pid. */
void vmv_listing(const struct vmv_vitals *v, struct vmv_text *out);

#endif
