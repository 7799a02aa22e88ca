#include "config/settings.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/limits.h"
#include "commands/command.h"
#include "tests/lib/fixture.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fixture fx;
static struct vmv_config *config;
static struct vmv_err err;
static char path[128];

static const struct vmv_overrides none = { NULL, 0 };

static void up(void)
{
	fixture_up(&fx);
	(void)snprintf(path, sizeof(path), "%s/etc/agent.conf", fx.dir);
	config = NULL;
	err = (struct vmv_err){ 0 };
}

static void down(void)
{
	vmv_config_free(config);
	fixture_down(&fx);
}

static int load_with(const char *text, const struct vmv_overrides *o)
{
	fixture_put(&fx, "etc/agent.conf", text);
	vmv_config_free(config);
	config = NULL;
	return vmv_config_load(&config, path, o, &err);
}

static void load(const char *text)
{
	ck_assert_msg(load_with(text, &none) == 0, "%s", err.msg);
}

static const struct vmv_setting *find(const char *section, const char *key)
{
	for (size_t i = 0; i < vmv_n_config_table; i++)
		if (strcmp(vmv_config_table[i].section, section) == 0 &&
		    strcmp(vmv_config_table[i].key, key) == 0)
			return &vmv_config_table[i];
	ck_abort_msg("no setting [%s] %s", section, key);
}

static void expect(const char *section, const char *key, const char *text)
{
	char *is = vmv_setting_text(find(section, key), config);

	ck_assert_ptr_nonnull(is);
	ck_assert_msg(strcmp(is, text) == 0, "[%s] %s is %s, not %s", section, key, is, text);
	free(is);
}

/* -- the table -------------------------------------------------------------------------------- */

/* PROTOCOL.md 9. */
static const struct {
	const char *section, *key, *fallback;
	uint64_t min, max; /* of numbers */
	bool zero_ok;
} documented[] = {
	{ "agent", "channel",
	  "virtio:org.vmvitals.agent.0 virtio:org.infinibay.agent virtio:org.qemu.guest_agent.0", 0,
	  0, false },
	{ "agent", "vm_id", "", 0, 0, false },
	{ "agent", "stop_grace", "5", 0, 60, false },
	{ "metrics", "interval", "30", 5, 3600, false },
	{ "metrics", "processes", "20", 0, 200, false },
	{ "metrics", "cmdline", "yes", 0, 0, false },
	{ "health", "interval", "60", 10, 3600, false },
	{ "health", "critical_units", "", 0, 0, false },
	{ "network", "exclude", "docker* br-* veth* virbr* cni* flannel* cali* lxc* podman* kube-*",
	  0, 0, false },
	{ "network", "report_ipv6", "no", 0, 0, false },
	{ "protocol", "line_in", "8", 1, 64, false },
	{ "protocol", "queue_high", "4", 1, 64, false },
	{ "protocol", "in_flight", "64", 8, 1024, false },
	{ "policy", "level", "monitor", 0, 0, false },
	{ "policy", "deny", "", 0, 0, false },
	{ "policy", "require_signature", "no", 0, 0, false },
	{ "compat", "command_type", "class", 0, 0, false },
	{ "scripts", "enabled", "yes", 0, 0, false },
	{ "scripts", "poll", "600", 60, 86400, true },
	{ "events", "agent_event_rate", "10", 1, 600, false },
};

START_TEST(defaults_and_ranges_are_those_of_the_protocol)
{
	load("");
	for (size_t i = 0; i < VMV_COUNTOF(documented); i++) {
		const struct vmv_setting *s = find(documented[i].section, documented[i].key);

		expect(s->section, s->key, documented[i].fallback);
		if (s->type != VMV_SET_U64)
			continue;
		/* the interval may be shorter, for demonstrations */
		ck_assert_msg(strcmp(s->section, "metrics") == 0 ? s->min <= documented[i].min
								 : s->min == documented[i].min,
			      "[%s] %s", s->section, s->key);
		ck_assert_msg(s->max == documented[i].max && s->zero_ok == documented[i].zero_ok,
			      "[%s] %s", s->section, s->key);
	}
	expect("agent", "root", "/");
	expect("agent", "log_level", "info");
	ck_assert_uint_eq(config->policy_level, VMV_MONITOR);
	ck_assert_uint_eq(config->command_type, VMV_TYPE_CLASS);
	ck_assert_uint_eq(config->channels.n, 3);
	ck_assert_uint_eq(config->exclude.n, 10);
	ck_assert_uint_eq(config->deny.n, 0);
}
END_TEST

