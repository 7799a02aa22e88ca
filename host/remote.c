#include "host/remote.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "host/cli.h"
#include "host/client.h"
#include "host/identity.h"
#include "host/signer.h"
#include "host/stop.h"
#include "host/verbs.h"
#include "proto/json_read.h"

#define LINE_MAX (8 * VMV_MIB) /* what a guest takes */

#define autobuf VMV_CLEANUP(vmv_buf_free)

static int open_signer(const struct vmv_cli *cli, struct vmv_signer **ret, struct vmv_err *err)
{
	const struct vmv_options *o = cli->options;
	struct vmv_err why = { 0 };
	int r;

	if (!o->key && !o->secret)
		return 0;
	if (o->key && o->secret)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "--key and --secret exclude each other");
	r = vmv_signer_open(ret, o->key, o->secret, &why);
	if (r == 0 || r == -ENOMEM || why.code == VMV_E_DENIED) {
		*err = why;
		return r;
	}
	/* a file that is not there, or holds something else, is a mistake in the command line */
	return vmv_fail(err, VMV_E_RANGE, EINVAL, "%s", why.msg);
}

/* What an earlier session left in the port comes first, a handshake perhaps: what is signed for
 * that one would be refused. Whatever the answer to a fresh question says, it is of now. */
static int find_session(struct vmv_remote *r, uint64_t deadline_ms, struct vmv_err *err)
{
	struct json_object *data = NULL;
	int q = vmv_client_call(r->client, "Ping", NULL, deadline_ms, &data, err);

	json_object_put(data);
	/* one that is refused is answered, too */
	return q < 0 && (err->code == VMV_E_IO || err->code == VMV_E_PARSE) ? q : 0;
}

int vmv_remote_open(const struct vmv_cli *cli, struct vmv_remote *ret, struct vmv_err *err)
{
	uint64_t deadline_ms;
	int r;

	*ret = (struct vmv_remote){ .cli = cli, .stop_fd = -1 };
	r = open_signer(cli, &ret->signer, err);
	if (r < 0)
		return r;
	r = vmv_stop_open(err);
	if (r < 0)
		return r;
	ret->stop_fd = r;
	deadline_ms = vmv_mono_ms(cli->clock) + VMV_REMOTE_CONNECT_MS;
	r = vmv_verb_connect_until(cli, ret->stop_fd, deadline_ms, &ret->client, err);
	if (r == 0 && ret->signer)
		r = find_session(ret, deadline_ms, err);
	if (r == -ECANCELED)
		ret->signal = vmv_stop_take(ret->stop_fd);
	return r;
}

void vmv_remote_close(struct vmv_remote *r)
{
	vmv_client_free(r->client);
	vmv_signer_free(r->signer);
	vmv_closep(&r->stop_fd);
}

/* The id to sign for; NULL in *ret where nobody says one. */
static int vm_id_of(const struct vmv_remote *r, const char **ret, struct vmv_err *err)
{
	const char *told = vmv_json_str(vmv_client_handshake(r->client), "vm_id");
	const char *wanted = r->cli->options->vm_id;

	if (wanted && told && strcmp(wanted, told) != 0)
		return vmv_fail(err, VMV_E_DENIED, EPERM,
				"this is not guest '%.64s': it says another id; nothing was sent",
				wanted);
	*ret = wanted ? wanted : told;
	return 0;
}

int vmv_remote_send(struct vmv_remote *r, const char *message, size_t len, struct vmv_err *err)
{
	autobuf struct vmv_buf line = { .max = LINE_MAX };
	const char *vm_id = NULL;
	int q = vm_id_of(r, &vm_id, err);

	if (q < 0)
		return q;
	if (!r->signer)
		return vmv_client_send(r->client, message, len, err);
	if (!vm_id && vmv_signer_key_id(r->signer))
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"the guest does not say its id: name it with --vm-id");
	q = vmv_signer_line(r->signer, vm_id, vmv_client_identity(r->client)->session, message, len,
			    &line, err);
	return q < 0 ? q : vmv_client_send(r->client, line.data, line.len, err);
}
