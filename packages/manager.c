#include "packages/manager.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATHS 6
#define WORDS 20

struct manager {
	const char *name;
	const char *programs[PATHS];  /* the first that is there; absolute */
	const char *databases[PATHS]; /* likewise; relative to the root */
	const char *lists[PATHS];
	const char *environment[3];
	const char *words[VMV_N_OPERATIONS][WORDS];
};

/* Separated by tabs, which packages/inventory.c takes apart. */
#define RPM_FORMAT                                                            \
	"%{NAME}\\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\\t%{ARCH}\\t" \
	"%{SOURCERPM}\\t%{VENDOR}\\t%{SIZE}\\t%{INSTALLTIME}\\t%{SUMMARY}\\n"
#define RPM_INVENTORY                                     \
	{                                                 \
		"/usr/bin/rpm", "-qa", "--qf", RPM_FORMAT \
	}
#define RPM_DATABASES                                                                  \
	{                                                                              \
		"usr/lib/sysimage/rpm/rpmdb.sqlite", "var/lib/rpm/rpmdb.sqlite",       \
			"usr/lib/sysimage/rpm/Packages.db", "var/lib/rpm/Packages.db", \
			"var/lib/rpm/Packages",                                        \
	}

/* {program}, {operand} and {wait} are filled in. "--" stands before operands where it is known; no
 * operand begins with '-'. Of dnf the lists are only marked as old: what follows fetches them. */