START_TEST(settings_are_documented_unique_and_in_sections)
{
	for (size_t i = 0; i < vmv_n_config_table; i++) {
		const struct vmv_setting *s = &vmv_config_table[i];
		size_t len = strlen(s->help);

		ck_assert_msg(len > 10 && s->help[len - 1] == '.', "%s", s->key);
		ck_assert_msg(!s->option || s->unit || s->type == VMV_SET_BOOL, "%s", s->key);
		ck_assert_msg((s->type == VMV_SET_ENUM) == (s->choices != NULL), "%s", s->key);
		ck_assert_msg(s->type != VMV_SET_U64 || s->max > s->min, "%s", s->key);
		for (size_t k = 0; k < i; k++) {
			const struct vmv_setting *t = &vmv_config_table[k];

			ck_assert_msg(strcmp(s->section, t->section) != 0 ||
					      strcmp(s->key, t->key) != 0,
				      "%s twice", s->key);
			ck_assert_msg(s->offset != t->offset, "%s, %s", s->key, t->key);
			ck_assert_msg(!s->option || !t->option || strcmp(s->option, t->option) != 0,
				      "--%s twice", s->option);
			/* a section that comes back would be printed twice */
			ck_assert_msg(strcmp(s->section, t->section) != 0 ||
					      strcmp(s->section, s[-1].section) == 0,
				      "[%s] comes back", s->section);
		}
	}
}
END_TEST

/* -- files ------------------------------------------------------------------------------------- */

static const char everything[] = "# all of it\n"
				 "[agent]\n"
				 "channel = unix-listen:/run/a.sock\n"
				 "channel = stdio\n"
				 "vm_id = vm-7\n"
				 "log_level = warning,channel=debug\n"
				 "root = /srv/tree\n"
				 "stop_grace = 0\n"
				 "[metrics]\n"
				 "interval = 3600\n"
				 "processes = 0\n"
				 "cmdline = no\n"
				 "[health]\n"
				 "interval = 10\n"
				 "critical_units = ssh a@b.service -.mount\n"
				 "critical_units = org.example.Thing\n"
				 "[network]\n"
				 "exclude = a* b*\n"
				 "exclude = c?\n"
				 "report_ipv6 = yes\n"
				 "[protocol]\n"
				 "line_in = 64\n"
				 "queue_high = 1\n"
				 "in_flight = 1024\n"
				 "[policy]\n"
				 "level = FULL\n"
				 "deny = ProcessTop UnsafeCommand\n"
				 "require_signature = on\n"
				 "[compat]\n"
				 "command_type = action\n"
				 "[scripts]\n"
				 "enabled = off\n"
				 "poll = 0\n"
				 "[events]\n"
				 "agent_event_rate = 600\n";

static void expect_everything(void)
{
	ck_assert_uint_eq(config->channels.n, 2);
	ck_assert_str_eq(config->channels.items[0], "unix-listen:/run/a.sock");
	ck_assert_str_eq(config->channels.items[1], "stdio");
	ck_assert_str_eq(config->vm_id, "vm-7");
	ck_assert_str_eq(config->log_level, "warning,channel=debug");
	ck_assert_str_eq(config->root, "/srv/tree");
	ck_assert_uint_eq(config->stop_grace_s, 0);
	ck_assert_uint_eq(config->interval_s, 3600);
	ck_assert_uint_eq(config->processes, 0);
	ck_assert(!config->has_cmdline);
	ck_assert_uint_eq(config->health_interval_s, 10);
	ck_assert_uint_eq(config->critical_units.n, 4);
	ck_assert_str_eq(config->critical_units.items[0], "ssh.service");
	ck_assert_str_eq(config->critical_units.items[1], "a@b.service");
	ck_assert_str_eq(config->critical_units.items[2], "-.mount");
	ck_assert_str_eq(config->critical_units.items[3], "org.example.Thing.service");
	ck_assert_uint_eq(config->exclude.n, 3);
	ck_assert_str_eq(config->exclude.items[2], "c?");
	ck_assert(config->report_ipv6);
	ck_assert_uint_eq(config->line_in_mib, 64);
	ck_assert_uint_eq(config->queue_high_mib, 1);
	ck_assert_uint_eq(config->in_flight, 1024);
	ck_assert_uint_eq(config->policy_level, VMV_FULL);
	ck_assert_uint_eq(config->deny.n, 2);
	ck_assert(config->require_signature);
	ck_assert_uint_eq(config->command_type, VMV_TYPE_ACTION);
	ck_assert(!config->scripts_enabled);
	ck_assert_uint_eq(config->scripts_poll_s, 0);
	ck_assert_uint_eq(config->agent_event_rate, 600);
}

