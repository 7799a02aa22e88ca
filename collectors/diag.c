#include "collectors/diag.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The kernel fills the next datagram while it hands one out, as far as there is room: this bounds
 * the time of a turn, some 130 sockets of up to a microsecond each. Not less than a page: that is
 * what the first one may hold. */
#define RECV_MAX (16 * VMV_KIB)

/* linux/inet_diag.h of 5.7 has it */
#define ATTR_CGROUP_ID 21

/* A connection that is being set up is kept under this state and reported as SYN_RECV. Bit 13,
 * sockets that are merely bound, is left out: it costs another walk. */
#define NEW_SYN_RECV 12

#define ERRNO_MAX 4095

struct vmv_diag {
	struct mnl_socket *socket;
	uint32_t seq; /* of the dump under way */
};

static int malformed(struct vmv_err *err)
{
	return vmv_fail(err, VMV_E_PARSE, EINVAL, "sock_diag: malformed reply");
}

/* The kernel's negative errno at the payload's start: 0 or less, else malformed. */
static int take_errno(const struct nlmsghdr *h, int *ret)
{
	int32_t e;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(e))
		return -EINVAL;
	memcpy(&e, mnl_nlmsg_get_payload(h), sizeof(e));
	if (e > 0 || e < -ERRNO_MAX)
		return -EINVAL;
	*ret = e;
	return 0;
}

/* NLMSG_DONE, NLMSG_ERROR: both end a dump and may say why. */
static int take_end(const struct nlmsghdr *h, struct vmv_diag_replies *ret, struct vmv_err *err)
{
	int e;

	/* an error of 0 acknowledges; nobody asked for that */
	if (take_errno(h, &e) < 0 || (h->nlmsg_type == NLMSG_ERROR && e == 0))
		return malformed(err);
	if (e < 0)
		return vmv_fail(err, VMV_E_IO, -e, "sock_diag: %s", strerror(-e));
	ret->is_end = true;
	return 0;
}

/* The attributes fill the rest of the message exactly. */
static int take_attributes(const struct nlmsghdr *h, struct vmv_socket_line *line)
{
	const struct nlattr *a = mnl_nlmsg_get_payload_offset(h, sizeof(struct inet_diag_msg));
	int left = (int)(mnl_nlmsg_get_payload_len(h) - sizeof(struct inet_diag_msg));

	for (; mnl_attr_ok(a, left); a = mnl_attr_next(a)) {
		left -= MNL_ALIGN(a->nla_len);
		if (mnl_attr_get_type(a) != ATTR_CGROUP_ID)
			continue;
		if (mnl_attr_validate(a, MNL_TYPE_U64) < 0)
			return -EINVAL;
		line->cgroup = mnl_attr_get_u64(a);
	}
	return left > 0 ? -EINVAL : 0; /* the last one's padding may be missing */
}

static bool has_address(const struct inet_diag_msg *m)
{
	static const uint32_t any[4];

	/* of an IPv4 address the rest of the room is not promised to be zero */
	return memcmp(m->id.idiag_dst, any, m->idiag_family == AF_INET ? 4 : sizeof(any)) != 0;
}

/* Nobody asks whose a connection is: its attributes are not looked at. */
static bool wants_attributes(const struct vmv_socket_line *line)
{
	return line->state == VMV_SOCKET_LISTEN || line->state == VMV_SOCKET_CLOSE;
}

static int take_socket(const struct nlmsghdr *h, struct vmv_socket_line *ret)
{
	const struct inet_diag_msg *m = mnl_nlmsg_get_payload(h);

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m) ||
	    (m->idiag_family != AF_INET && m->idiag_family != AF_INET6))
		return -EINVAL;
	*ret = (struct vmv_socket_line){
		.local_port = ntohs(m->id.idiag_sport),
		.remote_port = ntohs(m->id.idiag_dport),
		.has_peer = m->id.idiag_dport != 0 || has_address(m),
		.state = m->idiag_state == NEW_SYN_RECV ? VMV_SOCKET_SYN_RECV : m->idiag_state,
		.inode = m->idiag_inode,
		.uid = m->idiag_uid,
		.rx_queue = m->idiag_rqueue,
		.tx_queue = m->idiag_wqueue,
	};
	return wants_attributes(ret) ? take_attributes(h, ret) : 0;
}

static int take_message(const struct nlmsghdr *h, vmv_socket_row *row, void *arg,
			struct vmv_diag_replies *ret, struct vmv_err *err)
{
	struct vmv_socket_line line;

