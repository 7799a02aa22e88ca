/* Exit statuses of vmvitals: sysexits(3), and those of monitoring plugins. */
#ifndef VMV_HOST_EXITS_H
#define VMV_HOST_EXITS_H

struct vmv_err;

enum vmv_exit {
	VMV_EXIT_OK = 0,
	VMV_EXIT_WARNING = 1, /* these three by 'health' only, as monitoring plugins have them */
	VMV_EXIT_FAILED = 2,
	VMV_EXIT_UNKNOWN = 3,
	VMV_EXIT_USAGE = 64,	/* unknown verb, unknown or bad option */
	VMV_EXIT_NO_AGENT = 69, /* cannot connect, hung up, no answer in time */
	VMV_EXIT_INTERNAL = 70, /* a failure of this tool or inside the agent */
	VMV_EXIT_OUTPUT = 74,	/* standard output does not take it */
	VMV_EXIT_BUSY = 75,	/* later may work */
	VMV_EXIT_PROTOCOL = 76, /* the other side speaks something else */
	VMV_EXIT_DENIED = 77,	/* refused by signature or policy */
};

/* The status for an error that came from the client or from an agent's answer. */
enum vmv_exit vmv_exit_of(const struct vmv_err *err);

#endif
