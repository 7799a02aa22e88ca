/* JSON from outside: checked against the limits of the protocol, then parsed by json-c. */
#ifndef VMV_PROTO_JSON_READ_H
#define VMV_PROTO_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;
struct vmv_err;

#define VMV_INT_MAX                                                                  \
	((INT64_C(1) << 53) - 1) /* integers on the wire are within plus, minus this \
				  */

/* One pass over the bytes before any tree is built: well-formed UTF-8 without BOM, no raw control
 * characters, nesting and number of members and elements within base/limits.h, no literals that
 * json-c knows and JSON does not (NaN, Infinity). Pure. Returns 0 or -EINVAL with err set. */
int vmv_json_check(const char *text, size_t len, struct vmv_err *err);

/* Parses one JSON object. Returns 0 and a new reference in *ret (json_object_put), or -EINVAL or
 * -ENOMEM with err set. Of members with one name the last counts. */
int vmv_json_parse(const char *text, size_t len, struct json_object **ret, struct vmv_err *err);

/* The same without a check of bounds: for text of our own around what was checked. depth: levels of
 * brackets. */
int vmv_json_parse_own(const char *text, size_t len, int depth, struct json_object **ret,
		       struct vmv_err *err);

/* Members of an object; NULL when absent, null, or obj is no object. Borrowed. */
struct json_object *vmv_json_get(struct json_object *obj, const char *name);

/* The string of obj with its length (it may contain NUL), or NULL when obj is none. Borrowed. */
const char *vmv_json_text(struct json_object *obj, size_t *len);

/* A string member without NUL in it, or NULL. */
const char *vmv_json_str(struct json_object *obj, const char *name);

/* True, and *ret set, when obj is a JSON integer ("1.0", 1e3, "1" and true are none) between min
 * and max. */
bool vmv_json_int(struct json_object *obj, int64_t min, int64_t max, int64_t *ret);

/* A number, integer or not, as double; NaN when obj is none. */
double vmv_json_num(struct json_object *obj);

#endif
