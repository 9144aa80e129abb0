#include "triage/store/filing.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "triage/minimize.h"
#include "triage/store/tally.h"

enum {
    CRASH,
    BUG_ADD,
    BUG_STANDS,
    BUG_REPRODUCER,
    CRASH_JOINS,
    CRASH_CLEAN,
    RECORD,
    WEIGH_AGAIN,
    TARGET_RUNS,
    STATEMENTS,
};

static const char *const sql[STATEMENTS] = {
    [CRASH] =
        "SELECT c.state, c.is_report, c.target, c.blob, b.bytes, t.name, t.settings,"
        " c.first_seen, c.written, c.backlog, c.source || coalesce((SELECT ' ' || first"
        /* SQLite takes a column beside min() from its row: no sorter is made for it */
        " FROM (SELECT build_id AS first, min(place << 32 | id) FROM build WHERE"
        " target = c.target AND current AND build_id <> '')), '')"
        " FROM crash c JOIN blob b ON b.id = c.blob"
        " JOIN target t ON t.id = c.target WHERE c.id = ?1",
    [BUG_ADD] =
        "INSERT INTO bug(target, crash, signature, crash_type, crash_state, sanitizer,"
        " severity, severity_score, security, class, exploitability, cwe, original,"
        " reproducer, minimize, first_seen, last_seen, filed, backlog,"
        " computed_severity, computed_score) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,"
        " ?10, ?11, ?12, ?13, ?13, 'none', ?14, ?14, ?15, ?16, ?7, ?8)",
    [BUG_STANDS] = "UPDATE bug SET crash = ?2, crash_type = ?3, crash_state = ?4,"
                   " sanitizer = ?5, security = ?6, class = ?7, exploitability = ?8,"
                   " cwe = ?9 WHERE id = ?1",
    [BUG_REPRODUCER] =
        "UPDATE bug SET reproducer = ?2, minimize = ?3, minimize_attempts = 0,"
        " minimize_deaths = 0 WHERE id = ?1",
    [CRASH_JOINS] =
        "UPDATE crash SET state = ?2, bug = ?3, reproducibility = ?4, outcome = ?5,"
        " k = ?6, n = ?7, major = ?8, minor = ?9, version = ?10, report = nullif(?11, 0),"
        " triaged = ?12, home = nullif(?13, ?3), place = nullif(?14, 0) WHERE id = ?1",
    [CRASH_CLEAN] = "UPDATE crash SET state = 'triaged', reproducibility = ?2,"
                    " outcome = 'clean', k = 0, n = ?3, reason = ?4, triaged = ?5"
                    " WHERE id = ?1",
    [RECORD] = "INSERT INTO record(crash, json) VALUES(?1, ?2)"
               " ON CONFLICT(crash) DO UPDATE SET json = excluded.json",
    /* one that was queued again, below what was weighed: else it keeps its bytes */
    [WEIGH_AGAIN] = "UPDATE bug SET trimmed = ?2 - 1 WHERE id = ?1 AND trimmed >= ?2",
    [TARGET_RUNS] = "UPDATE target SET replay = 'ok' WHERE id = ?1 AND replay = 'broken'",
};
const struct store_sql store_finish_sql = {sql, STATEMENTS};

void
filing_clear(struct filing *filing)
{
    store_answer_clear(&filing->answer);
    mem_free(filing->target_name);
    mem_free(filing->source);
    mem_free(filing->settings);
}

/* It was filed before, when no sanitizer could be asked; its record is there. */
static bool
is_again(const struct filing *filing)
{
    return filing->job->kind == JOB_SANITIZED;
}

static int
load(struct filing *filing, struct err *err)
{
    struct stmt *stmt = NULL;
    int rc = db_query(filing->store->db, &stmt, err, sql[CRASH], "i", filing->job->crash);

    rc = rc < 0 ? rc : stmt_step(stmt, err);
    if (rc <= 0) {
        return rc < 0 ? rc
                      : err_set(err, -ENODATA, "there is no crash %lld",
                                (long long)filing->job->crash);
    }
    filing->queued = strcmp(stmt_text(stmt, 0), "queued") == 0;
    filing->is_report = stmt_int(stmt, 1) != 0;
    filing->target = stmt_int(stmt, 2);
    filing->blob = stmt_int(stmt, 3);
    filing->bytes = stmt_int(stmt, 4);
    filing->first_seen = stmt_int(stmt, 7);
    filing->written = stmt_int(stmt, 8);
    filing->backlog = stmt_int(stmt, 9) != 0;
    mem_free(filing->target_name);
    filing->target_name = mem_strdup(stmt_text(stmt, 5));
    mem_free(filing->source);
    filing->source = mem_strdup(stmt_text(stmt, 10));
    mem_free(filing->settings);
    filing->settings = mem_strdup(stmt_text(stmt, 6));
    stmt_reset(stmt);
    return is_again(filing) ? sanitized_load(filing, err) : 0;
}

