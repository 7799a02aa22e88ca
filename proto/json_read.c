#include "proto/json_read.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/utf8.h"

#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct scan {
	const unsigned char *s;
	size_t len;
	unsigned depth;
	size_t members;
	bool in_string;
	bool has_nul;	      /* the latest string contains an escaped NUL */
	bool has_surrogates;  /* some string contains an escaped one */
	bool has_just_opened; /* brackets: nothing inside them yet */
};

/* Outside strings: counts structure. Returns what is wrong, or NULL. */
static const char *scan_structure(struct scan *sc, unsigned char c)
{
	switch (c) {
	case '"':
		sc->in_string = true;
		sc->has_nul = false;
		return NULL;
	case '{':
	case '[':
		sc->has_just_opened = true;
		return ++sc->depth > VMV_JSON_DEPTH_IN ? "nested too deeply" : NULL;
	case '}':
	case ']':
		if (sc->depth == 0)
			return "unbalanced brackets";
		sc->depth--;
		return NULL;
	case ',':
		sc->members++;
		return NULL;
	case ':': /* json-c would end the name there: another member's name */
		return sc->has_nul ? "a NUL in a member's name" : NULL;
	case 'N': /* NaN */
	case 'I': /* Infinity */
	case '/': /* comments */
	case '\'':
		return "not JSON";
	default:
		return NULL;
	}
}

/* The first thing inside brackets is a member; commas count the others. */
static void count_first(struct scan *sc, unsigned char c)
{
	if (!sc->has_just_opened || strchr(" \t\r\n", c))
		return;
	sc->has_just_opened = false;
	sc->members += c != '}' && c != ']';
}

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static size_t skip_digits(const struct scan *sc, size_t at)
{
	while (at < sc->len && is_digit(sc->s[at]))
		at++;
	return at;
}

/* json-c takes "-01", "1." and "-.5" for numbers. The exponent it does check. */
static const char *scan_number(const struct scan *sc, size_t *at)
{
	size_t start = *at + (sc->s[*at] == '-');
	size_t end = skip_digits(sc, start);

	if (end == start || (end > start + 1 && sc->s[start] == '0'))
		return "not JSON";
	if (end < sc->len && sc->s[end] == '.') {
		start = end + 1;
		end = skip_digits(sc, start);
		if (end == start)
			return "not JSON";
	}
	if (end < sc->len && (sc->s[end] == 'e' || sc->s[end] == 'E')) {
		end++;
		end += end < sc->len && (sc->s[end] == '+' || sc->s[end] == '-');
		end = skip_digits(sc, end);
	}
	*at = end;
	return NULL;
}

/* "uXXXX", what stands behind a backslash. */
static bool read_unit(const unsigned char *s, size_t len, uint32_t *ret)
{
	uint32_t unit = 0;

	if (len < 5 || s[0] != 'u')
		return false;
	for (int i = 1; i < 5; i++) {
		unsigned char c = s[i] | 0x20;

		if (is_digit(c))
			unit = unit << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			unit = unit << 4 | (uint32_t)(c - 'a' + 10);
		else
			return false;
	}
	*ret = unit;
	return true;
}

static bool is_surrogate(uint32_t unit)
{
	return (unit & 0xf800) == 0xd800;
}

/* Behind a backslash. Whatever is escaped, it does not end the string. */
static void scan_escape(struct scan *sc, size_t *at)
{
	uint32_t unit;

	if (read_unit(sc->s + *at, sc->len - *at, &unit))
		sc->has_surrogates |= is_surrogate(unit);
	if (sc->len - *at >= 5 && memcmp(sc->s + *at, "u0000", 5) == 0)
		sc->has_nul = true;
	if (*at < sc->len && sc->s[*at] >= 0x20 && sc->s[*at] < 0x80)
		++*at;
}

static const char *scan_string(struct scan *sc, size_t *at)
{
	unsigned char c = sc->s[*at];

	if (c < 0x20)
		return "a control character";
	++*at;
	if (c == '"')
		sc->in_string = false;
	else if (c == '\\')
		scan_escape(sc, at);
	return NULL;
}

static const char *scan_char(struct scan *sc, size_t *at)
{
	unsigned char c = sc->s[*at];
	size_t n, skip;
	uint32_t cp;

	if (c >= 0x80) {
		n = vmv_utf8_decode(sc->s + *at, sc->len - *at, &cp, &skip);
		if (n == 0)
			return "ill-formed UTF-8";
		if (!sc->in_string)
			return "not JSON"; /* a BOM among others */
		*at += n;
		return NULL;
	}
	if (sc->in_string)
		return scan_string(sc, at);
	/* LF: a line holds none, but the text inside a signed one may */
	if (c < 0x20 && c != '\t' && c != '\r' && c != '\n')
		return "a control character";
	count_first(sc, c);
	if (c == '-' || is_digit(c))
		return scan_number(sc, at);
	++*at;
	return scan_structure(sc, c);
}

static int scan(struct scan *sc, struct vmv_err *err)
{
	const char *wrong = NULL;

	for (size_t at = 0; at < sc->len && !wrong;) {
		wrong = scan_char(sc, &at);
		if (!wrong && sc->members > VMV_JSON_MEMBERS)
			wrong = "too many members";
	}
	if (wrong)
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "%s", wrong);
	return 0;
}

int vmv_json_check(const char *text, size_t len, struct vmv_err *err)
{
	struct scan sc = { .s = (const unsigned char *)text, .len = len };

	return scan(&sc, err);
}

