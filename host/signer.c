#include "host/signer.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/utf8.h"
#include "base/uuid.h"
#include "proto/json_read.h"
#include "proto/json_write.h"
#include "proto/keyfile.h"
#include "proto/sign.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct vmv_signer {
	bool has_key;
	uint8_t seed[VMV_SEED_SIZE];
	char id[VMV_KEY_ID_SIZE];
	int64_t last;
	int64_t fixed; /* the next counter; 0: as always */
	size_t secret_len;
	char secret[VMV_SECRET_MAX];
};

static int load_key(struct vmv_signer *s, const char *text, struct vmv_err *err)
{
	uint8_t pub[VMV_PUBLIC_SIZE];
	int r = vmv_seed_parse(text, s->seed, err);

	if (r < 0)
		return r;
	vmv_key_public(s->seed, pub);
	vmv_key_id(pub, s->id);
	s->has_key = true;
	return 0;
}

static int load_secret(struct vmv_signer *s, const char *text, struct vmv_err *err)
{
	struct vmv_span secret;
	int r = vmv_secret_parse(text, &secret, err);

	if (r < 0)
		return r;
	memcpy(s->secret, secret.s, secret.len);
	s->secret_len = secret.len;
	return 0;
}

static int load(struct vmv_signer *s, const char *key_file, const char *secret_file,
		struct vmv_err *err)
{
	char text[VMV_KEYFILE_MAX];
	const char *path = key_file ? key_file : secret_file;
	struct vmv_err why;
	int r = vmv_keyfile_read(AT_FDCWD, path, VMV_KEYFILE_PRIVATE, geteuid(), text, sizeof(text),
				 err);

	if (r < 0)
		return r;
	r = key_file ? load_key(s, text, &why) : load_secret(s, text, &why);
	explicit_bzero(text, sizeof(text));
	return r < 0 ? vmv_fail(err, why.code, why.sys, "'%.128s': %.128s", path, why.msg) : 0;
}

int vmv_signer_open(struct vmv_signer **ret, const char *key_file, const char *secret_file,
		    struct vmv_err *err)
{
	struct vmv_signer *s;
	int r;

	if (!key_file == !secret_file)
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"either a private key or a secret is needed to sign");
	s = calloc(1, sizeof(*s));
	if (!s)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	r = load(s, key_file, secret_file, err);
	if (r < 0) {
		vmv_signer_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void vmv_signer_free(struct vmv_signer *s)
{
	if (s)
		explicit_bzero(s, sizeof(*s));
	free(s);
}

void vmv_signer_passed(struct vmv_signer *s, int64_t last_counter)
{
	if (last_counter > s->last && last_counter <= VMV_INT_MAX)
		s->last = last_counter;
}

void vmv_signer_set_counter(struct vmv_signer *s, int64_t counter)
{
	s->fixed = counter;
}

const char *vmv_signer_key_id(const struct vmv_signer *s)
{
	return s->has_key ? s->id : NULL;
}

/* max(last + 1, Unix time in us): several programs share a key without talking. */
static int64_t next_counter(const struct vmv_signer *s)
{
	struct timespec ts;
	int64_t us = 0;

	if (s->fixed > 0)
		return s->fixed;
	if (clock_gettime(CLOCK_REALTIME, &ts) == 0)
		us = (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
	return us > s->last ? us : s->last + 1;
}

static int line_v2(struct vmv_signer *s, const char *vm_id, const char *session,
		   struct vmv_span payload, struct vmv_jw *w, struct vmv_err *err)
{
	int64_t counter = next_counter(s);
	int r;

	if (!vm_id || !*vm_id || !session || !*session)
		return vmv_fail(err, VMV_E_RANGE, EINVAL,
				"the guest's id and session are needed to sign");
	if (counter > VMV_INT_MAX)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "no counter is left in this session");
	r = vmv_envelope_v2(w, s->seed, vm_id, (struct vmv_span){ session, strlen(session) },
			    counter, payload);
	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "%s", strerror(-r));
	s->last = counter;
	s->fixed = 0;
	return 0;
}

static int line_v1(const struct vmv_signer *s, struct vmv_span payload, struct vmv_jw *w,
		   struct vmv_err *err)
{
	char nonce[VMV_UUID_SIZE];
	int r = vmv_uuid_random(nonce);

	if (r < 0)
		return vmv_fail(err, VMV_E_IO, -r, "no random numbers: %s", strerror(-r));
	vmv_envelope_v1(w, (struct vmv_span){ s->secret, s->secret_len },
			vmv_real_ms(&vmv_clock_system), (struct vmv_span){ nonce, strlen(nonce) },
			payload);
	return 0;
}

int vmv_signer_line(struct vmv_signer *s, const char *vm_id, const char *session,
		    const char *payload, size_t len, struct vmv_buf *ret, struct vmv_err *err)
{
	struct vmv_span text = { payload, len };
	struct vmv_jw w;
	int r;

	/* the guest would read something else than what was signed */
	if (!vmv_utf8_valid((const unsigned char *)payload, len) || memchr(payload, '\0', len))
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "the message is no UTF-8 text");
	vmv_jw_init(&w, ret->max);
	r = s->has_key ? line_v2(s, vm_id, session, text, &w, err) : line_v1(s, text, &w, err);
	if (r == 0) {
		r = vmv_jw_finish(&w);
		if (r == 0)
			r = vmv_buf_add(ret, w.buf.data, w.buf.len);
		if (r < 0)
			(void)vmv_fail(err, r == -EFBIG ? VMV_E_TOOLARGE : VMV_E_IO, -r,
				       "cannot make the envelope: %s", strerror(-r));
	}
	vmv_jw_free(&w);
	return r;
}