START_TEST(every_setting_goes_to_its_own_member)
{
	load(everything);
	expect_everything();
}
END_TEST

START_TEST(what_is_printed_can_be_read_again)
{
	static const char *const texts[] = { everything, "" };
	struct vmv_config *first;

	for (size_t i = 0; i < VMV_COUNTOF(texts); i++) {
		char *text = NULL;
		size_t len = 0;
		FILE *f = open_memstream(&text, &len);

		load(texts[i]);
		first = VMV_TAKE(config, NULL);
		vmv_settings_dump(vmv_config_table, vmv_n_config_table, first, f);
		ck_assert_int_eq(fclose(f), 0);
		load(text);
		for (size_t k = 0; k < vmv_n_config_table; k++) {
			char *was = vmv_setting_text(&vmv_config_table[k], first);

			expect(vmv_config_table[k].section, vmv_config_table[k].key, was);
			free(was);
		}
		free(text);
		vmv_config_free(first);
	}
	load(everything);
	expect_everything();
}
END_TEST

START_TEST(critical_units_are_bounded)
{
	char text[4096];
	int len = snprintf(text, sizeof(text), "[health]\ncritical_units =");

	for (int i = 0; i < VMV_CRITICAL_UNITS; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len, "%su%d",
				i % 8 ? " " : "\ncritical_units = ", i);
	load(text);
	ck_assert_uint_eq(config->critical_units.n, VMV_CRITICAL_UNITS);
	(void)snprintf(text + len, sizeof(text) - (size_t)len, " x\n");
	ck_assert_int_eq(load_with(text, &none), -EINVAL);
	ck_assert_msg(strstr(err.msg, "more than 64 units") != NULL, "%s", err.msg);
}
END_TEST

START_TEST(drop_ins_come_after_the_file_in_the_order_of_their_names)
{
	fixture_put(&fx, "etc/agent.conf.d/20-b.conf",
		    "[metrics]\ninterval = 20\n[network]\nexclude = z*\n");
	fixture_put(&fx, "etc/agent.conf.d/10-a.conf",
		    "[metrics]\ninterval = 10\nprocesses = 10\n[network]\nexclude = x*\n"
		    "exclude = y*\n");
	fixture_put(&fx, "etc/agent.conf.d/99-c.conf.bak", "[metrics]\ninterval = 99\n");
	fixture_put(&fx, "etc/agent.conf.d/.hidden.conf", "[metrics]\ninterval = 99\n");
	load("[metrics]\ninterval = 5\nprocesses = 5\ncmdline = no\n[network]\nexclude = w*\n");
	expect("metrics", "interval", "20");
	expect("metrics", "processes", "10");
	expect("metrics", "cmdline", "no");
	expect("network", "exclude", "z*"); /* a later file replaces a list, lines add to it */
}
END_TEST

START_TEST(an_error_names_the_drop_in)
{
	fixture_put(&fx, "etc/agent.conf.d/10-a.conf", "nonsense\n");
	ck_assert_int_lt(load_with("", &none), 0);
	ck_assert_msg(strstr(err.msg, "10-a.conf:1") != NULL, "%s", err.msg);
}
END_TEST

START_TEST(a_file_that_was_asked_for_must_exist)
{
	struct vmv_config *c = NULL;

	ck_assert_int_eq(vmv_config_load(&c, "/nonexistent/agent.conf", &none, &err), -ENOENT);
	ck_assert_ptr_null(c);
	ck_assert_ptr_nonnull(strstr(err.msg, "/nonexistent/agent.conf"));
}
END_TEST

