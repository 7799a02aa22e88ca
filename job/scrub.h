/* Secrets out of text. */
#ifndef VMV_JOB_SCRUB_H
#define VMV_JOB_SCRUB_H

#include <stdbool.h>

struct vmv_buf;

/* Puts "***" in the place of each occurrence of secret, which is not empty. is_cut: more followed
 * text, which is not there; its end, as long as it may be the beginning of the secret, goes, too.
 * Returns 0, or -EFBIG or -ENOMEM: text is empty then. */
int vmv_scrub(struct vmv_buf *text, const char *secret, bool is_cut);

#endif
