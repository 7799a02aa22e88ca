noinst_LIBRARIES += proto/libproto.a
proto_libproto_a_SOURCES = \
	proto/json_copy.c proto/json_copy.h \
	proto/json_read.c proto/json_read.h \
	proto/json_write.c proto/json_write.h \
	proto/ndjson.c proto/ndjson.h
proto_libproto_a_CPPFLAGS = $(AM_CPPFLAGS) $(JSONC_CFLAGS)
