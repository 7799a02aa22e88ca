/* Settings described by a table: read from files (inih) and options, checked, printed. */
#ifndef VMV_BASE_SETTINGS_H
#define VMV_BASE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct vmv_err;

enum vmv_setting_type {
	VMV_SET_U64,  /* uint64_t, min to max */
	VMV_SET_BOOL, /* bool; yes, no, true, false, on, off, 1, 0 */
	VMV_SET_TEXT, /* char *, owned; "" when empty */
	VMV_SET_ENUM, /* unsigned: index into choices */
	VMV_SET_LIST, /* struct vmv_list: one item per line of the file or per option; blanks
		       * separate items, too, unless is_verbatim */
};

struct vmv_list {
	char **items; /* owned */
	size_t n;
	bool is_fresh; /* the next item replaces the list: it still holds an earlier source's */
};

/* One row is the only place where a setting is named: file, option, help, dump and manual come
 * from it. */
struct vmv_setting {
	const char *section, *key;
	enum vmv_setting_type type;
	uint64_t min, max;	    /* u64: value, with 0 always allowed when zero_ok */
	bool zero_ok;		    /* 0 stands for "never" or "none" */
	const char *const *choices; /* enum: NULL-terminated */
	const char *fallback; /* default, as it would stand in the file; list: blanks separate */
	const char *option;   /* long option, or NULL */
	const char *unit;     /* of the value in help: "S", "DIR" */
	const char *help;     /* one sentence */
	int (*check)(const char *value, struct vmv_err *err); /* optional: text or one list item */
	size_t offset; /* of the member in the target struct */
	/* Of a char *, owned: where the value was set, "FILE:LINE"; without the line when several
	 * of them make up a list; NULL: it is the default, or an option's. 0: nobody asks. */
	size_t place_offset;
};

#define VMV_SETTING(type_, member) .type = (type_), .offset = offsetof(struct vmv_config, member)

/* All n settings of target (zeroed before) to their defaults. Returns 0 or -ENOMEM. */
int vmv_settings_defaults(const struct vmv_setting *table, size_t n, void *target);
void vmv_settings_free(const struct vmv_setting *table, size_t n, void *target);

/* One value, as a file or an option gives it. Returns 0, or negative errno with err set:
 * unknown setting (VMV_E_UNKNOWN), bad value (VMV_E_RANGE), -ENOMEM; then target is as it was. */
int vmv_settings_set(const struct vmv_setting *table, size_t n, void *target, const char *section,
		     const char *key, const char *value, struct vmv_err *err);

/* A new source begins: what it says of a list replaces what earlier sources said. */
void vmv_settings_new_source(const struct vmv_setting *table, size_t n, void *target);

/* Reads one file over target. -ENOENT (err set) when there is none; errors name file and line. */
int vmv_settings_load(const struct vmv_setting *table, size_t n, void *target, const char *path,
		      struct vmv_err *err);

/* Reads path, then path.d/NAME.conf in byte order of the names. An absent path is 0 unless
 * must_exist. */
int vmv_settings_load_all(const struct vmv_setting *table, size_t n, void *target, const char *path,
			  bool must_exist, struct vmv_err *err);

/* Writes target as a file that load() would read, with the help as comments. */
void vmv_settings_dump(const struct vmv_setting *table, size_t n, const void *target, FILE *out);

/* The value of one setting as dump() prints it, for comparing; the caller frees; NULL: no memory.
 */
char *vmv_setting_text(const struct vmv_setting *s, const void *target);

#endif
