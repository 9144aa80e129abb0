#include "tests/unit/store_fixture.h"

#include <fcntl.h>

#include "base/clock.h"
#include "triage/life.h"

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define ONES  "1111111111111111111111111111111111111111111111111111111111111111"

enum { DAY_MS = 86400 * 1000, SCHEMA_BEFORE = 4 /* 0005_seen.sql */ };

/* A file of this text that was written then (wall ms), given by this source; its crash.
 */
static int64_t
found(struct fixture *fix, const char *text, const char *source, int64_t written,
      bool backlog)
{
    AUTO(mem_free) char *path = put_bytes(fix, text, text, strlen(text));
    const struct timespec time = {.tv_sec = written / 1000,
                                  .tv_nsec = written % 1000 * 1000000};
    const struct timespec times[] = {time, time};
    const struct intake_item item = {.path = path,
                                     .target = fix->target,
                                     .source = source,
                                     .root = fix->folder,
                                     .backlog = backlog};
    struct intake_result result;

    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    must(fix, store_intake(fix->store, &item, 1, &result, &fix->err));
    assert_int_equal(result.code, 0);
    return result.crash;
}

static void
load(struct fixture *fix, int64_t id, struct bug *bug)
{
    must(fix, store_bug(fix->store, id, bug, &fix->err));
}

static void
test_a_bug_is_seen_when_its_files_were_written(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};
    int64_t now = clock_wall_ms();
    AUTO(bug_clear) struct bug bug = {0};

    (void)found(fix, "a", "triage", now - 2 * (int64_t)DAY_MS, false);
    (void)triage_next(fix, &said);
    (void)found(fix, "bb", "triage", now - 3 * (int64_t)DAY_MS, false);
    (void)triage_next(fix, &said);
    (void)found(fix, "ccc", "triage", now - (int64_t)DAY_MS, false);
    (void)triage_next(fix, &said);
    load(fix, 1, &bug);
    assert_int_equal(bug.crashes, 3);
    assert_int_equal(bug.first_seen, now - 3 * (int64_t)DAY_MS);
    assert_int_equal(bug.last_seen, now - (int64_t)DAY_MS);
    assert_true(bug.filed >= now);
}

/* In the future, at the beginning of time, before the first worker was started. */
static void
test_a_clock_that_was_wrong_is_not_believed(void **state)
{
    struct fixture *fix = *state;
    AUTO(json_decref) json_t *arguments = json_object();
    int64_t now = clock_wall_ms();
    int64_t campaign = 0;

    must(fix, store_campaign_begin(fix->store, arguments, &campaign, &fix->err));
    (void)found(fix, "a", "triage", now + (int64_t)DAY_MS, false);
    (void)found(fix, "b", "triage", 0, false);
    (void)found(fix, "c", "aflpp", now - (int64_t)DAY_MS, false);
    AUTO(mem_free)
    char *sql = mem_printf("SELECT count(*) FROM crash WHERE written >= %lld"
                           " AND written <= first_seen",
                           (long long)now);
    assert_int_equal(number(fix, sql), 3);
}

/* Somebody found it a year ago: here it is new today. */
static void
test_backlog_is_seen_when_it_comes(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};
    int64_t now = clock_wall_ms();
    AUTO(bug_clear) struct bug bug = {0};

    (void)found(fix, "a", "import", now - 365 * (int64_t)DAY_MS, true);
    (void)triage_next(fix, &said);
    load(fix, 1, &bug);
    assert_true(bug.backlog && bug.first_seen >= now && bug.last_seen >= now);
    assert_int_equal(number(fix, "SELECT first_seen - written > 30 * 86400 FROM crash"),
                     1);
}

static void
test_a_split_takes_its_times_along(void **state)
{
    struct fixture *fix = *state;
    const struct said first = {.frames = {"a", "b", "main"}};
    const struct said second = {.frames = {"a", "b", "c", "main"}};
    const struct decision decision = {.actor = "me"};
    AUTO(strv_clear) struct strv which = {0};
    AUTO(bug_clear) struct bug stays = {0};
    AUTO(bug_clear) struct bug goes = {0};
    int64_t now = clock_wall_ms();
    int64_t id = 0;

    (void)found(fix, "a", "triage", now - 2 * (int64_t)DAY_MS, false);
    (void)triage_next(fix, &first);
    (void)found(fix, "bb", "triage", now - (int64_t)DAY_MS, false);
    (void)triage_next(fix, &second);
    execute(fix, "UPDATE crash SET bug = 1 WHERE id = 2");
    AUTO(mem_free) char *path = fs_join(fix->folder, "bb");
    strv_add(&which, path);
    must(fix, store_split(fix->store, 1, &which, &decision, &id, &fix->err));
    load(fix, 1, &stays);
    load(fix, id, &goes);
    assert_int_equal(stays.first_seen, now - 2 * (int64_t)DAY_MS);
    assert_int_equal(stays.last_seen, now - 2 * (int64_t)DAY_MS);
    assert_int_equal(goes.first_seen, now - (int64_t)DAY_MS);
    assert_int_equal(goes.last_seen, now - (int64_t)DAY_MS);
}

