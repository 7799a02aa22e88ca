/* Prints what is written from the field tables and the command table: docs/METRICS.md,
 * docs/COMMANDS.md, a manual page and the tables of host/. Run by
 * "make update-docs"; "make check" fails when what is checked in differs. */
#include "base/cleanup.h"
#include "base/metric.h"
#include "collectors/collector.h"
#include "docs/commands.h"
#include "reports/describe.h"
#include "reports/schema.h"

#include <stdio.h>
#include <string.h>

void put_cell(const char *text)
{
	for (; *text; text++)
		(void)printf(*text == '|' ? "\\|" : "%c", *text);
}

static size_t count_metrics(const struct vmv_collector *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_fields; i++)
		n += c->fields[i].kind != VMV_INFO;
	return n;
}

static void put_field(const struct vmv_field *f)
{
	const char *open = f->labels ? "{" : "", *close = f->labels ? "}" : "";
	bool is_shared = strncmp(f->name, "node_", strlen("node_")) == 0;

	(void)printf("| `%s%s%s%s` | %s | %s | %s | ", f->name, open, f->labels ? f->labels : "",
		     close, vmv_kind_name(f->kind), vmv_unit_name(f->unit), is_shared ? "yes" : "");
	put_cell(f->help);
	(void)printf(" | ");
	put_cell(f->source);
	(void)printf(" |\n");
}

static void put_group(const struct vmv_collector *c)
{
	(void)printf("\n## %s\n\n%s\n\nReads %s. ", c->name, c->help, c->file);
	if (c->key)
		(void)printf("One row per `%s`. ", c->key);
	else
		(void)printf("One row. ");
	if (c->info)
		(void)printf("The row stands for the metric `%s`, 1. ", c->info);
	(void)printf("%s; at most every %u ms.\n\n",
		     c->is_default ? "Default" : "Not a default one", c->min_period_ms);
	(void)printf("| metric | kind | unit | node_exporter | help | source |\n"
		     "| --- | --- | --- | --- | --- | --- |\n");
	for (size_t i = 0; i < c->n_fields; i++)
		put_field(&c->fields[i]);
}

static void put_index(void)
{
	(void)printf(
		"| group | metrics | rows by | default | |\n| --- | --- | --- | --- | --- |\n");
	for (size_t i = 0; vmv_collectors[i]; i++) {
		const struct vmv_collector *c = vmv_collectors[i];

		(void)printf("| [%s](#%s) | %zu | %s | %s | ", c->name, c->name, count_metrics(c),
			     c->key ? c->key : "", c->is_default ? "yes" : "");
		put_cell(c->help);
		(void)printf(" |\n");
	}
}

static void put_metrics(void)
{
	(void)printf(
		"<!-- Written by docs/generate.c from the tables in collectors/: make update-docs. "
		"-->\n"
		"# Metrics\n\n"
		"Everything that the agent measures, by group. `GetSamples` and subscriptions "
		"send\n"
		"these values raw, in base units (docs/PROTOCOL.md); `vmvitals samples GROUP` "
		"prints\n"
		"them. What is unknown is null, never 0.\n\n"
		"A counter grows within one boot. An info is a text: a label of all metrics of "
		"its\n"
		"row. What is marked in the column node_exporter has the name, labels and unit "
		"that\n"
		"the Prometheus node_exporter gives it; what is not is named `vmvitals_...`.\n\n");
	put_index();
	for (size_t i = 0; vmv_collectors[i]; i++)
		put_group(vmv_collectors[i]);
}

/* A string literal; the tables hold printable ASCII. */
static void put_literal(const char *text)
{
	(void)putchar('"');
	for (; *text; text++)
		(void)printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
	(void)putchar('"');
}

static void put_origin(void)
{
	(void)printf("/* Written by docs/generate.c from the tables in collectors/: make "
		     "update-docs. */\n");
}

static void put_groups(void)
{
	put_origin();
	for (size_t i = 0; vmv_collectors[i]; i++) {
		(void)printf("{ \"%s\", ", vmv_collectors[i]->name);
		put_literal(vmv_collectors[i]->help);
		(void)printf(", %s },\n", vmv_collectors[i]->is_default ? "true" : "false");
	}
}

/* The info fields of a group without values are labels of the metric that the group stands for. */
static void put_name(const struct vmv_collector *c, const struct vmv_field *f)
{
	char name[256];

	(void)snprintf(name, sizeof(name), "%s%s%s%s", f->name, f->labels ? "{" : "",
		       f->labels ? f->labels : "", f->labels ? "}" : "");
	(void)printf("{ \"%s\", ", c->name);
	put_literal(name);
	(void)printf(", \"%s\", \"%s\", ", vmv_kind_name(f->kind), vmv_unit_name(f->unit));
	put_literal(f->help);
	(void)printf(" },\n");
}

static void put_names(void)
{
	put_origin();
	for (size_t i = 0; vmv_collectors[i]; i++)
		for (size_t k = 0; k < vmv_collectors[i]->n_fields; k++)
			put_name(vmv_collectors[i], &vmv_collectors[i]->fields[k]);
}

/* The fingerprint of all tables. */
static void put_schema(void)
{
	char schema[VMV_SCHEMA_SIZE];

	if (vmv_schema(vmv_collectors, schema) == 0)
		(void)printf("\"%s\"\n", schema);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *word;
		void (*put)(void);
	} parts[] = {
		{ "metrics", put_metrics },   { "groups", put_groups },
		{ "names", put_names },	      { "schema", put_schema },
		{ "commands", put_commands }, { "commands-man", put_commands_man },
	};

	for (size_t i = 0; argc == 2 && i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strcmp(argv[1], parts[i].word) == 0) {
			parts[i].put();
			return fflush(stdout) == 0 ? 0 : 74;
		}
	}
	return 64;
}
