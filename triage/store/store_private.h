/*
 * What the files of the store share; nobody else includes this.
 *
 *   store.c         open, schema, lock
 *   store_blob.c    files of bytes
 *   store_sweep.c   files that go
 *   store_ledger.c  targets, intake
 *   store_jobs.c    what is handed out, and what dies
 *   store_answer.c  a worker's answer, checked
 *   store_finish.c  a crash's answer, filed
 *   store_smaller.c a minimization's answer, filed
 *   store_bugs.c    what people read
 *   store_similar.c bugs that share frames
 *   store_event.c   events, outbox, counters
 *   store_run.c     campaigns, workers
 *   store_check.c   the invariants
 *
 * A file's statements stand in one table; its enumerators are their names.
 */
#ifndef TRIAGE_STORE_PRIVATE_H
#define TRIAGE_STORE_PRIVATE_H

#include "base/hash.h"
#include "triage/store.h"

enum {
    STORE_NAME_MAX = 512,    /* bytes of a target's or worker's escaped name */
    STORE_REASON_MAX = 1000, /* bytes of a reason */
    STORE_EXAMPLES_MAX = 32, /* crashes of a bug that keep record and report */
};

struct handed {  /* a job that this process handed out */
    bool is_bug; /* a minimization; else a crash */
    int64_t id;
};

struct store {
    struct db *db;
    char *folder;
    char *blobs;
    int64_t last_job;
    struct handed *handed;
    size_t n_handed;
};

/* --- statements --- */

struct store_sql { /* a test prepares each and looks at its plan */
    const char *const *v;
    size_t n;
};
extern const struct store_sql store_blob_sql, store_ledger_sql, store_jobs_sql,
    store_finish_sql, store_bugs_sql, store_event_sql, store_run_sql, store_check_sql,
    store_smaller_sql, store_sweep_sql, store_similar_sql, cluster_sql;

const struct db_migration *store_migrations(size_t *count);
int store_migrate(struct store *store, const struct db_migration *list, size_t count,
                  struct err *err);

/* The end of a transaction: commits when rc is 0, else rolls back. */
int store_end(struct store *store, int rc, struct err *err);

/* --- blobs (store_blob.c) --- */

/*
 * Blobs on their way to the disk: hold, add..., flush, then in a transaction rows, which
 * ends by end in place of store_end(), at last clear. While one holds no store_sweep() or
 * store_drop_blob() of any process looks at the folder. What was added and never flushed
 * is removed by clear; what was flushed and came into no row waits for a sweep.
 */
struct batch_file {
    char sha256[HASH_HEX_MAX];
    char *temp; /* NULL once it has its name */
    int64_t bytes, stored;
};
struct blob_batch {
    struct store *store;
    struct batch_file *v;
    size_t n;
    char *marker; /* the file that asks for a sweep, as long as there are no rows */
    int lock;     /* -1: not held */
    bool in_rows;
};
#define BLOB_BATCH_INIT(the_store)       \
    {                                    \
        .store = (the_store), .lock = -1 \
    }
void store_batch_clear(struct blob_batch *batch);
AUTO_DEFINE_CLEAR(struct blob_batch, store_batch_clear)

int store_batch_hold(struct blob_batch *batch, struct err *err);

/* Write the compressed bytes, unless the batch has them already. Wants hold. */
int store_batch_add(struct blob_batch *batch, const char *sha256, const void *data,
                    size_t len, struct err *err);
int store_batch_flush(struct blob_batch *batch, struct err *err);
int store_batch_rows(struct blob_batch *batch, struct err *err);
int store_batch_end(struct blob_batch *batch, int rc, struct err *err);

/* flock() of the blobs' folder; *out_fd is the lock. */
int store_blobs_lock(const struct store *store, int how, int *out_fd, struct err *err);

/* -ENODATA: no such row. */
int store_blob_id(struct store *store, const char *sha256, int64_t *id, struct err *err);

/* Whether the bytes are on the disk already: a row in state present, and a file. */
int store_blob_here(struct store *store, const char *sha256, bool *here, struct err *err);

