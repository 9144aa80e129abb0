#include "tests/unit/store_fixture.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "base/db_private.h"
#include "base/fd.h"
#include "base/str.h"

enum { NOBODY = 65534, CHILD_BAD = 99, ROUNDS = 12, BATCH = 16 };

/* --- schema --- */

#define ROW(table) &(table),
static const struct store_sql *const tables[] = {STORE_SQL(ROW)};

static sqlite3 *
migrated(void)
{
    size_t count = 0;
    const struct db_migration *list = store_migrations(&count);
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(sqlite3_exec(db, list[i].sql, NULL, NULL, NULL), SQLITE_OK);
    }
    return db;
}

static bool
scans_big_table(const char *step)
{
    /* the tables that grow with the crashes, and the names that statements give them */
    static const char *const big[] = {"crash", "event",  "outbox", "crash_path",
                                      "blob",  "record", "c",      "e",
                                      "o",     "p",      "b",      "r"};

    for (size_t i = 0; i < COUNT(big); i++) {
        AUTO(mem_free) char *scan = mem_printf("SCAN %s", big[i]);
        size_t len = strlen(scan);
        if (strncmp(step, scan, len) == 0 && (step[len] == '\0' || step[len] == ' ')) {
            return true;
        }
    }
    return false;
}

static void
assert_planned(sqlite3 *db, const char *statement, bool may_scan)
{
    AUTO(mem_free) char *explain = mem_printf("EXPLAIN QUERY PLAN %s", statement);
    sqlite3_stmt *stmt = NULL;

    if (sqlite3_prepare_v2(db, explain, -1, &stmt, NULL) != SQLITE_OK) {
        fail_msg("%s\n  %s", statement, sqlite3_errmsg(db));
    }
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        const char *step = (const char *)sqlite3_column_text(stmt, 3);
        if (!may_scan && scans_big_table(step)) {
            fail_msg("%s\n  is done by: %s", statement, step);
        }
    }
    (void)sqlite3_finalize(stmt);
}

static void
test_every_statement_is_prepared_and_scans_no_big_table(void **state)
{
    sqlite3 *db = migrated();

    (void)state;
    for (size_t t = 0; t < COUNT(tables); t++) {
        for (size_t i = 0; i < tables[t]->n; i++) {
            assert_non_null(tables[t]->v[i]);
            /* db check proves all rows */
            assert_planned(db, tables[t]->v[i], tables[t] == &store_check_sql);
        }
    }
    (void)sqlite3_close(db);
}

/* Readers see bugs through a view, which must cost them no index. */
static void
test_every_statement_scans_no_big_table_for_a_reader(void **state)
{
    struct fixture *fix = *state;
    AUTO(store_close) struct store *reader = NULL;

    must(fix, store_open(fix->state, DB_READ, &reader, &fix->err));
    for (size_t t = 0; t < COUNT(tables); t++) {
        for (size_t i = 0; i < tables[t]->n; i++) {
            if (str_starts(tables[t]->v[i], "SELECT")) {
                assert_planned(store_db(reader)->handle, tables[t]->v[i],
                               tables[t] == &store_check_sql);
            }
        }
    }
    int64_t missing = -1; /* columns that it has not */
    must(fix, db_int(store_db(reader), &missing, &fix->err,
                     "SELECT count(*) FROM pragma_table_info('bug', 'main') WHERE name"
                     " NOT IN (SELECT name FROM pragma_table_info('bug', 'temp'))",
                     ""));
    assert_int_equal(missing, 0);
}

static void
test_schema_refuses_words_that_the_design_has_not(void **state)
{
    struct fixture *fix = *state;
    struct db *db = store_db(fix->store);
    int64_t crash = give(fix, "a", "aaaa");

    assert_int_equal(crash, 1);
    assert_int_equal(db_exec(db, "UPDATE crash SET state = 'lost'", &fix->err), -EEXIST);
    assert_int_equal(db_exec(db, "UPDATE crash SET state = 'unparsed'", &fix->err),
                     -EEXIST);
    assert_int_equal(db_exec(db, "UPDATE crash SET k = 2, n = 1", &fix->err), -EEXIST);
    assert_int_equal(db_exec(db, "UPDATE crash SET bug = 7", &fix->err), -EEXIST);
    assert_int_equal(
        db_exec(db, "INSERT INTO blob VALUES(9, 'X', 1, 1, 'present', NULL)", &fix->err),
        -EEXIST);
    execute(fix, "INSERT INTO event(at, kind, subject, subject_id, actor)"
                 " VALUES(1, 'k', 's', 1, 'me')");
    assert_int_equal(db_exec(db, "UPDATE event SET at = 2", &fix->err), -EEXIST);
    assert_non_null(strstr(fix->err.msg, "an event is history: it does not change"));
}

