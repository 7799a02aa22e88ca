/* The error type: a code, an errno and one sentence for people. */
#ifndef VMV_BASE_ERR_H
#define VMV_BASE_ERR_H

/* Internal codes; reports/response.c maps them onto the closed list of the wire. */
enum vmv_errc {
	VMV_OK,
	VMV_E_IO,	   /* the kernel or a file said no; sys holds errno */
	VMV_E_PARSE,	   /* input present but malformed */
	VMV_E_RANGE,	   /* well-formed, outside the documented limits */
	VMV_E_UNKNOWN,	   /* no such command, collector, setting or argument */
	VMV_E_DENIED,	   /* known, but this channel may not use it */
	VMV_E_UNSUPPORTED, /* known, but not to be had on this system */
	VMV_E_BUSY,	   /* a bound is reached; later may work */
	VMV_E_NOTFOUND,	   /* the object that was named does not exist */
	VMV_E_NOEXECUTOR,  /* needs the executor, which is not there */
	VMV_E_SIGNATURE,   /* unsigned where a signature is needed, or a wrong one */
	VMV_E_STALE,	   /* signed too long ago, or in the future */
	VMV_E_REPLAYED,	   /* its nonce or counter was used before */
	VMV_E_KEY,	   /* signed with a key that is not trusted here */
	VMV_E_SESSION,	   /* signed for another session */
	VMV_E_LOCKED,	   /* nothing to verify a signature with, or not wanted */
	VMV_E_TOOLARGE,	   /* over a size limit */
	VMV_E_TIMEDOUT,	   /* started; its deadline struck */
	VMV_E_CANCELLED,   /* started; somebody asked for its end: no code on the wire */
	VMV_N_ERRC,
};

struct vmv_err {
	enum vmv_errc code;
	int sys;       /* positive errno, or 0 */
	char msg[300]; /* one sentence, no newline, no secret */
};

/* Fills err (which may be NULL) and returns -sys, or -EINVAL when sys is 0,
 * so that callers can write: return vmv_fail(err, VMV_E_IO, errno, "..."). */
int vmv_fail(struct vmv_err *err, enum vmv_errc code, int sys, const char *fmt, ...)
	__attribute__((format(printf, 4, 5), cold));

#endif
