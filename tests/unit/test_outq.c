#include "virtio/outq.h"

#include "base/cleanup.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct vmv_outq *q; /* too large for some stacks */

static void up(void)
{
	q = malloc(sizeof(*q));
	ck_assert_ptr_nonnull(q);
	vmv_outq_init(q);
}

static void down(void)
{
	vmv_outq_free(q);
	free(q);
}

static void add(enum vmv_class class, const char *line)
{
	ck_assert_int_eq(vmv_outq_add(q, class, 0, line, strlen(line)), 0);
}

/* A line of so many bytes, LF included. */
static void add_long(enum vmv_class class, unsigned sub, char c, size_t len)
{
	vmv_autofree char *line = malloc(len);

	ck_assert_ptr_nonnull(line);
	memset(line, c, len);
	ck_assert_int_eq(vmv_outq_add(q, class, sub, line, len - 1), 0);
}

static void begin(const char *handshake)
{
	ck_assert_int_eq(vmv_outq_begin(q, handshake, strlen(handshake)), 0);
}

/* Writes whatever may be written, at most n bytes a time. *len: how much that was. */
static char *drain(size_t n, size_t *ret_len)
{
	char *all = malloc(vmv_outq_bytes(q) + 1);
	size_t len, have = 0;
	const char *p;

	ck_assert_ptr_nonnull(all);
	while ((p = vmv_outq_peek(q, &len))) {
		ck_assert_uint_gt(len, 0);
		ck_assert_uint_le(len, VMV_WRITE_MAX);
		ck_assert_uint_le(len, vmv_outq_bytes(q));
		len = len > n ? n : len;
		memcpy(all + have, p, len);
		have += len;
		vmv_outq_wrote(q, len);
	}
	all[have] = '\0';
	if (ret_len)
		*ret_len = have;
	return all;
}

static void expect(const char *want)
{
	vmv_autofree char *got = drain(SIZE_MAX, NULL);

	ck_assert_str_eq(got, want);
}

static size_t drained(void)
{
	size_t len;

	free(drain(SIZE_MAX, &len));
	return len;
}

static void check_empty(void)
{
	ck_assert_uint_eq(vmv_outq_bytes(q), 0);
	ck_assert_uint_eq(vmv_outq_reply_bytes(q), 0);
	for (int c = 0; c < VMV_N_CLASSES; c++)
		ck_assert_uint_eq(q->class_bytes[c], 0);
	for (int sub = 0; sub < VMV_SUBSCRIPTIONS_MAX; sub++)
		ck_assert_uint_eq(q->samples_bytes[sub], 0);
	ck_assert(!vmv_outq_window_closed(q));
}

START_TEST(classes_come_in_their_order_and_lines_in_theirs)
{
	add(VMV_CLASS_SAMPLES, "samples 1");
	add(VMV_CLASS_METRICS, "metrics");
	add(VMV_CLASS_STREAM, "stream 1");
	add(VMV_CLASS_EVENT, "event 1");
	add(VMV_CLASS_NOTICE, "notice 1");
	add(VMV_CLASS_REPLY, "reply 1");
	add(VMV_CLASS_REPLY, "reply 2");
	add(VMV_CLASS_NOTICE, "notice 2");
	add(VMV_CLASS_EVENT, "event 2");
	add(VMV_CLASS_STREAM, "stream 2");
	add(VMV_CLASS_SAMPLES, "samples 2");
	expect("reply 1\nreply 2\nnotice 1\nnotice 2\nevent 1\nevent 2\nstream 1\nstream "
	       "2\nmetrics\n"
	       "samples 1\nsamples 2\n");
	check_empty();
}
END_TEST

START_TEST(empty_lines_are_lines)
{
	add(VMV_CLASS_REPLY, "");
	add(VMV_CLASS_REPLY, "x");
	expect("\nx\n");
	check_empty();
}
END_TEST

START_TEST(nothing_is_nothing)
{
	size_t len = 7;

	ck_assert_ptr_null(vmv_outq_peek(q, &len));
	ck_assert_uint_eq(len, 7);
	vmv_outq_detach(q);
	vmv_outq_clear(q);
	vmv_outq_ack(q, 1);
	check_empty();
}
END_TEST

