#include "tests/unit/store_fixture.h"

static void
collect(void *user, const char *name, const char *text)
{
    struct buf *out = user;

    buf_addf(out, "%s: %s\n", name, text);
}

/* A state in which everything happened once: two bugs, a flaky duplicate, a clean, a
 * broken, an untriageable and a queued crash, a minimization, a campaign with a worker, a
 * sink. */
static void
make_all(struct fixture *fix)
{
    const struct said said = {.report = "report"};
    const struct said other = {.frames = {"elsewhere", "main"}};
    const struct said clean = {.outcome = "clean"};
    const struct said broken = {.outcome = "broken"};
    AUTO(json_decref) json_t *arguments = json_object();
    int64_t campaign = 0;

    execute(fix, "INSERT INTO sink(name, kind, config, since, created)"
                 " VALUES('hook', 'webhook', '{}', 0, 1)");
    (void)triage(fix, "first", &said);
    (void)triage(fix, "second", &said);
    (void)triage(fix, "third", &other);
    (void)triage(fix, "clean", &clean);
    (void)triage(fix, "broken", &broken);
    (void)give(fix, "dead", "dead");
    for (int i = 0; i < 2; i++) {
        AUTO(job_clear) struct job job = {0};
        struct job_outcome outcome;
        assert_int_equal(next_job(fix, 0, &job), 1);
        must(fix, store_fail_job(fix->store, &job, "it died", &outcome, &fix->err));
    }
    must(fix, store_campaign_begin(fix->store, arguments, &campaign, &fix->err));
    const struct worker_row row = {.name = "w",
                                   .target = fix->target,
                                   .engine = "aflpp",
                                   .state = "running",
                                   .execs = 5};
    must(fix, store_put_worker(fix->store, campaign, &row, &fix->err));
    must(fix, store_campaign_end(fix->store, campaign, "finished", &fix->err));
    (void)give(fix, "queued", "queued");
}

static void
test_check_finds_nothing_where_all_is_well(void **state)
{
    struct fixture *fix = *state;

    assert_clean(fix);
    make_all(fix);
    assert_clean(fix);
}

/* Each statement breaks one promise; what is found names the row. Damage that breaks two
 * promises shows twice. */
