/* What the fuzz targets share. A target is one file with LLVMFuzzerTestOneInput; replay.c makes it
 * a program that replays a corpus, libFuzzer one that searches. */
#ifndef VMV_TESTS_FUZZ_H
#define VMV_TESTS_FUZZ_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Returns 0 always; a finding is a crash. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Holds in every build, with or without NDEBUG. */
#define FUZZ_CHECK(cond)                                                                 \
	do {                                                                             \
		if (!(cond)) {                                                           \
			(void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                         \
		}                                                                        \
	} while (0)

/* A new copy that ends where the data end: reading on is an error that the sanitizer sees. */
static inline uint8_t *fuzz_copy(const uint8_t *data, size_t size)
{
	uint8_t *copy = calloc(1, size);

	FUZZ_CHECK(copy);
	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

/* The same as a string; it ends at the first NUL. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	FUZZ_CHECK(text);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

/* Every failure says what it is, in one line. Start with a zeroed err. */
static inline void fuzz_check_result(int r, const struct vmv_err *err)
{
	FUZZ_CHECK(r <= 0);
	FUZZ_CHECK((r < 0) == (err->code != VMV_OK));
	FUZZ_CHECK((r < 0) == (err->msg[0] != '\0'));
	FUZZ_CHECK(memchr(err->msg, '\0', sizeof(err->msg)));
	FUZZ_CHECK(!strchr(err->msg, '\n'));
}

#endif
