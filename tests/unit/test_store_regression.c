#include "tests/unit/store_fixture.h"

#include <dirent.h>

#include "triage/regression.h"

/* The only file in regressions/t, "" when there is none; new. */
static char *
only_file(struct fixture *fix)
{
    AUTO(mem_free) char *command = fs_join(fix->state, "regressions/t");
    char *found = mem_strdup("");
    int n = 0;
    DIR *list = opendir(command);

    for (struct dirent *e; list != NULL && (e = readdir(list)) != NULL;) {
        if (e->d_name[0] != '.') {
            mem_free(found);
            found = mem_strdup(e->d_name);
            n++;
        }
    }
    if (list != NULL) {
        (void)closedir(list);
    }
    assert_true(n < 2);
    return found;
}

static void
load_all(struct fixture *fix, struct regression_list *list)
{
    must(fix, regressions_load(fix->store, NULL, list, &fix->err));
}

static void
keep(struct fixture *fix)
{
    must(fix, regressions_keep(fix->store, 0, NULL, &fix->err));
}

static void
judge(struct fixture *fix, const struct regression *of, const struct said *said,
      struct verified *out)
{
    const struct job job = {.id = 7};
    AUTO(json_decref) json_t *answer = answer_of(&job, said);

    verified_clear(out);
    must(fix, regression_judge(fix->store, of, 7, answer, out, &fix->err));
}

/* --- files --- */

static void
test_reproducer_is_a_file_of_its_own(void **state)
{
    struct fixture *fix = *state;
    AUTO(regression_list_clear) struct regression_list list = {0};
    AUTO(buf_clear) struct buf bytes = BUF_INIT;

    triage(fix, "first", &(struct said){0});
    keep(fix);
    load_all(fix, &list);
    assert_int_equal(list.n, 1);
    assert_string_equal(list.v[0].name, "NJ-1");
    assert_string_equal(list.v[0].original, "");
    AUTO(mem_free) char *path = regression_path(fix->store, &list.v[0]);
    AUTO(mem_free) char *name = only_file(fix);
    assert_string_equal(fs_base(path), name);
    assert_int_equal(strncmp(name, "NJ-1-", 5), 0);
    assert_int_equal(strncmp(name + 5, list.v[0].sha256, 16), 0);
    must(fix, fs_read(path, 100, &bytes, &fix->err));
    assert_string_equal(buf_str(&bytes), "first");
}

static void
test_better_reproducer_replaces_the_file(void **state)
{
    struct fixture *fix = *state;
    AUTO(regression_list_clear) struct regression_list list = {0};

    triage(fix, "a long input that crashes", &(struct said){0});
    keep(fix);
    AUTO(mem_free) char *before = only_file(fix);
    triage(fix, "short", &(struct said){0});
    keep(fix);
    AUTO(mem_free) char *after = only_file(fix);
    assert_string_not_equal(before, after);
    load_all(fix, &list);
    assert_int_equal(strncmp(after + 5, list.v[0].sha256, 16), 0);
    assert_int_equal(strlen(list.v[0].original), 64); /* the second witness */
}

static void
test_spare_time_writes_it(void **state)
{
    struct fixture *fix = *state;
    AUTO(job_clear) struct job job = {0};

    triage(fix, "first", &(struct said){0});
    AUTO(mem_free) char *before = only_file(fix);
    assert_string_equal(before, "");
    assert_int_equal(next_job(fix, 0, &job), 0);
    AUTO(mem_free) char *after = only_file(fix);
    assert_string_not_equal(after, "");
}

static void
test_what_is_not_ours_stays(void **state)
{
    static const char *const names[] = {"NJ-1-short", "NJ-9-0123456789abcdef", "notes",
                                        "NJ-1-0123456789ABCDEF"};
    struct fixture *fix = *state;

    triage(fix, "first", &(struct said){0});
    keep(fix);
    for (size_t i = 0; i < COUNT(names); i++) {
        AUTO(mem_free)
        char *path = mem_printf("%s/regressions/t/%s", fix->state, names[i]);
        must(fix, fs_write(path, "x", 1, 0600, &fix->err));
    }
    keep(fix);
    for (size_t i = 0; i < COUNT(names); i++) {
        AUTO(mem_free)
        char *path = mem_printf("%s/regressions/t/%s", fix->state, names[i]);
        assert_true(fs_exists(path));
    }
}