/* -- surrogates ---------------------------------------------------------------------------- */

/* The escape at s, a surrogate, as UTF-8: with the one behind it if they are a pair, else as
 * U+FFFD. Returns the length of what it stands for; *ret and *ret_len are what it becomes. */
static size_t decode_surrogate(const unsigned char *s, size_t len, uint32_t high,
			       unsigned char ret[4], size_t *ret_len)
{
	uint32_t low = 0, cp;

	if (high >= 0xdc00 || len < 12 || s[6] != '\\' || !read_unit(s + 7, len - 7, &low) ||
	    (low & 0xfc00) != 0xdc00) {
		memcpy(ret, "\xef\xbf\xbd", 3);
		*ret_len = 3;
		return 6;
	}
	cp = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
	ret[0] = (unsigned char)(0xf0 | cp >> 18);
	ret[1] = (unsigned char)(0x80 | (cp >> 12 & 0x3f));
	ret[2] = (unsigned char)(0x80 | (cp >> 6 & 0x3f));
	ret[3] = (unsigned char)(0x80 | (cp & 0x3f));
	*ret_len = 4;
	return 12;
}

/* json-c up to 0.16 takes the pairs of U+1D800 to U+1DFFF, and of each plane's like, for halves:
 * it never sees an escaped surrogate. The text becomes shorter. NULL: no memory. */
static char *without_surrogates(const unsigned char *s, size_t len, size_t *ret_len)
{
	unsigned char *text = malloc(len), *p = text;
	uint32_t unit;
	size_t n;

	if (!text)
		return NULL;
	for (size_t at = 0; at < len;) {
		if (s[at] != '\\' || at + 1 == len) {
			*p++ = s[at++];
		} else if (read_unit(s + at + 1, len - at - 1, &unit) && is_surrogate(unit)) {
			at += decode_surrogate(s + at, len - at, unit, p, &n);
			p += n;
		} else { /* two: an escaped backslash begins no escape */
			*p++ = s[at++];
			*p++ = s[at++];
		}
	}
	*ret_len = (size_t)(p - text);
	return (char *)text;
}

/* -- the tree ------------------------------------------------------------------------------- */

/* Text that was checked. */
static int build(const char *text, size_t len, int depth, struct json_object **ret,
		 struct vmv_err *err)
{
	struct json_tokener *tok;
	struct json_object *obj;
	enum json_tokener_error e;

	/* json-c counts the values inside the innermost brackets as a level of their own */
	tok = json_tokener_new_ex(depth + 1);
	if (!tok)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	obj = json_tokener_parse_ex(tok, text, (int)len);
	e = json_tokener_get_error(tok);
	json_tokener_free(tok);
	if (e != json_tokener_success || !json_object_is_type(obj, json_type_object)) {
		json_object_put(obj);
		return vmv_fail(err, VMV_E_PARSE, EINVAL, "%s",
				e == json_tokener_success    ? "not an object"
				: e == json_tokener_continue ? "incomplete"
							     : json_tokener_error_desc(e));
	}
	*ret = obj;
	return 0;
}

int vmv_json_parse_own(const char *text, size_t len, int depth, struct json_object **ret,
		       struct vmv_err *err)
{
	vmv_autofree char *shorter = NULL;

	if (len >= INT32_MAX)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "too long");
	shorter = len > 0 ? without_surrogates((const unsigned char *)text, len, &len) : NULL;
	if (!shorter)
		return len > 0 ? vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory")
			       : vmv_fail(err, VMV_E_PARSE, EINVAL, "incomplete");
	return build(shorter, len, depth, ret, err);
}

int vmv_json_parse(const char *text, size_t len, struct json_object **ret, struct vmv_err *err)
{
	struct scan sc = { .s = (const unsigned char *)text, .len = len };
	int r = scan(&sc, err);

	if (r < 0)
		return r;
	if (sc.has_surrogates)
		return vmv_json_parse_own(text, len, VMV_JSON_DEPTH_IN, ret, err);
	if (len >= INT32_MAX)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "too long");
	return build(text, len, VMV_JSON_DEPTH_IN, ret, err);
}

struct json_object *vmv_json_get(struct json_object *obj, const char *name)
{
	struct json_object *v = NULL;

	if (!json_object_is_type(obj, json_type_object))
		return NULL;
	return json_object_object_get_ex(obj, name, &v) ? v : NULL;
}

const char *vmv_json_text(struct json_object *obj, size_t *len)
{
	if (!json_object_is_type(obj, json_type_string))
		return NULL;
	*len = (size_t)json_object_get_string_len(obj);
	return json_object_get_string(obj);
}

const char *vmv_json_str(struct json_object *obj, const char *name)
{
	size_t len;
	const char *s = vmv_json_text(vmv_json_get(obj, name), &len);

	return s && strlen(s) == len ? s : NULL;
}

bool vmv_json_int(struct json_object *obj, int64_t min, int64_t max, int64_t *ret)
{
	int64_t v;

	if (!json_object_is_type(obj, json_type_int))
		return false;
	v = json_object_get_int64(obj); /* saturates, and then it is out of range */
	if (v < min || v > max)
		return false;
	*ret = v;
	return true;
}

double vmv_json_num(struct json_object *obj)
{
	if (json_object_is_type(obj, json_type_int) || json_object_is_type(obj, json_type_double))
		return json_object_get_double(obj);
	return (double)NAN;
}
