/* What an agent says of itself and of its samples, as tables for people. Pure: JSON in, text out.
 * Members that are missing or of another type than the protocol's are shown as "-". */
#ifndef VMV_HOST_TABLES_H
#define VMV_HOST_TABLES_H

struct json_object;
struct vmv_text;

/* The data of Describe: groups, then actions. */
void vmv_table_describe(struct json_object *data, struct vmv_text *out);

/* The data of GetSamples, one value a line: id of the row, metric with its labels, value. groups
 * are those of Describe. */
void vmv_table_samples(struct json_object *groups, struct json_object *data, struct vmv_text *out);

/* The data of GetHealth: the whole, then each check, the worst first. */
void vmv_table_health(struct json_object *data, struct vmv_text *out);

/* The data of GetState: channels, commands under way, collectors, cost. */
void vmv_table_state(struct json_object *data, struct vmv_text *out);

#endif
