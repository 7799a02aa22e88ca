/* Tells when virtio-serial ports come, change or go: udev's events, or the kernel's. */
#ifndef VMV_VIRTIO_MONITOR_H
#define VMV_VIRTIO_MONITOR_H

struct event_base;
struct vmv_err;
struct vmv_monitor;

/* changed is called once per burst of events; look for ports then. Returns 0 and a new monitor in
 * *ret, or negative errno with err set: -ENOSYS when built without libudev. */
int vmv_monitor_new(struct vmv_monitor **ret, struct event_base *base, void (*changed)(void *arg),
		    void *arg, struct vmv_err *err);
void vmv_monitor_free(struct vmv_monitor *m);

#endif