START_TEST(looking_twice_shows_the_same)
{
	const char *p;
	size_t len, again;
	char first[32];

	add(VMV_CLASS_REPLY, "abc");
	add(VMV_CLASS_NOTICE, "def");
	p = vmv_outq_peek(q, &len);
	ck_assert_uint_eq(len, 8);
	memcpy(first, p, len);
	p = vmv_outq_peek(q, &again);
	ck_assert_uint_eq(again, len);
	ck_assert_int_eq(memcmp(first, p, len), 0);
	ck_assert_uint_eq(vmv_outq_bytes(q), 8);
	vmv_outq_wrote(q, 1);
	ck_assert_uint_eq(vmv_outq_bytes(q), 7);
	expect("bc\ndef\n");
}
END_TEST

static const size_t pieces[] = { 1, 2, 3, 5, 7, 8, 9, 100, 4095, 4096, 32767, 32768, 65536 };

START_TEST(partial_writes_of_any_size_give_the_same_bytes)
{
	size_t want_len, len;
	vmv_autofree char *want = NULL;

	for (int round = 0; round < 2; round++) {
		vmv_autofree char *got = NULL;

		begin("hello");
		add_long(VMV_CLASS_METRICS, 0, 'm', 5000);
		add_long(VMV_CLASS_REPLY, 0, 'a', 100000); /* longer than one write */
		add_long(VMV_CLASS_REPLY, 0, 'b', 32768);
		add_long(VMV_CLASS_REPLY, 0, 'c', 32767);
		for (int i = 0; i < 200; i++)
			add_long(VMV_CLASS_NOTICE, 0, 'd', 1 + (size_t)(i * 7 % 50));
		got = drain(round == 0 ? SIZE_MAX : pieces[_i], round == 0 ? &want_len : &len);
		if (round == 0)
			want = VMV_TAKE(got, NULL);
		else
			ck_assert_str_eq(got, want);
		check_empty();
	}
	ck_assert_uint_eq(len, want_len);
	ck_assert_int_eq(strncmp(want, "\nhello\nmmm", 10), 0);
}
END_TEST

START_TEST(a_line_begun_is_finished_before_any_other)
{
	const char *p;
	size_t len;

	add(VMV_CLASS_SAMPLES, "samples");
	p = vmv_outq_peek(q, &len);
	ck_assert_int_eq(memcmp(p, "samples\n", 8), 0);
	vmv_outq_wrote(q, 3);
	add(VMV_CLASS_REPLY, "reply");
	add(VMV_CLASS_METRICS, "metrics");
	expect("ples\nreply\nmetrics\n");
}
END_TEST

START_TEST(many_lines_go_in_one_write)
{
	size_t len;

	for (int i = 0; i < 10000; i++)
		add(VMV_CLASS_REPLY, "0123456789012345678"); /* 20 bytes */
	ck_assert_ptr_nonnull(vmv_outq_peek(q, &len));
	ck_assert_uint_eq(len, VMV_WRITE_MAX);
	vmv_outq_wrote(q, len);
	ck_assert_uint_eq(vmv_outq_bytes(q), 200000 - VMV_WRITE_MAX);
	ck_assert_uint_eq(drained(), 200000 - VMV_WRITE_MAX);
	check_empty();
}
END_TEST

/* -- metrics ---------------------------------------------------------------------------------- */

START_TEST(the_newest_metrics_win)
{
	add(VMV_CLASS_METRICS, "old");
	add(VMV_CLASS_METRICS, "newer");
	add(VMV_CLASS_METRICS, "newest");
	ck_assert_uint_eq(q->replaced, 2);
	expect("newest\n");
	check_empty();
}
END_TEST

START_TEST(metrics_that_the_host_did_not_take_are_replaced_too)
{
	size_t len;

	add(VMV_CLASS_REPLY, "reply");
	add(VMV_CLASS_METRICS, "old");
	add(VMV_CLASS_SAMPLES, "samples");
	ck_assert_ptr_nonnull(vmv_outq_peek(q, &len)); /* EAGAIN */
	add(VMV_CLASS_METRICS, "newer");
	ck_assert_ptr_nonnull(vmv_outq_peek(q, &len));
	vmv_outq_wrote(q, 3);
	add(VMV_CLASS_METRICS, "newest");
	ck_assert_ptr_nonnull(vmv_outq_peek(q, &len));
	add(VMV_CLASS_REPLY, "late");
	ck_assert_uint_eq(q->replaced, 2);
	ck_assert_uint_eq(vmv_outq_bytes(q), 3 + 7 + 8 + 5);
	expect("ly\nnewest\nsamples\nlate\n");
	check_empty();
}
END_TEST