static int
keep_life(void *user, struct bug_life *life, struct err *err)
{
    (void)err;
    *(struct bug_life *)user = *life;
    *life = (struct bug_life){0};
    return 0;
}

/* Detection is of the first file that was found here, whatever stands for the bug now. */
static void
test_a_life_begins_with_the_first_file_found_here(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};
    AUTO(bug_life_clear) struct bug_life life = {0};
    int64_t now = clock_wall_ms();

    (void)found(fix, "a", "import", now - 9 * (int64_t)DAY_MS, true);
    (void)triage_next(fix, &said);
    (void)found(fix, "bb", "triage", now - 2 * (int64_t)DAY_MS, false);
    (void)triage_next(fix, &said);
    (void)found(fix, "ccc", "triage", now - (int64_t)DAY_MS, false);
    (void)triage_next(fix, &said);
    execute(fix, "UPDATE bug SET crash = 3 WHERE id = 1");
    must(fix, store_lives(fix->store, keep_life, &life, &fix->err));
    assert_int_equal(life.written, now - 2 * (int64_t)DAY_MS);
    assert_true(life.filed >= now);
}

/* What an older release filed gets its times from the crashes. */
static void
test_migration_finds_the_times_of_older_bugs(void **state)
{
    static const char *const rows =
        "INSERT INTO target VALUES(1, 't', NULL, '{}', '', 'ok', 1);"
        "INSERT INTO blob VALUES(1, '" ZEROS "', 1, 1, 'present');"
        "INSERT INTO blob VALUES(2, '" ONES "', 1, 1, 'present');"
        "INSERT INTO bug(target, crash, signature, crash_type, crash_state, sanitizer,"
        " severity, severity_score, security, class, exploitability, cwe, original,"
        " reproducer, minimize, first_seen, last_seen)"
        " VALUES(1, 1, 'm', '', '', '', 1, 1, 0, '', '', '', 1, 1, 'none', 50, 60);"
        "INSERT INTO crash(target, blob, is_report, source, state, bug, major, written,"
        " first_seen) VALUES(1, 1, 0, 'triage', 'triaged', 1, 'm', 10, 50);"
        "INSERT INTO crash(target, blob, is_report, source, state, bug, major, written,"
        " first_seen, backlog) VALUES(1, 2, 0, 'import', 'triaged', 1, 'm', 5, 60, 1);";
    size_t count = 0;
    const struct db_migration *list = store_migrations(&count);
    AUTO(mem_free) char *path = NULL;
    AUTO(db_close) struct db *db = NULL;
    struct fixture *fix = *state;
    int64_t times = 0;

    path = fs_join(fix->folder, "old.db");
    must(fix, db_open(path, DB_CREATE, &db, &fix->err));
    must(fix, db_migrate(db, list, SCHEMA_BEFORE, &fix->err));
    must(fix, db_exec(db, "PRAGMA defer_foreign_keys = on; BEGIN;", &fix->err));
    must(fix, db_exec(db, rows, &fix->err));
    must(fix, db_exec(db, "COMMIT", &fix->err));
    must(fix, db_migrate(db, list, count, &fix->err));
    must(fix, db_int(db, &times, &fix->err,
                     "SELECT first_seen * 10000 + last_seen * 100 + filed FROM bug", ""));
    assert_int_equal(times, 10 * 10000 + 60 * 100 + 50);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_bug_is_seen_when_its_files_were_written),
        TEST(test_a_clock_that_was_wrong_is_not_believed),
        TEST(test_backlog_is_seen_when_it_comes),
        TEST(test_a_split_takes_its_times_along),
        TEST(test_a_life_begins_with_the_first_file_found_here),
        TEST(test_migration_finds_the_times_of_older_bugs),
    };

    return cmocka_run_group_tests_name("store_life", tests, NULL, NULL);
}
