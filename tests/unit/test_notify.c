#include "tests/unit/unit.h"

#include "base/json.h"
#include "orchestrator/publish/notify.h"

/* Events that are no bug's: what a receiver is told, NULL: nothing. */
static const struct {
    const char *kind, *subject, *to, *name, *line;
} rows[] = {
    {"budget.state", "budget", "exhausted", NULL, "breach budget is exhausted"},
    {"budget.state", "budget", "ok", NULL, "breach budget is more than half left"},
    {"target.coverage", "target", "dropped", "png",
     "target png reaches less than it did"},
    {"target.outage", "target", "outage", "png", "target png is not being fuzzed"},
    {"target.outage", "target", "ok", "png", "target png is fuzzed again"},
    {"target.replay", "target", "broken", NULL,
     "target 3 cannot be replayed, so its crashes are not judged"},
    {"target.disk", "target", "full", NULL, "target 3 is held, for its disk is full"},
    {"target.disk", "target", "tight", NULL, NULL},
    {"worker.state", "worker", "quarantined", "png-aflpp-1",
     "worker png-aflpp-1 is given up, for it fails again and again"},
    {"worker.state", "worker", "running", "png-aflpp-1", NULL},
    {"campaign.start", "campaign", "running", NULL, NULL},
};

static struct outbox_row
row_at(size_t i)
{
    return (struct outbox_row){.kind = rows[i].kind,
                               .subject = rows[i].subject,
                               .subject_id = 3,
                               .from = "",
                               .to = rows[i].to,
                               .actor = "nightjar",
                               .name = rows[i].name == NULL ? "" : rows[i].name};
}

static void
test_what_happens_is_told_in_words(void **state)
{
    const struct notify_sink sink = {.at_least = SEVERITY_INFO};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf_clear) struct buf line = BUF_INIT;
        const struct outbox_row row = row_at(i);
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
    } told[] = {{"bug.new", "new", true},          {"bug.severity", "high", true},
                {"bug.state", "fixed", true},      {"bug.state", "regressed", true},
                {"bug.deadline", "missed", true},  {"bug.incident", "incident", true},
                {"bug.minimize", "done", false},   {"bug.override", "low", false},
                {"bug.introduced", "known", false}};
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

static void
test_a_severity_says_which_way_it_went(void **state)
{
    static const struct {
        const char *from, *to, *words;
    } went[] = {
        {"low", "high", "NJ-3 is more severe than it was (low): high, "},
        {"critical", "high", "NJ-3 is less severe than it was (critical): high, "}};
    char type[] = "Timeout";
    char crash_state[] = "f\n";
    char name[] = "png";
    const struct bug bug = {.severity = SEVERITY_HIGH,
                            .name = "NJ-3",
                            .crash_type = type,
                            .crash_state = crash_state,
                            .target = name};

    (void)state;
    for (size_t i = 0; i < COUNT(went); i++) {
        AUTO(buf_clear) struct buf line = BUF_INIT;
        const struct outbox_row row = {.kind = "bug.severity",
                                       .subject = "bug",
                                       .from = went[i].from,
                                       .to = went[i].to};
        const struct notice notice = {.row = &row, .bug = &bug};
        notify_line(&notice, &line);
        assert_memory_equal(buf_str(&line), went[i].words, strlen(went[i].words));
    }
}

/* What was told when it began is told when it is over. */
static void
test_a_disk_that_is_not_full_any_more(void **state)
{
    const struct notify_sink sink = {.at_least = SEVERITY_INFO};
    const struct outbox_row row = {.kind = "target.disk",
                                   .subject = "target",
                                   .subject_id = 3,
                                   .name = "",
                                   .from = "full",
                                   .to = "tight"};
    const struct notice notice = {.row = &row};
    AUTO(buf_clear) struct buf line = BUF_INIT;

    (void)state;
    assert_true(notify_wants(&sink, &notice));
    notify_line(&notice, &line);
    assert_string_equal(buf_str(&line), "target 3 has room on the disk again");
}

/* A target's name is whatever its folder was called. */
static void
test_names_are_made_printable(void **state)
{
    AUTO(buf_clear) struct buf line = BUF_INIT;
    struct outbox_row row = row_at(2);
    const struct notice notice = {.row = &row};

    (void)state;
    row.name = "a\x1b[31mb\nc";
    notify_line(&notice, &line);
    assert_string_equal(buf_str(&line),
                        "target a\\x1b[31mb\\x0ac reaches less than it did");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_happens_is_told_in_words),
        cmocka_unit_test(test_bugs_are_told_of_by_default),
        cmocka_unit_test(test_a_severity_says_which_way_it_went),
        cmocka_unit_test(test_a_disk_that_is_not_full_any_more),
        cmocka_unit_test(test_names_are_made_printable),
    };

    return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
