/* Parsed JSON, written again as the wire wants it. */
#ifndef VMV_PROTO_JSON_COPY_H
#define VMV_PROTO_JSON_COPY_H

struct json_object;
struct vmv_jw;

/* Any value that vmv_json_parse made, ASCII only and without blanks; NULL is null. Numbers stay as
 * they were written, integers beyond 64 bits as the nearest that fits. */
void vmv_jw_copy(struct vmv_jw *w, const char *name, struct json_object *value);

#endif
