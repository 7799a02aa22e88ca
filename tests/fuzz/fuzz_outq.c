/* The output queue: the bytes are a script of calls. What comes out must be whole lines that were
 * put in, in order, within the window, each once; and the accounts must balance. */
#include "tests/fuzz/fuzz.h"

#include "virtio/outq.h"

#include <stdbool.h>

#define LINES_MAX   4096
#define LINE_MAX    (80 * VMV_KIB)
#define SAMPLES_MAX (1 * VMV_MIB)
#define SUBS	    4

struct model {
	struct vmv_outq q;
	unsigned seq; /* of the next line */
	char line[LINE_MAX + 1];
	char fresh[LINE_MAX + 1]; /* a line on its way in */
	char seen[VMV_WRITE_MAX]; /* what peek showed first */

	/* the host's side */
	size_t len;	    /* of the unfinished line, in line */
	bool expects_lf;    /* the first byte of a greeting */
	bool expects_hello; /* then its handshake */
	bool is_greeting;   /* then metrics */
	uint64_t sent, acked;
	uint64_t ends[LINES_MAX]; /* of the session's lines, as numbers of bytes */
	size_t n_lines;
	unsigned latest[VMV_N_CLASSES][SUBS]; /* seq of the latest line, plus one */

	uint64_t added, done;
	uint64_t owed[VMV_N_CLASSES]; /* added and not done; reset where the session's end drops */
	unsigned newest_metrics;      /* seq of the metrics that must come at last, plus one */
};

static const bool windowed[VMV_N_CLASSES] = {
	[VMV_CLASS_EVENT] = true,
	[VMV_CLASS_STREAM] = true,
	[VMV_CLASS_SAMPLES] = true,
};

/* "class sub seq length ...", filled with a letter; the handshake's class is VMV_N_CLASSES. */
static size_t compose(struct model *m, unsigned class, unsigned sub, size_t len)
{
	size_t head =
		(size_t)snprintf(m->fresh, LINE_MAX, "%u %u %u %zu ", class, sub, m->seq, len);

	m->seq++;
	if (len <= head)
		return head;
	memset(m->fresh + head, 'a' + (int)class, len - head);
	return len;
}

static void check_window(const struct model *m, size_t len)
{
	size_t open = 0;

	if (m->sent <= m->acked)
		return; /* one longer line alone may go */
	FUZZ_CHECK(m->sent - m->acked + len <= VMV_WINDOW_BYTES);
	for (size_t i = m->n_lines; i > 0 && m->ends[i - 1] > m->acked; i--)
		open++;
	FUZZ_CHECK(open < VMV_WINDOW_LINES);
}

static void check_order(struct model *m, unsigned class, unsigned sub, unsigned seq)
{
	FUZZ_CHECK(seq >= m->latest[class][sub]);
	m->latest[class][sub] = seq + 1;
	if (windowed[class])
		check_window(m, m->len + 1);
	if (class == VMV_CLASS_METRICS) {
		m->is_greeting = false;
		if (seq + 1 == m->newest_metrics)
			m->newest_metrics = 0;
	}
	FUZZ_CHECK(!m->is_greeting);
	if (m->owed[class] > 0)
		m->owed[class]--;
	else
		FUZZ_CHECK(class == VMV_CLASS_METRICS || class == VMV_CLASS_SAMPLES);
}

static void line_done(struct model *m)
{
	unsigned class = 0, sub = 0, seq = 0;
	size_t len = 0;
	int head = 0;

	m->line[m->len] = '\0';
	FUZZ_CHECK(sscanf(m->line, "%u %u %u %zu %n", &class, &sub, &seq, &len, &head) == 4);
	FUZZ_CHECK(seq < m->seq && class <= VMV_N_CLASSES && sub < SUBS);
	FUZZ_CHECK(m->len == (len > (size_t)head ? len : (size_t)head));
	FUZZ_CHECK(strspn(m->line + head, (char[]){ (char)('a' + class), '\0' }) ==
		   m->len - (size_t)head);
	FUZZ_CHECK((class == VMV_N_CLASSES) == m->expects_hello);
	if (class < VMV_N_CLASSES)
		check_order(m, class, sub, seq);
	m->expects_hello = false;
	m->sent += m->len + 1;
	FUZZ_CHECK(m->n_lines < LINES_MAX);
	m->ends[m->n_lines++] = m->sent;
	m->done++;
	m->len = 0;
}

static void receive(struct model *m, const char *data, size_t len)
{
	if (m->expects_lf && len > 0) {
		FUZZ_CHECK(*data == '\n');
		m->expects_lf = false;
		data++;
		len--;
	}
	while (len > 0) {
		const char *lf = memchr(data, '\n', len);
		size_t n = lf ? (size_t)(lf - data) : len;

		FUZZ_CHECK(m->len + n <= LINE_MAX);
		memcpy(m->line + m->len, data, n);
		m->len += n;
		if (lf)
			line_done(m);
		data += n + (lf != NULL);
		len -= n + (lf != NULL);
	}
}

