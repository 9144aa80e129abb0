#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/db.h"
#include "base/fs.h"
#include "base/mem.h"

enum { NOBODY = 65534, CHILD_BAD = 99 };

struct fixture {
    char *folder; /* everybody may look into it */
    char *path;
    struct db *db;
    struct err err;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    fix->folder = mem_strdup("/tmp/nightjar-db-XXXXXX");
    assert_non_null(mkdtemp(fix->folder));
    assert_int_equal(chmod(fix->folder, 0755), 0);
    fix->path = fs_join(fix->folder, "t.db");
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    db_close(fix->db);
    assert_int_equal(fs_remove(fix->folder, NULL), 0);
    mem_free(fix->path);
    mem_free(fix->folder);
    mem_free(fix);
    return 0;
}

static void
make(struct fixture *fix)
{
    assert_int_equal(db_open(fix->path, DB_CREATE, &fix->db, &fix->err), 0);
    assert_int_equal(db_exec(fix->db,
                             "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT) STRICT",
                             &fix->err),
                     0);
}

static int64_t
number(struct db *db, const char *sql)
{
    int64_t value = -1;

    assert_int_equal(db_int(db, &value, NULL, sql, ""), 0);
    return value;
}

/* Run body in a child that is an ordinary user, so that permissions count for root too.
 */
static int
as_nobody(struct fixture *fix, int (*body)(struct fixture *fix))
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        if (getuid() == 0 && (setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
                              setresuid(NOBODY, NOBODY, NOBODY) < 0)) {
            _exit(CHILD_BAD);
        }
        _exit(body(fix));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* The number of rows that DB_READ sees, or CHILD_BAD. */
static int
count_rows(struct fixture *fix)
{
    AUTO(db_close) struct db *db = NULL;
    int64_t n = 0;

    if (db_open(fix->path, DB_READ, &db, &fix->err) < 0 ||
        db_int(db, &n, &fix->err, "SELECT count(*) FROM t", "") < 0) {
        (void)fprintf(stderr, "# %s\n", fix->err.msg);
        return CHILD_BAD;
    }
    return (int)n;
}

static int
write_fails(struct fixture *fix)
{
    AUTO(db_close) struct db *db = NULL;
    int rc = db_open(fix->path, DB_WRITE, &db, &fix->err);

    return rc == -EACCES && strstr(fix->err.msg, "cannot be written") != NULL ? 0
                                                                              : CHILD_BAD;
}

static void
copy(const char *from, const char *to)
{
    AUTO(buf_clear) struct buf bytes = BUF_INIT;

    assert_int_equal(fs_read(from, 1 << 20, &bytes, NULL), 0);
    assert_int_equal(fs_write(to, buf_str(&bytes), bytes.len, 0644, NULL), 0);
}

/* A database whose last row stands in the log only, as a killed process leaves it,
 * without the shared memory file: on another disk, say, from a backup. fix->path names
 * it. */
static void
make_with_log(struct fixture *fix)
{
    make(fix);
    assert_int_equal(db_exec(fix->db,
                             "INSERT INTO t VALUES(1,'a');"
                             "PRAGMA wal_checkpoint(TRUNCATE);"
                             "INSERT INTO t VALUES(2,'b')",
                             &fix->err),
                     0);
    AUTO(mem_free) char *sub = fs_join(fix->folder, "sub");
    AUTO(mem_free) char *old_wal = mem_printf("%s-wal", fix->path);
    AUTO(mem_free) char *new = fs_join(sub, "t.db");
    AUTO(mem_free) char *new_wal = mem_printf("%s-wal", new);
    assert_int_equal(mkdir(sub, 0755), 0);
    copy(fix->path, new);
    copy(old_wal, new_wal);
    assert_int_equal(chmod(new, 0644), 0);
    assert_int_equal(chmod(sub, 0555), 0);
    mem_free(fix->path);
    fix->path = STEAL(new);
}

static void
test_open_uses_wal_and_full_synchronous(void **state)
{
    struct fixture *fix = *state;
    struct stmt *stmt = NULL;

    make(fix);
    assert_int_equal(db_query(fix->db, &stmt, &fix->err, "PRAGMA journal_mode", ""), 0);
    assert_int_equal(stmt_step(stmt, &fix->err), 1);
    assert_string_equal(stmt_text(stmt, 0), "wal");
    stmt_reset(stmt);
    assert_int_equal(number(fix->db, "PRAGMA synchronous"), 2);
    assert_int_equal(number(fix->db, "PRAGMA foreign_keys"), 1);
    assert_int_equal(number(fix->db, "PRAGMA trusted_schema"), 0);
}