static bool
is_example(const struct plan *plan)
{
    return plan->example.first_stack || plan->example.of_source;
}

/* What a power cut may take back, since the crash is queued again then: a further
 * duplicate, which changes counters only, and a further example. But a bug's number may
 * have been told to people, and what stands for one keeps its report, a file. */
static bool
matters(const struct plan *plan)
{
    return plan->stands || plan->freshens || plan->fixed || plan->match.is_new_key ||
           plan->same.bug != 0;
}

/* --- the rows --- */

static const char *
or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

/* An input that shows the bug every time. */
const char *
store_minimizable(bool is_report, const char *reproducibility, int64_t bytes)
{
    return !is_report && strcmp(reproducibility, "reliable") == 0 && bytes > 1 &&
                   bytes <= MINIMIZE_INPUT_MAX
               ? "waiting"
               : "none";
}

static int
add_bug(const struct filing *filing, int64_t *bug, struct err *err)
{
    const struct record *r = filing->answer.record;
    int rc =
        db_run(filing->store->db, err, sql[BUG_ADD], "iittttiditttiiii", filing->target,
               filing->job->crash, r->hash_major, r->crash_type, or_empty(r->crash_state),
               or_empty(r->sanitizer), (int64_t)r->severity, r->severity_score,
               (int64_t)r->security, or_empty(r->class_name), or_empty(r->exploitability),
               or_empty(r->cwe), filing->blob,
               filing->backlog ? filing->first_seen : filing->written, filing->first_seen,
               (int64_t)filing->backlog);
    *bug = db_last_id(filing->store->db);
    rc = rc < 0 ? rc
                : store_frames_put(filing->store, *bug, or_empty(r->crash_state), err);
    rc = rc < 0 ? rc
                : store_computed_severity(filing->store, *bug, filing->target_name, r,
                                          NULL, err);
    return rc < 0 ? rc : store_bug_is_new(filing->store, *bug, NULL, err);
}

static int
stand_for(const struct filing *filing, const struct plan *plan, struct err *err)
{
    const struct record *r = filing->answer.record;
    AUTO(json_decref) json_t *detail = json_object();
    struct event event = {.detail = detail};
    int rc = db_run(filing->store->db, err, sql[BUG_STANDS], "iitttittt", plan->match.bug,
                    filing->job->crash, r->crash_type, or_empty(r->crash_state),
                    or_empty(r->sanitizer), (int64_t)r->security, or_empty(r->class_name),
                    or_empty(r->exploitability), or_empty(r->cwe));

    json_put(detail, "crash", json_integer(filing->job->crash));
    json_put(detail, "reasons", json_strv(&r->reasons));
    rc = rc < 0 ? rc
                : store_frames_put(filing->store, plan->match.bug,
                                   or_empty(r->crash_state), err);
    return rc < 0 ? rc
                  : store_computed_severity(filing->store, plan->match.bug,
                                            filing->target_name, r, &event, err);
}

static int
join(const struct filing *filing, const struct cluster_match *match, int64_t home,
     int64_t report, struct err *err)
{
    const struct answer *answer = &filing->answer;
    const char *state = answer->outcome == OUTCOME_UNPARSED ? "unparsed" : "triaged";

    return db_run(filing->store->db, err, sql[CRASH_JOINS], "itittiittiiiii",
                  filing->job->crash, state, match->bug, filing->reproducibility,
                  store_outcome_name(answer->outcome), (int64_t)answer->k,
                  (int64_t)answer->n, answer->record->hash_major,
                  answer->record->hash_minor, (int64_t)SIGNATURE_VERSION, report,
                  clock_wall_ms(), home, match->place);
}

static int
keep_record(const struct filing *filing, struct err *err)
{
    AUTO(json_decref) json_t *object = record_to_json(filing->answer.record);
    AUTO(mem_free) char *text = json_line(object);

    return db_run(filing->store->db, err, sql[RECORD], "it", filing->job->crash, text);
}

