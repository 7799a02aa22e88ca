#include "host/cp.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/num.h"
#include "host/cli.h"
#include "host/copy.h"
#include "host/outcome.h"
#include "host/remote.h"
#include "host/stop.h"
#include "host/text.h"

#define GUEST "guest:"

#define autoremote VMV_CLEANUP(vmv_remote_close)
#define autotext   VMV_CLEANUP(vmv_text_free)

static bool is_guest(const char *path)
{
	return strncmp(path, GUEST, strlen(GUEST)) == 0;
}

/* As people write directories: with a slash at the end. */
static int set_guest(const char *path, char guest[PATH_MAX], struct vmv_copy *c,
		     struct vmv_err *err)
{
	size_t len = strlen(path);

	if (*path != '/')
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"the path in the guest must be absolute: '" GUEST "/...'");
	if (len >= PATH_MAX)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "the path in the guest is too long");
	while (len > 1 && path[len - 1] == '/') {
		c->is_guest_dir = true;
		len--;
	}
	memcpy(guest, path, len);
	guest[len] = '\0';
	c->guest = guest;
	return 0;
}

static int set_paths(const struct vmv_options *o, char guest[PATH_MAX], struct vmv_copy *c,
		     bool *ret_in, struct vmv_err *err)
{
	const char *from, *to;

	if (o->n_operands != 3)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "give a source and a destination");
	from = o->operands[1];
	to = o->operands[2];
	if (is_guest(from) == is_guest(to))
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"one of the two, and not both, must be '" GUEST "PATH'");
	*ret_in = is_guest(to);
	c->local = *ret_in ? from : to;
	if (!*c->local)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "the local path is empty");
	if (o->is_json && !*ret_in && strcmp(c->local, "-") == 0)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "'-' and '--json' exclude each other");
	return set_guest((*ret_in ? to : from) + strlen(GUEST), guest, c, err);
}

static enum vmv_exit print_json(const struct vmv_cli *cli, const struct vmv_copy *c)
{
	autotext struct vmv_text t;

	vmv_text_init(&t, VMV_OUTPUT_MAX);
	vmv_text_fmt(&t, "{\"bytes\":%" PRIu64 ",\"sha256\":\"%s\"}\n", c->done, c->sha256);
	return vmv_cli_print(cli, &t);
}

enum vmv_exit vmv_run_cp(const struct vmv_cli *cli)
{
	autoremote struct vmv_remote remote = { .stop_fd = -1 };
	struct vmv_copy c = { .remote = &remote,
			      .progress = { .is_on = cli->has_progress },
			      .size = VMV_UNSET };
	char guest[PATH_MAX];
	bool is_in = false;
	struct vmv_err err;
	int r = set_paths(cli->options, guest, &c, &is_in, &err);

	sha256_init(&c.hash);
	if (r == 0)
		r = vmv_remote_open(cli, &remote, &err);
	c.began_ms = vmv_mono_ms(cli->clock);
	if (r == 0)
		r = is_in ? vmv_copy_store(&c, &err) : vmv_copy_fetch(&c, &err);
	vmv_progress_clear(&c.progress);
	if (r == -ECANCELED && remote.signal == 0) /* while a file here was waited for */
		remote.signal = vmv_stop_take(remote.stop_fd);
	if (r < 0)
		return vmv_outcome_fail(&remote, &err);
	return cli->options->is_json ? print_json(cli, &c) : VMV_EXIT_OK;
}

void vmv_help_cp(struct vmv_text *t)
{
	vmv_text_add(
		t,
		"\nOne of the two is guest:/PATH, the other a path here or -, standard input or\n"
		"output. A directory is a place for a file of the same name. Permission bits\n"
		"are kept (not set-user-id and the like). The destination is replaced when the\n"
		"copy is complete and its SHA-256 is right, and else stays as it was.\n"
		"\nIt must be signed: --key or --secret. --json prints bytes and SHA-256.\n");
}
