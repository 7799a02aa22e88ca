noinst_LIBRARIES += host/libhost.a
host_libhost_a_SOURCES = \
	host/answer.c host/answer.h \
	host/arguments.c host/arguments.h \
	host/cli.c host/cli.h \
	host/client.c host/client.h \
	host/copy.c host/copy.h host/fetch.c host/store.c \
	host/cp.c host/cp.h \
	host/errand.c host/errand.h \
	host/exec.c host/exec.h \
	host/exits.c host/exits.h \
	host/help.c host/help.h \
	host/identity.c host/identity.h \
	host/inquiries.c host/inquiries.h host/groups.inc host/metrics.inc \
	host/keys.c host/keys.h \
	host/listing.c host/listing.h \
	host/message.c host/message.h \
	host/options.c host/options.h \
	host/outcome.c host/outcome.h \
	host/progress.c host/progress.h \
	host/rates.c host/rates.h \
	host/remote.c host/remote.h \
	host/run.c host/run.h \
	host/show.c host/show.h \
	host/sign.c \
	host/signer.c host/signer.h \
	host/stop.c host/stop.h \
	host/tables.c host/tables.h \
	host/term.c host/term.h \
	host/text.c host/text.h \
	host/verbs.c host/verbs.h \
	host/vitals.c host/vitals.h \
	host/watch.c host/watch.h
host_libhost_a_CPPFLAGS = $(AM_CPPFLAGS) $(JSONC_CFLAGS) $(NETTLE_CFLAGS)

bin_PROGRAMS += vmvitals
vmvitals_SOURCES = host/main.c
vmvitals_LDADD = host/libhost.a commands/libtable.a proto/libproto.a base/libbase.a \
	$(JSONC_LIBS) $(INIH_LIBS) $(NETTLE_LIBS) -lm

dist_man_MANS += man/vmvitals.1 man/vmvitals-commands.7