static const char *
kind_of(const struct record *record)
{
    const char *type = record->crash_type;

    return strcmp(type, "Timeout") == 0         ? "hang"
           : strcmp(type, "Out-of-memory") == 0 ? "oom"
           : strstr(type, "leak") != NULL       ? "leak"
                                                : "crash";
}

static int
count_runs(const struct filing *filing, struct err *err)
{
    const struct answer *answer = &filing->answer;
    const struct {
        const char *result;
        int n;
    } rows[] = {{"crash", answer->k},
                {"different", answer->other},
                {"clean", answer->n - answer->k - answer->other}};
    int rc = 0;

    for (size_t i = 0; i < COUNT(rows) && rc == 0 && !filing->is_report; i++) {
        const char *const labels[] = {"target", filing->target_name, "result",
                                      rows[i].result, NULL};
        rc = store_count(filing->store, "reproducer_runs_total", labels, rows[i].n, err);
    }
    return rc;
}

static int
count_crash(const struct filing *filing, const char *kind, const char *result,
            struct err *err)
{
    const char *const labels[] = {
        "target", filing->target_name, "kind", kind, "result", result, NULL};
    int64_t written = filing->backlog ? -1 : filing->written; /* others' clock */
    int rc = count_runs(filing, err);

    if (rc < 0 || is_again(filing)) { /* it was counted before */
        return rc;
    }
    rc = store_count(filing->store, "crashes_total", labels, 1, err);
    return rc < 0 ? rc
                  : store_tally_triaged(filing->store, written, filing->first_seen,
                                        clock_wall_ms(), err);
}

/* The target ran: if its replays were broken they are no more. */
static int
target_runs(const struct filing *filing, struct err *err)
{
    const struct event event = {.kind = "target.replay",
                                .subject = "target",
                                .subject_id = filing->target,
                                .from = "broken",
                                .to = "ok"};

    if (filing->is_report) {
        return 0;
    }
    int rc = db_run(filing->store->db, err, sql[TARGET_RUNS], "i", filing->target);
    return rc < 0 || db_changes(filing->store->db) == 0
               ? rc
               : store_event_put(filing->store, &event, err);
}

static int
report_row(const struct filing *filing, struct blob_batch *batch, int64_t *id,
           struct err *err)
{
    int rc = store_batch_rows(batch, err);

    *id = 0;
    return rc < 0 || filing->report[0] == '\0'
               ? rc
               : store_blob_id(filing->store, filing->report, id, err);
}

static int
file_rows(const struct filing *filing, const struct plan *plan, struct blob_batch *batch,
          struct err *err)
{
    struct cluster_match match = plan->match;
    bool is_new = match.bug == 0;
    int64_t report = 0;
    int rc = report_row(filing, batch, &report, err);

    if (rc == 0) {
        rc = is_new         ? add_bug(filing, &match.bug, err)
             : plan->stands ? stand_for(filing, plan, err)
                            : 0;
    }
    if (rc == 0 && (plan->stands || is_example(plan) || is_again(filing))) {
        rc = keep_record(filing, err);
        rc = rc < 0 ? rc
                    : store_example_add(filing->store, match.bug, filing->job->crash,
                                        &plan->example, err);
    }
    if (rc == 0 &&
        (plan->stands || plan->fixed || is_example(plan) || is_again(filing))) {
        rc = store_put_replays(filing->store, filing->job->crash, filing->target,
                               &filing->answer, err);
    }
    const int64_t home = is_new ? match.bug : plan->home;
    filing->store->regressions_due |= is_new || plan->reproduces;
    if (rc == 0 && match.is_new_key) {
        const struct cluster_clue clue = filing_clue(filing);
        rc = cluster_add(filing->store->db, &clue, home, &match, err);
    }
    rc = rc < 0 ? rc : join(filing, &match, home, report, err);
    rc = rc < 0 ? rc
                : db_run(filing->store->db, err, sql[WEIGH_AGAIN], "ii", match.bug,
                         filing->job->crash);
    if (rc == 0 && plan->freshens) {
        rc = store_bug_is_fresh(filing->store, match.bug, err);
    }
    if (rc == 0 && plan->fixed) {
        rc = store_bug_is_back(filing->store, match.bug, filing->job->crash, err);
    }
    if (rc == 0 && plan->reproduces) {
        rc = db_run(
            filing->store->db, err, sql[BUG_REPRODUCER], "iit", match.bug, filing->blob,
            store_minimizable(filing->is_report, filing->reproducibility, filing->bytes));
    }
    rc = rc < 0 ? rc
                : count_crash(filing, kind_of(filing->answer.record),
                              is_new ? "new" : "duplicate", err);
    if (rc == 0 && plan->same.bug != 0) {
        rc = store_join(filing->store, match.bug, plan->same.bug, plan->same.why, err);
    }
    if (rc == 0 && is_again(filing)) {
        rc = sanitized_follow(filing, match.bug, err);
    }
    return rc < 0 ? rc : target_runs(filing, err);
}

