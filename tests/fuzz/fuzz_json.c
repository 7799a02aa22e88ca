/* A line from the host: parsed, and judged as a command without an executor. */
#include "tests/fuzz/fuzz.h"

#include "base/limits.h"
#include "base/utf8.h"
#include "commands/command.h"
#include "commands/handlers.h"
#include "commands/judge.h"
#include "proto/json_read.h"

#include <json-c/json.h>
#include <stdbool.h>

/* A plain recogniser of what PROTOCOL.md 1.2 lets in, to compare with. */
struct reader {
	const uint8_t *s, *end;
	unsigned depth;
	bool has_nul; /* the latest string holds an escaped NUL */
};

static bool read_value(struct reader *r);

static bool take(struct reader *r, char c)
{
	if (r->s == r->end || *r->s != (uint8_t)c)
		return false;
	r->s++;
	return true;
}

static void skip_blanks(struct reader *r)
{
	while (take(r, ' ') || take(r, '\t') || take(r, '\r') || take(r, '\n'))
		;
}

static bool take_word(struct reader *r, const char *word)
{
	while (*word)
		if (!take(r, *word++))
			return false;
	return true;
}

static bool take_digits(struct reader *r)
{
	const uint8_t *from = r->s;

	while (r->s < r->end && *r->s >= '0' && *r->s <= '9')
		r->s++;
	return r->s > from;
}

static bool read_number(struct reader *r)
{
	(void)take(r, '-');
	if (!take(r, '0') && !take_digits(r))
		return false;
	if (take(r, '.') && !take_digits(r))
		return false;
	if (take(r, 'e') || take(r, 'E')) {
		if (!take(r, '+'))
			(void)take(r, '-');
		return take_digits(r);
	}
	return true;
}

static bool read_escape(struct reader *r)
{
	char hex[5] = "";

	if (r->s == r->end)
		return false;
	if (*r->s != 'u')
		return memchr("\"\\/bfnrt", *r->s++, 8) != NULL;
	if (r->end - r->s < 5)
		return false;
	memcpy(hex, r->s + 1, 4);
	r->s += 5;
	r->has_nul |= strcmp(hex, "0000") == 0;
	return strspn(hex, "0123456789abcdefABCDEF") == 4;
}

static bool read_string(struct reader *r)
{
	uint32_t cp;
	size_t skip, n;

	r->has_nul = false;
	if (!take(r, '"'))
		return false;
	while (r->s < r->end && *r->s != '"') {
		if (*r->s < 0x20)
			return false;
		if (take(r, '\\')) {
			if (!read_escape(r))
				return false;
			continue;
		}
		n = vmv_utf8_decode(r->s, (size_t)(r->end - r->s), &cp, &skip);
		if (n == 0)
			return false;
		r->s += n;
	}
	return take(r, '"');
}

static bool read_element(struct reader *r, bool is_member)
{
	skip_blanks(r);
	if (is_member) {
		if (!read_string(r) || r->has_nul)
			return false;
		skip_blanks(r);
		if (!take(r, ':'))
			return false;
	}
	return read_value(r);
}

static bool read_list(struct reader *r, bool is_object)
{
	char close = is_object ? '}' : ']';

	if (++r->depth > VMV_JSON_DEPTH_IN)
		return false;
	skip_blanks(r);
	if (!take(r, close)) {
		do {
			if (!read_element(r, is_object))
				return false;
		} while (take(r, ','));
		if (!take(r, close))
			return false;
	}
	r->depth--;
	return true;
}

/* With the blanks around it. */
static bool read_value(struct reader *r)
{
	bool ok;

	skip_blanks(r);
	if (r->s == r->end)
		return false;
	switch (*r->s) {
	case '{':
	case '[':
		ok = read_list(r, *r->s++ == '{');
		break;
	case '"':
		ok = read_string(r);
		break;
	case 't':
		ok = take_word(r, "true");
		break;
	case 'f':
		ok = take_word(r, "false");
		break;
	case 'n':
		ok = take_word(r, "null");
		break;
	default:
		ok = read_number(r);
	}
	skip_blanks(r);
	return ok;
}

static bool is_acceptable(const uint8_t *data, size_t size)
{
	struct reader r = { .s = data, .end = data + size };

	skip_blanks(&r);
	return r.s < r.end && *r.s == '{' && read_value(&r) && r.s == r.end;
}

static void check_tree(struct json_object *obj, unsigned depth);