static void
test_targets_hostile_name_stays_in_its_folder(void **state)
{
    struct fixture *fix = *state;
    struct regression regression = {.name = "NJ-1", .sha256 = "0123456789abcdef0"};

    regression.target = (char[]){"../../etc/x\\x0a"};
    AUTO(mem_free) char *path = regression_path(fix->store, &regression);
    AUTO(mem_free)
    char *wanted =
        mem_printf("%s/regressions/_._.._etc_x_x0a/NJ-1-0123456789abcdef", fix->state);
    assert_string_equal(path, wanted);
}

static void
test_bytes_come_from_the_file_when_the_blob_is_gone(void **state)
{
    struct fixture *fix = *state;
    AUTO(regression_list_clear) struct regression_list list = {0};
    AUTO(buf_clear) struct buf bytes = BUF_INIT;

    files_only(fix);
    triage(fix, "first", &(struct said){0});
    keep(fix);
    load_all(fix, &list);
    const struct regression *of = &list.v[0];
    AUTO(mem_free) char *blob = store_blob_path(fix->store, of->sha256);
    AUTO(mem_free) char *path = regression_path(fix->store, of);
    assert_int_equal(unlink(blob), 0);
    must(fix, regression_bytes(fix->store, of, of->sha256, &bytes, &fix->err));
    assert_string_equal(buf_str(&bytes), "first");
    buf_clear(&bytes);
    must(fix, fs_write(path, "worst", 5, 0600, &fix->err));
    assert_int_equal(regression_bytes(fix->store, of, of->sha256, &bytes, &fix->err),
                     -EUCLEAN);
    assert_int_equal(bytes.len, 0);
}

static void
test_report_is_no_regression(void **state)
{
    struct fixture *fix = *state;
    AUTO(regression_list_clear) struct regression_list list = {0};

    (void)give_report(fix, "log", "a report");
    triage_next(fix, &(struct said){0});
    load_all(fix, &list);
    assert_int_equal(list.n, 0);
}

/* --- what a replay means --- */

static void
test_runs_are_as_many_as_are_needed(void **state)
{
    (void)state;
    assert_int_equal(regression_runs(3, 3), 1);
    assert_int_equal(regression_runs(0, 0), 3);
    assert_int_equal(regression_runs(5, 10), 7);
    assert_int_equal(regression_runs(9, 10), 2);
    assert_int_equal(regression_runs(1, 100), 100);
}

static void
test_judge_knows_the_same_crash(void **state)
{
    struct fixture *fix = *state;
    AUTO(regression_list_clear) struct regression_list list = {0};
    AUTO(verified_clear) struct verified seen = {0};

    triage(fix, "first", &(struct said){0});
    triage(fix, "other", &(struct said){.frames = {"other", "main"}, .file = "/o.c"});
    load_all(fix, &list);
    judge(fix, &list.v[0], &(struct said){0}, &seen);
    assert_int_equal(seen.as, VERIFIED_SAME);
    assert_int_equal(seen.k, 3);
    judge(fix, &list.v[0], &(struct said){.outcome = "clean", .n = 4}, &seen);
    assert_int_equal(seen.as, VERIFIED_CLEAN);
    assert_int_equal(seen.n, 4);
    judge(fix, &list.v[0], &(struct said){.frames = {"other", "main"}, .file = "/o.c"},
          &seen);
    assert_int_equal(seen.as, VERIFIED_CHANGED);
    assert_int_equal(seen.known, 2);
    judge(fix, &list.v[0], &(struct said){.frames = {"new", "main"}, .file = "/n.c"},
          &seen);
    assert_int_equal(seen.as, VERIFIED_CHANGED);
    assert_int_equal(seen.known, 0);
    assert_string_equal(seen.crash_state, "new\n");
}

static void
test_judge_follows_duplicates(void **state)
{
    struct fixture *fix = *state;
    const struct decision decision = {.actor = "me"};
    AUTO(regression_list_clear) struct regression_list list = {0};
    AUTO(verified_clear) struct verified seen = {0};
    AUTO(buf_clear) struct buf others = BUF_INIT;
    const int64_t two = 2;

    triage(fix, "first", &(struct said){0});
    triage(fix, "other", &(struct said){.frames = {"other", "main"}, .file = "/o.c"});
    buf_add(&others, &two, sizeof(two));
    must(fix, store_merge(fix->store, 1, &others, &decision, &fix->err));
    load_all(fix, &list);
    assert_int_equal(list.n, 2); /* a duplicate's input is not lost either */
    judge(fix, &list.v[0], &(struct said){.frames = {"other", "main"}, .file = "/o.c"},
          &seen);
    assert_int_equal(seen.as, VERIFIED_SAME);
}