START_TEST(metrics_that_have_begun_are_finished)
{
	size_t len;

	add(VMV_CLASS_METRICS, "first");
	ck_assert_ptr_nonnull(vmv_outq_peek(q, &len));
	vmv_outq_wrote(q, 1);
	add(VMV_CLASS_METRICS, "second");
	ck_assert_uint_eq(q->replaced, 0);
	ck_assert_ptr_nonnull(vmv_outq_peek(q, &len));
	add(VMV_CLASS_METRICS, "third");
	ck_assert_uint_eq(q->replaced, 1);
	expect("irst\nthird\n");
	check_empty();
}
END_TEST

START_TEST(longer_metrics_do_not_push_others_through_the_window)
{
	size_t len;

	add_long(VMV_CLASS_EVENT, 0, 'e', 1000);
	ck_assert_uint_eq(drained(), 1000);
	/* both fit: chosen for one write */
	add_long(VMV_CLASS_METRICS, 0, 'm', 100);
	add_long(VMV_CLASS_SAMPLES, 0, 's', VMV_WINDOW_BYTES - 2000);
	ck_assert_ptr_nonnull(vmv_outq_peek(q, &len));
	ck_assert_uint_eq(len, VMV_WRITE_MAX);
	add_long(VMV_CLASS_METRICS, 0, 'M', 5000);
	ck_assert_uint_eq(drained(), 5000);
	ck_assert(vmv_outq_window_closed(q));
	vmv_outq_ack(q, q->sent);
	ck_assert_uint_eq(drained(), VMV_WINDOW_BYTES - 2000);
	check_empty();
}
END_TEST

/* -- sessions --------------------------------------------------------------------------------- */

START_TEST(a_greeting_holds_everything_until_metrics)
{
	begin("hello");
	add(VMV_CLASS_REPLY, "reply");
	add(VMV_CLASS_NOTICE, "notice");
	add(VMV_CLASS_EVENT, "event");
	expect("\nhello\n");
	ck_assert_uint_eq(vmv_outq_bytes(q), 19);
	ck_assert(!vmv_outq_window_closed(q)); /* it is the greeting that holds them */
	add(VMV_CLASS_REPLY, "reply 2");
	expect("");
	add(VMV_CLASS_METRICS, "metrics");
	expect("metrics\nreply\nreply 2\nnotice\nevent\n");
	check_empty();
}
END_TEST

START_TEST(a_greeting_ends_without_metrics_when_they_take_too_long)
{
	begin("hello");
	add(VMV_CLASS_REPLY, "reply");
	expect("\nhello\n");
	vmv_outq_release(q);
	expect("reply\n");
	add(VMV_CLASS_METRICS, "metrics");
	expect("metrics\n");
	check_empty();
}
END_TEST

START_TEST(metrics_are_second_though_the_host_reads_late)
{
	size_t len;

	begin("hello");
	add(VMV_CLASS_REPLY, "reply");
	add(VMV_CLASS_METRICS, "old");
	ck_assert_ptr_nonnull(vmv_outq_peek(q, &len)); /* EAGAIN */
	add(VMV_CLASS_METRICS, "new");
	add(VMV_CLASS_REPLY, "reply 2");
	expect("\nhello\nnew\nreply\nreply 2\n");
	check_empty();
}
END_TEST

START_TEST(detaching_keeps_replies_from_their_first_byte_and_nothing_else)
{
	size_t len;

	begin("hello");
	add(VMV_CLASS_METRICS, "metrics");
	add(VMV_CLASS_REPLY, "reply 1");
	add(VMV_CLASS_REPLY, "reply 2");
	add(VMV_CLASS_NOTICE, "notice");
	add(VMV_CLASS_EVENT, "event");
	add(VMV_CLASS_STREAM, "stream");
	add(VMV_CLASS_SAMPLES, "samples");
	ck_assert_ptr_nonnull(vmv_outq_peek(q, &len));
	vmv_outq_wrote(q, 7 + 8 + 8 + 3); /* into reply 2 */
	vmv_outq_detach(q);
	ck_assert_uint_eq(vmv_outq_bytes(q), 8);
	ck_assert_uint_eq(vmv_outq_reply_bytes(q), 8);
	ck_assert_uint_eq(q->dropped_session, 4);
	add(VMV_CLASS_REPLY, "reply 3"); /* asked in the old session, too */
	begin("hello again");
	expect("\nhello again\n");
	vmv_outq_release(q);
	expect("reply 2\nreply 3\n");
	check_empty();
}
END_TEST

