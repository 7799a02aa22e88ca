/* Network interfaces: counters, state, addresses, default route. */
#ifndef VMV_COLLECTORS_NETWORK_H
#define VMV_COLLECTORS_NETWORK_H

#include "collectors/collector.h"

struct vmv_err;

/* Most addresses of one family that one interface is reported with; further ones are left
 * out. */
#define VMV_ADDRESSES_EACH 16

struct vmv_network_sample {
	char name[16];
	char mac[18];		 /* "52:54:00:12:34:56"; "" when there is none */
	char operstate[16];	 /* "up", "down", "unknown", ... as sysfs says; "" unknown */
	uint64_t index;		 /* ifindex */
	uint64_t is_up;		 /* IFF_UP and operstate "up" or "unknown": 0 or 1; VMV_UNSET
				  * when neither sysfs nor netlink says (it vanished) */
	uint64_t is_operational; /* operstate "up": 0 or 1; VMV_UNSET likewise */
	uint64_t is_loopback;	 /* 0 or 1; VMV_UNSET likewise */
	uint64_t default_metric; /* of its IPv4 default route, lowest; VMV_UNSET: has none */
	uint64_t speed;		 /* bits per second; VMV_UNSET unknown */
	uint64_t mtu;		 /* bytes */
	char duplex[16];	 /* "full", "half", "unknown"; "" when sysfs does not say */
	char kind[16];	  /* "bond", "vlan", "bridge", "veth", "tun", "tap", "wireguard", "wlan",
			   * "loopback", ...; of a device its bus: "virtio", "pci"; "" unknown */
	char master[16];  /* the bond or bridge it belongs to; "" none */
	uint64_t carrier; /* 0 or 1; VMV_UNSET while the interface is down */
	uint64_t carrier_changes;
	uint64_t flags; /* IFF_... */
	uint64_t link;	/* index of the interface it stands on or is paired with, else its own */
	uint64_t queue_length;
	/* as /proc/net/dev prints them; 32-bit kernels wrap the counters at 2^32 */
	uint64_t rx_bytes, rx_packets, rx_errors, rx_drops;
	uint64_t rx_fifo, rx_frame, rx_compressed, rx_multicast;
	uint64_t tx_bytes, tx_packets, tx_errors, tx_drops;
	uint64_t tx_fifo, tx_colls, tx_carrier, tx_compressed;
	uint64_t n_ipv4, n_ipv6;
	char ipv4[VMV_ADDRESSES_EACH][16]; /* without prefix length, the primary first; none of
					    * 127/8, 0/8, 224-255 */
	char ipv6[VMV_ADDRESSES_EACH][46]; /* global scope only, no temporary or deprecated first */
	uint64_t addresses_known;	   /* 0: reading them failed, the lists mean
					    * nothing; always so in a recorded tree */
};

/* One row per interface, its name as id: those with a default route first (lowest metric),
 * then by index. */
extern const struct vmv_collector vmv_collector_network;

typedef int vmv_netdev_row(void *arg, const char *name, const struct vmv_network_sample *sample);

/* Pure: the text of /proc/net/dev (counters only). -EINVAL with err set when malformed. */
int vmv_netdev_parse(const char *text, vmv_netdev_row *row, void *arg, struct vmv_err *err);

#endif
