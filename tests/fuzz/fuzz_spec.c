/* Channel specifications. */
#include "tests/fuzz/fuzz.h"

#include "virtio/spec.h"

#include <errno.h>
#include <sys/un.h>

static void check_spec(const struct vmv_spec *s)
{
	FUZZ_CHECK(memchr(s->target, '\0', sizeof(s->target)));
	FUZZ_CHECK(memchr(s->name, '\0', sizeof(s->name)) && s->name[0]);
	FUZZ_CHECK((s->transport == VMV_TRANSPORT_STDIO) == (s->target[0] == '\0'));
	FUZZ_CHECK(s->port == 0 || s->transport == VMV_TRANSPORT_VSOCK_LISTEN);
	if (s->transport == VMV_TRANSPORT_VIRTIO)
		FUZZ_CHECK(!strchr(s->target, '/'));
	if (s->transport == VMV_TRANSPORT_UNIX_LISTEN || s->transport == VMV_TRANSPORT_UNIX_CONNECT)
		FUZZ_CHECK(strlen(s->target) < sizeof(((struct sockaddr_un *)0)->sun_path));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct vmv_spec s = { .port = 7 }, again;
	struct vmv_err err = { 0 };
	int r = vmv_spec_parse(text, &s, &err);

	FUZZ_CHECK(r <= 0 && (r < 0) == (err.code != VMV_OK) && (r < 0) == (err.msg[0] != '\0'));
	if (r < 0) {
		FUZZ_CHECK(r == -EINVAL && s.port == 7);
	} else {
		check_spec(&s);
		/* the name is the specification without its suffix */
		FUZZ_CHECK(strstr(s.name, ",dialect=") ||
			   vmv_spec_parse(s.name, &again, NULL) == 0);
		FUZZ_CHECK(strncmp(text, s.name, strlen(s.name)) == 0);
	}
	free(text);
	return 0;
}