START_TEST(a_handshake_dies_with_its_session)
{
	size_t len;

	begin("hello 1");
	vmv_outq_detach(q);
	check_empty();
	begin("hello 2");
	ck_assert_ptr_nonnull(vmv_outq_peek(q, &len));
	vmv_outq_wrote(q, 4);
	vmv_outq_detach(q);
	check_empty();
	begin("hello 3");
	begin("hello 4");
	expect("\nhello 4\n");
	vmv_outq_detach(q); /* and what it held back is free */
	add(VMV_CLASS_REPLY, "reply");
	expect("reply\n");
	check_empty();
}
END_TEST

START_TEST(clearing_in_the_middle_of_a_line_leaves_nothing_behind)
{
	size_t len;

	add_long(VMV_CLASS_REPLY, 0, 'r', 100);
	add_long(VMV_CLASS_SAMPLES, 3, 's', 100);
	ck_assert_ptr_nonnull(vmv_outq_peek(q, &len));
	vmv_outq_wrote(q, 110);
	vmv_outq_clear(q);
	check_empty();
	ck_assert_uint_eq(q->dropped_session, 1);
	add(VMV_CLASS_REPLY, "x");
	expect("x\n");
}
END_TEST

/* -- window -------------------------------------------------------------------------------------
 */

static const enum vmv_class held[] = { VMV_CLASS_EVENT, VMV_CLASS_STREAM, VMV_CLASS_SAMPLES };

START_TEST(the_window_holds_64_kib)
{
	for (int i = 0; i < 10; i++)
		add_long(held[_i], 0, 'a' + (char)i, 16384);
	ck_assert_uint_eq(drained(), 65536);
	ck_assert(vmv_outq_window_closed(q));
	vmv_outq_ack(q, 16383); /* no whole line */
	ck_assert_uint_eq(drained(), 0);
	vmv_outq_ack(q, 16384);
	ck_assert(!vmv_outq_window_closed(q));
	ck_assert_uint_eq(drained(), 16384);
	vmv_outq_ack(q, 16384); /* said again */
	vmv_outq_ack(q, 100);	/* out of order */
	ck_assert_uint_eq(drained(), 0);
	vmv_outq_ack(q, 5 * 16384 + 1); /* not sent yet: ignored */
	ck_assert_uint_eq(drained(), 0);
	vmv_outq_ack(q, 5 * 16384);
	ck_assert_uint_eq(drained(), 65536);
	vmv_outq_ack(q, q->sent);
	ck_assert_uint_eq(drained(), 16384);
	check_empty();
}
END_TEST

START_TEST(the_window_holds_64_lines)
{
	for (int i = 0; i < 200; i++)
		add(held[_i], "x");
	ck_assert_uint_eq(drained(), 2 * 64);
	ck_assert(vmv_outq_window_closed(q));
	vmv_outq_ack(q, 2 * 10 + 1); /* ten and a half */
	ck_assert_uint_eq(drained(), 2 * 10);
	vmv_outq_ack(q, 2 * 74);
	ck_assert_uint_eq(drained(), 2 * 64);
	vmv_outq_ack(q, 2 * 138);
	ck_assert_uint_eq(drained(), 2 * 62);
	check_empty();
	ck_assert_uint_eq(q->n_lines, 200);
}
END_TEST

START_TEST(one_longer_line_alone_may_go)
{
	add_long(held[_i], 0, 'a', 100000);
	add_long(held[_i], 0, 'b', 100);
	ck_assert_uint_eq(drained(), 100000);
	ck_assert_uint_eq(drained(), 0);
	vmv_outq_ack(q, 99999);
	ck_assert_uint_eq(drained(), 100);
	add_long(held[_i], 0, 'c', 100000);
	ck_assert_uint_eq(drained(), 0); /* not alone */
	vmv_outq_ack(q, 100000);
	ck_assert_uint_eq(drained(), 0);
	vmv_outq_ack(q, 100100);
	ck_assert_uint_eq(drained(), 100000);
	check_empty();
}
END_TEST

