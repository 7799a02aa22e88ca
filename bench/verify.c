/* CPU time of one signed envelope, from the line to the parsed payload: both parsers and the
 * signature, without what is recorded on disk. Prints {"v1_us":...,"v2_us":...}.
 *
 * verify [ROUNDS] */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/num.h"
#include "proto/envelope.h"
#include "proto/json_read.h"
#include "proto/json_write.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS	   2000
#define NOW	   INT64_C(1784030400000)
#define SPAN(text) ((struct vmv_span){ (text), strlen(text) })

static const char SECRET[] = "9611629bbdd645fccd468a01c6511a75fe0c9c32b44cf4b45013d3208e7a96f8";
static const char SESSION[] = "0b9c2f6e-5d41-4c0a-9b8e-2f7a61d3c4e5";
static const char VM_ID[] = "3f2b6c1e-9a44-4d7c-8d52-6a1f0c9be001";

/* About 300 bytes, as hosts send them. */
static const char PAYLOAD[] =
	"{\"type\":\"UnsafeCommand\",\"id\":\"d4a1e0b7-0003-4f52-8a6d-5c00dd22ee02\","
	"\"raw_command\":\"systemctl --quiet is-active nginx.service || journalctl -u "
	"nginx.service "
	"--since -10min --no-pager | tail -n 50\",\"shell\":\"bash\",\"timeout\":60,"
	"\"working_dir\":\"/root\",\"env_vars\":{\"LANG\":\"C.UTF-8\"},\"run_as\":null,"
	"\"stream\":true}";

static uint8_t pub[VMV_PUBLIC_SIZE];

static const uint8_t *key(void *arg, const char *id)
{
	(void)arg;
	(void)id;
	return pub;
}

static int nonce(void *arg, const char *text, size_t len, int64_t until)
{
	(void)arg;
	(void)text;
	(void)len;
	(void)until;
	return 0;
}

static int counter(void *arg, const char *id, const char *session, int64_t v, int64_t *ret_last)
{
	(void)arg;
	(void)id;
	(void)session;
	(void)v;
	*ret_last = 0;
	return 0;
}

static const struct vmv_verifier verifier = {
	.secret = { SECRET, sizeof(SECRET) - 1 },
	.accepts_v1 = true,
	.has_keys = true,
	.vm_id = VM_ID,
	.session = SESSION,
	.now_real_ms = NOW,
	.key = key,
	.nonce = nonce,
	.counter = counter,
};

static int once(const char *line, size_t len)
{
	struct json_object *message = NULL, *payload = NULL;
	struct vmv_verdict verdict;
	struct vmv_err err;
	int r = vmv_json_parse(line, len, &message, &err);

	if (r == 0)
		r = vmv_envelope_verify(&verifier, message, &payload, &verdict, &err);
	if (r < 0)
		(void)fprintf(stderr, "verify: %s\n", err.msg);
	json_object_put(payload);
	json_object_put(message);
	return r;
}

static double cpu_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* Takes the line in w. Returns us an envelope, negative when it is not accepted. */
static double measure(struct vmv_jw *w, uint64_t rounds)
{
	double start, us = -1;
	int r = vmv_jw_finish(w);

	for (uint64_t i = 0; i < rounds / 10 && r == 0; i++) /* warm */
		r = once(w->buf.data, w->buf.len);
	start = cpu_us();
	for (uint64_t i = 0; i < rounds && r == 0; i++)
		r = once(w->buf.data, w->buf.len);
	if (r == 0)
		us = (cpu_us() - start) / (double)rounds;
	vmv_jw_free(w);
	return us;
}

int main(int argc, char **argv)
{
	static const uint8_t seed[VMV_SEED_SIZE] = { 1, 2, 3 };
	struct vmv_jw v1, v2;
	uint64_t rounds = ROUNDS;
	double v1_us, v2_us;

	if (argc > 1 && (vmv_parse_u64(argv[1], &rounds, NULL) < 0 || rounds == 0))
		return EXIT_FAILURE;
	vmv_key_public(seed, pub);
	vmv_jw_init(&v1, VMV_MIB);
	vmv_envelope_v1(&v1, SPAN(SECRET), NOW, SPAN(SESSION), SPAN(PAYLOAD));
	v1_us = measure(&v1, rounds);
	vmv_jw_init(&v2, VMV_MIB);
	if (vmv_envelope_v2(&v2, seed, VM_ID, SPAN(SESSION), 1, SPAN(PAYLOAD)) < 0)
		return EXIT_FAILURE;
	v2_us = measure(&v2, rounds);
	if (v1_us < 0 || v2_us < 0)
		return EXIT_FAILURE;
	(void)printf("{\"v1_us\":%.1f,\"v2_us\":%.1f}\n", v1_us, v2_us);
	return EXIT_SUCCESS;
}
