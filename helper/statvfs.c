#include "base/buf.h"
#include "base/cleanup.h"
#include "helper/question.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/statvfs.h>

/* O_PATH needs no right to read the directory, and a mount point may be a file. */
int vmv_answer_statvfs(const char *argument, struct vmv_buf *ret)
{
	struct statvfs v;
	char text[160];
	int len;

	if (argument[0] != '/')
		return -EINVAL;
	vmv_autoclose int fd = open(argument, O_PATH | O_CLOEXEC);

	if (fd < 0 || fstatvfs(fd, &v) < 0)
		return -errno;
	len = snprintf(text, sizeof(text),
		       "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
		       (uint64_t)(v.f_frsize ? v.f_frsize : v.f_bsize), (uint64_t)v.f_blocks,
		       (uint64_t)v.f_bfree, (uint64_t)v.f_bavail, (uint64_t)v.f_files,
		       (uint64_t)v.f_ffree);
	return vmv_buf_add(ret, text, (size_t)len);
}