/* Returns false when nothing may be written. */
static bool write_some(struct model *m, unsigned share)
{
	size_t len = 0, more = 0, n;
	const char *p = vmv_outq_peek(&m->q, &len);

	if (!p) {
		FUZZ_CHECK(m->q.is_greeting || vmv_outq_bytes(&m->q) == 0 ||
			   vmv_outq_window_closed(&m->q));
		return false;
	}
	FUZZ_CHECK(len > 0 && len <= VMV_WRITE_MAX && len <= vmv_outq_bytes(&m->q));
	FUZZ_CHECK(!vmv_outq_window_closed(&m->q));
	memcpy(m->seen, p, len);
	p = vmv_outq_peek(&m->q, &more); /* looking twice shows the same */
	FUZZ_CHECK(p && more >= len && memcmp(p, m->seen, len) == 0);
	n = more * share / 255;
	receive(m, p, n);
	vmv_outq_wrote(&m->q, n);
	FUZZ_CHECK(m->q.sent == m->sent);
	return true;
}

static void add(struct model *m, unsigned class, unsigned sub, size_t len)
{
	sub = class == VMV_CLASS_SAMPLES ? sub % SUBS : 0;
	if (class == VMV_CLASS_METRICS)
		m->newest_metrics = m->seq + 1;
	len = compose(m, class, sub, len);
	FUZZ_CHECK(vmv_outq_add(&m->q, class, sub, m->fresh, len) == 0);
	FUZZ_CHECK(m->q.samples_bytes[sub] <= SAMPLES_MAX + LINE_MAX + VMV_WRITE_MAX);
	m->added++;
	m->owed[class]++;
}

/* All but replies are dropped, and an unfinished line will not be finished. */
static void session_ends(struct model *m)
{
	for (unsigned c = VMV_CLASS_REPLY + 1; c < VMV_N_CLASSES; c++)
		m->owed[c] = 0;
	m->newest_metrics = 0;
	m->len = 0;
	m->expects_lf = m->expects_hello = m->is_greeting = false;
}

static void begin(struct model *m, size_t len)
{
	len = compose(m, VMV_N_CLASSES, 0, len);
	FUZZ_CHECK(vmv_outq_begin(&m->q, m->fresh, len) == 0);
	session_ends(m);
	m->added++;
	m->expects_lf = m->expects_hello = m->is_greeting = true;
	m->sent = m->acked = m->n_lines = 0;
}

static void ack(struct model *m, uint64_t bytes)
{
	vmv_outq_ack(&m->q, bytes);
	if (bytes > m->acked && bytes <= m->sent)
		m->acked = bytes;
	FUZZ_CHECK(m->q.acked == m->acked);
}

static void release(struct model *m)
{
	vmv_outq_release(&m->q);
	m->is_greeting = false;
}

static void step(struct model *m, uint8_t op, uint8_t arg)
{
	switch (op % 8) {
	case 0:
		add(m, op / 8 % VMV_N_CLASSES, arg, arg);
		break;
	case 1:
		add(m, op / 8 % VMV_N_CLASSES, arg, arg * 300);
		break;
	case 2:
	case 3:
		(void)write_some(m, op % 8 == 2 ? arg : 255);
		break;
	case 4:
		ack(m, op < 128 ? m->sent * arg / 255 : m->sent + arg);
		break;
	case 5:
		vmv_outq_detach(&m->q);
		session_ends(m);
		break;
	case 6:
		begin(m, arg * 8);
		break;
	default:
		release(m);
	}
}

/* A host that reads everything gets everything that may not be dropped. */
static void drain(struct model *m)
{
	release(m);
	while (write_some(m, 255) || vmv_outq_window_closed(&m->q))
		ack(m, m->sent);
	FUZZ_CHECK(vmv_outq_bytes(&m->q) == 0 && vmv_outq_reply_bytes(&m->q) == 0);
	for (unsigned c = 0; c < VMV_N_CLASSES; c++) {
		FUZZ_CHECK(m->q.class_bytes[c] == 0);
		if (c != VMV_CLASS_METRICS && c != VMV_CLASS_SAMPLES)
			FUZZ_CHECK(m->owed[c] == 0);
	}
	for (unsigned sub = 0; sub < VMV_SUBSCRIPTIONS_MAX; sub++)
		FUZZ_CHECK(m->q.samples_bytes[sub] == 0);
	FUZZ_CHECK(m->newest_metrics == 0 && m->len == 0);
	FUZZ_CHECK(m->added ==
		   m->done + m->q.replaced + m->q.dropped_samples + m->q.dropped_session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct model *m;

	if (size > LINES_MAX)
		return 0;
	m = calloc(1, sizeof(*m));
	FUZZ_CHECK(m);
	vmv_outq_init(&m->q);
	for (size_t i = 0; i + 1 < size; i += 2) {
		step(m, data[i], data[i + 1]);
		/* never negative: no more than was ever put in */
		FUZZ_CHECK(vmv_outq_bytes(&m->q) <= m->seq * (size_t)(LINE_MAX + 2));
		FUZZ_CHECK(vmv_outq_reply_bytes(&m->q) <= m->seq * (size_t)(LINE_MAX + 2));
	}
	drain(m);
	vmv_outq_free(&m->q);
	free(m);
	return 0;
}
