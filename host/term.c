#include "host/term.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/text.h"

#define RESTORE_MS 200

struct vmv_term_size vmv_term_size(int fd)
{
	struct winsize ws = { 0 };

	if (ioctl(fd, TIOCGWINSZ, &ws) < 0)
		return (struct vmv_term_size){ VMV_PIPE_COLUMNS, VMV_TERM_ROWS };
	return (struct vmv_term_size){
		.columns = ws.ws_col ? ws.ws_col : VMV_TERM_COLUMNS,
		.rows = ws.ws_row ? ws.ws_row : VMV_TERM_ROWS,
	};
}

/* Until fd takes PIPE_BUF bytes or the tool is to stop. */
static int wait_writable(int fd, int stop_fd)
{
	struct pollfd fds[] = {
		{ .fd = fd, .events = POLLOUT },
		{ .fd = stop_fd, .events = POLLIN },
	};

	while (poll(fds, VMV_COUNTOF(fds), -1) < 0)
		if (errno != EINTR)
			return -errno;
	return fds[1].revents ? -ECANCELED : 0;
}

int vmv_term_write(int fd, int stop_fd, const char *data, size_t len)
{
	while (len > 0) {
		int r = wait_writable(fd, stop_fd);
		ssize_t n;

		if (r < 0)
			return r;
		n = write(fd, data, len < PIPE_BUF ? len : PIPE_BUF);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

void vmv_term_restore(int fd)
{
	static const char show_cursor[] = "\033[?25h";
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	if (poll(&p, 1, RESTORE_MS) == 1 && write(fd, show_cursor, strlen(show_cursor)) < 0)
		return; /* the terminal is gone */
}

/* Length of the piece at s that cannot be divided: an SGR sequence or a character. */
static size_t piece_len(const char *s, size_t len, bool *is_sgr)
{
	size_t n = 1;

	*is_sgr = *s == '\033';
	if (*is_sgr) {
		while (n < len && s[n - 1] != 'm')
			n++;
		return n;
	}
	while (n < len && ((unsigned char)s[n] & 0xc0) == 0x80)
		n++;
	return n;
}

static void add_line(const char *s, size_t len, size_t columns, struct vmv_text *out)
{
	size_t used = 0, n;
	bool is_sgr;

	for (; len > 0; s += n, len -= n) {
		n = piece_len(s, len, &is_sgr);
		if (!is_sgr && used++ >= columns)
			continue; /* sequences behind the cut still switch colours off */
		vmv_text_fmt(out, "%.*s", (int)n, s);
	}
	vmv_text_add(out, "\033[K");
}

void vmv_term_frame(const char *page, size_t len, struct vmv_term_size size, struct vmv_text *out)
{
	vmv_text_add(out, "\033[H");
	for (size_t row = 0; row < size.rows && len > 0; row++) {
		const char *lf = memchr(page, '\n', len);
		size_t n = lf ? (size_t)(lf - page) : len;

		if (row > 0)
			vmv_text_add(out, "\r\n");
		add_line(page, n, size.columns, out);
		n += lf != NULL;
		page += n;
		len -= n;
	}
	vmv_text_add(out, "\033[J");
}