START_TEST(other_classes_pass_a_closed_window_and_count_in_it)
{
	begin("hello");
	add(VMV_CLASS_METRICS, "m");
	expect("\nhello\nm\n"); /* eight bytes: the first LF does not count */
	ck_assert_uint_eq(q->sent, 8);
	add_long(held[_i], 0, 'a', 65536 - 8);
	add(held[_i], "b");
	ck_assert_uint_eq(drained(), 65536 - 8);
	ck_assert(vmv_outq_window_closed(q));
	for (int i = 0; i < 100; i++) {
		add(VMV_CLASS_REPLY, "reply");
		add(VMV_CLASS_NOTICE, "notice");
		ck_assert(!vmv_outq_window_closed(q));
		expect("reply\nnotice\n");
	}
	add(VMV_CLASS_METRICS, "metrics");
	expect("metrics\n");
	ck_assert(vmv_outq_window_closed(q));
	vmv_outq_ack(q, 65536); /* the 200 replies and the metrics are still to be read */
	expect("");
	vmv_outq_ack(q, 65536 + 13 * 100 + 8);
	expect("b\n");
	check_empty();
}
END_TEST

START_TEST(a_new_session_has_a_new_window)
{
	begin("hello");
	vmv_outq_release(q);
	for (int i = 0; i < 100; i++)
		add(held[_i], "x");
	ck_assert_uint_eq(drained(), 7 + 2 * 63);
	begin("hello");
	ck_assert_uint_eq(q->sent, 0);
	vmv_outq_ack(q, 6); /* of the old session: nothing of this one is sent */
	ck_assert_uint_eq(q->acked, 0);
	vmv_outq_release(q);
	for (int i = 0; i < 100; i++)
		add(held[_i], "x");
	ck_assert_uint_eq(drained(), 7 + 2 * 63);
	ck_assert_uint_eq(q->sent, 6 + 2 * 63);
}
END_TEST

START_TEST(what_waits_for_the_window_is_not_overtaken_by_lower_classes)
{
	add_long(VMV_CLASS_SAMPLES, 0, 's', 30000);
	ck_assert_uint_eq(drained(), 30000);
	add_long(VMV_CLASS_EVENT, 0, 'e', 40000);
	add(VMV_CLASS_EVENT, "small event");
	add(VMV_CLASS_STREAM, "stream");
	add(VMV_CLASS_SAMPLES, "samples");
	expect("");
	ck_assert(vmv_outq_window_closed(q));
	add(VMV_CLASS_METRICS, "metrics"); /* not held back by any window */
	expect("metrics\n");
	vmv_outq_ack(q, 30000);
	ck_assert_uint_eq(drained(), 40000 + 12 + 7 + 8);
	check_empty();
}
END_TEST

/* -- samples ------------------------------------------------------------------------------------
 */

START_TEST(the_oldest_samples_of_a_subscription_go)
{
	vmv_autofree char *got = NULL;
	char line[1024];

	memset(line, 'x', sizeof(line));
	/* close the window first, so that they wait */
	add_long(VMV_CLASS_EVENT, 0, 'e', 65536);
	ck_assert_uint_eq(drained(), 65536);
	for (int i = 0; i < 1030; i++) {
		line[0] = (char)('a' + i % 26);
		ck_assert_int_eq(vmv_outq_add(q, VMV_CLASS_SAMPLES, 1, line, 1023), 0);
	}
	ck_assert_uint_eq(q->samples_bytes[1], VMV_MIB);
	ck_assert_uint_eq(q->dropped_samples, 6);
	/* another subscription has its own room */
	add_long(VMV_CLASS_SAMPLES, 2, 'B', 500000);
	ck_assert_uint_eq(q->dropped_samples, 6);
	ck_assert_uint_eq(q->samples_bytes[2], 500000);
	/* a large one takes the place of many of its own */
	add_long(VMV_CLASS_SAMPLES, 1, 'C', 10 * 1024);
	ck_assert_uint_eq(q->dropped_samples, 16);
	ck_assert_uint_eq(q->samples_bytes[1], VMV_MIB);
	/* the oldest that is left is number 16: 'q' */
	vmv_outq_ack(q, q->sent);
	got = drain(SIZE_MAX, NULL);
	ck_assert_int_eq(got[0], 'q');
	ck_assert_int_eq(got[1024], 'r');
}
END_TEST

