#include "commands/words.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const char *vmv_doer_name(enum vmv_doer doer)
{
	static const char *const names[] = {
		[VMV_BY_AGENT] = "agent",
		[VMV_BY_HELPER] = "helper",
		[VMV_BY_EXECUTOR] = "executor",
		[VMV_BY_NOBODY] = "nobody",
	};

	return names[doer];
}

const char *vmv_argtype_name(enum vmv_argtype type)
{
	static const char *const names[] = {
		[VMV_ARG_INT] = "int",	[VMV_ARG_NUM] = "num",	  [VMV_ARG_BOOL] = "bool",
		[VMV_ARG_ENUM] = "str", [VMV_ARG_TEXT] = "str",	  [VMV_ARG_NAMES] = "str[]",
		[VMV_ARG_TIME] = "T",	[VMV_ARG_BASE64] = "b64", [VMV_ARG_MAP] = "{str:str}",
		[VMV_ARG_LIST] = "[]",	[VMV_ARG_ANY] = "any",
	};

	return names[type];
}

/* -- limits ------------------------------------------------------------------------------------ */

static void list_words(const char *const *words, char buf[VMV_WORDS_SIZE])
{
	size_t at = 0;

	buf[0] = '\0';
	for (size_t i = 0; words[i] && at < VMV_WORDS_SIZE; i++)
		at += (size_t)snprintf(buf + at, VMV_WORDS_SIZE - at, "%s%s", i > 0 ? ", " : "",
				       words[i]);
}

static void limit_text(const struct vmv_arg *a, char buf[VMV_WORDS_SIZE])
{
	int n;

	if (a->min == a->max)
		n = snprintf(buf, VMV_WORDS_SIZE, "%lld bytes", (long long)a->max);
	else if (a->min > 0)
		n = snprintf(buf, VMV_WORDS_SIZE, "%lld to %lld bytes", (long long)a->min,
			     (long long)a->max);
	else
		n = snprintf(buf, VMV_WORDS_SIZE, "at most %lld bytes", (long long)a->max);
	if (a->charset != VMV_CHARS_ANY)
		(void)snprintf(buf + n, VMV_WORDS_SIZE - (size_t)n, ": %s",
			       vmv_charset_text(a->charset));
}

const char *vmv_arg_limits(const struct vmv_arg *a, char buf[VMV_WORDS_SIZE])
{
	buf[0] = '\0';
	switch (a->type) {
	case VMV_ARG_INT:
	case VMV_ARG_NUM:
		(void)snprintf(buf, VMV_WORDS_SIZE, "%lld to %lld", (long long)a->min,
			       (long long)a->max);
		break;
	case VMV_ARG_TEXT:
		limit_text(a, buf);
		break;
	case VMV_ARG_ENUM:
		list_words(a->choices, buf);
		break;
	case VMV_ARG_NAMES:
		if (a->choices)
			list_words(a->choices, buf);
		else
			(void)snprintf(buf, VMV_WORDS_SIZE, "at most %lld", (long long)a->max);
		break;
	case VMV_ARG_BASE64:
		(void)snprintf(buf, VMV_WORDS_SIZE, "at most %lld bytes, decoded",
			       (long long)a->max);
		break;
	case VMV_ARG_MAP:
		(void)snprintf(buf, VMV_WORDS_SIZE, "at most %lld members", (long long)a->max);
		break;
	case VMV_ARG_LIST:
		(void)snprintf(buf, VMV_WORDS_SIZE, "at most %lld", (long long)a->max);
		break;
	case VMV_ARG_BOOL:
	case VMV_ARG_TIME:
	case VMV_ARG_ANY:
		break;
	}
	return buf;
}

/* -- defaults ---------------------------------------------------------------------------------- */

static const char *fallback_word(const struct vmv_arg *a, char buf[VMV_WORDS_SIZE])
{
	if (a->type == VMV_ARG_BOOL)
		return a->fallback ? "true" : "false";
	if (a->type == VMV_ARG_ENUM)
		return a->choices[a->fallback];
	if ((a->type == VMV_ARG_INT || a->type == VMV_ARG_NUM) && a->fallback >= a->min) {
		(void)snprintf(buf, VMV_WORDS_SIZE, "%lld", (long long)a->fallback);
		return buf;
	}
	return "none";
}

