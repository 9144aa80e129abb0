#include "tests/unit/store_fixture.h"

#include <fcntl.h>

static int
list_path(void *user, const char *sha256, const char *path, const char *bug_name,
          const char *state, struct err *err)
{
    struct buf *out = user;

    (void)err;
    buf_addf(out, "%.4s %s %s %s\n", sha256, path, bug_name == NULL ? "-" : bug_name,
             state);
    return 0;
}

/* --- files --- */

static void
test_intake_files_equal_bytes_once_and_each_path(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *a = put_bytes(fix, "a", "aaaa", 4);
    AUTO(mem_free) char *b = put_bytes(fix, "b", "aaaa", 4);
    AUTO(mem_free) char *c = put_bytes(fix, "c", "cccc", 4);
    const struct intake_item items[] = {
        {.path = a, .target = fix->target, .source = "triage"},
        {.path = b, .target = fix->target, .source = "aflpp"},
        {.path = c, .target = fix->target, .source = "triage"},
        {.path = a, .target = fix->target, .source = "triage"}};
    struct intake_result results[4];
    AUTO(buf_clear) struct buf list = BUF_INIT;
    AUTO(mem_free)
    char *wanted =
        mem_printf("61be %s - queued\n61be %s - queued\nb6fb %s - queued\n", a, b, c);

    for (int again = 0; again < 2; again++) {
        must(fix, store_intake(fix->store, items, 4, results, &fix->err));
        for (int i = 0; i < 4; i++) {
            assert_int_equal(results[i].code, 0);
            assert_int_equal(results[i].crash, i == 2 ? 2 : 1);
            assert_int_equal(results[i].is_new, again == 0 && (i == 0 || i == 2));
        }
    }
    must(fix, store_crash_paths(fix->store, list_path, &list, &fix->err));
    assert_string_equal(buf_str(&list), wanted);
    /* given twice they are counted once */
    assert_int_equal(number(fix, "SELECT sum(value) FROM counter"), 3);
    assert_clean(fix);
}

static void
test_intake_round_trips_any_name(void **state)
{
    struct fixture *fix = *state;
    static const char *const names[] = {"a\nb",          "\033[2J",  "\xff\xfe", "c\\d",
                                        "e f;$(reboot)", "\xc3\xa9", "-rf",      "'\""};
    AUTO(buf_clear) struct buf wanted = BUF_INIT;
    AUTO(buf_clear) struct buf list = BUF_INIT;

    for (size_t i = 0; i < COUNT(names); i++) {
        AUTO(mem_free) char *path = put_bytes(fix, names[i], "aaaa", 4);
        assert_int_equal(give_path(fix, path, "triage").code, 0);
        buf_addf(&wanted, "61be %s - queued\n", path);
    }
    must(fix, store_crash_paths(fix->store, list_path, &list, &fix->err));
    assert_string_equal(buf_str(&list), buf_str(&wanted));
}

static void
test_paths_are_listed_beyond_a_page(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf list = BUF_INIT;
    int lines = 0;

    (void)give(fix, "a", "aaaa");
    execute(
        fix,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2499)"
        " INSERT INTO crash_path(crash, path) SELECT 1, 'p' || i FROM n");
    must(fix, store_crash_paths(fix->store, list_path, &list, &fix->err));
    for (size_t i = 0; i < list.len; i++) {
        lines += list.data[i] == '\n';
    }
    assert_int_equal(lines, 2500);
}