static void check_members(struct json_object *obj, unsigned depth)
{
	struct json_object_iterator it = json_object_iter_begin(obj);
	struct json_object_iterator end = json_object_iter_end(obj);

	for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
		const char *name = json_object_iter_peek_name(&it);

		FUZZ_CHECK(vmv_utf8_valid((const unsigned char *)name, strlen(name)));
		check_tree(json_object_iter_peek_value(&it), depth);
	}
}

/* Everything that is parsed keeps the limits of the protocol. */
static void check_tree(struct json_object *obj, unsigned depth)
{
	const char *text;
	int64_t v = 0;
	size_t len;

	FUZZ_CHECK(depth <= VMV_JSON_DEPTH_IN);
	if (json_object_is_type(obj, json_type_object))
		check_members(obj, depth + 1);
	if (json_object_is_type(obj, json_type_array))
		for (size_t i = 0; i < json_object_array_length(obj); i++)
			check_tree(json_object_array_get_idx(obj, i), depth + 1);
	text = vmv_json_text(obj, &len);
	if (text)
		FUZZ_CHECK(text[len] == '\0' && vmv_utf8_valid((const unsigned char *)text, len));
	if (vmv_json_int(obj, -VMV_INT_MAX, VMV_INT_MAX, &v))
		FUZZ_CHECK(v >= -VMV_INT_MAX && v <= VMV_INT_MAX);
	(void)vmv_json_num(obj);
}

static void check_id(const char *id)
{
	if (!id)
		return;
	FUZZ_CHECK(strlen(id) > 0 && strlen(id) <= VMV_ID_MAX);
	for (; *id; id++)
		FUZZ_CHECK(*id >= 0x20 && *id < 0x7f && *id != '"' && *id != '\\');
}

static void check_args(const struct vmv_command *c, const struct vmv_value *args)
{
	for (size_t i = 0; i < c->n_args; i++) {
		const struct vmv_arg *a = &c->args[i];
		int64_t n = 0;

		FUZZ_CHECK(args[i].is_given || !a->is_required);
		if (!args[i].is_given)
			continue;
		if (a->type == VMV_ARG_INT)
			FUZZ_CHECK(args[i].number >= a->min && args[i].number <= a->max);
		if (a->type == VMV_ARG_TEXT)
			FUZZ_CHECK((int64_t)strlen(args[i].text) <= a->max);
		if (a->type != VMV_ARG_ENUM)
			continue;
		while (a->choices[n])
			n++;
		FUZZ_CHECK(args[i].number >= 0 && args[i].number < n);
	}
}

static void judge(const struct vmv_policy *policy, struct json_object *message)
{
	struct vmv_value args[VMV_ARGS_MAX] = { 0 };
	const struct vmv_command *c = NULL;
	struct vmv_err err = { 0 };
	int r = vmv_command_judge(policy, message, false, &c, args, &err);

	FUZZ_CHECK(r <= 0 && (r < 0) == (err.code != VMV_OK) && (r < 0) == (err.msg[0] != '\0'));
	if (r < 0)
		return;
	FUZZ_CHECK(c && vmv_handler_find(c->name) && !policy->requires_signature);
	for (size_t i = 0; i < policy->n_deny; i++)
		FUZZ_CHECK(strcmp(policy->deny[i], c->name) != 0);
	check_args(c, args);
}

/* Whatever the message says, each command's own arguments are found in it, or refused. */
static void try_args(struct json_object *message)
{
	for (size_t i = 0; i < vmv_n_commands; i++) {
		struct vmv_value args[VMV_ARGS_MAX] = { 0 };
		struct vmv_err err = { 0 };
		int r = vmv_command_args(&vmv_commands[i], message, args, &err);

		fuzz_check_result(r, &err);
		if (r == 0)
			check_args(&vmv_commands[i], args);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const deny[] = { "Ping", "ProcessTop" };
	static const struct vmv_policy policies[] = {
		{ .has_executor = false },
		{ .deny = deny, .n_deny = 2 },
		{ .requires_signature = true },
	};
	uint8_t *copy = fuzz_copy(data, size);
	struct json_object *obj = NULL;
	struct vmv_err err = { 0 };
	int r = vmv_json_parse((const char *)copy, size, &obj, &err);

	fuzz_check_result(r, &err);
	FUZZ_CHECK((r == 0) == (obj != NULL));
	FUZZ_CHECK((r == 0) == is_acceptable(copy, size));
	if (r == 0) {
		FUZZ_CHECK(vmv_json_check((const char *)copy, size, NULL) == 0);
		check_tree(obj, 0);
		check_id(vmv_command_id(obj));
		for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++)
			judge(&policies[i], obj);
		try_args(obj);
	}
	json_object_put(obj);
	free(copy);
	return 0;
}