static void
test_open_makes_a_database_for_its_owner_only(void **state)
{
    struct fixture *fix = *state;
    struct stat st;

    make(fix);
    assert_int_equal(stat(fix->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void
test_open_without_database_says_so(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *read = mem_printf("read database '%s': No such file or directory", fix->path);
    AUTO(mem_free)
    char *write = mem_printf("database '%s': unable to open database file", fix->path);

    assert_int_equal(db_open(fix->path, DB_READ, &fix->db, &fix->err), -ENOENT);
    assert_string_equal(fix->err.msg, read);
    assert_int_equal(db_open(fix->path, DB_WRITE, &fix->db, &fix->err), -ENOENT);
    assert_string_equal(fix->err.msg, write);
    assert_null(fix->db);
    assert_false(fs_exists(fix->path));
}

static void
test_open_refuses_a_network_file_system(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *wanted = mem_printf("'%s' lies on nfs: the database's write-ahead log needs "
                              "memory that all its users "
                              "share, which a network file system has not; give --state "
                              "a folder on a local disk",
                              fix->path);

    assert_int_equal(db_open_on(fix->path, DB_CREATE, "nfs", &fix->db, &fix->err),
                     -EOPNOTSUPP);
    assert_string_equal(fix->err.msg, wanted);
    assert_false(fs_exists(fix->path));
    make(fix);
    db_close(STEAL(fix->db));
    assert_int_equal(db_open_on(fix->path, DB_WRITE, "nfs", &fix->db, &fix->err),
                     -EOPNOTSUPP);
}

static void
test_read_on_a_network_file_system_sees_the_log_too(void **state)
{
    struct fixture *fix = *state;
    struct db *reader = NULL;

    make_with_log(fix);
    assert_int_equal(db_open_on(fix->path, DB_READ, "nfs", &reader, &fix->err), 0);
    assert_int_equal(number(reader, "SELECT count(*) FROM t"), 2);
    db_close(reader);
}

static void
test_read_only_folder_is_read_in_place_without_a_log(void **state)
{
    struct fixture *fix = *state;

    make(fix);
    assert_int_equal(db_exec(fix->db, "INSERT INTO t VALUES(1,'a')", &fix->err), 0);
    db_close(STEAL(fix->db));
    assert_int_equal(chmod(fix->path, 0644), 0);
    assert_int_equal(chmod(fix->folder, 0555), 0);
    assert_int_equal(as_nobody(fix, count_rows), 1);
    assert_int_equal(as_nobody(fix, write_fails), 0);
}

/* Reading the file alone (SQLite's immutable=1) would silently miss the second row. */
static void
test_read_only_folder_with_a_log_misses_nothing(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *temp = fs_join(fix->folder, "temp");

    assert_int_equal(mkdir(temp, 0777), 0);
    assert_int_equal(chmod(temp, 0777), 0);
    assert_int_equal(setenv("TMPDIR", temp, 1), 0);
    make_with_log(fix);
    assert_int_equal(as_nobody(fix, count_rows), 2);
    assert_int_equal(unsetenv("TMPDIR"), 0);
    assert_int_equal(rmdir(temp), 0); /* nothing was left there */
}

static void
test_read_only_connection_cannot_write(void **state)
{
    struct fixture *fix = *state;
    struct db *reader = NULL;

    make(fix);
    assert_int_equal(db_open(fix->path, DB_READ, &reader, &fix->err), 0);
    assert_int_equal(db_exec(reader, "INSERT INTO t VALUES(1,'a')", &fix->err), -EROFS);
    assert_string_equal(fix->err.msg, "database: attempt to write a readonly database "
                                      "(INSERT INTO t VALUES(1,'a'))");
    db_close(reader);
}

static void
test_open_says_when_a_file_is_no_database(void **state)
{
    struct fixture *fix = *state;
    char garbage[4096];
    AUTO(mem_free)
    char *wanted = mem_printf("database '%s': file is not a database", fix->path);

    memset(garbage, 'x', sizeof(garbage));
    assert_int_equal(fs_write(fix->path, garbage, sizeof(garbage), 0600, &fix->err), 0);
    assert_int_equal(db_open(fix->path, DB_READ, &fix->db, &fix->err), -EUCLEAN);
    assert_string_equal(fix->err.msg, wanted);
    assert_int_equal(db_open(fix->path, DB_WRITE, &fix->db, &fix->err), -EUCLEAN);
    assert_null(fix->db);
}

static void
test_query_binds_every_kind(void **state)
{
    static const char sql[] = "SELECT ?1, ?2, ?3, ?4, ?5, ?6";
    struct fixture *fix = *state;
    struct stmt *stmt = NULL;
    size_t len = 0;

    make(fix);
    assert_int_equal(db_query(fix->db, &stmt, &fix->err, sql, "idtbnt", INT64_MIN, 0.5,
                              "x", "a\0b", (size_t)3, (const char *)NULL),
                     0);
    assert_int_equal(stmt_step(stmt, &fix->err), 1);
    assert_true(stmt_int(stmt, 0) == INT64_MIN);
    assert_true(stmt_real(stmt, 1) == 0.5);
    assert_string_equal(stmt_text(stmt, 2), "x");
    assert_memory_equal(stmt_blob(stmt, 3, &len), "a\0b", 3);
    assert_int_equal(len, 3);
    assert_true(stmt_null(stmt, 4));
    assert_true(stmt_null(stmt, 5));
    assert_string_equal(stmt_text(stmt, 5), "");
    assert_int_equal(stmt_step(stmt, &fix->err), 0);
}

static void
test_run_answers_exist_on_a_constraint(void **state)
{
    static const char sql[] = "INSERT INTO t VALUES(?1, ?2)";
    struct fixture *fix = *state;

    make(fix);
    assert_int_equal(db_run(fix->db, &fix->err, sql, "it", (int64_t)7, "x"), 0);
    assert_int_equal(db_last_id(fix->db), 7);
    assert_int_equal(db_changes(fix->db), 1);
    assert_int_equal(db_run(fix->db, &fix->err, sql, "it", (int64_t)7, "x"), -EEXIST);
    assert_string_equal(fix->err.msg,
                        "database: UNIQUE constraint failed: t.a (INSERT INTO t "
                        "VALUES(?1, ?2))");
    assert_int_equal(db_run(fix->db, &fix->err, sql, "it", (int64_t)8, "x"), 0);
}

static void
test_int_without_a_row_is_no_data(void **state)
{
    struct fixture *fix = *state;
    int64_t value = 5;

    make(fix);
    assert_int_equal(db_int(fix->db, &value, &fix->err, "SELECT a FROM t", ""), -ENODATA);
    assert_string_equal(fix->err.msg, "database: no row for: SELECT a FROM t");
    assert_int_equal(value, 5);
}

static void
test_rollback_takes_all_back(void **state)
{
    struct fixture *fix = *state;

    make(fix);
    assert_int_equal(db_begin(fix->db, &fix->err), 0);
    assert_int_equal(number(fix->db, "PRAGMA synchronous"), 2);
    assert_int_equal(db_exec(fix->db, "INSERT INTO t VALUES(1,'a')", &fix->err), 0);
    db_rollback(fix->db);
    assert_int_equal(number(fix->db, "SELECT count(*) FROM t"), 0);
    db_rollback(fix->db); /* without a transaction: no harm */
    assert_int_equal(db_begin_lazy(fix->db, &fix->err), 0);
    assert_int_equal(number(fix->db, "PRAGMA synchronous"), 1);
    assert_int_equal(db_exec(fix->db, "INSERT INTO t VALUES(1,'a')", &fix->err), 0);
    assert_int_equal(db_commit(fix->db, &fix->err), 0);
    assert_int_equal(db_begin(fix->db, &fix->err), 0);
    assert_int_equal(number(fix->db, "PRAGMA synchronous"), 2);
    assert_int_equal(number(fix->db, "SELECT count(*) FROM t"), 1);
    assert_int_equal(db_commit(fix->db, &fix->err), 0);
}

static void
fill(struct fixture *fix, int *rc)
{
    static const char sql[] = "INSERT INTO t(b) VALUES(hex(zeroblob(40000)))";

    *rc = db_begin(fix->db, &fix->err);
    for (int i = 0; i < 64 && *rc == 0; i++) {
        *rc = db_run(fix->db, &fix->err, sql, "");
    }
    if (*rc == 0) {
        *rc = db_commit(fix->db, &fix->err);
    } else {
        db_rollback(fix->db);
    }
}

static const char full[] = "database: the disk is full, or a quota or size limit is "
                           "reached: free some space and try "
                           "again; what was filed before is safe";

static void
test_full_database_loses_nothing(void **state)
{
    struct fixture *fix = *state;
    int rc = 0;

    make(fix);
    assert_int_equal(db_exec(fix->db,
                             "INSERT INTO t VALUES(1,'kept'); PRAGMA max_page_count=20",
                             &fix->err),
                     0);
    fill(fix, &rc);
    assert_int_equal(rc, -ENOSPC);
    assert_string_equal(fix->err.msg, full);
    assert_int_equal(number(fix->db, "SELECT count(*) FROM t"), 1);
    assert_int_equal(db_exec(fix->db, "PRAGMA max_page_count=100000", &fix->err), 0);
    fill(fix, &rc);
    assert_int_equal(rc, 0);
    assert_int_equal(number(fix->db, "SELECT count(*) FROM t"), 65);
}

/* EFBIG is what a file size limit says, as a quota says EDQUOT: not SQLite's own "full".
 */
static void
test_file_size_limit_reads_as_full(void **state)
{
    struct fixture *fix = *state;
    struct rlimit old;
    int rc = 0;

    make(fix);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    const struct rlimit small = {256 << 10, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    fill(fix, &rc);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(rc, -ENOSPC);
    assert_string_equal(fix->err.msg, full);
    assert_int_equal(number(fix->db, "SELECT count(*) FROM t"), 0);
}

static const struct db_migration migrations[] = {
    {"0001_a.sql", "CREATE TABLE a(x INTEGER) STRICT; INSERT INTO a VALUES(1);"},
    {"0002_b.sql",
     "CREATE TABLE b(x INTEGER) STRICT; CREATE TABLE b(x INTEGER) STRICT;"}};

static void
test_migrate_applies_what_is_missing_once(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(db_open(fix->path, DB_CREATE, &fix->db, &fix->err), 0);
    assert_int_equal(db_migrate(fix->db, migrations, 1, &fix->err), 0);
    assert_int_equal(db_migrate(fix->db, migrations, 1, &fix->err), 0);
    assert_int_equal(number(fix->db, "SELECT count(*) FROM a"), 1);
    assert_int_equal(number(fix->db, "PRAGMA user_version"), 1);
}

static void
test_migrate_leaves_nothing_when_a_step_fails(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(db_open(fix->path, DB_CREATE, &fix->db, &fix->err), 0);
    assert_int_equal(db_migrate(fix->db, migrations, 2, &fix->err), -EIO);
    assert_non_null(strstr(fix->err.msg,
                           "migration 0002_b.sql: database: table b already "
                           "exists"));
    assert_int_equal(number(fix->db, "PRAGMA user_version"), 0);
    assert_int_equal(number(fix->db, "SELECT count(*) FROM sqlite_schema"), 0);
}

static void
test_migrate_refuses_a_newer_schema(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(db_open(fix->path, DB_CREATE, &fix->db, &fix->err), 0);
    assert_int_equal(db_exec(fix->db, "PRAGMA user_version=9", &fix->err), 0);
    assert_int_equal(db_migrate(fix->db, migrations, 1, &fix->err), -EPROTONOSUPPORT);
    assert_string_equal(fix->err.msg,
                        "a newer nightjar made this database (schema 9, known is 1): use "
                        "that one, or another folder (--state DIR)");
}

/* How many rows of t another connection sees. */
static int64_t
seen(struct fixture *fix)
{
    AUTO(db_close) struct db *db = NULL;

    assert_int_equal(db_open(fix->path, DB_READ, &db, &fix->err), 0);
    return number(db, "SELECT count(*) FROM t");
}

static const char add_row[] = "INSERT INTO t(b) VALUES('x')";

static void
add_part(struct fixture *fix)
{
    assert_int_equal(db_begin_lazy(fix->db, &fix->err), 0);
    assert_int_equal(db_run(fix->db, &fix->err, add_row, ""), 0);
    assert_int_equal(db_commit(fix->db, &fix->err), 0);
}

static void
test_group_commits_its_parts_together(void **state)
{
    struct fixture *fix = *state;

    make(fix);
    db_group_begin(fix->db);
    add_part(fix);
    add_part(fix);
    assert_int_equal(seen(fix), 0);
    assert_int_equal(db_group_end(fix->db, &fix->err), 0);
    assert_int_equal(seen(fix), 2);
    add_part(fix); /* each for itself again */
    assert_int_equal(seen(fix), 3);
}

/* So that what is read first is as it will be for the part. */
static void
test_group_can_be_open_before_its_first_part(void **state)
{
    struct fixture *fix = *state;
    bool open = true;

    make(fix);
    assert_int_equal(db_group_open(fix->db, &open, &fix->err), 0);
    assert_false(open);
    db_group_begin(fix->db);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(db_group_open(fix->db, &open, &fix->err), 0);
        assert_true(open);
        assert_true(db_exec(fix->db, "BEGIN", &fix->err) < 0); /* it has begun */
        add_part(fix);
    }
    assert_int_equal(seen(fix), 0);
    assert_int_equal(db_group_end(fix->db, &fix->err), 0);
    assert_int_equal(seen(fix), 2);
}

static void
test_group_is_committed_before_what_must_last(void **state)
{
    struct fixture *fix = *state;

    make(fix);
    db_group_begin(fix->db);
    add_part(fix);
    assert_int_equal(db_begin(fix->db, &fix->err), 0);
    assert_int_equal(seen(fix), 1);
    db_rollback(fix->db);
    add_part(fix);
    assert_int_equal(db_group_end(fix->db, &fix->err), 0);
    assert_int_equal(seen(fix), 2);
}

static void
test_group_stands_when_a_part_that_changed_nothing_is_rolled_back(void **state)
{
    struct fixture *fix = *state;

    make(fix);
    db_group_begin(fix->db);
    add_part(fix);
    assert_int_equal(db_begin_lazy(fix->db, &fix->err), 0);
    assert_int_equal(number(fix->db, "SELECT count(*) FROM t"), 1);
    db_rollback(fix->db);
    add_part(fix);
    assert_int_equal(db_group_end(fix->db, &fix->err), 0);
    assert_int_equal(seen(fix), 2);
}

static void
test_group_falls_with_a_part_that_had_changed_something(void **state)
{
    struct fixture *fix = *state;

    make(fix);
    db_group_begin(fix->db);
    add_part(fix);
    assert_int_equal(db_begin_lazy(fix->db, &fix->err), 0);
    assert_int_equal(db_run(fix->db, &fix->err, add_row, ""), 0);
    db_rollback(fix->db);
    assert_int_equal(db_begin_lazy(fix->db, &fix->err), -ECANCELED);
    assert_int_equal(db_begin(fix->db, &fix->err), -ECANCELED);
    assert_int_equal(db_group_end(fix->db, &fix->err), -ECANCELED);
    assert_string_equal(fix->err.msg,
                        "database: another change of the same transaction failed");
    assert_int_equal(seen(fix), 0);
    db_group_begin(fix->db); /* the next one begins clean */
    add_part(fix);
    assert_int_equal(db_group_end(fix->db, &fix->err), 0);
    assert_int_equal(seen(fix), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_open_uses_wal_and_full_synchronous),
        TEST(test_open_makes_a_database_for_its_owner_only),
        TEST(test_open_without_database_says_so),
        TEST(test_open_refuses_a_network_file_system),
        TEST(test_read_on_a_network_file_system_sees_the_log_too),
        TEST(test_read_only_folder_is_read_in_place_without_a_log),
        TEST(test_read_only_folder_with_a_log_misses_nothing),
        TEST(test_read_only_connection_cannot_write),
        TEST(test_open_says_when_a_file_is_no_database),
        TEST(test_query_binds_every_kind),
        TEST(test_run_answers_exist_on_a_constraint),
        TEST(test_int_without_a_row_is_no_data),
        TEST(test_rollback_takes_all_back),
        TEST(test_full_database_loses_nothing),
        TEST(test_file_size_limit_reads_as_full),
        TEST(test_migrate_applies_what_is_missing_once),
        TEST(test_migrate_leaves_nothing_when_a_step_fails),
        TEST(test_migrate_refuses_a_newer_schema),
        TEST(test_group_commits_its_parts_together),
        TEST(test_group_can_be_open_before_its_first_part),
        TEST(test_group_is_committed_before_what_must_last),
        TEST(test_group_stands_when_a_part_that_changed_nothing_is_rolled_back),
        TEST(test_group_falls_with_a_part_that_had_changed_something),
    };

    return cmocka_run_group_tests_name("db", tests, NULL, NULL);
}
