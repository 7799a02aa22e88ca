noinst_LIBRARIES += proto/libproto.a
proto_libproto_a_SOURCES = \
	proto/json_copy.c proto/json_copy.h \
	proto/base64.c proto/base64.h \
	proto/envelope.c proto/envelope.h \
	proto/json_read.c proto/json_read.h \
	proto/json_write.c proto/json_write.h \
	proto/keyfile.c proto/keyfile.h \
	proto/ndjson.c proto/ndjson.h \
	proto/qga.c proto/qga.h \
	proto/sign.c proto/sign.h
proto_libproto_a_CPPFLAGS = $(AM_CPPFLAGS) $(JSONC_CFLAGS) $(NETTLE_CFLAGS)