char *store_blob_path(const struct store *store, const char *sha256); /* new */
bool store_is_sha256(const char *text);

/* Bytes of state "present" into out; `bytes` as the row says. For whoever has the row. */
int store_blob_read(const struct store *store, const char *sha256, int64_t bytes,
                    struct buf *out, struct err *err);

/* --- events and counters (store_event.c); all within the caller's transaction --- */

int store_event_put(struct store *store, const struct event *event, struct err *err);

/* A fresh crash belongs to the bug: if it was backlog it is no more, and is told. */
int store_bug_is_fresh(struct store *store, int64_t bug, struct err *err);

/* Add to a counter; `labels` are pairs of name and value, ending with NULL. */
int store_count(struct store *store, const char *name, const char *const *labels,
                int64_t delta, struct err *err);

/* A crash that does not simply join a bug: its state, and the event. */
int store_crash_event(struct store *store, int64_t crash, const char *from,
                      const char *to, const char *reason, struct err *err);

/* --- a worker's answer (store_answer.c) --- */

enum outcome {
    OUTCOME_CRASH,
    OUTCOME_CLEAN,
    OUTCOME_TIMEOUT,
    OUTCOME_BROKEN,
    OUTCOME_UNPARSED
};

struct answer { /* checked: nothing in it is larger or stranger than it may be */
    enum outcome outcome;
    int k, n, other;
    struct record *record; /* NULL: none */
    struct buf report;
    char *reason;  /* "" when none */
    char *error;   /* NULL, or why the machine failed; then nothing else is set */
    int64_t bytes; /* JOB_MINIMIZE */
    bool finished;
};
void store_answer_clear(struct answer *answer);
AUTO_DEFINE_CLEAR(struct answer, store_answer_clear)
int store_answer_read(const struct job *job, const json_t *object, struct answer *out,
                      struct err *err);
const char *store_outcome_name(enum outcome outcome);
const char *store_reproducibility(int k, int n); /* the design's word */

/* A crash that no parser knows, as a record: one bug for each target and way to end. */
int store_unparsed_record(const struct answer *answer,
                          const struct record_options *options, struct record **out,
                          struct err *err);

/* --- settings and titles --- */

json_t *store_settings_to_json(const struct record_settings *settings);
void store_settings_from_json(const json_t *object, struct record_settings *out);

/* "Heap-buffer-overflow READ 4 in foo" */
void store_title(char *out, size_t size, const char *crash_type, const char *crash_state);
void store_bug_name(char *out, size_t size, int64_t bug);

/* --- frames (store_similar.c) --- */

/* Remember which frames a bug's state has, in place of those it had; in the caller's
 * transaction. */
int store_frames_put(struct store *store, int64_t bug, const char *crash_state,
                     struct err *err);

/* Append the numbers (int64_t) of at most `max` bugs that share a frame with it, those
 * that share most first. */
int store_sharing(struct store *store, int64_t bug, int64_t max, struct buf *ids,
                  struct err *err);

/* --- jobs (store_jobs.c) --- */

void store_forget(struct store *store, bool is_bug, int64_t id);

/* What the tables say of a crash. */
int store_outcome_of_crash(struct store *store, int64_t crash, struct job_outcome *out,
                           struct err *err);

/* End a queued crash without a bug, within the caller's transaction; state is
 * untriageable or broken. */
int store_give_up(struct store *store, int64_t crash, const char *state,
                  const char *reason, struct err *err);

/* A try came to nothing; `ending` is the state that two of them lead to. */
int store_job_died(struct store *store, const struct job *job, const char *ending,
                   const char *reason, struct job_outcome *out, struct err *err);

/* Minimizing a bug came to an end without success. */
int store_minimize_stop(struct store *store, int64_t bug, const char *reason,
                        struct err *err);

/* store_finish_job() of a minimization. */
int store_finish_minimize(struct store *store, const struct job *job,
                          const struct answer *answer, struct job_outcome *out,
                          struct err *err);

#endif
