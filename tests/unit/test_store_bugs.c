#include "tests/unit/store_fixture.h"

static int
list_name(void *user, const struct bug *bug, struct err *err)
{
    struct buf *out = user;

    (void)err;
    buf_addf(out, "%s%s ", bug->name, bug->record == NULL ? "-" : "");
    return 0;
}

static void
assert_listed(struct fixture *fix, const struct bug_filter *filter, const char *wanted)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;

    must(fix, store_bugs(fix->store, filter, list_name, &out, &fix->err));
    assert_string_equal(buf_str(&out), wanted);
}

/* Four bugs of falling severity in the order 2 4 1 3. */
static void
make_bugs(struct fixture *fix)
{
    const struct said rows[] = {
        {.type = "Null-dereference READ", .frames = {"a", "main"}},
        {.write = true, .frames = {"b", "main"}},
        {.type = "Null-dereference READ", .frames = {"c", "main"}},
        {.frames = {"d", "main"}}};
    static const char *const texts[] = {"1", "2", "3", "4"};

    for (size_t i = 0; i < COUNT(rows); i++) {
        (void)triage(fix, texts[i], &rows[i]);
    }
    (void)triage(fix, "5", &rows[0]); /* the more frequent of two equals */
}

static void
test_bugs_come_worst_first(void **state)
{
    struct fixture *fix = *state;
    const struct bug_filter all = {.at_least = SEVERITY_INFO};
    const struct bug_filter light = {.light = true};
    struct bug_filter bad = {.at_least = SEVERITY_INFO};

    make_bugs(fix);
    assert_listed(fix, &all, "NJ-2 NJ-4 NJ-1 NJ-3 ");
    assert_listed(fix, &light, "NJ-2- NJ-4- NJ-1- NJ-3- ");
    bad.at_least = SEVERITY_MEDIUM;
    assert_listed(fix, &bad, "NJ-2 NJ-4 ");
}

static void
test_bugs_are_filtered_by_target_and_state(void **state)
{
    struct fixture *fix = *state;
    const struct said shared = {.write = true, .frames = {"b", "x", "main"}};
    const struct bug_filter of_u = {.target = "u"};
    const struct bug_filter fixed = {.state = "fixed"};
    const struct bug_filter open = {.state = "new"};
    const struct bug_filter odd = {.state = "fixd"};
    const struct bug_filter writes = {.class_name = "heap-buffer-overflow(write)"};
    const struct bug_filter harness = {.class_name = "harness"};
    AUTO(buf_clear) struct buf out = BUF_INIT;

    make_bugs(fix);
    (void)triage(fix, "shared", &shared);
    assert_listed(fix, &of_u, "");
    assert_listed(fix, &writes, "NJ-2 NJ-5 ");
    assert_listed(fix, &harness, "");
    fix->target = put_target(fix, "u", "/bin/true");
    (void)triage(fix, "other", &shared);
    assert_listed(fix, &of_u, "NJ-5 ");
    execute(fix, "UPDATE bug SET state = 'fixed' WHERE id = 4");
    assert_listed(fix, &fixed, "NJ-4 ");
    assert_listed(fix, &open, "NJ-5 NJ-2 NJ-1 NJ-3 ");
    assert_int_equal(store_bugs(fix->store, &odd, list_name, &out, &fix->err), -EINVAL);
    assert_string_equal(
        fix->err.msg,
        "'fixd' is no state of a bug (did you mean 'fixed'?): new open fixing "
        "fixed regressed ignored wontfix duplicate");
}

struct changing {
    struct fixture *fix;
    int visits;
};

static int
change(void *user, const struct bug *bug, struct err *err)
{
    struct changing *changing = user;
    const struct bug_filter all = {.light = true};
    AUTO(buf_clear) struct buf inner = BUF_INIT;

    changing->visits++;
    execute(changing->fix, "UPDATE bug SET severity = 4 - severity");
    return bug->id == 1 ? -ECANCELED
                        : store_bugs(changing->fix->store, &all, list_name, &inner, err);
}

static void
test_visitor_may_use_and_change_the_store(void **state)
{
    struct fixture *fix = *state;
    struct changing changing = {fix, 0};
    const struct bug_filter all = {.at_least = SEVERITY_INFO};

    make_bugs(fix);
    assert_int_equal(store_bugs(fix->store, &all, change, &changing, &fix->err),
                     -ECANCELED);
    assert_int_equal(changing.visits, 3);
}