static const struct {
    const char *damage, *wanted;
} rows[] = {
    {"UPDATE blob SET state = 'dropped' WHERE id = (SELECT blob FROM crash WHERE id = 7)",
     "crash-has-bytes: crash 7 is queued, but its bytes were dropped\n"},
    {"DELETE FROM crash_path WHERE crash = 4",
     "crash-has-path: crash 4 was given under no path\n"},
    {"DELETE FROM crash_path WHERE crash = 4; INSERT INTO crash_path(crash, path) "
     "VALUES(99, 'x')",
     "references: row 8 of crash_path refers to a row of crash that is not there\n"
     "crash-has-path: crash 4 was given under no path\n"},
    {"UPDATE crash SET state = 'untriageable' WHERE id = 4",
     "crash-state-events: crash 4 is untriageable, but its events say queued\n"},
    {"UPDATE crash SET state = 'queued' WHERE id = 5",
     "crash-state-events: crash 5 is queued, but its events say broken\n"
     "crash-totals: target 1: crashes_total is 6, but 5 crashes were triaged, 0 of them "
     "queued "
     "again\n"},
    {"UPDATE crash_count SET n = 9 WHERE state = 'queued'",
     "crash-counts: 1 crashes of target 1 are queued, but 9 are counted\n"},
    {"INSERT INTO crash_count VALUES(1, 'unparsed', 2)",
     "crash-counts: 0 crashes of target 1 are unparsed, but 2 are counted\n"},
    {"DELETE FROM counter WHERE name = 'crashes_total' AND labels LIKE '%duplicate%'",
     "crash-totals: target 1: crashes_total is 5, but 6 crashes were triaged, 0 of them "
     "queued "
     "again\n"},
    {"UPDATE crash SET bug = 1 WHERE id = 3",
     "bug-has-crash: NJ-2 has no crash\n"
     "bug-crash-belongs: crash 3 stands for NJ-2 without belonging to it\n"
     "example: crash 3 is an example (source) of NJ-2, but does not belong to it\n"
     "example: crash 3 is an example (stack) of NJ-2, but does not belong to it\n"},
    {"DELETE FROM signature WHERE bug = 2",
     "crash-signature: crash 3 is of NJ-2, but signature SIGNATURE of its target has no "
     "bug\n"
     "bug-signature: NJ-2: no signature leads to it\n"},
    {"UPDATE bug SET crash = 1 WHERE id = 2",
     "bug-crash-belongs: crash 1 stands for NJ-2 without belonging to it\n"},
    {"DELETE FROM record WHERE crash = 3",
     "bug-has-record: NJ-2 has no record: crash 3, which stands for it, lost its own\n"},
    {"UPDATE bug SET crashes = 5 WHERE id = 1",
     "bug-counts: NJ-1 has 2 crashes, but 5 are counted\n"},
    {"UPDATE bug SET state = 'fixed' WHERE id = 1",
     "bug-state-events: NJ-1 is fixed, but its events say new\n"},
    {"UPDATE bug SET severity = 0 WHERE id = 1",
     "bug-severity-events: NJ-1 is info, but its events say medium\n"
     "bug-severity-decided: NJ-1 is 0, not what was decided or computed for it\n"},
    {"UPDATE bug SET severity = 3, computed_severity = 3 WHERE id = 1",
     "bug-severity-events: NJ-1 is high, but its events say medium\n"},
    {"UPDATE crash SET home = 2 WHERE id = 2",
     "crash-home: crash 2 is of NJ-1, to which its own NJ-2 does not lead\n"},
    {"INSERT INTO pin SELECT blob, 2, 'me', '', 1 FROM crash WHERE id = 2",
     "crash-pin: crash 2 is of NJ-1, but pinned to NJ-2\n"},
    {"INSERT INTO split SELECT version, minor, target, 1, 'me', '', 1 FROM crash"
     " WHERE id = 3",
     "crash-split: crash 3 is of NJ-2, but its exact signature was split off to NJ-1\n"},
    {"UPDATE bug SET state = 'duplicate', duplicate_of = 1 WHERE id = 2;"
     "INSERT INTO event(at, kind, subject, subject_id, from_state, to_state, actor, "
     "quiet) VALUES(1, 'bug.state', 'bug', 2, 'new', 'duplicate', 'x', 1)",
     "bug-duplicate: NJ-2 is a duplicate of NJ-1, but has 1 crashes of its own\n"},
    {"UPDATE bug SET minimize = 'done' WHERE id = 1",
     "bug-minimize-events: NJ-1: minimizing is done, but its events say nothing\n"},
    {"UPDATE worker SET state = 'dead'",
     "worker-state-events: worker w is dead, but its events say running\n"},
    {"UPDATE target SET replay = 'ok'",
     "target-replay-events: replays of target 1 are ok, but its events say broken\n"},
    {"UPDATE campaign SET how = 'lost'",
     "campaign-events: campaign 1 ended (lost), but no event says so\n"},
    {"INSERT INTO event(at, kind, subject, subject_id, from_state, to_state, actor)"
     " VALUES(1, 'worker.state', 'worker', 1, 'slow', 'running', 'x');"
     "INSERT INTO outbox(sink, event, next_try) SELECT 1, max(id), 1 FROM event",
     "event-chain: event 9 says that worker 1 left slow, but it was running\n"},
    {"DELETE FROM outbox WHERE event = 1",
     "outbox: event 1 never came into the outbox of sink hook\n"},
    {"UPDATE example SET bug = 2, name = 'x' WHERE bug = 1",
     "example: crash 1 is an example (source) of NJ-2, but does not belong to it\n"
     "example: crash 1 is an example (stack) of NJ-2, but does not belong to it\n"},
    {"UPDATE bug SET backlog = 1 WHERE id = 1",
     "bug-backlog: NJ-1 is backlog, but 2 of its crashes are not\n"},
    {"UPDATE crash SET backlog = 1 WHERE bug = 2",
     "bug-backlog: NJ-2 is not backlog, but 0 of its crashes are not\n"},
};

/* The text with the one long hash in it, a signature or a blob's name, taken out. */
static void
mask(struct buf *text, const char *word)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;

    for (const char *at = buf_str(text); *at != '\0';) {
        size_t run = strspn(at, "0123456789abcdef");
        if (run >= 40) {
            buf_adds(&out, word);
            at += run;
        } else {
            buf_add(&out, at, run + 1);
            at += run + 1;
        }
    }
    buf_clear(text);
    *text = out;
    out = (struct buf)BUF_INIT;
}

