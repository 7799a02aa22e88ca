#include "host/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/term.h"

#define LINE_SIZE 256

void vmv_progress_show(struct vmv_progress *p, const char *fmt, ...)
{
	size_t columns = vmv_term_size(STDERR_FILENO).columns;
	char line[LINE_SIZE];
	va_list ap;

	if (!p->is_on)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	/* a line that wraps could not be taken away again */
	if (strlen(line) >= columns && columns > 0)
		line[columns - 1] = '\0';
	p->is_shown = true;
	(void)fprintf(stderr, "\r%s\033[K", line);
}

void vmv_progress_clear(struct vmv_progress *p)
{
	if (p->is_shown)
		(void)fprintf(stderr, "\r\033[K");
	p->is_shown = false;
}
