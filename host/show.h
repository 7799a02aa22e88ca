/* One guest on one page, for people. Pure: values in, text out. */
#ifndef VMV_HOST_SHOW_H
#define VMV_HOST_SHOW_H

#include <stdbool.h>
#include <stddef.h>

struct vmv_identity;
struct vmv_rates;
struct vmv_text;
struct vmv_vitals;

#define VMV_PAGE_WIDTH_MIN 80
#define VMV_PAGE_WIDTH_MAX 300

/* Everything is borrowed for the length of the call. */
struct vmv_page {
	const struct vmv_identity *identity;
	const struct vmv_vitals *vitals;
	const struct vmv_rates *rates; /* NULL: no columns for rates */
	size_t width;		       /* columns; brought within the two bounds above */
	bool is_color;
};

/* Appends the page. Whatever is unknown is "-". Without colour the text holds no control character
 * but LF, whatever the guest says; with colour also ESC [ digits m of our own. */
void vmv_show(const struct vmv_page *page, struct vmv_text *out);

#endif
