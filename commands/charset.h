/* What names in arguments may be made of (PROTOCOL.md 5.1), so that none can be an option, a path
 * or a shell's word. */
#ifndef VMV_COMMANDS_CHARSET_H
#define VMV_COMMANDS_CHARSET_H

#include <stdbool.h>
#include <stddef.h>

/* All but VMV_CHARS_ANY: ASCII, not beginning with '-'. */
enum vmv_charset {
	VMV_CHARS_ANY,	    /* any bytes but NUL */
	VMV_CHARS_UNIT,	    /* services and units: A-Z a-z 0-9 . _ @ : - */
	VMV_CHARS_PACKAGE,  /* A-Z a-z 0-9 . _ + : - */
	VMV_CHARS_QUERY,    /* A-Z a-z 0-9 . _ @ : + - */
	VMV_CHARS_ACCOUNT,  /* A-Z a-z 0-9 . _ @ \ - */
	VMV_CHARS_DOMAIN,   /* A-Z a-z 0-9 . - */
	VMV_CHARS_HOSTNAME, /* the same, as RFC 1123 puts it together */
	VMV_CHARS_TRANSFER, /* A-Z a-z 0-9 . _ - */
	VMV_CHARS_HEX,	    /* 0-9 a-f */
	VMV_CHARS_PATH,	    /* absolute, without empty, "." and ".." parts */
};

/* Pure. text is NUL-terminated. */
bool vmv_charset_allows(enum vmv_charset set, const char *text);

/* For people: "A-Z a-z 0-9 . _ -, not beginning with -". */
const char *vmv_charset_text(enum vmv_charset set);

#endif