static const struct {
	const char *text, *about;
} wrong[] = {
	{ "nonsense\n", "agent.conf:1" },
	{ "[metrics]\n\nnonsense\n", "agent.conf:3" },
	{ "[metrics]\nnonsense = 1\n", "agent.conf:2: there is no setting 'nonsense'" },
	{ "[nonsense]\ninterval = 5\n", "[nonsense]" },
	{ "interval = 5\n", "interval" },
	{ "[metrics]\nInterval = 5\n", "Interval" },
	{ "[metrics]\ninterval = 0\n", "interval" },
	{ "[metrics]\ninterval = 3601\n", "3600" },
	{ "[metrics]\ninterval = -5\n", "interval" },
	{ "[metrics]\ninterval = 5s\n", "interval" },
	{ "[metrics]\ninterval = 0x5\n", "interval" },
	{ "[metrics]\ninterval =\n", "interval" },
	{ "[metrics]\ninterval = 99999999999999999999\n", "interval" },
	{ "[metrics]\nprocesses = 201\n", "processes" },
	{ "[metrics]\ncmdline = maybe\n", "cmdline" },
	{ "[scripts]\npoll = 59\n", "0 is allowed" },
	{ "[policy]\nlevel = root\n", "level" },
	{ "[policy]\ndeny = NoSuchAction\n", "NoSuchAction" },
	{ "[policy]\ndeny = ProcessTop NoSuchAction\n", "NoSuchAction" },
	{ "[policy]\ndeny = processtop\n", "processtop" }, /* names are matched exactly */
	{ "[policy]\ndeny = *\n", "deny" },
	{ "[health]\ncritical_units = ssh a/b\n", "'a/b' has other characters" },
	{ "[health]\ncritical_units = a\\x2db.service\n", "other characters" },
	{ "[health]\ncritical_units = a,b\n", "other characters" },
	{ "[health]\ncritical_units = getty@.service\n", "not the name of a unit" },
	{ "[health]\ncritical_units = getty@\n", "not the name of a unit" },
	{ "[health]\ncritical_units = @1.service\n", "not the name of a unit" },
	{ "[health]\ncritical_units = .service\n", "not the name of a unit" },
	{ "[agent]\nchannel = nonsense\n", "nonsense" },
	{ "[agent]\nchannel = virtio:\n", "virtio:" },
	{ "[agent]\nchannel = virtio:a/b\n", "slash" },
	{ "[agent]\nchannel = virtio:a,dialect=qmp\n", "dialect" },
	{ "[agent]\nlog_level = loud\n", "loud" },
	{ "[agent]\nvm_id = a b\n", "vm_id" },
	{ "[agent]\nvm_id = a\"b\n", "vm_id" },
	{ "[agent]\nvm_id = \xc3\xa4\n", "vm_id" },
	{ "[agent]\nchannel = stdio\nchannel = stdio\n", "twice" },
	{ "[agent]\nchannel = virtio:a virtio:b virtio:a\n", "virtio:a" },
	/* one port under two spellings */
	{ "[agent]\nchannel = virtio:a\nchannel = virtio:a,dialect=native\n", "twice" },
	{ "[agent]\nchannel = virtio:a\nchannel = virtio:a,dialect=qga\n", "twice" },
	{ "[qga]\ndeny = guest-pong\n", "guest-pong" },
	{ "[agent]\nchannel = virtio:a virtio:b virtio:c virtio:d virtio:e virtio:f virtio:g "
	  "virtio:h virtio:i\n",
	  "more than 8 channels" },
};

START_TEST(what_is_wrong_is_refused_and_named)
{
	int r = load_with(wrong[_i].text, &none);

	ck_assert_msg(r == -EINVAL, "%s", wrong[_i].text);
	ck_assert_ptr_null(config);
	ck_assert_msg(strstr(err.msg, wrong[_i].about) != NULL, "%s: %s", wrong[_i].text, err.msg);
}
END_TEST

START_TEST(eight_channels_are_fine)
{
	load("[agent]\nchannel = virtio:a virtio:b virtio:c virtio:d virtio:e virtio:f virtio:g "
	     "virtio:h\n");
	ck_assert_uint_eq(config->channels.n, VMV_CHANNELS_MAX);
}
END_TEST

