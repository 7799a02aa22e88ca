#include "commands/charset.h"

#include <string.h>

#define ALPHA	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS	"0123456789"
#define NO_DASH ", not beginning with -"

static const struct {
	const char *allowed; /* NULL: any */
	const char *text;
} sets[] = {
	[VMV_CHARS_ANY] = { NULL, "any characters but NUL" },
	[VMV_CHARS_UNIT] = { ALPHA DIGITS "._@:-", "A-Z a-z 0-9 . _ @ : -" NO_DASH },
	[VMV_CHARS_PACKAGE] = { ALPHA DIGITS "._+:-", "A-Z a-z 0-9 . _ + : -" NO_DASH },
	[VMV_CHARS_QUERY] = { ALPHA DIGITS "._@:+-", "A-Z a-z 0-9 . _ @ : + -" NO_DASH },
	[VMV_CHARS_ACCOUNT] = { ALPHA DIGITS "._@\\-", "A-Z a-z 0-9 . _ @ \\ -" NO_DASH },
	[VMV_CHARS_DOMAIN] = { ALPHA DIGITS ".-", "A-Z a-z 0-9 . -" NO_DASH },
	[VMV_CHARS_HOSTNAME] = { ALPHA DIGITS ".-", "a host name as in RFC 1123" },
	[VMV_CHARS_TRANSFER] = { ALPHA DIGITS "._-", "A-Z a-z 0-9 . _ -" NO_DASH },
	[VMV_CHARS_HEX] = { DIGITS "abcdef", "0-9 a-f" },
	[VMV_CHARS_PATH] = { NULL, "an absolute path without . and .. parts" },
};

/* Labels of 1 to 63 characters, no '-' at their ends. */
static bool is_hostname(const char *text)
{
	for (const char *label = text;;) {
		size_t len = strcspn(label, ".");

		if (len == 0 || len > 63 || label[0] == '-' || label[len - 1] == '-')
			return false;
		if (label[len] == '\0')
			return strlen(text) <= 253;
		label += len + 1;
	}
}

static bool is_plain_path(const char *text)
{
	if (text[0] != '/')
		return false;
	if (text[1] == '\0')
		return true;
	for (const char *part = text + 1;;) {
		size_t len = strcspn(part, "/");

		if (len == 0 || (len == 1 && part[0] == '.') ||
		    (len == 2 && part[0] == '.' && part[1] == '.'))
			return false;
		if (part[len] == '\0')
			return true;
		part += len + 1;
	}
}

bool vmv_charset_allows(enum vmv_charset set, const char *text)
{
	if (set == VMV_CHARS_ANY)
		return true;
	if (set == VMV_CHARS_PATH)
		return is_plain_path(text);
	if (text[0] == '-' || text[strspn(text, sets[set].allowed)] != '\0')
		return false;
	return set != VMV_CHARS_HOSTNAME || is_hostname(text);
}

const char *vmv_charset_text(enum vmv_charset set)
{
	return sets[set].text;
}