static void
test_check_finds_each_damage_by_name(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *db = fs_join(fix->state, "nightjar.db");

    make_all(fix);
    execute(fix, "PRAGMA wal_checkpoint(TRUNCATE)");
    store_close(STEAL(fix->store));
    AUTO(buf_clear) struct buf bytes = BUF_INIT;
    assert_int_equal(fs_read(db, 8 << 20, &bytes, &fix->err), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf_clear) struct buf found = BUF_INIT;
        assert_int_equal(fs_write(db, buf_str(&bytes), bytes.len, 0600, &fix->err), 0);
        must(fix, store_open(fix->state, DB_WRITE, &fix->store, &fix->err));
        execute(fix, "PRAGMA foreign_keys = OFF");
        execute(fix, rows[i].damage);
        assert_true(store_check(fix->store, false, collect, &found, &fix->err) > 0);
        mask(&found, "SIGNATURE");
        assert_string_equal(buf_str(&found), rows[i].wanted);
        store_close(STEAL(fix->store));
    }
}

static void
test_check_finds_damaged_files(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf found = BUF_INIT;
    char sha256[HASH_HEX_MAX];

    files_only(fix);
    make_all(fix);
    hash_sha256("first", 5, sha256);
    AUTO(mem_free) char *gone = store_blob_path(fix->store, sha256);
    assert_int_equal(unlink(gone), 0);
    hash_sha256("second", 6, sha256);
    AUTO(mem_free) char *cut = store_blob_path(fix->store, sha256);
    assert_int_equal(truncate(cut, 3), 0);
    assert_int_equal(store_check(fix->store, false, collect, &found, &fix->err), 2);
    mask(&found, "HASH");
    assert_string_equal(
        buf_str(&found),
        "blob-file: blob HASH: its file is not there: No such file or directory\n"
        "blob-file: blob HASH: its file has 3 bytes, not 14\n");
}

static void
test_check_reads_every_blob_when_deep(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf found = BUF_INIT;
    AUTO(buf_clear) struct buf bytes = BUF_INIT;
    char sha256[HASH_HEX_MAX];

    files_only(fix);
    make_all(fix);
    hash_sha256("first", 5, sha256);
    AUTO(mem_free) char *path = store_blob_path(fix->store, sha256);
    assert_int_equal(fs_read(path, 100, &bytes, &fix->err), 0);
    bytes.data[4] = (char)(bytes.data[4] ^ 1);
    assert_int_equal(fs_write(path, bytes.data, bytes.len, 0600, &fix->err), 0);
    assert_int_equal(store_check(fix->store, false, collect, &found, &fix->err), 0);
    assert_int_equal(store_check(fix->store, true, collect, &found, &fix->err), 1);
    assert_non_null(strstr(buf_str(&found), "is damaged (see nightjar db check)"));
}

/* A page of zeros in the middle of the file. */
static void
test_check_finds_a_damaged_database(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *db = fs_join(fix->state, "nightjar.db");
    AUTO(buf_clear) struct buf found = BUF_INIT;
    AUTO(buf_clear) struct buf bytes = BUF_INIT;

    make_all(fix);
    int64_t page =
        number(fix, "SELECT rootpage FROM sqlite_schema WHERE name = 'crash_path'");
    execute(fix, "PRAGMA wal_checkpoint(TRUNCATE)");
    store_close(STEAL(fix->store));
    assert_int_equal(fs_read(db, 8 << 20, &bytes, &fix->err), 0);
    memset(bytes.data + (page - 1) * 4096, 0, 4096);
    assert_int_equal(fs_write(db, bytes.data, bytes.len, 0600, &fix->err), 0);
    must(fix, store_open(fix->state, DB_READ, &fix->store, &fix->err));
    int rc = store_check(fix->store, false, collect, &found, &fix->err);
    must(fix, rc);
    assert_true(rc >= 2);
    assert_non_null(strstr(buf_str(&found), "integrity: SQLite: "));
    /* that it cannot all be checked is said once */
    const char *cut = strstr(buf_str(&found), "database disk image is malformed");
    assert_non_null(cut);
    assert_null(strstr(cut + 1, "database disk image is malformed"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_check_finds_nothing_where_all_is_well),
        TEST(test_check_finds_each_damage_by_name),
        TEST(test_check_finds_damaged_files),
        TEST(test_check_reads_every_blob_when_deep),
        TEST(test_check_finds_a_damaged_database),
    };

    return cmocka_run_group_tests_name("store_check", tests, NULL, NULL);
}