/* --- opening --- */

static void
test_open_without_state_names_what_makes_one(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *none = fs_join(fix->folder, "none");
    AUTO(mem_free)
    char *wanted =
        mem_printf("there is no nightjar state in '%s': nightjar triage CRASHES -- "
                   "./target @@ or nightjar fuzz makes one, or say --state DIR",
                   none);
    struct store *store = NULL;

    assert_int_equal(store_open(none, DB_READ, &store, &fix->err), -ENOENT);
    assert_string_equal(fix->err.msg, wanted);
    assert_int_equal(store_open(none, DB_WRITE, &store, &fix->err), -ENOENT);
    assert_string_equal(fix->err.msg, wanted);
    assert_false(fs_exists(none));
}

static void
test_open_finds_a_half_made_state_missing(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *half = fs_join(fix->folder, "half");
    AUTO(mem_free) char *db = fs_join(half, "nightjar.db");
    struct store *store = NULL;

    assert_int_equal(mkdir(half, 0755), 0);
    assert_int_equal(fs_write(db, "", 0, 0600, &fix->err), 0);
    assert_int_equal(store_open(half, DB_READ, &store, &fix->err), -ENOENT);
    assert_int_equal(store_open(half, DB_CREATE, &store, &fix->err), 0);
    store_close(store);
}