static void
test_id_is_read_with_and_without_its_prefix(void **state)
{
    static const char *const good[] = {"NJ-12", "nj-12", "12"};
    static const char *const bad[] = {
        "", "NJ-", "NJ12", "NJ-0", "-1", "1x", "NJ-99999999999999999999", "\033"};
    struct fixture *fix = *state;
    int64_t id = 0;

    for (size_t i = 0; i < COUNT(good); i++) {
        must(fix, bug_parse_id(good[i], &id, &fix->err));
        assert_int_equal(id, 12);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(bug_parse_id(bad[i], &id, &fix->err), -EINVAL);
    }
    assert_string_equal(fix->err.msg,
                        "'\\x1b' is no bug: a bug is called NJ-12 (nightjar bugs "
                        "lists them)");
}

static void
test_missing_rows_are_named(void **state)
{
    struct fixture *fix = *state;
    AUTO(bug_clear) struct bug bug = {0};
    AUTO(buf_clear) struct buf out = BUF_INIT;

    assert_int_equal(store_bug(fix->store, 7, &bug, &fix->err), -ENODATA);
    assert_string_equal(fix->err.msg,
                        "there is no bug NJ-7 here (nightjar bugs lists them)");
    assert_int_equal(store_report(fix->store, 7, &out, &fix->err), -ENODATA);
    assert_string_equal(fix->err.msg, "there is no crash 7");
}

/* What another release wrote must not hide the bug. */
static void
test_unreadable_record_leaves_the_rest(void **state)
{
    struct fixture *fix = *state;
    AUTO(bug_clear) struct bug bug = {0};
    const struct said said = {0};

    (void)triage(fix, "a", &said);
    execute(fix, "UPDATE record SET json = '{\"frames\":7}'");
    must(fix, store_bug(fix->store, 1, &bug, &fix->err));
    assert_null(bug.record);
    assert_string_equal(bug.crash_type, "Heap-buffer-overflow\nREAD 4");
}

static int
list_path(void *user, const char *sha256, const char *path, const char *bug_name,
          const char *state, struct err *err)
{
    struct buf *out = user;

    (void)err;
    (void)sha256;
    buf_addf(out, "%s %s %s\n", fs_base(path), bug_name == NULL ? "-" : bug_name, state);
    return 0;
}

static void
test_paths_carry_bug_and_state(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};
    const struct said clean = {.outcome = "clean"};
    AUTO(buf_clear) struct buf out = BUF_INIT;

    (void)triage(fix, "a", &said);
    (void)triage(fix, "b", &clean);
    (void)give(fix, "c", "c");
    (void)give(fix, "d", "a");
    must(fix, store_crash_paths(fix->store, list_path, &out, &fix->err));
    assert_string_equal(buf_str(&out),
                        "a NJ-1 triaged\nb - triaged\nc - queued\nd NJ-1 triaged\n");
}

static void
test_counts_follow_every_change(void **state)
{
    struct fixture *fix = *state;
    const struct said clean = {.outcome = "clean"};
    const struct said broken = {.outcome = "broken"};
    const struct said odd = {.outcome = "unparsed", .k = 3, .n = 3, .reason = "signal 5"};
    struct store_counts counts;

    must(fix, store_counts(fix->store, &counts, &fix->err));
    assert_int_equal(counts.crashes, 0);
    make_bugs(fix);
    (void)triage(fix, "clean", &clean);
    (void)triage(fix, "broken", &broken);
    (void)triage(fix, "odd one", &odd);
    (void)give(fix, "q", "queued");
    execute(fix, "UPDATE bug SET state = 'wontfix' WHERE id = 2");
    must(fix, store_counts(fix->store, &counts, &fix->err));
    assert_int_equal(counts.crashes, 9);
    assert_int_equal(counts.queued, 1);
    assert_int_equal(counts.triaged, 6);
    assert_int_equal(counts.unparsed, 1);
    assert_int_equal(counts.broken, 1);
    assert_int_equal(counts.untriageable, 0);
    assert_int_equal(counts.bugs_total, 5);
    int64_t open = 0;
    for (int s = SEVERITY_INFO; s <= SEVERITY_CRITICAL; s++) {
        open += counts.bugs[s];
    }
    assert_int_equal(open, 4);
    assert_int_equal(counts.minimize_waiting, 1); /* one byte cannot become less */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bugs_come_worst_first),
        TEST(test_bugs_are_filtered_by_target_and_state),
        TEST(test_visitor_may_use_and_change_the_store),
        TEST(test_id_is_read_with_and_without_its_prefix),
        TEST(test_missing_rows_are_named),
        TEST(test_unreadable_record_leaves_the_rest),
        TEST(test_paths_carry_bug_and_state),
        TEST(test_counts_follow_every_change),
    };

    return cmocka_run_group_tests_name("store_bugs", tests, NULL, NULL);
}
