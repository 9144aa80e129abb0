#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "orchestrator/publish/dispatch.h"

static void
test_a_wait_doubles_to_an_hour(void **state)
{
    (void)state;
    assert_int_equal(dispatch_wait_ms(0, 0, 0), 5000);
    assert_int_equal(dispatch_wait_ms(3, 0, 0), 40000);
    assert_int_equal(dispatch_wait_ms(30, 0, 0), 3600 * 1000);
    for (uint32_t random = 0; random < 100000; random += 997) {
        int64_t wait = dispatch_wait_ms(1, 0, random);
        assert_true(wait >= 5000 && wait <= 10000);
    }
}

static void
test_a_receiver_may_ask_for_more_but_not_for_ever(void **state)
{
    (void)state;
    assert_int_equal(dispatch_wait_ms(0, 60000, 0), 60000);
    assert_int_equal(dispatch_wait_ms(0, 1000, 0), 5000);
    assert_int_equal(dispatch_wait_ms(0, INT64_MAX, 0), 3600 * 1000);
}

/* --- what a message is --- */

static const struct outbox_row row = {.id = 7,
                                      .event = 42,
                                      .key = "0123456789abcdef",
                                      .sink = "ops",
                                      .at = 1795787810347,
                                      .kind = "bug.state",
                                      .subject = "bug",
                                      .subject_id = 3,
                                      .name = "",
                                      .from = "fixed",
                                      .to = "regressed",
                                      .actor = "nightjar"};

static struct bug
hostile_bug(void)
{
    static char type[] = "Heap-buffer-overflow\nWRITE 1";
    static char crash_state[] = "<!channel> & \033[31mf\nmain\n";
    static char target[] = "png";
    struct bug bug = {.id = 3,
                      .name = "NJ-3",
                      .severity = SEVERITY_HIGH,
                      .crash_type = type,
                      .crash_state = crash_state,
                      .target = target};

    return bug;
}

static void
test_a_line_says_what_happened_and_shows_no_control_bytes(void **state)
{
    const struct bug bug = hostile_bug();
    const struct notice notice = {.row = &row, .bug = &bug};
    AUTO(buf_clear) struct buf line = BUF_INIT;

    (void)state;
    notify_line(&notice, &line);
    assert_string_equal(buf_str(&line),
                        "NJ-3 is back: high, Heap-buffer-overflow WRITE 1 in "
                        "<!channel> & \\x1b[31mf (png)");
}

static void
test_a_chat_sees_no_mention(void **state)
{
    const struct bug bug = hostile_bug();
    const struct notice notice = {.row = &row, .bug = &bug};
    const struct notify_sink sink = {0};
    AUTO(strv_clear) struct strv headers = {0};
    AUTO(buf_clear) struct buf body = BUF_INIT;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(notifier_slack.request(&sink, &notice, 0, &headers, &body, &err), 0);
    assert_non_null(strstr(buf_str(&body), "&lt;!channel&gt; &amp; "));
    assert_null(strchr(buf_str(&body), '<'));
}

/* tests/integration/62-outbox.sh verifies the signature itself. */
static void
test_a_webhook_keeps_its_id_and_signs_what_it_sends(void **state)
{
    const struct notice notice = {.row = &row};
    struct notify_sink sink = {0};
    AUTO(strv_clear) struct strv headers = {0};
    AUTO(strv_clear) struct strv again = {0};
    AUTO(buf_clear) struct buf body = BUF_INIT;
    AUTO(buf_clear) struct buf other = BUF_INIT;
    struct err err = ERR_INIT;

    (void)state;
    strv_add(&sink.secret_env, "TEST_DISPATCH_SECRET");
    (void)unsetenv("TEST_DISPATCH_SECRET");
    assert_int_equal(
        notifier_webhook.request(&sink, &notice, 5000, &headers, &body, &err), -EINVAL);
    assert_string_equal(err.msg,
                        "the environment has no secret in 'TEST_DISPATCH_SECRET'");
    (void)setenv("TEST_DISPATCH_SECRET", "whsec_!", 1);
    buf_cut(&body, 0);
    assert_int_equal(
        notifier_webhook.request(&sink, &notice, 5000, &headers, &body, &err), -EINVAL);
    (void)setenv("TEST_DISPATCH_SECRET", "plain", 1);
    buf_cut(&body, 0);
    strv_clear(&headers);
    assert_int_equal(
        notifier_webhook.request(&sink, &notice, 5000, &headers, &body, &err), 0);
    assert_string_equal(headers.v[1], "webhook-id: msg_0123456789abcdef_42");
    assert_string_equal(headers.v[2], "webhook-timestamp: 5");
    assert_memory_equal(headers.v[3], "webhook-signature: v1,", 22);
    assert_int_equal(notifier_webhook.request(&sink, &notice, 9000, &again, &other, &err),
                     0);
    assert_string_equal(again.v[1], headers.v[1]);
    assert_string_not_equal(again.v[3], headers.v[3]);
    assert_string_equal(buf_str(&other), buf_str(&body));
    strv_clear(&sink.secret_env);
}

static void
test_a_sink_chooses_by_severity_and_kind(void **state)
{
    const struct bug bug = hostile_bug();
    const struct notice notice = {.row = &row, .bug = &bug};
    struct notify_sink sink = {.at_least = SEVERITY_HIGH};

    (void)state;
    assert_true(notify_wants(&sink, &notice));
    sink.at_least = SEVERITY_CRITICAL;
    assert_false(notify_wants(&sink, &notice));
    sink.at_least = SEVERITY_INFO;
    strv_add(&sink.events, "bug.new");
    assert_false(notify_wants(&sink, &notice));
    strv_add(&sink.events, "bug.state");
    assert_true(notify_wants(&sink, &notice));
    strv_clear(&sink.events);
    struct outbox_row quiet = row;
    quiet.kind = "bug.minimize";
    const struct notice unasked = {.row = &quiet, .bug = &bug};
    assert_false(notify_wants(&sink, &unasked));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_wait_doubles_to_an_hour),
        cmocka_unit_test(test_a_receiver_may_ask_for_more_but_not_for_ever),
        cmocka_unit_test(test_a_line_says_what_happened_and_shows_no_control_bytes),
        cmocka_unit_test(test_a_chat_sees_no_mention),
        cmocka_unit_test(test_a_webhook_keeps_its_id_and_signs_what_it_sends),
        cmocka_unit_test(test_a_sink_chooses_by_severity_and_kind),
    };

    return cmocka_run_group_tests_name("dispatch", tests, NULL, NULL);
}
