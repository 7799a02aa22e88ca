/* SystemInfo and OsInfo (PROTOCOL.md 5.3). */
#ifndef VMV_REPORTS_SYSTEM_H
#define VMV_REPORTS_SYSTEM_H

struct vmv_jw;
struct vmv_memory_sample;
struct vmv_os_sample;

/* The members of SystemInfo into an open object. memory may be NULL: unknown. */
void vmv_system_members(struct vmv_jw *w, const struct vmv_os_sample *os,
			const struct vmv_memory_sample *memory);

/* What OsInfo has beyond these. */
void vmv_os_members(struct vmv_jw *w, const struct vmv_os_sample *os);

#endif