static const struct manager managers[] = {
	[VMV_APT] = {
		.name = "Apt",
		.programs = { "/usr/bin/apt-get" },
		.databases = { "var/lib/dpkg/status" },
		.lists = { "var/lib/apt/lists", "var/lib/apt/lists/partial",
			   "var/lib/apt/periodic/update-success-stamp" },
		.environment = { "DEBIAN_FRONTEND=noninteractive" },
		.words = {
#define APT_GET                                                                 \
	"{program}", "-y", "-q", "-o", "Dpkg::Options::=--force-confdef", "-o", \
		"Dpkg::Options::=--force-confold", "-o", "DPkg::Lock::Timeout={wait}"
			[VMV_OP_SEARCH] = { "/usr/bin/apt-cache", "search", "--", "{operand}" },
			[VMV_OP_UPDATES] = { "/usr/bin/apt", "-qq", "list", "--upgradable" },
			[VMV_OP_DETAILS] = { "/usr/bin/apt-cache", "--no-all-versions", "show",
					     "--" },
			[VMV_OP_REFRESH] = { "{program}", "-q", "-o", "DPkg::Lock::Timeout={wait}",
					     "update" },
			[VMV_OP_INSTALL] = { APT_GET, "install", "--", "{operand}" },
			[VMV_OP_REMOVE] = { APT_GET, "remove", "--", "{operand}" },
			[VMV_OP_UPDATE] = { APT_GET, "--only-upgrade", "install", "--",
					    "{operand}" },
			[VMV_OP_UPGRADE] = { APT_GET, "--with-new-pkgs", "upgrade" },
		},
	},
	[VMV_DNF] = {
		.name = "Dnf",
		.programs = { "/usr/bin/dnf", "/usr/bin/dnf5", "/usr/bin/yum" },
		.databases = RPM_DATABASES,
		.lists = { "var/cache/libdnf5", "var/cache/dnf", "var/cache/yum" },
		.words = {
			[VMV_OP_INVENTORY] = RPM_INVENTORY,
			[VMV_OP_SEARCH] = { "{program}", "-C", "-q", "search", "{operand}" },
			[VMV_OP_UPDATES] = { "{program}", "-C", "-q", "check-update" },
			[VMV_OP_SECURITY] = { "{program}", "-C", "-q", "updateinfo", "list",
					      "--security" },
			[VMV_OP_DETAILS] = { "{program}", "-C", "-q", "repoquery",
					     "--latest-limit=1", "--qf",
					     "%{name}.%{arch} %{evr} %{downloadsize}\\n" },
			[VMV_OP_REFRESH] = { "{program}", "-q", "clean", "expire-cache" },
			[VMV_OP_INSTALL] = { "{program}", "-y", "install", "{operand}" },
			[VMV_OP_REMOVE] = { "{program}", "-y", "remove", "{operand}" },
			[VMV_OP_UPDATE] = { "{program}", "-y", "upgrade", "{operand}" },
			[VMV_OP_UPGRADE] = { "{program}", "-y", "upgrade" },
		},
	},
	[VMV_ZYPPER] = {
		.name = "Zypper",
		.programs = { "/usr/bin/zypper" },
		.databases = RPM_DATABASES,
		.lists = { "var/cache/zypp/raw", "var/cache/zypp/solv" },
		.environment = { "ZYPP_LOCK_TIMEOUT={wait}" },
		.words = {
#define ZYPPER_READ  "{program}", "--non-interactive", "--no-refresh", "--xmlout"
#define ZYPPER	     "{program}", "--non-interactive"
#define ZYPPER_AGREE "--auto-agree-with-licenses"
			[VMV_OP_INVENTORY] = RPM_INVENTORY,
			[VMV_OP_SEARCH] = { ZYPPER_READ, "search", "--type", "package", "--",
					    "{operand}" },
			[VMV_OP_UPDATES] = { ZYPPER_READ, "list-updates" },
			[VMV_OP_SECURITY] = { ZYPPER_READ, "list-patches", "--category",
					      "security" },
			[VMV_OP_REFRESH] = { ZYPPER, "refresh" },
			[VMV_OP_INSTALL] = { ZYPPER, "install", ZYPPER_AGREE, "--", "{operand}" },
			[VMV_OP_REMOVE] = { ZYPPER, "remove", "--", "{operand}" },
			[VMV_OP_UPDATE] = { ZYPPER, "update", ZYPPER_AGREE, "--", "{operand}" },
			[VMV_OP_UPGRADE] = { ZYPPER, "update", ZYPPER_AGREE },
		},
	},
	[VMV_APK] = {
		.name = "Apk",
		.programs = { "/sbin/apk", "/usr/sbin/apk", "/usr/bin/apk" },
		.databases = { "lib/apk/db/installed", "usr/lib/apk/db/installed" },
		.lists = { "var/cache/apk", "etc/apk/cache" },
		.words = {
#define APK	     "{program}", "--no-progress", "--wait", "{wait}"
			[VMV_OP_SEARCH] = { "{program}", "--no-network", "search", "-v", "--",
					    "{operand}" },
			[VMV_OP_UPDATES] = { "{program}", "--no-network", "version", "-l", "<" },
			[VMV_OP_REFRESH] = { APK, "update" },
			[VMV_OP_INSTALL] = { APK, "add", "--", "{operand}" },
			[VMV_OP_REMOVE] = { APK, "del", "--", "{operand}" },
			[VMV_OP_UPDATE] = { APK, "upgrade", "--", "{operand}" },
			[VMV_OP_UPGRADE] = { APK, "upgrade" },
		},
	},
	[VMV_PACMAN] = {
		.name = "Pacman",
		.programs = { "/usr/bin/pacman" },
		.databases = { "var/lib/pacman/local" },
		.lists = { "var/lib/pacman/sync" },
		.words = {
#define PACMAN	     "{program}", "--noconfirm", "--noprogressbar"
			[VMV_OP_SEARCH] = { "{program}", "--color=never", "-Ss", "--",
					    "{operand}" },
			[VMV_OP_UPDATES] = { "{program}", "--color=never", "-Qu" },
			[VMV_OP_REFRESH] = { PACMAN, "-Sy" },
			[VMV_OP_INSTALL] = { PACMAN, "-S", "--needed", "--", "{operand}" },
			[VMV_OP_REMOVE] = { PACMAN, "-R", "--", "{operand}" },
			[VMV_OP_UPDATE] = { PACMAN, "-S", "--needed", "--", "{operand}" },
			[VMV_OP_UPGRADE] = { PACMAN, "-Su" },
		},
	},
	[VMV_NO_MANAGER] = { .name = NULL },
};