/* --- one transaction --- */

enum { RETRY_DURABLE = 1, RETRY_WHOLE };

/* Another's record does for what changes counters only. */
static bool
needs_whole(const struct filing *filing, const struct plan *plan)
{
    return filing->is_short && (matters(plan) || is_example(plan));
}

/* RETRY_DURABLE: what seemed to be a mere duplicate is more, and nothing was done;
 * RETRY_WHOLE: the same, and its answer was short. */
static int
transact(struct filing *filing, struct blob_batch *batch, bool durable, struct err *err)
{
    struct db *db = filing->store->db;
    struct plan plan = {0};
    int rc = durable ? db_begin(db, err) : db_begin_lazy(db, err);

    if (rc < 0) {
        return rc;
    }
    rc = filing->is_sure && !durable ? 0 : load(filing, err);
    if (rc < 0 ||
        !filing->queued) { /* another process was faster, or this was told before */
        return store_end(filing->store, rc, err);
    }
    rc = filing_plan(filing, &plan, err);
    if (rc == 0 && needs_whole(filing, &plan)) {
        db_rollback(db);
        return RETRY_WHOLE;
    }
    if (rc == 0 && matters(&plan) && !durable) {
        db_rollback(db);
        return RETRY_DURABLE;
    }
    rc = rc < 0 ? rc : file_rows(filing, &plan, batch, err);
    return store_batch_end(batch, rc, err);
}

static int
keep_report(struct filing *filing, struct blob_batch *batch, struct err *err)
{
    const struct buf *report = &filing->answer.report;

    /* a report that was given is its own */
    if (report->len == 0 || filing->is_report) {
        return 0;
    }
    hash_sha256(buf_str(report), report->len, filing->report);
    int rc = store_batch_hold(batch, err);
    rc = rc < 0
             ? rc
             : store_batch_add(batch, filing->report, buf_str(report), report->len, err);
    return rc < 0 ? rc : store_batch_flush(batch, err);
}

static int
file_bug(struct filing *filing, struct err *err)
{
    AUTO(store_batch_clear) struct blob_batch batch = BLOB_BATCH_INIT(filing->store);
    int rc = transact(filing, &batch, false, err); /* most are duplicates */

    if (rc != RETRY_DURABLE) {
        return rc;
    }
    rc = keep_report(filing, &batch, err);
    return rc < 0 ? rc : transact(filing, &batch, true, err);
}

static int
file_clean(struct filing *filing, struct err *err)
{
    struct db *db = filing->store->db;
    const struct answer *answer = &filing->answer;
    int rc = db_begin_lazy(db, err);

    if (rc < 0) {
        return rc;
    }
    rc = load(filing, err);
    if (rc == 0 && filing->queued) {
        rc = db_run(db, err, sql[CRASH_CLEAN], "ititi", filing->job->crash,
                    filing->reproducibility, (int64_t)answer->n,
                    answer->reason[0] == '\0' ? NULL : answer->reason, clock_wall_ms());
        rc = rc < 0 ? rc : count_crash(filing, "unknown", "unreproducible", err);
        rc = rc < 0 ? rc : target_runs(filing, err);
    }
    return store_end(filing->store, rc, err);
}

static int
file_broken(struct filing *filing, struct err *err)
{
    int rc = db_begin(filing->store->db, err);

    if (rc < 0) {
        return rc;
    }
    rc = store_give_up(filing->store, filing->job->crash, "broken", filing->answer.reason,
                       err);
    return store_end(filing->store, rc, err);
}

