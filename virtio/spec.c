#include "virtio/spec.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/num.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static const struct {
	const char *word;
	enum vmv_transport transport;
} words[] = {
	{ "virtio", VMV_TRANSPORT_VIRTIO },
	{ "path", VMV_TRANSPORT_PATH },
	{ "unix-listen", VMV_TRANSPORT_UNIX_LISTEN },
	{ "unix-connect", VMV_TRANSPORT_UNIX_CONNECT },
	{ "vsock-listen", VMV_TRANSPORT_VSOCK_LISTEN },
	{ "stdio", VMV_TRANSPORT_STDIO },
};

static const char *const dialects[] = {
	[VMV_DIALECT_NATIVE] = "native", [VMV_DIALECT_QGA] = "qga"
};

const char *vmv_dialect_name(enum vmv_dialect dialect)
{
	return dialects[dialect];
}

/* Takes ",dialect=..." off the end. Without it the port decides. */
static int take_dialect(char *text, struct vmv_spec *s, struct vmv_err *err)
{
	char *comma = strrchr(text, ',');
	size_t i = 0;

	if (!comma || strncmp(comma, ",dialect=", 9) != 0) {
		s->dialect = strcmp(text, "virtio:" VMV_SPEC_QGA_PORT) == 0 ? VMV_DIALECT_QGA
									    : VMV_DIALECT_NATIVE;
		return 0;
	}
	while (i < VMV_COUNTOF(dialects) && strcmp(comma + 9, dialects[i]) != 0)
		i++;
	if (i == VMV_COUNTOF(dialects))
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"channel '%s': the dialect is neither native nor qga", text);
	s->dialect = (enum vmv_dialect)i;
	*comma = '\0';
	if (strstr(text, ",dialect="))
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "channel '%s': a second dialect", text);
	return 0;
}

static int check_target(const struct vmv_spec *s, const char *text, struct vmv_err *err)
{
	bool is_socket = s->transport == VMV_TRANSPORT_UNIX_LISTEN ||
			 s->transport == VMV_TRANSPORT_UNIX_CONNECT;

	if (s->transport == VMV_TRANSPORT_STDIO)
		return 0;
	if (s->target[0] == '\0')
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "channel '%s': nothing after the colon",
				text);
	if (s->transport == VMV_TRANSPORT_VIRTIO && strchr(s->target, '/'))
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"channel '%s': a port name holds no slash; use path:DEVICE", text);
	if (is_socket && strlen(s->target) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"channel '%s': path too long for a socket", text);
	return 0;
}

static int parse_port(struct vmv_spec *s, const char *text, struct vmv_err *err)
{
	uint64_t port;
	const char *end;

	if (s->transport != VMV_TRANSPORT_VSOCK_LISTEN)
		return 0;
	if (vmv_parse_u64(s->target, &port, &end) < 0 || *end || port >= UINT32_MAX)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "channel '%s': bad port number", text);
	s->port = (uint32_t)port;
	return 0;
}

int vmv_spec_parse(const char *text, struct vmv_spec *ret, struct vmv_err *err)
{
	struct vmv_spec s = { 0 };
	char copy[sizeof(s.name)];
	const char *colon;
	size_t word, i;
	int r;

	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy) ||
	    strlen(text) >= sizeof(s.target))
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "channel '%.40s...': too long", text);
	r = take_dialect(copy, &s, err);
	if (r < 0)
		return r;
	colon = strchr(copy, ':');
	word = colon ? (size_t)(colon - copy) : strlen(copy);
	for (i = 0; i < VMV_COUNTOF(words); i++)
		if (strlen(words[i].word) == word && memcmp(words[i].word, copy, word) == 0)
			break;
	if (i == VMV_COUNTOF(words) ||
	    (words[i].transport == VMV_TRANSPORT_STDIO) == (colon != NULL))
		return vmv_fail(
			err, VMV_E_RANGE, EINVAL,
			"channel '%s': expected virtio:NAME, path:DEVICE, unix-listen:PATH, "
			"unix-connect:PATH, vsock-listen:PORT or stdio",
			text);
	s.transport = words[i].transport;
	memcpy(s.name, copy, sizeof(s.name));
	if (colon)
		memcpy(s.target, colon + 1, strlen(colon + 1) + 1);
	r = check_target(&s, text, err);
	if (r == 0)
		r = parse_port(&s, text, err);
	if (r < 0)
		return r;
	*ret = s;
	return 0;
}
