#include "host/watch.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "host/cli.h"
#include "host/client.h"
#include "host/identity.h"
#include "host/rates.h"
#include "host/show.h"
#include "host/stop.h"
#include "host/term.h"
#include "host/text.h"
#include "host/verbs.h"
#include "host/vitals.h"
#include "proto/json_read.h"

/* An agent answers one 'Metrics' a second and forgets the others: ask again. */
#define ASK_AGAIN_MS 500

struct watch {
	const struct vmv_cli *cli;
	struct vmv_client *client; /* owned */
	int stop_fd;		   /* owned */
	struct vmv_vitals before;  /* of the latest frame; owned */
	uint64_t before_ns;	   /* when it was received */
	char boot_id[VMV_UUID_SIZE];
	uint64_t frames;
	bool is_drawing; /* the terminal is ours: the cursor is hidden */
};

static void watch_done(struct watch *w)
{
	if (w->is_drawing)
		vmv_term_restore(w->cli->out_fd);
	vmv_client_free(w->client);
	vmv_vitals_clear(&w->before);
	vmv_closep(&w->stop_fd);
}

/* Asks, and asks again, until a metrics message comes. */
static int ask(struct watch *w, struct json_object **ret, struct vmv_err *err)
{
	static const char line[] = "{\"type\":\"Metrics\"}";
	uint64_t deadline = vmv_verb_deadline(w->cli), again = 0;
	int r = 0;

	while (r == 0) {
		struct json_object *msg = NULL;
		const char *type;
		uint64_t now = vmv_mono_ms(w->cli->clock);

		if (now >= again) {
			r = vmv_client_send(w->client, line, strlen(line), err);
			again = now + ASK_AGAIN_MS;
		}
		if (r == 0)
			r = vmv_client_next(w->client, again < deadline ? again : deadline, &msg,
					    err);
		if (r == -ETIMEDOUT && vmv_mono_ms(w->cli->clock) < deadline)
			r = 0;
		type = msg ? vmv_json_str(msg, "type") : NULL;
		if (type && strcmp(type, "metrics") == 0) {
			*ret = msg;
			return 0;
		}
		json_object_put(msg);
	}
	return r;
}

/* Lets messages come and go until the next frame is due. */
static int idle(struct watch *w, uint64_t until_ms, struct vmv_err *err)
{
	int r = 0;

	while (r == 0) {
		struct json_object *msg = NULL;

		r = vmv_client_next(w->client, until_ms, &msg, err);
		json_object_put(msg);
	}
	return r == -ETIMEDOUT ? 0 : r;
}

static void draw(struct watch *w, const struct vmv_vitals *now, const struct vmv_rates *rates,
		 struct vmv_text *out)
{
	struct vmv_term_size size = vmv_term_size(w->cli->out_fd);
	struct vmv_page page = {
		.identity = vmv_client_identity(w->client),
		.vitals = now,
		.rates = rates,
		.width = size.columns,
		.is_color = w->cli->is_color,
	};
	struct vmv_text t;

	if (!w->cli->is_terminal) {
		if (w->frames > 0)
			vmv_text_add(out, "\n");
		vmv_show(&page, out);
		return;
	}
	vmv_text_init(&t, VMV_OUTPUT_MAX);
	vmv_show(&page, &t);
	if (!w->is_drawing)
		vmv_text_add(out, "\033[?25l\033[H\033[2J");
	w->is_drawing = true;
	vmv_term_frame(t.buf.data, t.buf.len, size, out);
	out->error = out->error ? out->error : t.error;
	vmv_text_free(&t);
}

/* Draws, and keeps the vitals for the next rates. Takes them. */
static void frame(struct watch *w, struct vmv_vitals *now, struct vmv_text *out)
{
	const struct vmv_identity *id = vmv_client_identity(w->client);
	uint64_t now_ns = vmv_mono_ns(w->cli->clock);
	struct vmv_rates rates;

	vmv_rates_between(w->frames > 0 ? &w->before : NULL, now, now_ns - w->before_ns,
			  strcmp(w->boot_id, id->boot_id) == 0, &rates);
	draw(w, now, &rates, out);
	vmv_vitals_clear(&w->before);
	w->before = *now;
	*now = (struct vmv_vitals){ 0 };
	w->before_ns = now_ns;
	memcpy(w->boot_id, id->boot_id, sizeof(w->boot_id));
}

/* Text for one metrics message. */
static int render(struct watch *w, struct json_object *msg, struct vmv_text *out,
		  struct vmv_err *err)
{
	struct json_object *data = vmv_json_get(msg, "data");
	struct vmv_vitals now;
	int r = vmv_vitals_parse(data, &now, err);

	if (r < 0)
		return r;
	if (w->cli->options->is_json)
		vmv_text_json(out, data);
	else
		frame(w, &now, out);
	vmv_vitals_clear(&now);
	if (out->error < 0)
		return vmv_fail(err, VMV_E_RANGE, -out->error, "cannot make the text: %s",
				strerror(-out->error));
	return 0;
}

/* One message, one frame. Returns 0, or negative errno: with err set, or *write_error set. */
static int step(struct watch *w, int *write_error, struct vmv_err *err)
{
	struct json_object *msg = NULL;
	struct vmv_text t;
	int r = ask(w, &msg, err);

	if (r < 0)
		return r;
	vmv_text_init(&t, VMV_OUTPUT_MAX);
	r = render(w, msg, &t, err);
	if (r == 0)
		r = *write_error =
			vmv_term_write(w->cli->out_fd, w->stop_fd, t.buf.data, t.buf.len);
	vmv_text_free(&t);
	json_object_put(msg);
	w->frames++;
	return r;
}

static int loop(struct watch *w, int *write_error, struct vmv_err *err)
{
	uint64_t interval = w->cli->options->interval_ms, count = w->cli->options->count;
	uint64_t due = vmv_mono_ms(w->cli->clock);

	for (;;) {
		int r = step(w, write_error, err);
		uint64_t now = vmv_mono_ms(w->cli->clock);

		if (r < 0 || w->frames == count)
			return r;
		due = due + interval > now ? due + interval : now + interval;
		r = idle(w, due, err);
		if (r < 0)
			return r;
	}
}

enum vmv_exit vmv_watch(const struct vmv_cli *cli)
{
	VMV_CLEANUP(watch_done) struct watch w = { .cli = cli, .stop_fd = -1 };
	struct vmv_err err;
	int write_error = 0;
	int r = vmv_stop_open(&err);

	if (r < 0)
		return vmv_cli_fail(&err);
	w.stop_fd = r;
	r = vmv_verb_connect(cli, w.stop_fd, &w.client, &err);
	if (r == 0)
		r = loop(&w, &write_error, &err);
	if (r == 0 || write_error < 0)
		return vmv_cli_wrote(write_error);
	if (w.is_drawing) {
		vmv_term_restore(cli->out_fd);
		w.is_drawing = false;
	}
	return vmv_cli_fail(&err);
}
