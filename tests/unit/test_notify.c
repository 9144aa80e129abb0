#include "tests/unit/unit.h"

#include "base/json.h"
#include "orchestrator/publish/notify.h"

/* Events that are no bug's: what a receiver is told, NULL: nothing. */
static const struct {
    const char *kind, *subject, *to, *name, *line;
} rows[] = {
    {"budget.state", "budget", "exhausted", NULL, "breach budget is exhausted"},
    {"budget.state", "budget", "ok", NULL, "breach budget is ok"},
    {"target.coverage", "target", "dropped", "png", "target png coverage is dropped"},
    {"target.outage", "target", "outage", "png", "target png fuzzing is in outage"},
    {"target.replay", "target", "broken", NULL, "target 3 replays are broken"},
    {"target.disk", "target", "full", NULL, "target 3 disk is full"},
    {"worker.state", "worker", "quarantined", "png-aflpp-1",
     "worker png-aflpp-1 is given up quarantined"},
    {"worker.state", "worker", "running", "png-aflpp-1", NULL},
    {"campaign.start", "campaign", "running", NULL, NULL},
};

static struct outbox_row
row_at(size_t i, const json_t *detail)
{
    return (struct outbox_row){.kind = rows[i].kind,
                               .subject = rows[i].subject,
                               .subject_id = 3,
                               .from = "",
                               .to = rows[i].to,
                               .actor = "nightjar",
                               .detail = detail};
}

static void
test_what_happens_is_told_in_words(void **state)
{
    const struct notify_sink sink = {.at_least = SEVERITY_INFO};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(json_decref) json_t *detail = json_object();
        AUTO(buf_clear) struct buf line = BUF_INIT;
        if (rows[i].name != NULL) {
            json_put(detail, rows[i].subject, json_string(rows[i].name));
        }
        const struct outbox_row row = row_at(i, detail);
        const struct notice notice = {.row = &row};
        assert_int_equal(notify_wants(&sink, &notice), rows[i].line != NULL);
        if (rows[i].line != NULL) {
            notify_line(&notice, &line);
            assert_string_equal(buf_str(&line), rows[i].line);
        }
    }
}

static void
test_bugs_are_told_of_by_default(void **state)
{
    static const struct {
        const char *kind, *to;
        bool wanted;
    } told[] = {{"bug.new", "new", true},         {"bug.severity", "high", true},
                {"bug.state", "fixed", true},     {"bug.state", "regressed", true},
                {"bug.deadline", "missed", true}, {"bug.incident", "incident", true},
                {"bug.minimize", "done", false},  {"bug.introduced", "known", false}};
    char name[] = "png";
    const struct bug bug = {.severity = SEVERITY_HIGH, .target = name};
    struct notify_sink sink = {.at_least = SEVERITY_INFO};

    (void)state;
    for (size_t i = 0; i < COUNT(told); i++) {
        const struct outbox_row row = {.kind = told[i].kind,
                                       .subject = "bug",
                                       .subject_id = 3,
                                       .from = "",
                                       .to = told[i].to};
        const struct notice notice = {.row = &row, .bug = &bug};
        sink.at_least = SEVERITY_INFO;
        assert_int_equal(notify_wants(&sink, &notice), told[i].wanted);
        sink.at_least = SEVERITY_CRITICAL;
        assert_false(notify_wants(&sink, &notice));
    }
}

/* A target's name is whatever its folder was called. */
static void
test_names_are_made_printable(void **state)
{
    AUTO(json_decref) json_t *detail = json_object();
    AUTO(buf_clear) struct buf line = BUF_INIT;
    const struct outbox_row row = row_at(2, detail);
    const struct notice notice = {.row = &row};

    (void)state;
    json_put(detail, "target", json_string("a\x1b[31mb\nc"));
    notify_line(&notice, &line);
    assert_string_equal(buf_str(&line), "target a\\x1b[31mb\\x0ac coverage is dropped");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_happens_is_told_in_words),
        cmocka_unit_test(test_bugs_are_told_of_by_default),
        cmocka_unit_test(test_names_are_made_printable),
    };

    return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
