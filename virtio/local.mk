noinst_LIBRARIES += virtio/libvirtio.a
virtio_libvirtio_a_SOURCES = \
	virtio/channel.c virtio/channel.h virtio/channel_impl.h \
	virtio/channel_link.c \
	virtio/channel_open.c \
	virtio/monitor.c virtio/monitor.h \
	virtio/outq.c virtio/outq.h \
	virtio/port.c virtio/port.h \
	virtio/spec.c virtio/spec.h
virtio_libvirtio_a_CPPFLAGS = $(AM_CPPFLAGS) $(EVENT_CFLAGS) $(LIBUDEV_CFLAGS)