const char *vmv_manager_name(enum vmv_manager m)
{
	return managers[m].name;
}

const char *const *vmv_manager_lists(enum vmv_manager m)
{
	return managers[m].lists;
}

/* path: below top, or absolute, which means the same. */
static const char *first_of(int top, const char *const paths[PATHS], int mode)
{
	for (size_t i = 0; i < PATHS && paths[i]; i++)
		if (faccessat(top, paths[i] + (paths[i][0] == '/'), mode, 0) == 0)
			return paths[i];
	return NULL;
}

int vmv_manager_detect(int top, struct vmv_manager_here *ret)
{
	for (size_t i = 0; i < VMV_NO_MANAGER; i++) {
		const char *program = first_of(top, managers[i].programs, X_OK);
		const char *database = first_of(top, managers[i].databases, F_OK);

		if (!program || !database)
			continue;
		*ret = (struct vmv_manager_here){ (enum vmv_manager)i, program, database };
		return 0;
	}
	return -EOPNOTSUPP;
}

/* -- commands -------------------------------------------------------------------------------- */

int vmv_argv_add(struct vmv_argv *a, const char *word)
{
	if (a->n + 2 > a->cap) {
		size_t cap = a->cap ? 2 * a->cap : 32;
		char **words = reallocarray(a->words, cap, sizeof(*words));

		if (!words)
			return -ENOMEM;
		a->words = words;
		a->cap = cap;
	}
	a->words[a->n] = strdup(word);
	if (!a->words[a->n])
		return -ENOMEM;
	a->words[++a->n] = NULL;
	return 0;
}

void vmv_argv_free(struct vmv_argv *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->words[i]);
	free(a->words);
	*a = (struct vmv_argv){ .n = 0 };
}

static int add_wait(struct vmv_argv *a, const char *word, const char *brace, uint32_t wait_s)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%.*s%u", (int)(brace - word), word, wait_s);
	return vmv_argv_add(a, text);
}

static int add_word(struct vmv_argv *a, const char *word, const struct vmv_manager_here *here,
		    const char *operand, uint32_t wait_s)
{
	const char *brace = strstr(word, "{wait}");

	if (brace)
		return add_wait(a, word, brace, wait_s);
	if (strcmp(word, "{program}") == 0)
		return vmv_argv_add(a, here->program);
	if (strcmp(word, "{operand}") == 0)
		return operand ? vmv_argv_add(a, operand) : 0;
	return vmv_argv_add(a, word);
}

int vmv_manager_argv(const struct vmv_manager_here *here, enum vmv_operation op,
		     const char *operand, uint32_t wait_s, struct vmv_argv *ret)
{
	const char *const *words = managers[here->which].words[op];
	int r = words[0] ? 0 : -EOPNOTSUPP;

	for (size_t i = 0; r == 0 && i < WORDS && words[i]; i++)
		r = add_word(ret, words[i], here, operand, wait_s);
	return r;
}

int vmv_manager_environment(enum vmv_manager m, uint32_t wait_s, struct vmv_argv *ret)
{
	const char *const *words = managers[m].environment;
	int r = 0;

	for (size_t i = 0; r == 0 && words[i]; i++)
		r = add_word(ret, words[i], NULL, NULL, wait_s);
	return r;
}

size_t vmv_manager_literal(const char *query, char *buf, size_t cap)
{
	size_t len = 0;

	for (; *query && len + 4 <= cap; query++) {
		bool is_special = *query == '.' || *query == '+';

		if (is_special)
			buf[len++] = '[';
		buf[len++] = *query;
		if (is_special)
			buf[len++] = ']';
	}
	buf[len] = '\0';
	return len;
}
