/* One line on a terminal that tells how far something is, and that goes away again. */
#ifndef VMV_HOST_PROGRESS_H
#define VMV_HOST_PROGRESS_H

#include <stdbool.h>

/* Plain values. */
struct vmv_progress {
	bool is_on; /* standard error is a terminal */
	bool is_shown;
};

/* Our own words; what does not fit the terminal is cut. Nothing when it is off. */
void vmv_progress_show(struct vmv_progress *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Takes the line away, before anything else is written. */
void vmv_progress_clear(struct vmv_progress *p);

#endif