static int
name_unparsed(struct filing *filing, struct err *err)
{
    AUTO(json_decref) json_t *object = NULL;
    struct record_settings settings = {0};
    int rc = json_parse(filing->settings, strlen(filing->settings), &object, err);

    if (rc < 0) {
        return rc;
    }
    store_settings_from_json(object, &settings);
    const struct record_options options = {
        .fuzz_target = filing->target_name,
        .ooms_and_hangs = settings.ooms_and_hangs,
        .asserts_are_security = settings.asserts_are_security,
        .checks_are_security = settings.checks_are_security,
        .ignore_frames = &settings.ignore_frames};
    rc = store_unparsed_record(&filing->answer, &options, &filing->answer.record, err);
    strv_clear(&settings.ignore_frames);
    return rc;
}

static int
file_answer(struct filing *filing, struct err *err)
{
    const struct answer *answer = &filing->answer;
    int rc = 0;

    if (is_again(filing) && !sanitized_shows(filing)) {
        return store_sanitized_seen(filing->store, filing->job, answer, err);
    }
    filing->reproducibility =
        filing->is_report ? "unknown" : store_reproducibility(answer->k, answer->n);
    switch (answer->outcome) {
    case OUTCOME_CLEAN:
        return file_clean(filing, err);
    case OUTCOME_BROKEN:
        return file_broken(filing, err);
    case OUTCOME_UNPARSED:
        rc = name_unparsed(filing, err);
        break;
    case OUTCOME_CRASH:
    case OUTCOME_TIMEOUT:
        break;
    }
    return rc < 0 ? rc : file_bug(filing, err);
}

/* --- answers --- */

/* What the worker answered in full before stands for this one as well. */
static int
file_short(struct filing *filing, int64_t same, struct err *err)
{
    const struct recent_key key = {same, filing->target, filing->source};

    filing->answer.record = store_recent_find(filing->store, &key);
    if (filing->answer.record == NULL) {
        return RETRY_WHOLE;
    }
    filing->is_short = true;
    filing->answer.outcome = OUTCOME_CRASH;
    filing->answer.k = filing->answer.n = 1;
    filing->reproducibility = store_reproducibility(1, 1);
    int rc = file_bug(filing, err);
    filing->answer.record = NULL; /* it was borrowed */
    return rc;
}

static void
remember(struct filing *filing)
{
    const struct recent_key key = {filing->job->id, filing->target, filing->source};

    if (filing->job->kind == JOB_TRIAGE && filing->answer.outcome == OUTCOME_CRASH &&
        filing->answer.record != NULL) {
        store_recent_add(filing->store, &key, STEAL(filing->answer.record));
    }
}

/* 0: it is to be filed; 1: that was done with it, and *out says what came of it. */
static int
read_answer(struct filing *filing, const json_t *answer, int64_t *same,
            struct job_outcome *out, struct err *err)
{
    struct store *store = filing->store;
    const struct job *job = filing->job;
    struct err why = ERR_INIT;

    *same = json_get_int(answer, "same", 0);
    if (*same > 0 && job->kind == JOB_TRIAGE && !store_wants_whole(store, job->crash)) {
        return 0;
    }
    *same = 0;
    int rc = store_answer_read(job, answer, &filing->answer, &why);
    if (rc < 0) {
        rc = store_job_died(store, job, "untriageable", why.msg, out, err);
    } else if (filing->answer.error != NULL) {
        rc = store_job_died(store, job, "broken", filing->answer.error, out, err);
    } else if (job->kind == JOB_MINIMIZE) {
        rc = store_finish_minimize(store, job, &filing->answer, out, err);
    } else if (job->kind == JOB_RELEASE) {
        rc = store_finish_release(store, job, &filing->answer, out, err);
    } else {
        return 0;
    }
    return rc < 0 ? rc : 1;
}

int
store_finish_job(struct store *store, const struct job *job, const json_t *answer,
                 struct job_outcome *out, struct err *err)
{
    AUTO(filing_clear) struct filing filing = {.store = store, .job = job};
    int64_t same = 0;
    int rc = read_answer(&filing, answer, &same, out, err);

    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    rc = db_group_open(store->db, &filing.is_sure, err);
    rc = rc < 0 ? rc : load(&filing, err);
    if (rc == 0 && filing.queued) {
        rc = same > 0 ? file_short(&filing, same, err) : file_answer(&filing, err);
    }
    if (rc < 0) {
        return rc;
    }
    const bool whole = rc == RETRY_WHOLE;
    remember(&filing);
    store_ask_whole(store, job->crash, whole);
    store_forget(store, false, job->crash);
    store->untrimmed += whole ? 0 : 1;
    store_trim_sometimes(store, false);
    rc = store_outcome_of_crash(store, job->crash, out, err);
    out->again = whole;
    return rc;
}
