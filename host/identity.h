/* Who is at the other end: what a handshake, or the answer to Ping, says. */
#ifndef VMV_HOST_IDENTITY_H
#define VMV_HOST_IDENTITY_H

#include <stdint.h>

#include "base/uuid.h"

struct json_object;

/* Plain values. Texts are the guest's own words, cut to their arrays and not cleaned; empty when
 * unknown. */
struct vmv_identity {
	char hostname[256];
	char os[256]; /* PRETTY_NAME */
	char kernel[128];
	char arch[32];
	char agent[64]; /* name of the program; empty: none of ours */
	char version[64];
	char session[VMV_UUID_SIZE];
	char boot_id[VMV_UUID_SIZE];
	int64_t protocol; /* 0: unknown */
};

/* obj: a handshake message or the data of a Ping answer, borrowed. Members that are missing or of
 * the wrong type are unknown. */
void vmv_identity_parse(struct json_object *obj, struct vmv_identity *ret);

#endif