START_TEST(samples_larger_than_all_room_go_alone)
{
	add_long(VMV_CLASS_EVENT, 0, 'e', 65536);
	ck_assert_uint_eq(drained(), 65536);
	add_long(VMV_CLASS_SAMPLES, 0, 'a', 1000);
	add_long(VMV_CLASS_SAMPLES, 1, 'x', 1000);
	add_long(VMV_CLASS_SAMPLES, 0, 'b', VMV_LINE_OUT_MAX + 1);
	ck_assert_uint_eq(q->dropped_samples, 1);
	ck_assert_uint_eq(q->samples_bytes[0], VMV_LINE_OUT_MAX + 1);
	ck_assert_uint_eq(q->samples_bytes[1], 1000);
	add_long(VMV_CLASS_SAMPLES, 0, 'c', 1000);
	ck_assert_uint_eq(q->dropped_samples, 2);
	ck_assert_uint_eq(q->samples_bytes[0], 1000);
	vmv_outq_ack(q, q->sent);
	ck_assert_uint_eq(drained(), 2000);
	check_empty();
}
END_TEST

START_TEST(samples_being_written_are_not_dropped)
{
	size_t len;

	add_long(VMV_CLASS_SAMPLES, 0, 'a', VMV_MIB);
	ck_assert_ptr_nonnull(vmv_outq_peek(q, &len));
	vmv_outq_wrote(q, 100);
	add_long(VMV_CLASS_SAMPLES, 0, 'b', VMV_MIB);
	add_long(VMV_CLASS_SAMPLES, 0, 'c', VMV_MIB);
	ck_assert_uint_eq(q->dropped_samples, 1);
	ck_assert_uint_eq(vmv_outq_bytes(q), 2 * VMV_MIB - 100);
	ck_assert_uint_eq(drained(), VMV_MIB - 100);
	vmv_outq_ack(q, VMV_MIB);
	ck_assert_uint_eq(drained(), VMV_MIB);
	check_empty();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("outq");
	TCase *tc = tcase_create("outq");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, up, down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, classes_come_in_their_order_and_lines_in_theirs);
	tcase_add_test(tc, empty_lines_are_lines);
	tcase_add_test(tc, nothing_is_nothing);
	tcase_add_test(tc, looking_twice_shows_the_same);
	tcase_add_loop_test(tc, partial_writes_of_any_size_give_the_same_bytes, 0,
			    (int)VMV_COUNTOF(pieces));
	tcase_add_test(tc, a_line_begun_is_finished_before_any_other);
	tcase_add_test(tc, many_lines_go_in_one_write);
	tcase_add_test(tc, the_newest_metrics_win);
	tcase_add_test(tc, metrics_that_the_host_did_not_take_are_replaced_too);
	tcase_add_test(tc, metrics_that_have_begun_are_finished);
	tcase_add_test(tc, longer_metrics_do_not_push_others_through_the_window);
	tcase_add_test(tc, a_greeting_holds_everything_until_metrics);
	tcase_add_test(tc, a_greeting_ends_without_metrics_when_they_take_too_long);
	tcase_add_test(tc, metrics_are_second_though_the_host_reads_late);
	tcase_add_test(tc, detaching_keeps_replies_from_their_first_byte_and_nothing_else);
	tcase_add_test(tc, a_handshake_dies_with_its_session);
	tcase_add_test(tc, clearing_in_the_middle_of_a_line_leaves_nothing_behind);
	tcase_add_loop_test(tc, the_window_holds_64_kib, 0, (int)VMV_COUNTOF(held));
	tcase_add_loop_test(tc, the_window_holds_64_lines, 0, (int)VMV_COUNTOF(held));
	tcase_add_loop_test(tc, one_longer_line_alone_may_go, 0, (int)VMV_COUNTOF(held));
	tcase_add_loop_test(tc, other_classes_pass_a_closed_window_and_count_in_it, 0,
			    (int)VMV_COUNTOF(held));
	tcase_add_loop_test(tc, a_new_session_has_a_new_window, 0, (int)VMV_COUNTOF(held));
	tcase_add_test(tc, what_waits_for_the_window_is_not_overtaken_by_lower_classes);
	tcase_add_test(tc, the_oldest_samples_of_a_subscription_go);
	tcase_add_test(tc, samples_larger_than_all_room_go_alone);
	tcase_add_test(tc, samples_being_written_are_not_dropped);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
