/* Standard output: how large it is, and writing to it without ever being stuck. */
#ifndef VMV_HOST_TERM_H
#define VMV_HOST_TERM_H

#include <stddef.h>

struct vmv_text;

#define VMV_TERM_COLUMNS 80  /* of a terminal that does not say */
#define VMV_TERM_ROWS	 24  /* likewise */
#define VMV_PIPE_COLUMNS 100 /* of what is no terminal */

struct vmv_term_size {
	size_t columns, rows;
};

struct vmv_term_size vmv_term_size(int fd);

/* Writes all of it, in pieces that a pipe takes at once. Returns 0, -ECANCELED when stop_fd (-1:
 * none) became readable, or what write(2) said: -EPIPE nobody reads any more. */
int vmv_term_write(int fd, int stop_fd, const char *data, size_t len);

/* Shows the cursor again. Gives up where the terminal does not take it at once. */
void vmv_term_restore(int fd);

/* Makes a page a frame: what is beyond the size is cut, ESC [ ... m not counted; each line ends
 * with "erase to the end of the line". Begins at home, ends with "erase what is below". */
void vmv_term_frame(const char *page, size_t len, struct vmv_term_size size, struct vmv_text *out);

#endif
