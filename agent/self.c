#include "agent/self.h"

#include "base/cleanup.h"
#include "base/num.h"
#include "base/root.h"
#include "reports/state.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static uint64_t microseconds(struct timeval t)
{
	return t.tv_sec < 0 ? VMV_UNSET : (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec;
}

static void read_usage(struct vmv_cost *ret)
{
	struct rusage ru;

	if (getrusage(RUSAGE_SELF, &ru) < 0)
		return;
	ret->user_us = microseconds(ru.ru_utime);
	ret->system_us = microseconds(ru.ru_stime);
	ret->voluntary = ru.ru_nvcsw < 0 ? VMV_UNSET : (uint64_t)ru.ru_nvcsw;
	ret->involuntary = ru.ru_nivcsw < 0 ? VMV_UNSET : (uint64_t)ru.ru_nivcsw;
}

/* "size resident ..." in pages. */
static void read_memory(struct vmv_cost *ret)
{
	long page = sysconf(_SC_PAGESIZE);
	uint64_t size, resident;
	char text[256];
	const char *end;

	if (page <= 0 || vmv_read_at(AT_FDCWD, "/proc/self/statm", text, sizeof(text)) < 0 ||
	    vmv_parse_u64(text, &size, &end) < 0 || *end != ' ' ||
	    vmv_parse_u64(end + 1, &resident, NULL) < 0)
		return;
	ret->virtual = vmv_mul_sat(size, (uint64_t)page);
	ret->resident = vmv_mul_sat(resident, (uint64_t)page);
}

/* Since Linux 6.2 the size of the directory says how many there are; before, it is 0. */
static void read_descriptors(struct vmv_cost *ret)
{
	vmv_autoclosedir DIR *dir = NULL;
	struct stat st;
	uint64_t n = 0;

	if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0) {
		ret->descriptors = (uint64_t)st.st_size;
		return;
	}
	dir = opendir("/proc/self/fd");
	if (!dir)
		return;
	for (const struct dirent *d; (d = readdir(dir));)
		n += d->d_name[0] != '.';
	ret->descriptors = n > 0 ? n - 1 : VMV_UNSET; /* without the one that reads it */
}

void vmv_cost_read(struct vmv_cost *ret)
{
	*ret = (struct vmv_cost){ VMV_UNSET, VMV_UNSET, VMV_UNSET, VMV_UNSET,
				  VMV_UNSET, VMV_UNSET, VMV_UNSET };
	read_usage(ret);
	read_memory(ret);
	read_descriptors(ret);
}
