noinst_LIBRARIES += agent/libagent.a
agent_libagent_a_SOURCES = \
	agent/agent.c agent/agent.h agent/agent_impl.h \
	agent/agent_config.c \
	agent/agent_health.c \
	agent/agent_services.c \
	agent/agent_stop.c \
	agent/events.h \
	agent/executor.c agent/executor.h \
	agent/keeper.c agent/keeper.h \
	agent/options.c agent/options.h \
	agent/poll.c agent/poll.h \
	agent/qga.c agent/qga.h agent/qga_impl.h \
	agent/qga_requests.c \
	agent/self.c agent/self.h \
	agent/session.c agent/session.h agent/session_impl.h \
	agent/session_base.c \
	agent/session_commands.c \
	agent/session_complaints.c \
	agent/session_executor.c \
	agent/session_messages.c \
	agent/session_metrics.c \
	agent/state.c agent/state.h \
	agent/talk.c agent/talk.h
agent_libagent_a_CPPFLAGS = $(AM_CPPFLAGS) -DSYSCONFDIR='"$(sysconfdir)"' \
	-DVMV_HELPER_PATH='"$(pkglibexecdir)/vmvitals-helper"' \
	$(EVENT_CFLAGS) $(JSONC_CFLAGS)

agent_libs = agent/libagent.a commands/libcommands.a config/libconfig.a commands/libtable.a reports/libreports.a \
	collectors/libcollectors.a exec/libexec.a virtio/libvirtio.a watch/libwatch.a proto/libproto.a \
	base/libbase.a $(EVENT_LIBS) $(JSONC_LIBS) $(LIBUDEV_LIBS) $(MNL_LIBS) $(INIH_LIBS) $(NETTLE_LIBS) -lm

sbin_PROGRAMS += vmvitalsd
vmvitalsd_SOURCES = agent/main.c
vmvitalsd_CPPFLAGS = $(AM_CPPFLAGS) -DSYSCONFDIR='"$(sysconfdir)"' $(EVENT_CFLAGS)
vmvitalsd_LDADD = $(agent_libs)

dist_man_MANS += man/vmvitalsd.8
