/* Replays corpora: each file whole, and each of the small ones cut after every byte, too. */
#include "tests/fuzz/fuzz.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>

#define FILE_MAX (1 << 20)
#define CUT_MAX	 4096 /* bytes of a file that is cut everywhere */

static size_t n_files;

static void replay_cut(const uint8_t *data, size_t size)
{
	for (size_t n = 0; n < size; n++) {
		uint8_t *piece = fuzz_copy(data, n);

		(void)LLVMFuzzerTestOneInput(piece, n);
		free(piece);
	}
}

static int replay_file(const char *path)
{
	vmv_autofree uint8_t *data = malloc(FILE_MAX);
	vmv_autofree uint8_t *exact = NULL;
	vmv_autofclose FILE *f = fopen(path, "re");
	size_t size;

	if (!f || !data) {
		perror(path);
		return -1;
	}
	size = fread(data, 1, FILE_MAX, f);
	if (ferror(f) || size == FILE_MAX) {
		(void)fprintf(stderr, "%s: cannot be read, or is too large\n", path);
		return -1;
	}
	exact = fuzz_copy(data, size);
	(void)LLVMFuzzerTestOneInput(exact, size);
	if (size <= CUT_MAX)
		replay_cut(data, size);
	n_files++;
	return 0;
}

static int replay(const char *path)
{
	vmv_autoclosedir DIR *d = NULL;
	char child[PATH_MAX];
	struct dirent *e;
	struct stat st;

	if (stat(path, &st) < 0) {
		perror(path);
		return -1;
	}
	if (!S_ISDIR(st.st_mode))
		return replay_file(path);
	d = opendir(path);
	if (!d) {
		perror(path);
		return -1;
	}
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		if (snprintf(child, sizeof(child), "%s/%s", path, e->d_name) >=
			    (int)sizeof(child) ||
		    replay(child) < 0)
			return -1;
	}
	return 0;
}

/* "…/fuzz_stat" replays tests/fuzz/corpus/stat of the source tree. */
static int own_corpus(const char *program, char *ret, size_t size)
{
	const char *top = getenv("top_srcdir");
	const char *name = strrchr(program, '/');

	name = name ? name + 1 : program;
	if (strncmp(name, "fuzz_", 5) != 0)
		return -1;
	return snprintf(ret, size, "%s/tests/fuzz/corpus/%s", top ? top : ".", name + 5) < (int)size
		       ? 0
		       : -1;
}

int main(int argc, char **argv)
{
	char dir[PATH_MAX];
	uint8_t *nothing = fuzz_copy(NULL, 0);

	(void)LLVMFuzzerTestOneInput(nothing, 0);
	free(nothing);
	if (argc < 2 && (own_corpus(argv[0], dir, sizeof(dir)) < 0 || replay(dir) < 0))
		return EXIT_FAILURE;
	for (int i = 1; i < argc; i++)
		if (replay(argv[i]) < 0)
			return EXIT_FAILURE;
	(void)printf("%zu files replayed\n", n_files);
	return n_files > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