static void
test_intake_refuses_what_is_no_file(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *gone = fs_join(fix->folder, "gone");
    AUTO(mem_free) char *fifo = fs_join(fix->folder, "fifo");
    AUTO(mem_free) char *good = put_bytes(fix, "good", "aaaa", 4);
    AUTO(mem_free) char *large = put_bytes(fix, "large", "", 0);
    const char *const paths[] = {gone, fifo, fix->folder, "/dev/zero", large, good};
    static const int codes[] = {-ENOENT, -EINVAL, -EINVAL, -EINVAL, -EFBIG, 0};
    static const char *const sources[] = {"triage", "aflpp"};
    AUTO(mem_free)
    char *too_large = mem_printf(
        "'%s' holds more than 128 MiB, the limit of an input or a report; of a "
        "log give the part round the crash",
        large);

    assert_int_equal(mkfifo(fifo, 0644), 0);
    assert_int_equal(truncate(large, (off_t)STORE_INPUT_MAX + 1), 0);
    for (size_t s = 0; s < COUNT(sources); s++) {
        struct intake_item items[COUNT(paths)];
        struct intake_result results[COUNT(paths)];
        for (size_t i = 0; i < COUNT(paths); i++) {
            items[i] = (struct intake_item){
                .path = paths[i], .target = fix->target, .source = sources[s]};
        }
        must(fix, store_intake(fix->store, items, COUNT(paths), results, &fix->err));
        for (size_t i = 0; i < COUNT(paths); i++) {
            assert_int_equal(results[i].code, codes[i]);
            assert_int_equal(results[i].crash, codes[i] == 0 ? 1 : 0);
        }
        assert_non_null(strstr(results[0].reason, "gone': No such file or directory"));
        assert_non_null(strstr(results[1].reason, "fifo' is not a regular file"));
        assert_string_equal(results[4].reason, too_large);
    }
    assert_clean(fix);
}

static void
test_intake_takes_an_empty_input(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(give(fix, "empty", ""), 1);
    assert_clean(fix);
}

static void
test_intake_takes_a_part_and_a_time(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *path = put_bytes(fix, "log", "one two three", 13);
    const struct intake_item items[] = {{.path = path,
                                         .target = fix->target,
                                         .source = "reports",
                                         .is_report = true,
                                         .from = 4,
                                         .bytes = 3,
                                         .written = INT64_C(1700000000000)},
                                        {.path = path,
                                         .target = fix->target,
                                         .source = "reports",
                                         .is_report = true,
                                         .from = 8,
                                         .bytes = 99,
                                         .written = INT64_MAX},
                                        {.path = path,
                                         .target = fix->target,
                                         .source = "reports",
                                         .is_report = true,
                                         .from = 50,
                                         .bytes = 1}};
    static const char *const wanted[] = {"two", "three", ""};
    struct intake_result results[COUNT(items)];

    must(fix, store_intake(fix->store, items, COUNT(items), results, &fix->err));
    for (size_t i = 0; i < COUNT(items); i++) {
        AUTO(buf_clear) struct buf bytes = BUF_INIT;
        assert_int_equal(results[i].code, 0);
        must(fix, store_report(fix->store, results[i].crash, &bytes, &fix->err));
        assert_string_equal(buf_str(&bytes), wanted[i]);
    }
    assert_int_equal(number(fix, "SELECT written FROM crash WHERE id = 1"),
                     INT64_C(1700000000000));
    assert_int_equal(number(fix, "SELECT written <= first_seen FROM crash WHERE id = 2"),
                     1);
    assert_int_equal(number(fix, "SELECT count(*) FROM crash_path"), 3);
}

