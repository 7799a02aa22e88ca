#include "collectors/parts.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/root.h"
#include "collectors/keyed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct state {
	int fds[VMV_PARTS_MAX]; /* -1 until they could be opened */
};

void *vmv_parts_open(const struct vmv_root *root)
{
	struct state *s = malloc(sizeof(*s));

	(void)root; /* files may come later, so each is opened when it is read */
	for (size_t i = 0; s && i < VMV_PARTS_MAX; i++)
		s->fds[i] = -1;
	return s;
}

void vmv_parts_close(void *state)
{
	struct state *s = state;

	if (!s)
		return;
	for (size_t i = 0; i < VMV_PARTS_MAX; i++)
		vmv_closep(&s->fds[i]);
	free(s);
}

static int fail_read(const char *path, int r, struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_IO, -r, "cannot read /proc/%s: %s", path, strerror(-r));
}

static bool is_missing(int r)
{
	return r == -ENOENT || r == -EOPNOTSUPP;
}

static bool is_hidden(int r)
{
	return r == -EACCES || r == -EPERM;
}

int vmv_parts_read(void *state, const struct vmv_root *root, const struct vmv_part *parts, size_t n,
		   void *sample, size_t sample_size, struct vmv_err *err)
{
	struct state *s = state;
	const char *hidden = NULL;
	bool has_file = false;
	char text[VMV_PART_TEXT];
	int why = -ENOENT, r;

	memset(sample, 0xff, sample_size); /* VMV_UNSET everywhere */
	for (size_t i = 0; i < n; i++) {
		r = vmv_reread(&s->fds[i], root->proc, parts[i].path, text, parts[i].cap);
		if (is_hidden(r)) {
			hidden = parts[i].path;
			why = r;
		}
		if (is_missing(r) || is_hidden(r))
			continue;
		if (r < 0)
			return fail_read(parts[i].path, r, err);
		r = parts[i].parse(text, parts[i].path, (char *)sample + parts[i].offset, err);
		if (r < 0)
			return r;
		has_file = true;
	}
	return has_file ? 0 : fail_read(hidden ? hidden : parts[0].path, why, err);
}
