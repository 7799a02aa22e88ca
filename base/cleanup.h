/* Cleanup attributes: local resources that free themselves. */
#ifndef VMV_BASE_CLEANUP_H
#define VMV_BASE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define VMV_CLEANUP(fn) __attribute__((cleanup(fn)))

static inline void vmv_freep(void *pp)
{
	free(*(void **)pp);
}

/* Keeps errno: a cleanup must never change the error being returned. */
static inline void vmv_closep(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	errno = saved;
}

static inline void vmv_closedirp(DIR **d)
{
	int saved = errno;

	if (*d)
		(void)closedir(*d);
	errno = saved;
}

static inline void vmv_fclosep(FILE **f)
{
	int saved = errno;

	if (*f)
		(void)fclose(*f);
	errno = saved;
}

#define vmv_autofree	 VMV_CLEANUP(vmv_freep)
#define vmv_autoclose	 VMV_CLEANUP(vmv_closep)
#define vmv_autoclosedir VMV_CLEANUP(vmv_closedirp)
#define vmv_autofclose	 VMV_CLEANUP(vmv_fclosep)

/* Move ownership out of a cleanup variable: return VMV_TAKE(p, NULL). */
#define VMV_TAKE(var, empty)                    \
	__extension__({                         \
		__typeof__(var) taken_ = (var); \
		(var) = (empty);                \
		taken_;                         \
	})

#define VMV_COUNTOF(a) (sizeof(a) / sizeof((a)[0]))

#endif
