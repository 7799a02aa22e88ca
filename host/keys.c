#include "host/keys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "host/cli.h"
#include "host/text.h"
#include "proto/json_write.h"
#include "proto/keyfile.h"

#define SUFFIX	    ".pub"
#define ROW_MAX	    8192

#define autotext VMV_CLEANUP(vmv_text_free)

enum vmv_exit vmv_keys_fail(const struct vmv_err *err)
{
	(void)fprintf(stderr, "vmvitals: %s\n", err->msg);
	return err->code == VMV_E_DENIED || err->sys == EACCES || err->sys == EPERM
		       ? VMV_EXIT_DENIED
		       : VMV_EXIT_INTERNAL;
}

/* A key as it is shown. */
struct key {
	uint8_t pub[VMV_PUBLIC_SIZE];
	char id[VMV_KEY_ID_SIZE];
	char comment[VMV_KEY_COMMENT_MAX];
};

static const char *dir_of(const struct vmv_cli *cli)
{
	return cli->options->dir ? cli->options->dir : VMV_KEYS_DIR_DEFAULT;
}

/* What becomes part of a line of a file. */
static int check_comment(const char *comment, struct vmv_err *err)
{
	if (strlen(comment) >= VMV_KEY_COMMENT_MAX)
		return vmv_fail(err, VMV_E_RANGE, EINVAL, "the comment is longer than %d bytes",
				VMV_KEY_COMMENT_MAX - 1);
	for (const char *p = comment; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return vmv_fail(err, VMV_E_RANGE, EINVAL,
					"a control character in the comment");
	return 0;
}

/* -- rows --------------------------------------------------------------------------------- */

/* file or problem may be NULL; with a problem there is no key. */
static void add_json(struct vmv_text *t, const struct key *key, const char *file,
		     const char *problem)
{
	char pub[VMV_BASE64_LEN(VMV_PUBLIC_SIZE) + 1];
	struct vmv_jw w;

	vmv_jw_init(&w, ROW_MAX);
	vmv_jw_open(&w, NULL);
	vmv_base64(key->pub, sizeof(key->pub), pub);
	vmv_jw_str(&w, "id", problem ? NULL : key->id);
	vmv_jw_str(&w, "public", problem ? NULL : pub);
	vmv_jw_str_or_null(&w, "comment", problem ? NULL : key->comment);
	vmv_jw_str(&w, "file", file);
	vmv_jw_str(&w, "error", problem);
	vmv_jw_close(&w);
	if (vmv_jw_finish(&w) == 0 && vmv_buf_add(&w.buf, "\n", 2) == 0)
		vmv_text_add(t, w.buf.data);
	else
		t->error = -ENOMEM;
	vmv_jw_free(&w);
}

static void add_row(struct vmv_text *t, const struct key *key, const char *file,
		    const char *problem)
{
	vmv_text_fmt(t, "%-16s  ", problem ? "ignored" : key->id);
	(void)vmv_text_guest(t, file, VMV_KEY_COMMENT_MAX);
	vmv_text_add(t, "  ");
	(void)vmv_text_guest(t, problem ? problem : key->comment, 256);
	vmv_text_add(t, "\n");
}

static enum vmv_exit print_key(const struct vmv_cli *cli, const struct key *key, const char *file,
			       const char *what)
{
	autotext struct vmv_text t;
	char line[VMV_PUBLIC_LINE_SIZE];

	vmv_text_init(&t, VMV_OUTPUT_MAX);
	if (cli->options->is_json) {
		add_json(&t, key, file, NULL);
		return vmv_cli_print(cli, &t);
	}
	vmv_public_line(key->pub, NULL, line, sizeof(line));
	vmv_text_fmt(&t, "%s key %s in ", what, key->id);
	(void)vmv_text_guest(&t, file, 4096);
	vmv_text_fmt(&t, "\n%s", line);
	return vmv_cli_print(cli, &t);
}

/* -- generate ------------------------------------------------------------------------------ */

/* Waits for the kernel's randomness if need be: a key that can be guessed is worse than none. */
static int random_seed(uint8_t seed[VMV_SEED_SIZE], struct vmv_err *err)
{
	ssize_t n;

	do
		n = getrandom(seed, VMV_SEED_SIZE, 0);
	while (n < 0 && errno == EINTR);
	if (n != VMV_SEED_SIZE)
		return vmv_fail(err, VMV_E_IO, EIO, "no random numbers");
	return 0;
}

static int write_pair(const char *path, const uint8_t seed[VMV_SEED_SIZE], const struct key *key,
		      struct vmv_err *err)
{
	char text[VMV_SEED_TEXT_SIZE], line[VMV_PUBLIC_LINE_SIZE];
	vmv_autofree char *pub = NULL;
	int r;

	if (asprintf(&pub, "%s" SUFFIX, path) < 0) {
		pub = NULL;
		return vmv_fail(err, VMV_E_IO, ENOMEM, "out of memory");
	}
	vmv_public_line(key->pub, key->comment, line, sizeof(line));
	r = vmv_keyfile_create(AT_FDCWD, pub, 0644, line, err);
	if (r < 0)
		return r;
	vmv_seed_text(seed, text);
	r = vmv_keyfile_create(AT_FDCWD, path, 0600, text, err);
	explicit_bzero(text, sizeof(text));
	if (r < 0)
		(void)unlink(pub);
	return r;
}

static int generate(const struct vmv_cli *cli, const char *path, struct key *ret,
		    struct vmv_err *err)
{
	const char *comment = cli->options->comment ? cli->options->comment : "";
	uint8_t seed[VMV_SEED_SIZE];
	int r = check_comment(comment, err);

	if (r == 0)
		r = random_seed(seed, err);
	if (r < 0)
		return r;
	vmv_key_public(seed, ret->pub);
	vmv_key_id(ret->pub, ret->id);
	(void)snprintf(ret->comment, sizeof(ret->comment), "%s", comment);
	r = write_pair(path, seed, ret, err);
	explicit_bzero(seed, sizeof(seed));
	return r;
}

static enum vmv_exit run_generate(const struct vmv_cli *cli, const char *path)
{
	struct key key;
	struct vmv_err err;

	if (generate(cli, path, &key, &err) < 0)
		return vmv_keys_fail(&err);
	return print_key(cli, &key, path, "generated");
}

/* -- trust --------------------------------------------------------------------------------- */

static int read_key(int dirfd, const char *path, enum vmv_keyfile kind, struct key *ret,
		    struct vmv_err *err)
{
	char text[VMV_KEYFILE_MAX];
	int r = vmv_keyfile_read(dirfd, path, kind, geteuid(), text, sizeof(text), err);

	if (r >= 0)
		r = vmv_public_parse(text, ret->pub, ret->comment, err);
	if (r < 0)
		return r;
	vmv_key_id(ret->pub, ret->id);
	return 0;
}

/* The executor ignores what others can write. Returns a descriptor, or negative errno with err
 * set. */
static int open_dir(const char *path, bool is_new_ok, struct vmv_err *err)
{
	vmv_autoclose int fd = -1;
	struct stat st;

	if (is_new_ok && mkdir(path, 0755) < 0 && errno != EEXIST)
		return vmv_fail(err, VMV_E_IO, errno, "cannot create '%.128s': %s", path,
				strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return vmv_fail(err, VMV_E_IO, errno, "cannot open '%.128s': %s", path,
				strerror(errno));
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return vmv_fail(err, VMV_E_DENIED, EPERM,
				"'%.128s' belongs to somebody else, or others can write it", path);
	return VMV_TAKE(fd, -1);
}

static int trust(const struct vmv_cli *cli, const char *path, struct key *ret, struct vmv_err *err)
{
	char line[VMV_PUBLIC_LINE_SIZE], name[VMV_KEY_ID_SIZE + sizeof(SUFFIX)];
	vmv_autoclose int dir = -1;
	int r = read_key(AT_FDCWD, path, VMV_KEYFILE_ANY, ret, err);

	if (r == 0 && cli->options->comment) {
		r = check_comment(cli->options->comment, err);
		if (r == 0)
			(void)snprintf(ret->comment, sizeof(ret->comment), "%s",
				       cli->options->comment);
	} else if (r == 0) {
		r = check_comment(ret->comment, err);
	}
	if (r < 0)
		return r;
	dir = open_dir(dir_of(cli), true, err);
	if (dir < 0)
		return dir;
	(void)snprintf(name, sizeof(name), "%s" SUFFIX, ret->id);
	vmv_public_line(ret->pub, ret->comment, line, sizeof(line));
	return vmv_keyfile_install(dir, name, line, err);
}

static enum vmv_exit run_trust(const struct vmv_cli *cli, const char *path)
{
	vmv_autofree char *file = NULL;
	struct key key;
	struct vmv_err err;

	if (trust(cli, path, &key, &err) < 0)
		return vmv_keys_fail(&err);
	if (asprintf(&file, "%s/%s" SUFFIX, dir_of(cli), key.id) < 0) {
		file = NULL;
		return VMV_EXIT_INTERNAL;
	}
	return print_key(cli, &key, file, "trusted");
}

/* -- list ----------------------------------------------------------------------------------- */

static int is_public_key(const struct dirent *e)
{
	size_t len = strlen(e->d_name);

	return e->d_name[0] != '.' && len > strlen(SUFFIX) &&
	       strcmp(e->d_name + len - strlen(SUFFIX), SUFFIX) == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void add_file(struct vmv_text *t, int dir, const char *name, bool is_json)
{
	struct vmv_err err = { 0 };
	struct key key = { 0 };
	int r = read_key(dir, name, VMV_KEYFILE_PUBLIC, &key, &err);

	if (is_json)
		add_json(t, &key, name, r < 0 ? err.msg : NULL);
	else
		add_row(t, &key, name, r < 0 ? err.msg : NULL);
}

static enum vmv_exit run_list(const struct vmv_cli *cli)
{
	autotext struct vmv_text t;
	struct vmv_err err;
	struct dirent **list = NULL;
	vmv_autoclose int dir = open_dir(dir_of(cli), false, &err);
	int n;

	vmv_text_init(&t, VMV_OUTPUT_MAX);
	if (dir < 0 && err.sys == ENOENT) /* nobody is trusted */
		return VMV_EXIT_OK;
	if (dir < 0)
		return vmv_keys_fail(&err);
	n = scandirat(dir, ".", &list, is_public_key, by_bytes);
	if (n < 0) {
		(void)vmv_fail(&err, VMV_E_IO, errno, "cannot read '%.128s': %s", dir_of(cli),
			       strerror(errno));
		return vmv_keys_fail(&err);
	}
	for (int i = 0; i < n; i++) {
		add_file(&t, dir, list[i]->d_name, cli->options->is_json);
		free(list[i]);
	}
	free(list);
	return vmv_cli_print(cli, &t);
}

/* -- which ----------------------------------------------------------------------------------- */

void vmv_help_keys(struct vmv_text *t)
{
	vmv_text_add(
		t,
		"\ngenerate  Makes a private key in FILE and its public half in FILE.pub.\n"
		"trust     In the guest: lets the key in FILE (a public one) command it, by a "
		"file\n"
		"          in DIR; vmvitals-execd sees it when it starts, or is told to reload.\n"
		"list      In the guest: whose commands it takes.\n");
}

enum vmv_exit vmv_run_keys(const struct vmv_cli *cli)
{
	size_t n = cli->options->n_operands;
	const char *what = n > 1 ? cli->options->operands[1] : "";
	const char *file = n > 2 ? cli->options->operands[2] : NULL;
	struct vmv_err err;

	if (strcmp(what, "generate") == 0 && file)
		return run_generate(cli, file);
	if (strcmp(what, "trust") == 0 && file)
		return run_trust(cli, file);
	if (strcmp(what, "list") == 0 && !file)
		return run_list(cli);
	(void)vmv_fail(&err, VMV_E_RANGE, EINVAL,
		       "'keys' takes 'generate FILE', 'trust FILE' or 'list'");
	return vmv_cli_usage(&err);
}
