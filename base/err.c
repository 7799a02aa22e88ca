#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int vmv_fail(struct vmv_err *err, enum vmv_errc code, int sys, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		err->code = code;
		err->sys = sys;
		va_start(ap, fmt);
		(void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
		va_end(ap);
		/* names from outside may be part of it: it stays one line of text */
		for (char *p = err->msg; *p; p++)
			if ((unsigned char)*p < 0x20 || *p == 0x7f)
				*p = '?';
	}
	return sys ? -sys : -EINVAL;
}