static void
test_open_keeps_inputs_and_database_private(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *blobs = fs_join(fix->state, "blobs");
    AUTO(mem_free) char *db = fs_join(fix->state, "nightjar.db");
    struct stat st;

    assert_int_equal(stat(blobs, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(db, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_string_equal(store_folder(fix->store), fix->state);
}

static size_t
schemas(void)
{
    size_t n = 0;

    (void)store_migrations(&n);
    return n;
}

static void
test_open_refuses_other_schemas(void **state)
{
    struct fixture *fix = *state;
    struct store *store = NULL;
    AUTO(mem_free)
    char *wanted = mem_printf("a newer nightjar made this database (schema 99, known is "
                              "%d): use that one, or another folder (--state DIR)",
                              (int)schemas());
    AUTO(mem_free)
    char *older = mem_printf("the database has an older schema (1, wanted is %d): "
                             "nightjar db migrate brings it up to date, as triage and "
                             "fuzz do; an older nightjar cannot read it any more then",
                             (int)schemas());

    execute(fix, "PRAGMA user_version=99");
    assert_int_equal(store_open(fix->state, DB_READ, &store, &fix->err),
                     -EPROTONOSUPPORT);
    assert_string_equal(fix->err.msg, wanted);
    assert_int_equal(store_open(fix->state, DB_CREATE, &store, &fix->err),
                     -EPROTONOSUPPORT);
    execute(fix, "PRAGMA user_version=1");
    assert_int_equal(store_open(fix->state, DB_WRITE, &store, &fix->err),
                     -EPROTONOSUPPORT);
    assert_string_equal(fix->err.msg, older);
    assert_null(store);
}

/* --- the lock --- */

static void
test_lock_names_its_holder(void **state)
{
    struct fixture *fix = *state;
    AUTO(fd_close) int fd = -1;
    AUTO(fd_close) int other = -1;
    AUTO(mem_free)
    char *wanted =
        mem_printf("'%s' is in use by nightjar fuzz (pid %d): wait for it or stop it",
                   fix->state, (int)getpid());

    assert_int_equal(store_lock(fix->state, "fuzz", &fd, &fix->err), 0);
    assert_int_equal(store_lock(fix->state, "triage", &other, &fix->err), -EBUSY);
    assert_string_equal(fix->err.msg, wanted);
    fd_close(FD_STEAL(fd));
    assert_int_equal(store_lock(fix->state, "triage", &other, &fix->err), 0);
}

static void
test_lock_ignores_what_a_dead_holder_wrote(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *path = fs_join(fix->state, "lock");
    AUTO(buf_clear) struct buf text = BUF_INIT;
    AUTO(fd_close) int fd = -1;
    AUTO(mem_free) char *wanted = mem_printf("%d fuzz\n", (int)getpid());

    assert_int_equal(
        fs_write(path, "1 \033[2J\n\xff junk of a longer verb", 29, 0644, NULL), 0);
    assert_int_equal(store_lock(fix->state, "fuzz", &fd, &fix->err), 0);
    assert_int_equal(fs_read(path, 100, &text, &fix->err), 0);
    assert_string_equal(buf_str(&text), wanted);
}

static void
test_lock_shows_no_hostile_bytes(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *path = fs_join(fix->state, "lock");
    AUTO(mem_free)
    char *wanted =
        mem_printf("'%s' is in use by nightjar \\x1b[2J (pid 7): wait for it or stop it",
                   fix->state);
    AUTO(fd_close) int fd = -1;
    int other = -1;

    assert_int_equal(fs_write(path, "7 \033[2J\n", 8, 0644, NULL), 0);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(store_lock(fix->state, "triage", &other, &fix->err), -EBUSY);
    assert_string_equal(fix->err.msg, wanted);
}

/* --- migrations beside a running supervisor --- */

/* One more than this release has. */
static int
migrate_later(struct fixture *fix)
{
    struct db_migration list[16] = {{"", ""}};
    size_t n = schemas();

    assert_in_range(n, 1, COUNT(list) - 1);
    list[n] =
        (struct db_migration){"9999_more.sql", "CREATE TABLE more(x INTEGER) STRICT;"};
    return store_migrate(fix->store, list, n + 1, &fix->err);
}

static void
test_migrate_waits_for_nobody_but_refuses_beside_a_foreign_supervisor(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *path = fs_join(fix->state, "lock");
    AUTO(fd_close) int fd = -1;

    assert_int_equal(fs_write(path, "1 fuzz\n", 7, 0644, NULL), 0);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(migrate_later(fix), -EBUSY);
    assert_non_null(strstr(fix->err.msg,
                           "(pid 1): it uses the database of an older release; "
                           "stop it first"));
    assert_int_equal(number(fix, "PRAGMA user_version"), schemas());
    fd_close(FD_STEAL(fd));
    assert_int_equal(migrate_later(fix), 0);
    assert_int_equal(number(fix, "PRAGMA user_version"), schemas() + 1);
    assert_int_equal(number(fix, "SELECT count(*) FROM more"), 0);
}

static void
test_migrate_under_the_own_lock(void **state)
{
    struct fixture *fix = *state;
    AUTO(fd_close) int fd = -1;

    assert_int_equal(store_lock(fix->state, "fuzz", &fd, &fix->err), 0);
    assert_int_equal(migrate_later(fix), 0);
    assert_int_equal(number(fix, "PRAGMA user_version"), schemas() + 1);
}

/* --- a state folder that cannot be written --- */

static int
bugs_seen(void *user, const struct bug *bug, struct err *err)
{
    int *n = user;

    (void)err;
    *n += bug->record != NULL ? 1 : 0;
    return 0;
}

static int
look_as_nobody(struct fixture *fix)
{
    const struct bug_filter all = {.at_least = SEVERITY_INFO};
    struct store *store = NULL;
    int n = 0;

    if (getuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) < 0) {
        return CHILD_BAD;
    }
    if (store_open(fix->state, DB_WRITE, &store, &fix->err) != -EACCES) {
        return CHILD_BAD;
    }
    if (store_open(fix->state, DB_READ, &store, &fix->err) < 0 ||
        store_bugs(store, &all, bugs_seen, &n, &fix->err) < 0) {
        (void)fprintf(stderr, "# %s\n", fix->err.msg);
        return CHILD_BAD;
    }
    store_close(store);
    return n;
}

static void
test_read_only_state_shows_its_bugs(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};
    AUTO(mem_free) char *db = fs_join(fix->state, "nightjar.db");
    int status = 0;

    (void)triage(fix, "x", &said);
    store_close(STEAL(fix->store));
    assert_int_equal(chmod(db, 0644), 0);
    assert_int_equal(chmod(fix->state, 0555), 0);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(look_as_nobody(fix));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    assert_int_equal(chmod(fix->state, 0755), 0);
}

/* --- several processes --- */

static void
ask_for_a_sweep(struct fixture *fix, int who)
{
    AUTO(mem_free) char *tmp = fs_join(fix->state, "blobs/tmp");
    AUTO(mem_free) char *leftover = mem_printf("%s/left-%d", tmp, who);

    (void)mkdir(tmp, 0700);
    fd_close(open(leftover, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

/* File inputs of which every other process files most, too. */
static int
hammer(struct fixture *fix, int who)
{
    struct store *store = NULL;
    struct intake_result results[BATCH];
    struct intake_item items[BATCH];
    char names[BATCH][256];
    int rc = store_open(fix->state, DB_WRITE, &store, &fix->err);

    for (int round = 0; round < ROUNDS && rc == 0; round++) {
        for (int i = 0; i < BATCH; i++) {
            int number_of = round * BATCH / 2 + i;
            char text[32];
            int len = snprintf(text, sizeof(text), "input %d", number_of);
            (void)snprintf(names[i], sizeof(names[i]), "%s/in-%d-%d", fix->folder, who,
                           number_of);
            rc = fs_write(names[i], text, (size_t)len, 0644, &fix->err);
            items[i] = (struct intake_item){
                .path = names[i], .target = fix->target, .source = "triage"};
        }
        rc = rc < 0 ? rc : store_intake(store, items, BATCH, results, &fix->err);
        if (rc == 0) {
            ask_for_a_sweep(fix, who);
        }
        rc = rc < 0 ? rc : store_sweep(store, NULL, &fix->err);
    }
    if (rc < 0) {
        (void)fprintf(stderr, "# %s\n", fix->err.msg);
    }
    store_close(store);
    return rc < 0 ? CHILD_BAD : 0;
}

/* Two that file, sweep and one that triages what is there at the same time. */
static void
test_processes_file_the_same_inputs_once(void **state)
{
    struct fixture *fix = *state;
    const struct said said = {0};
    pid_t pids[2];
    int status = 0;

    store_close(STEAL(fix->store)); /* a connection does not survive a fork */
    for (int i = 0; i < 2; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            _exit(hammer(fix, i));
        }
    }
    assert_int_equal(store_open(fix->state, DB_WRITE, &fix->store, &fix->err), 0);
    for (int done = 0, tries = 0; done < 20 && tries < 20000; tries++) {
        AUTO(job_clear) struct job job = {0};
        if (next_job(fix, 0, &job) == 1) {
            (void)finish(fix, &job, &said);
            done++;
        } else {
            (void)usleep(1000);
        }
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    int64_t distinct = (ROUNDS - 1) * BATCH / 2 + BATCH;
    assert_int_equal(number(fix, "SELECT count(*) FROM crash"), distinct);
    assert_int_equal(number(fix, "SELECT count(*) FROM crash_path"), 2 * distinct);
    assert_int_equal(number(fix, "SELECT count(*) FROM bug"), 1);
    assert_int_equal(number(fix, "SELECT crashes FROM bug"), 20);
    assert_clean(fix);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_statement_is_prepared_and_scans_no_big_table),
        TEST(test_every_statement_scans_no_big_table_for_a_reader),
        TEST(test_schema_refuses_words_that_the_design_has_not),
        TEST(test_open_without_state_names_what_makes_one),
        TEST(test_open_finds_a_half_made_state_missing),
        TEST(test_open_keeps_inputs_and_database_private),
        TEST(test_open_refuses_other_schemas),
        TEST(test_lock_names_its_holder),
        TEST(test_lock_ignores_what_a_dead_holder_wrote),
        TEST(test_lock_shows_no_hostile_bytes),
        TEST(test_migrate_waits_for_nobody_but_refuses_beside_a_foreign_supervisor),
        TEST(test_migrate_under_the_own_lock),
        TEST(test_read_only_state_shows_its_bugs),
        TEST(test_processes_file_the_same_inputs_once),
    };

    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