	switch (h->nlmsg_type) {
	case NLMSG_NOOP:
		return 0;
	case NLMSG_DONE:
	case NLMSG_ERROR:
		return take_end(h, ret, err);
	case TCPDIAG_GETSOCK:
	case SOCK_DIAG_BY_FAMILY:
		if (take_socket(h, &line) < 0)
			return malformed(err);
		ret->n++;
		return row(arg, &line);
	default:
		return malformed(err);
	}
}

/* The message at the start of left bytes, NULL when it is not whole. Not mnl_nlmsg_ok: that takes
 * a length over 2 GiB for a negative one. */
static const struct nlmsghdr *first_message(const void *at, size_t left)
{
	const struct nlmsghdr *h = at;

	if (left < sizeof(*h) || h->nlmsg_len < sizeof(*h) || h->nlmsg_len > left)
		return NULL;
	return h;
}

int vmv_diag_parse(const void *buf, size_t len, uint32_t seq, vmv_socket_row *row, void *arg,
		   struct vmv_diag_replies *ret, struct vmv_err *err)
{
	struct vmv_diag_replies replies = { 0 };
	const struct nlmsghdr *h;
	int r;

	for (size_t at = 0; at < len; at += MNL_ALIGN(h->nlmsg_len)) {
		h = first_message((const char *)buf + at, len - at);
		if (!h || (h->nlmsg_seq == seq && replies.is_end))
			return malformed(err);
		if (h->nlmsg_seq != seq)
			continue;
		replies.is_interrupted |= (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
		r = take_message(h, row, arg, &replies, err);
		if (r < 0)
			return r;
	}
	*ret = replies;
	return 0;
}

int vmv_diag_open(struct vmv_diag **ret, struct vmv_err *err)
{
	vmv_autofree struct vmv_diag *d = calloc(1, sizeof(*d));

	if (!d)
		return vmv_fail(err, VMV_E_IO, ENOMEM, "no memory for the sockets");
	d->socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!d->socket)
		return vmv_fail(err, VMV_E_IO, errno, "cannot open sock_diag: %s", strerror(errno));
	*ret = VMV_TAKE(d, NULL);
	return 0;
}

void vmv_diag_free(struct vmv_diag *d)
{
	if (!d)
		return;
	(void)mnl_socket_close(d->socket);
	free(d);
}

/* SOCK_DIAG_BY_FAMILY dumps one family; the older request, which all kernels keep, both. */
static void put_tcp(struct nlmsghdr *h, uint32_t states)
{
	struct inet_diag_req *req = mnl_nlmsg_put_extra_header(h, sizeof(*req));

	h->nlmsg_type = TCPDIAG_GETSOCK;
	req->idiag_family = AF_UNSPEC;
	req->idiag_states = states;
}

static void put_udp(struct nlmsghdr *h, uint8_t family, uint32_t states)
{
	struct inet_diag_req_v2 *req = mnl_nlmsg_put_extra_header(h, sizeof(*req));

	h->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	req->sdiag_family = family;
	req->sdiag_protocol = IPPROTO_UDP;
	req->idiag_states = states;
}

int vmv_diag_start(struct vmv_diag *d, enum vmv_diag_what what, uint32_t states,
		   struct vmv_err *err)
{
	alignas(struct nlmsghdr) char buf[256];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

	if (states & VMV_SOCKET_BIT(VMV_SOCKET_SYN_RECV))
		states |= VMV_SOCKET_BIT(NEW_SYN_RECV);
	if (what == VMV_DIAG_TCP)
		put_tcp(h, states);
	else
		put_udp(h, what == VMV_DIAG_UDP4 ? AF_INET : AF_INET6, states);
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	h->nlmsg_seq = ++d->seq;
	if (mnl_socket_sendto(d->socket, h, h->nlmsg_len) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot ask sock_diag: %s", strerror(errno));
	return 0;
}

int vmv_diag_next(struct vmv_diag *d, vmv_socket_row *row, void *arg, struct vmv_diag_replies *ret,
		  struct vmv_err *err)
{
	alignas(struct nlmsghdr) char buf[RECV_MAX];
	ssize_t n;

	/* the kernel prepares the next datagram before it returns: there is nothing to wait for */
	do {
		n = mnl_socket_recvfrom(d->socket, buf, sizeof(buf));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return vmv_fail(err, VMV_E_IO, errno, "no answer of sock_diag: %s",
				strerror(errno));
	if (n == 0)
		return malformed(err);
	return vmv_diag_parse(buf, (size_t)n, d->seq, row, arg, ret, err);
}
