#include "base/cleanup.h"
#include "base/metric.h"
#include "collectors/collector.h"

#include <check.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define EACH_COLLECTOR(c) \
	for (const struct vmv_collector *const *c##_ = vmv_collectors, *c; (c = *c##_); c##_++)

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

static bool has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool has_suffix(const char *text, const char *suffix)
{
	size_t len = strlen(text), n = strlen(suffix);

	return len >= n && strcmp(text + len - n, suffix) == 0;
}

/* Lower case, digits, single underscores, a letter first. */
static bool is_snake_case(const char *text)
{
	if (!islower((unsigned char)*text) || has_suffix(text, "_") || strstr(text, "__"))
		return false;
	return text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

/* Names of node_exporter that are made of the kernel's own words, whatever they look like. */
static bool is_kernels_own(const char *name)
{
	return has_prefix(name, "node_memory_") || has_prefix(name, "node_netstat_") ||
	       has_prefix(name, "node_sockstat_") || has_prefix(name, "node_vmstat_");
}

/* Begins like one, ends like one, and none begins within. */
static bool is_sentence(const char *text)
{
	const char *stop = strstr(text, ". ");

	return text && (isupper((unsigned char)*text) || isdigit((unsigned char)*text)) &&
	       has_suffix(text, ".") && !stop;
}

START_TEST(groups_are_sorted_and_unique)
{
	const char *last = "";

	EACH_COLLECTOR(c)
	{
		ck_assert_msg(strcmp(last, c->name) < 0, "%s, %s", last, c->name);
		last = c->name;
	}
}
END_TEST

START_TEST(groups_are_documented)
{
	EACH_COLLECTOR(c)
	{
		ck_assert_msg(is_snake_case(c->name), "%s", c->name);
		ck_assert_msg(is_sentence(c->help), "%s", c->name);
		ck_assert_msg(c->file && *c->file, "%s", c->name);
		ck_assert_msg(!c->key || is_snake_case(c->key), "%s", c->name);
		ck_assert_msg(c->n_fields > 0 && c->fields, "%s", c->name);
		ck_assert_msg(c->sample_size > 0, "%s", c->name);
		ck_assert_msg(!c->state_of || (!c->open && strcmp(c->state_of->name, c->name) < 0),
			      "%s", c->name);
		ck_assert_msg(!c->open == !c->close, "%s", c->name);
		ck_assert_msg(c->min_period_ms >= 100, "%s", c->name);
	}
}
END_TEST

/* A group of strings alone stands for one metric, which must have a name; others have none. */
START_TEST(groups_without_values_name_their_metric)
{
	EACH_COLLECTOR(c)
	{
		bool has_value = false;

		for (size_t i = 0; i < c->n_fields; i++)
			has_value |= c->fields[i].kind != VMV_INFO;
		ck_assert_msg(has_value == !c->info, "%s", c->name);
		ck_assert_msg(!c->info || (is_snake_case(c->info) && has_suffix(c->info, "_info")),
			      "%s", c->name);
	}
}
END_TEST

START_TEST(fields_are_documented)
{
	EACH_COLLECTOR(c)
	for (size_t i = 0; i < c->n_fields; i++) {
		const struct vmv_field *f = &c->fields[i];

		ck_assert_msg(f->name && *f->name, "%s: field %zu", c->name, i);
		ck_assert_msg(is_sentence(f->help), "%s: '%s'", f->name, or_empty(f->help));
		ck_assert_msg(f->source && *f->source, "%s", f->name);
	}
}
END_TEST

START_TEST(fields_are_unique_in_their_group_and_mean_the_same_in_all)
{
	EACH_COLLECTOR(c)
	for (size_t i = 0; i < c->n_fields; i++) {
		const struct vmv_field *f = &c->fields[i];

		ck_assert_msg(!c->key || strcmp(f->name, c->key) != 0,
			      "%s: the key is a label already", f->name);
		for (size_t k = 0; k < i; k++) {
			const struct vmv_field *g = &c->fields[k];

			ck_assert_msg(f->offset != g->offset, "%s, %s: one member twice", f->name,
				      g->name);
			if (strcmp(f->name, g->name) != 0)
				continue;
			ck_assert_msg(strcmp(or_empty(f->labels), or_empty(g->labels)) != 0,
				      "%s{%s} twice", f->name, or_empty(f->labels));
			ck_assert_msg(f->kind == g->kind && f->unit == g->unit && f->labels &&
					      g->labels,
				      "%s: two kinds of it", f->name);
		}
	}
}
END_TEST

/* Prometheus knows no groups: what has one name in two of them would be one metric. */
START_TEST(metrics_belong_to_one_group)
{
	EACH_COLLECTOR(c)
	EACH_COLLECTOR(d)
	for (size_t i = 0; c != d && i < c->n_fields; i++)
		for (size_t k = 0; k < d->n_fields; k++)
			ck_assert_msg(c->fields[i].kind == VMV_INFO ||
					      strcmp(c->fields[i].name, d->fields[k].name) != 0,
				      "%s in %s and %s", c->fields[i].name, c->name, d->name);
}
END_TEST

START_TEST(members_lie_within_the_sample)
{
	EACH_COLLECTOR(c)
	for (size_t i = 0; i < c->n_fields; i++) {
		const struct vmv_field *f = &c->fields[i];
		size_t size = f->ctype == VMV_TEXT ? 2 : sizeof(uint64_t);

		ck_assert_msg(f->offset + size <= c->sample_size, "%s", f->name);
		ck_assert_msg(f->ctype == VMV_TEXT || f->offset % size == 0, "%s", f->name);
	}
}
END_TEST

START_TEST(names_say_whose_they_are)
{
	EACH_COLLECTOR(c)
	for (size_t i = 0; i < c->n_fields; i++) {
		const struct vmv_field *f = &c->fields[i];

		if (f->kind == VMV_INFO) { /* a label of the others */
			ck_assert_msg(is_snake_case(f->name), "%s", f->name);
			ck_assert_msg(!has_prefix(f->name, "node_") &&
					      !has_prefix(f->name, "vmvitals_"),
				      "%s", f->name);
		} else if (is_kernels_own(f->name)) {
			ck_assert_msg(!strpbrk(f->name, " -.:{}\""), "%s", f->name);
		} else {
			ck_assert_msg(is_snake_case(f->name), "%s", f->name);
			ck_assert_msg(has_prefix(f->name, "node_") ||
					      has_prefix(f->name, "vmvitals_"),
				      "%s", f->name);
		}
	}
}
END_TEST

START_TEST(names_say_kind_and_unit)
{
	static const char *const suffixes[] = {
		[VMV_UNIT_NONE] = "",
		[VMV_UNIT_SECONDS] = "_seconds",
		[VMV_UNIT_BYTES] = "_bytes",
		[VMV_UNIT_RATIO] = "_ratio",
		[VMV_UNIT_CELSIUS] = "_celsius",
		[VMV_UNIT_HERTZ] = "_hertz",
	};

	EACH_COLLECTOR(c)
	for (size_t i = 0; i < c->n_fields; i++) {
		const struct vmv_field *f = &c->fields[i];
		bool is_counter = f->kind == VMV_COUNTER;
		char name[128];

		ck_assert_msg(has_suffix(f->name, "_total") ==
				      (is_counter && !is_kernels_own(f->name)),
			      "%s", f->name);
		ck_assert_uint_lt(strlen(f->name), sizeof(name));
		strcpy(name, f->name);
		if (has_suffix(name, "_total"))
			name[strlen(name) - strlen("_total")] = '\0';
		ck_assert_msg(has_suffix(name, suffixes[f->unit]), "%s", f->name);
		for (size_t k = 1; k < VMV_COUNTOF(suffixes); k++)
			ck_assert_msg(k == f->unit || !has_suffix(name, suffixes[k]), "%s",
				      f->name);
	}
}
END_TEST

START_TEST(strings_are_info_and_numbers_are_not)
{
	EACH_COLLECTOR(c)
	for (size_t i = 0; i < c->n_fields; i++) {
		const struct vmv_field *f = &c->fields[i];

		ck_assert_msg((f->ctype == VMV_TEXT) == (f->kind == VMV_INFO), "%s", f->name);
		ck_assert_msg(f->kind != VMV_INFO ||
				      (!f->labels && f->unit == VMV_UNIT_NONE && f->scale == 0.0),
			      "%s", f->name);
		ck_assert_msg(f->scale >= 0.0, "%s", f->name);
	}
}
END_TEST

/* k="v",k2="v2" in byte order of k: as they stand in the text that is hashed. */
static void check_labels(const char *labels)
{
	char last[64] = "";
	const char *p = labels;

	for (;;) {
		size_t k = strcspn(p, "="), v;
		char key[64];

		ck_assert_msg(k > 0 && k < sizeof(key) && p[k] == '=' && p[k + 1] == '"', "%s",
			      labels);
		memcpy(key, p, k);
		key[k] = '\0';
		ck_assert_msg(is_snake_case(key) && strcmp(last, key) < 0, "%s", labels);
		strcpy(last, key);
		p += k + 2;
		v = strcspn(p, "\"\\\n");
		ck_assert_msg(v > 0 && p[v] == '"', "%s", labels);
		p += v + 1;
		if (*p == '\0')
			return;
		ck_assert_msg(*p == ',', "%s", labels);
		p++;
	}
}

START_TEST(labels_are_as_prometheus_writes_them)
{
	EACH_COLLECTOR(c)
	for (size_t i = 0; i < c->n_fields; i++)
		if (c->fields[i].labels)
			check_labels(c->fields[i].labels);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fields");
	TCase *tc = tcase_create("fields");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, groups_are_sorted_and_unique);
	tcase_add_test(tc, groups_are_documented);
	tcase_add_test(tc, groups_without_values_name_their_metric);
	tcase_add_test(tc, fields_are_documented);
	tcase_add_test(tc, fields_are_unique_in_their_group_and_mean_the_same_in_all);
	tcase_add_test(tc, metrics_belong_to_one_group);
	tcase_add_test(tc, members_lie_within_the_sample);
	tcase_add_test(tc, names_say_whose_they_are);
	tcase_add_test(tc, names_say_kind_and_unit);
	tcase_add_test(tc, strings_are_info_and_numbers_are_not);
	tcase_add_test(tc, labels_are_as_prometheus_writes_them);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