START_TEST(a_name_of_128_characters_is_fine)
{
	char text[200], id[VMV_ID_MAX + 2];

	for (size_t n = VMV_ID_MAX; n <= VMV_ID_MAX + 1; n++) {
		memset(id, 'i', n);
		id[n] = '\0';
		(void)snprintf(text, sizeof(text), "[agent]\nvm_id = %s\n", id);
		ck_assert_int_eq(load_with(text, &none), n == VMV_ID_MAX ? 0 : -EINVAL);
	}
}
END_TEST

/* The sanitizers and valgrind see the end of what an option gives. */
START_TEST(a_name_that_is_wrong_is_not_read_beyond_its_end)
{
	static const char *const names[] = { "a b", "\x7f", "\"", "\\" };
	struct vmv_overrides o = { .n = 1 };

	o.list = calloc(o.n, sizeof(*o.list));
	ck_assert_ptr_nonnull(o.list);
	o.list[0].setting = find("agent", "vm_id");
	for (size_t i = 0; i < VMV_COUNTOF(names); i++) {
		char *value = strdup(names[i]);

		o.list[0].value = value;
		ck_assert_int_eq(load_with("", &o), -EINVAL);
		free(value);
	}
	free(o.list);
}
END_TEST

START_TEST(every_action_can_be_denied)
{
	char *text = malloc(100 + vmv_n_commands * 80), *p;

	ck_assert_ptr_nonnull(text);
	p = stpcpy(text, "[policy]\n");
	for (size_t i = 0; i < vmv_n_commands; i++)
		p += sprintf(p, "deny = %s\n", vmv_commands[i].name);
	(void)stpcpy(p, "deny = UnsafeCommand\n");
	load(text);
	ck_assert_uint_eq(config->deny.n, vmv_n_commands + 1);
	free(text);
}
END_TEST

/* -- options -------------------------------------------------------------------------------------
 */

START_TEST(options_lie_over_files)
{
	struct vmv_overrides o = { .n = 4 };

	o.list = calloc(o.n, sizeof(*o.list));
	ck_assert_ptr_nonnull(o.list);
	o.list[0].setting = find("agent", "channel");
	o.list[0].value = "stdio";
	o.list[1].setting = find("metrics", "interval");
	o.list[1].value = "7";
	o.list[2].setting = find("agent", "channel"); /* the second adds to the first */
	o.list[2].value = "unix-listen:/x";
	o.list[3].setting = find("metrics", "interval"); /* the last counts */
	o.list[3].value = "8";
	fixture_put(&fx, "etc/agent.conf.d/10-a.conf", "[metrics]\ninterval = 10\n");
	ck_assert_int_eq(load_with("[agent]\nchannel = virtio:a virtio:b\n", &o), 0);
	expect("agent", "channel", "stdio unix-listen:/x");
	expect("metrics", "interval", "8");
	o.list[3].value = "99999";
	ck_assert_int_eq(load_with("", &o), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "interval"));
	o.list[3].value = "9";
	o.list[2].value = "stdio";
	ck_assert_int_eq(load_with("", &o), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "twice"));
	free(o.list);
}
END_TEST

START_TEST(freeing_nothing_is_fine)
{
	vmv_config_free(NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("config");
	TCase *tc = tcase_create("config");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_add_test(tc, defaults_and_ranges_are_those_of_the_protocol);
	tcase_add_test(tc, settings_are_documented_unique_and_in_sections);
	tcase_add_test(tc, every_setting_goes_to_its_own_member);
	tcase_add_test(tc, what_is_printed_can_be_read_again);
	tcase_add_test(tc, critical_units_are_bounded);
	tcase_add_test(tc, drop_ins_come_after_the_file_in_the_order_of_their_names);
	tcase_add_test(tc, an_error_names_the_drop_in);
	tcase_add_test(tc, a_file_that_was_asked_for_must_exist);
	tcase_add_loop_test(tc, what_is_wrong_is_refused_and_named, 0, (int)VMV_COUNTOF(wrong));
	tcase_add_test(tc, eight_channels_are_fine);
	tcase_add_test(tc, a_name_of_128_characters_is_fine);
	tcase_add_test(tc, a_name_that_is_wrong_is_not_read_beyond_its_end);
	tcase_add_test(tc, every_action_can_be_denied);
	tcase_add_test(tc, options_lie_over_files);
	tcase_add_test(tc, freeing_nothing_is_fine);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