static void
test_intake_for_an_unknown_target_is_our_mistake(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *path = put_bytes(fix, "a", "aaaa", 4);
    const struct intake_item item = {.path = path, .target = 77, .source = "triage"};
    struct intake_result result;

    assert_int_equal(store_intake(fix->store, &item, 1, &result, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg, "file 1 crashes: there is no target 77");
    assert_int_equal(number(fix, "SELECT count(*) FROM crash"), 0);
}

/* --- links that a hostile target may have put there --- */

static void
test_intake_follows_a_persons_link_only(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *secret = put_bytes(fix, "secret", "aaaa", 4);
    AUTO(mem_free) char *link_path = fs_join(fix->folder, "link");
    AUTO(mem_free)
    char *wanted =
        mem_printf("'%s' is or goes through a link, which a target may have put there: "
                   "not read; if it is yours, give it to nightjar triage",
                   link_path);

    assert_int_equal(symlink(secret, link_path), 0);
    struct intake_result result = give_path(fix, link_path, "libfuzzer");
    assert_int_equal(result.code, -ELOOP);
    assert_string_equal(result.reason, wanted);
    assert_int_equal(give_path(fix, link_path, "triage").code, 0);
}

static void
test_intake_goes_through_no_link_below_the_engines_folder(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *out = fs_join(fix->state, "fuzz/t/default");
    AUTO(mem_free) char *crashes = fs_join(out, "crashes");
    AUTO(mem_free) char *elsewhere = fs_join(fix->folder, "elsewhere");
    AUTO(mem_free) char *file = fs_join(crashes, "id:000000");

    must(fix, fs_mkdirs(elsewhere, 0755, &fix->err));
    must(fix, fs_mkdirs(crashes, 0755, &fix->err));
    assert_int_equal(fs_write(file, "aaaa", 4, 0644, NULL), 0);
    assert_int_equal(give_path(fix, file, "aflpp").code, 0);
    /* the folder itself becomes a link to where files of that name lie */
    AUTO(mem_free) char *bait = fs_join(elsewhere, "id:000000");
    assert_int_equal(fs_write(bait, "root:x", 6, 0644, NULL), 0);
    must(fix, fs_remove(crashes, &fix->err));
    assert_int_equal(symlink(elsewhere, crashes), 0);
    assert_int_equal(give_path(fix, file, "aflpp").code, -ELOOP);
    assert_int_equal(give_path(fix, file, "triage").code, 0); /* a person may mean it */
}

static void
test_intake_trusts_the_way_to_a_root(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *real = fs_join(fix->folder, "real/out");
    AUTO(mem_free) char *home = fs_join(fix->folder, "home");
    AUTO(mem_free) char *target = fs_join(fix->folder, "real");
    AUTO(mem_free) char *root = fs_join(home, "out");
    AUTO(mem_free) char *file = fs_join(root, "crash-1");
    struct intake_result result;

    must(fix, fs_mkdirs(real, 0755, &fix->err));
    assert_int_equal(symlink(target, home), 0);
    assert_int_equal(fs_write(file, "aaaa", 4, 0644, NULL), 0);
    const struct intake_item item = {
        .path = file, .target = fix->target, .source = "libfuzzer", .root = root};
    must(fix, store_intake(fix->store, &item, 1, &result, &fix->err));
    assert_int_equal(result.code, 0);
}

/* --- healing --- */

static void
test_intake_heals_a_lost_file(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *file = store_blob_path(
        fix->store, "61be55a8e2f6b4e172338bddf184d6dbee29c98853e0a0485ecee7f27b9af0b4");

    files_only(fix);
    (void)give(fix, "a", "aaaa");
    assert_int_equal(unlink(file), 0);
    assert_int_equal(give(fix, "a", "aaaa"), 1);
    assert_clean(fix);
}

/* --- targets --- */

static void
test_target_names_are_stored_as_they_can_be_shown(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *endless = mem_alloc(2000);
    const struct record_settings settings = {0};
    int64_t id = 0;

    assert_int_equal(put_target(fix, "t", "/bin/true"), fix->target);
    assert_int_equal(put_target(fix, "back\\slash", "/bin/true"), 2);
    assert_int_equal(put_target(fix, "new\nline", "/bin/true"), 3);
    assert_int_equal(number(fix, "SELECT id FROM target WHERE name = 'back\\slash'"), 2);
    assert_int_equal(number(fix, "SELECT id FROM target WHERE name = 'new\\x0aline'"), 3);
    assert_int_equal(store_put_target(fix->store, "", NULL, &settings, &id, &fix->err),
                     -EINVAL);
    assert_string_equal(fix->err.msg, "the name of a target has 1 to 512 bytes, not 0");
    memset(endless, 'x', 1999);
    assert_int_equal(
        store_put_target(fix->store, endless, NULL, &settings, &id, &fix->err), -EINVAL);
}

/* What a wrong command made of them says nothing about the right one. */
static void
test_changed_command_gives_a_second_chance(void **state)
{
    struct fixture *fix = *state;
    const struct said broken = {.outcome = "broken", .reason = "no such program"};
    const struct said clean = {.outcome = "clean"};
    const struct said crash = {0};

    (void)triage(fix, "a", &broken);
    (void)triage(fix, "b", &clean);
    (void)triage(fix, "c", &crash);
    assert_int_equal(put_target(fix, "t", "/bin/true"), 1);
    assert_int_equal(number(fix, "SELECT count(*) FROM crash WHERE state = 'queued'"), 0);
    assert_int_equal(put_target(fix, "t", "/bin/false"), 1);
    assert_int_equal(number(fix, "SELECT count(*) FROM crash WHERE state = 'queued'"), 2);
    assert_int_equal(number(fix, "SELECT n FROM crash_count WHERE state = 'queued'"), 2);
    assert_clean(fix);
    for (int i = 0; i < 2; i++) {
        AUTO(job_clear) struct job job = {0};
        assert_int_equal(next_job(fix, 0, &job), 1);
        assert_string_equal(finish(fix, &job, &crash).bug_name, "NJ-1");
    }
    assert_int_equal(number(fix, "SELECT crashes FROM bug"), 3);
    assert_clean(fix);
}

static void
test_rebuilt_program_gives_a_second_chance(void **state)
{
    struct fixture *fix = *state;
    const struct said clean = {.outcome = "clean"};
    AUTO(mem_free) char *program = put_bytes(fix, "program", "1", 1);

    fix->target = put_target(fix, "u", program);
    (void)triage(fix, "a", &clean);
    (void)put_target(fix, "u", program);
    assert_int_equal(number(fix, "SELECT count(*) FROM crash WHERE state = 'queued'"), 0);
    mem_free(put_bytes(fix, "program", "22", 2));
    (void)put_target(fix, "u", program);
    assert_int_equal(number(fix, "SELECT count(*) FROM crash WHERE state = 'queued'"), 1);
    assert_clean(fix);
}

static void
test_broken_crash_is_queued_again_when_a_person_gives_it_again(void **state)
{
    struct fixture *fix = *state;
    const struct said broken = {.outcome = "broken", .reason = "no such program"};
    AUTO(mem_free) char *path = fs_join(fix->folder, "a");

    (void)triage(fix, "a", &broken);
    assert_int_equal(give_path(fix, path, "aflpp").crash, 1); /* a rescan is no person */
    assert_int_equal(number(fix, "SELECT count(*) FROM crash WHERE state = 'broken'"), 1);
    assert_false(give_path(fix, path, "triage").is_new);
    assert_int_equal(number(fix, "SELECT count(*) FROM crash WHERE state = 'queued'"), 1);
    assert_clean(fix);
}

/* Its reports, or its core files, come without one. */
static void
test_known_command_outlives_reports(void **state)
{
    struct fixture *fix = *state;
    const struct record_settings settings = {.asserts_are_security = true};
    int64_t id = 0;

    must(fix, store_put_target(fix->store, "t", NULL, &settings, &id, &fix->err));
    assert_int_equal(id, fix->target);
    assert_int_equal(
        number(fix, "SELECT count(*) FROM target WHERE command LIKE '%/bin/true%'"), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_intake_files_equal_bytes_once_and_each_path),
        TEST(test_intake_round_trips_any_name),
        TEST(test_paths_are_listed_beyond_a_page),
        TEST(test_intake_refuses_what_is_no_file),
        TEST(test_intake_takes_an_empty_input),
        TEST(test_intake_takes_a_part_and_a_time),
        TEST(test_intake_for_an_unknown_target_is_our_mistake),
        TEST(test_intake_follows_a_persons_link_only),
        TEST(test_intake_goes_through_no_link_below_the_engines_folder),
        TEST(test_intake_trusts_the_way_to_a_root),
        TEST(test_intake_heals_a_lost_file),
        TEST(test_target_names_are_stored_as_they_can_be_shown),
        TEST(test_changed_command_gives_a_second_chance),
        TEST(test_rebuilt_program_gives_a_second_chance),
        TEST(test_broken_crash_is_queued_again_when_a_person_gives_it_again),
        TEST(test_known_command_outlives_reports),
    };

    return cmocka_run_group_tests_name("store_ledger", tests, NULL, NULL);
}
