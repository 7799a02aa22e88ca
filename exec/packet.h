/* What the helper says (helper/question.h), packet by packet. */
#ifndef VMV_EXEC_PACKET_H
#define VMV_EXEC_PACKET_H

#include <stddef.h>
#include <sys/types.h>

struct vmv_buf;

/* Returns the length of the next packet, which is *ret, new and NUL-terminated. 0: the end;
 * -EAGAIN: there is none. Of one that is longer than any may be, *ret is the first byte. */
ssize_t vmv_packet_receive(int fd, char **ret);

/* Takes in a packet, len bytes and a NUL. parts, whose max is over max, holds what there was of the
 * same answer before, and is empty when that is complete. Returns
 *   1     the answer is complete: *ret_result is its length and *ret_text the text, new and
 *         NUL-terminated; or *ret_result is negative errno: -EFBIG, over max bytes; what the helper
 *         says (-EIO for what has a meaning of its own: -EAGAIN, -ETIMEDOUT, -ECANCELED)
 *   0     more is to come
 *   < 0   it is none of the protocol's (-EPROTO), or there is too much of it (-EFBIG), or -ENOMEM:
 *         nobody knows what comes next */
int vmv_packet_take(struct vmv_buf *parts, size_t max, const char *packet, size_t len,
		    int *ret_result, char **ret_text);

#endif
