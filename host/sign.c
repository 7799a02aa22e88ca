#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "host/cli.h"
#include "host/keys.h"
#include "host/signer.h"
#include "host/term.h"
#include "host/text.h"
#include "proto/json_read.h"

#define PAYLOAD_MAX  (8 * VMV_MIB) /* as much as a guest takes in a line by default */
#define ENVELOPE_MAX (64 * VMV_MIB)

static void signerp(struct vmv_signer **s)
{
	vmv_signer_free(*s);
}

#define autobuf	   VMV_CLEANUP(vmv_buf_free)
#define autosigner VMV_CLEANUP(signerp)

void vmv_help_sign(struct vmv_text *t)
{
	vmv_text_add(t, "\nMESSAGE is what the guest shall do, a JSON object; without it, standard "
			"input.\n--key needs --vm-id and --session, which the guest tells in its "
			"handshake.\n");
}

/* What does not fit together; 0, or -EINVAL with err set. */
static int check_options(const struct vmv_options *o, struct vmv_err *err)
{
	if (!o->key == !o->secret)
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"'sign' needs either '--key' or '--secret'");
	if (o->key && (!o->vm_id || !o->session))
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"'--key' needs '--vm-id' and '--session'");
	if (o->secret && (o->vm_id || o->session || o->counter))
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"'--secret' has no use for '--vm-id', '--session', '--counter'");
	return 0;
}

static int read_input(struct vmv_buf *ret, struct vmv_err *err)
{
	ssize_t n;

	do {
		if (vmv_buf_reserve(ret, 65536) < 0)
			return vmv_fail(err, VMV_E_TOOLARGE, EFBIG, "the message is too long");
		n = read(STDIN_FILENO, ret->data + ret->len, 65536);
		if (n < 0 && errno != EINTR)
			return vmv_fail(err, VMV_E_IO, errno, "cannot read standard input: %s",
					strerror(errno));
		ret->len += n > 0 ? (size_t)n : 0;
	} while (n != 0);
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The message, without blanks around it: a line feed before it would be signed, too. */
static int read_payload(const struct vmv_cli *cli, struct vmv_buf *ret, struct vmv_err *err)
{
	const struct vmv_options *o = cli->options;
	struct json_object *obj = NULL;
	struct vmv_err why;
	size_t blanks = 0;
	int r;

	if (o->n_operands > 1) {
		if (vmv_buf_add(ret, o->operands[1], strlen(o->operands[1])) < 0)
			return vmv_fail(err, VMV_E_TOOLARGE, EFBIG, "the message is too long");
	} else {
		r = read_input(ret, err);
		if (r < 0)
			return r;
	}
	while (ret->len > 0 && is_blank(ret->data[ret->len - 1]))
		ret->len--;
	while (blanks < ret->len && is_blank(ret->data[blanks]))
		blanks++;
	vmv_buf_drain(ret, blanks);
	r = vmv_json_parse(ret->data ? ret->data : "", ret->len, &obj, &why);
	json_object_put(obj);
	return r < 0 ? vmv_fail(err, VMV_E_RANGE, EINVAL, "the message is no JSON object: %.128s",
				why.msg)
		     : 0;
}

static int make_line(const struct vmv_cli *cli, const struct vmv_buf *payload, struct vmv_buf *ret,
		     struct vmv_err *err)
{
	const struct vmv_options *o = cli->options;
	autosigner struct vmv_signer *s = NULL;
	int r = vmv_signer_open(&s, o->key, o->secret, err);

	if (r < 0)
		return r;
	if (o->counter)
		vmv_signer_set_counter(s, (int64_t)o->counter);
	r = vmv_signer_line(s, o->vm_id, o->session, payload->data, payload->len, ret, err);
	if (r == 0 && vmv_buf_add(ret, "\n", 1) < 0)
		r = vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	return r;
}

enum vmv_exit vmv_run_sign(const struct vmv_cli *cli)
{
	autobuf struct vmv_buf payload = { .max = PAYLOAD_MAX };
	autobuf struct vmv_buf line = { .max = ENVELOPE_MAX };
	struct vmv_err err;
	int r = check_options(cli->options, &err);

	if (r < 0)
		return vmv_cli_usage(&err);
	r = read_payload(cli, &payload, &err);
	if (r == 0)
		r = make_line(cli, &payload, &line, &err);
	if (r < 0)
		return vmv_keys_fail(&err);
	return vmv_cli_wrote(vmv_term_write(cli->out_fd, -1, line.data, line.len));
}