static void
test_judge_believes_no_nonsense(void **state)
{
    struct fixture *fix = *state;
    AUTO(regression_list_clear) struct regression_list list = {0};
    AUTO(verified_clear) struct verified seen = {0};
    AUTO(json_decref)
    json_t *other = json_pack("{s:i,s:s}", "job", 8, "outcome", "clean");

    triage(fix, "first", &(struct said){0});
    load_all(fix, &list);
    must(fix, regression_judge(fix->store, &list.v[0], 7, other, &seen, &fix->err));
    assert_int_equal(seen.as, VERIFIED_BROKEN);
    assert_string_equal(seen.reason, "'job' is not 7");
    judge(fix, &list.v[0], &(struct said){.outcome = "broken", .reason = "no loader"},
          &seen);
    assert_int_equal(seen.as, VERIFIED_BROKEN);
    assert_string_equal(seen.reason, "no loader");
}

static void
test_judge_names_what_no_parser_knows(void **state)
{
    struct fixture *fix = *state;
    const struct said odd = {
        .outcome = "unparsed", .report = "odd", .reason = "signal 6", .k = 3, .n = 3};
    AUTO(regression_list_clear) struct regression_list list = {0};
    AUTO(verified_clear) struct verified seen = {0};

    triage(fix, "first", &odd);
    load_all(fix, &list);
    judge(fix, &list.v[0], &odd, &seen);
    assert_int_equal(seen.as, VERIFIED_SAME);
}

/* --- history --- */

static int64_t
tell(struct fixture *fix, const struct regression *of, const struct verified *seen)
{
    const struct verification one = {of, seen};
    int64_t told = -1;

    must(fix, regressions_verified(fix->store, &one, 1, &told, &fix->err));
    return told;
}

static void
test_what_is_seen_again_is_told_once(void **state)
{
    struct fixture *fix = *state;
    AUTO(regression_list_clear) struct regression_list list = {0};
    struct verified seen = {.as = VERIFIED_CLEAN,
                            .n = 1,
                            .kind = "sanitizer",
                            .path = (char[]){"/b/t"},
                            .build_id = (char[]){"aa"}};

    triage(fix, "first", &(struct said){0});
    load_all(fix, &list);
    assert_int_equal(tell(fix, &list.v[0], &seen), 1);
    seen.n = 3;
    assert_int_equal(tell(fix, &list.v[0], &seen), 0);
    seen.build_id = (char[]){"bb"};
    assert_int_equal(tell(fix, &list.v[0], &seen), 1);
    seen.as = VERIFIED_CHANGED;
    seen.crash_type = (char[]){"Null-dereference"};
    assert_int_equal(tell(fix, &list.v[0], &seen), 1);
    seen.known = 4;
    assert_int_equal(tell(fix, &list.v[0], &seen), 1);
    assert_int_equal(tell(fix, &list.v[0], &seen), 0);
    assert_int_equal(number(fix, "SELECT count(*) FROM event WHERE kind = 'bug.verify'"),
                     4);
    assert_int_equal(number(fix, "SELECT count(*) FROM bug WHERE state = 'new'"), 1);
    assert_clean(fix);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_reproducer_is_a_file_of_its_own),
        TEST(test_better_reproducer_replaces_the_file),
        TEST(test_spare_time_writes_it),
        TEST(test_what_is_not_ours_stays),
        TEST(test_targets_hostile_name_stays_in_its_folder),
        TEST(test_bytes_come_from_the_file_when_the_blob_is_gone),
        TEST(test_report_is_no_regression),
        cmocka_unit_test(test_runs_are_as_many_as_are_needed),
        TEST(test_judge_knows_the_same_crash),
        TEST(test_judge_follows_duplicates),
        TEST(test_judge_believes_no_nonsense),
        TEST(test_judge_names_what_no_parser_knows),
        TEST(test_what_is_seen_again_is_told_once),
    };

    return cmocka_run_group_tests_name("store_regression", tests, NULL, NULL);
}
