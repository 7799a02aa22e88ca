/* The signals that end the tool, as a descriptor that can be waited for. */
#ifndef VMV_HOST_STOP_H
#define VMV_HOST_STOP_H

struct vmv_err;

/* Blocks SIGINT, SIGTERM and SIGHUP. Returns a descriptor that is readable once one came, or
 * negative errno with err set. */
int vmv_stop_open(struct vmv_err *err);

/* Takes one from it. Returns its number; 0: none is there. */
int vmv_stop_take(int fd);

#endif
