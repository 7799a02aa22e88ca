#include "host/exits.h"

#include <errno.h>

#include "base/err.h"

static enum vmv_exit exit_of_io(int sys)
{
	switch (sys) {
	case ENOMEM:	/* ours */
	case EREMOTEIO: /* the agent's */
		return VMV_EXIT_INTERNAL;
	default:
		return VMV_EXIT_NO_AGENT;
	}
}

enum vmv_exit vmv_exit_of(const struct vmv_err *err)
{
	switch (err->code) {
	case VMV_E_IO:
		return exit_of_io(err->sys);
	case VMV_E_PARSE:
	case VMV_E_UNKNOWN:
		return VMV_EXIT_PROTOCOL;
	case VMV_E_DENIED:
	case VMV_E_NOEXECUTOR:
	case VMV_E_SIGNATURE:
	case VMV_E_STALE:
	case VMV_E_REPLAYED:
	case VMV_E_KEY:
	case VMV_E_SESSION:
	case VMV_E_LOCKED:
		return VMV_EXIT_DENIED;
	case VMV_E_BUSY:
		return VMV_EXIT_BUSY;
	case VMV_OK:
	case VMV_E_TOOLARGE:
	case VMV_E_TIMEDOUT:
	case VMV_E_CANCELLED:
	case VMV_N_ERRC:
	case VMV_E_RANGE:
	case VMV_E_UNSUPPORTED:
	case VMV_E_NOTFOUND:
		break;
	}
	return VMV_EXIT_INTERNAL;
}
