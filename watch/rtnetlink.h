/* Tells when an address or a link of this guest changed. */
#ifndef VMV_WATCH_RTNETLINK_H
#define VMV_WATCH_RTNETLINK_H

struct event_base;
struct vmv_err;
struct vmv_rtnetlink;

/* changed is called once per burst of messages. Returns 0 and a new watcher, or negative errno with
 * err set. */
int vmv_rtnetlink_new(struct vmv_rtnetlink **ret, struct event_base *base,
		      void (*changed)(void *arg), void *arg, struct vmv_err *err);
void vmv_rtnetlink_free(struct vmv_rtnetlink *w);

#endif
