#include "exec/packet.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/num.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define GOOD	   "ok\n"
#define PART	   "more\n"
#define BAD	   "error "
#define PACKET_MAX (strlen(PART) + VMV_ASK_ANSWER_MAX)
#define ERRNO_MAX  4095

ssize_t vmv_packet_receive(int fd, char **ret)
{
	ssize_t len = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC);
	vmv_autofree char *packet = NULL;
	size_t cap;

	if (len <= 0)
		return len < 0 ? -errno : 0;
	cap = (size_t)len > PACKET_MAX ? 1 : (size_t)len;
	packet = malloc(cap + 1);
	if (!packet)
		return -ENOMEM;
	if (recv(fd, packet, cap, 0) != (ssize_t)cap)
		return -EIO;
	packet[cap] = '\0';
	*ret = VMV_TAKE(packet, NULL);
	return len;
}

/* "error 116" to -116; false for anything else. A soft mount of NFS that gave up is not stuck. */
static bool parse_error(const char *text, int *ret)
{
	const char *end;
	uint64_t v;

	if (strncmp(text, BAD, strlen(BAD)) != 0 ||
	    vmv_parse_u64(text + strlen(BAD), &v, &end) < 0 || *end != '\0' || v == 0 ||
	    v > ERRNO_MAX)
		return false;
	*ret = v == EAGAIN || v == ETIMEDOUT || v == ECANCELED ? -EIO : -(int)v;
	return true;
}

static bool begins_with(const char *text, const char *head)
{
	return strncmp(text, head, strlen(head)) == 0;
}

/* It may be kept for long. */
static char *shrunk(char *text, size_t len)
{
	char *small = realloc(text, len);

	return small ? small : text;
}

/* The last part, len bytes and a NUL. Mostly it is the only one. */
static int take_last(struct vmv_buf *parts, size_t max, const char *part, size_t len,
		     char **ret_text)
{
	size_t size;
	int r = len > max - (parts->len < max ? parts->len : max)
			? -EFBIG
			: vmv_buf_add(parts, part, len + 1);

	if (r < 0)
		return r;
	size = parts->len;
	*ret_text = shrunk(VMV_TAKE(parts->data, NULL), size);
	return (int)size - 1;
}

int vmv_packet_take(struct vmv_buf *parts, size_t max, const char *packet, size_t len,
		    int *ret_result, char **ret_text)
{
	if (len > PACKET_MAX) { /* of this one the first byte is known; a part is not the end */
		if (packet[0] != GOOD[0])
			return -EPROTO;
		*ret_result = -EFBIG;
	} else if (strlen(packet) != len) {
		return -EPROTO;
	} else if (begins_with(packet, PART)) { /* it was to see itself that it is too long */
		return vmv_buf_add(parts, packet + strlen(PART), len - strlen(PART));
	} else if (begins_with(packet, GOOD)) {
		*ret_result =
			take_last(parts, max, packet + strlen(GOOD), len - strlen(GOOD), ret_text);
	} else if (!parse_error(packet, ret_result)) {
		return -EPROTO;
	}
	vmv_buf_free(parts);
	return 1;
}