const char *vmv_arg_fallback(const struct vmv_arg *a, char buf[VMV_WORDS_SIZE])
{
	char number[VMV_WORDS_SIZE];
	const char *word = "";

	if (!a->is_required)
		word = a->fallback_text ? a->fallback_text : fallback_word(a, number);
	(void)snprintf(buf, VMV_WORDS_SIZE, "%s", word);
	return buf;
}

/* -- families ---------------------------------------------------------------------------------- */

static const char *const link_actions[] = { "Describe",	  "GetHealth",	 "GetMetrics",
					    "GetSamples", "GetState",	 "Ping",
					    "Subscribe",  "Unsubscribe", NULL };

static const char *const job_actions[] = { "JobCancel", "JobStatus", NULL };

static const char *const system_actions[] = { "CheckDiskSpace",	    "CheckResourceOptimization",
					      "FsFreezeStatus",	    "OsInfo",
					      "ProcessList",	    "ProcessTop",
					      "RunAllHealthChecks", "RunHealthCheck",
					      "ServiceList",	    "SystemInfo",
					      "UserList",	    NULL };

static const char *const package_actions[] = {
	"CheckApplicationUpdates",
	"CheckLinuxUpdates",
	"CheckSpecificAppUpdates",
	"EstimateUpdateSize",
	"GetApplicationDetails",
	"GetAvailableUpdates",
	"GetInstalledApplicationsWMI",
	"GetLinuxSecurityUpdates",
	"GetPendingLinuxUpdates",
	"GetSecurityUpdates",
	"PackageInstall",
	"PackageList",
	"PackageRemove",
	"PackageSearch",
	"PackageUpdate",
	"UpdateSystemSoftware",
	NULL,
};

static const char *const change_actions[] = { "DiskCleanup",
					      "FsFreeze",
					      "FsThaw",
					      "FsTrim",
					      "JoinDomain",
					      "PowerOff",
					      "PrepareGoldenImage",
					      "ProcessKill",
					      "RebootSystem",
					      "ServiceControl",
					      "SetHostname",
					      "SetTime",
					      NULL };

static const char *const raw_actions[] = { "FileRead", "FileStat", "FileWrite", "UnsafeCommand",
					   NULL };

const struct vmv_family vmv_families[] = {
	{ "The agent and its link to the host", link_actions },
	{ "The system", system_actions },
	{ "Packages and updates", package_actions },
	{ "Services, processes, power, disks", change_actions },
	{ "Files and raw commands", raw_actions },
	{ "Jobs", job_actions },
	{ "Known, but not to be had", NULL },
};
const size_t vmv_n_families = sizeof(vmv_families) / sizeof(vmv_families[0]);

static const struct vmv_command *named(const char *name)
{
	if (!name)
		return NULL;
	return strcmp(name, vmv_raw_command.name) == 0 ? &vmv_raw_command : vmv_command_find(name);
}

static bool is_listed(const char *name)
{
	for (size_t i = 0; i < vmv_n_families; i++)
		for (size_t k = 0; vmv_families[i].actions && vmv_families[i].actions[k]; k++)
			if (strcmp(vmv_families[i].actions[k], name) == 0)
				return true;
	return false;
}

static const struct vmv_command *next_of_rest(const struct vmv_command *c)
{
	size_t i = c ? (size_t)(c - vmv_commands) + 1 : 0;

	while (i < vmv_n_commands && is_listed(vmv_commands[i].name))
		i++;
	return i < vmv_n_commands ? &vmv_commands[i] : NULL;
}

const struct vmv_command *vmv_family_next(const struct vmv_family *f, const struct vmv_command *c)
{
	if (!f->actions)
		return next_of_rest(c);
	if (!c)
		return named(f->actions[0]);
	for (size_t i = 0; f->actions[i]; i++)
		if (strcmp(f->actions[i], c->name) == 0)
			return named(f->actions[i + 1]);
	return NULL;
}
