/*
 * What the files of the store share; nobody else includes this.
 *
 *   store.c         open, schema, lock
 *   store_blob.c    files of bytes
 *   store_build.c   builds of a target, and what an input did on each
 *   store_sweep.c   files that go
 *   store_ledger.c  targets, intake
 *   store_jobs.c    what is handed out
 *   store_died.c    what dies of it, and what is given up
 *   store_answer.c  a worker's answer, checked
 *   store_plan.c    which bug a crash's answer belongs to, and what of it is kept
 *   store_finish.c  a crash's answer, filed
 *   store_recent.c  the answers that later ones may name in place of repeating them
 *   store_smaller.c a minimization's answer, filed
 *   store_example.c what of a bug's crashes is kept
 *   store_bugs.c    what people read
 *   store_group.c   which bug a hand chose; merging
 *   store_split.c   splitting, pinning
 *   store_choose.c  crashes as a person names them
 *   store_regroup.c signatures of another release
 *   store_older.c   bugs that an older release signed
 *   store_settle.c  a bug's row after crashes moved
 *   store_state.c   a bug's state by hand, and what comes back by itself
 *   store_owner.c   whose a bug is
 *   store_severity.c  what a hand or an owner's rule says of severity
 *   store_similar.c bugs that share frames
 *   store_history.c variants of a bug, its events
 *   store_event.c   events, their way into the outbox, counters
 *   store_life.c    when things happened to each bug
 *   store_digest.c  what changed in a span of time
 *   store_issue.c   which issue of a tracker stands for a bug
 *   store_outbox.c  what sinks have yet to be told
 *   store_run.c     campaigns, workers
 *   store_control.c how well they ran (triage/control.h)
 *   store_vitals.c  numbers for metrics (triage/vitals.h)
 *   store_tally.c   what events mean for totals (tally.h)
 *   store_regression.c  reproducers for good, and what became of them
 *   store_evidence.c  what that says of the bug: fixed, regressed
 *   store_changed.c   its input shows another bug by now
 *   store_revision.c  builds as people speak of them: commits, releases
 *   store_kept.c    copies of programs
 *   store_release.c bugs that a later release build has not seen
 *   store_sanitized.c  crashes that a later sanitizer build has not seen
 *   store_target.c  targets by name; where events left a subject
 *   store_coverage.c  what a corpus reaches, over time (triage/coverage.h)
 *   store_backup.c  a copy of all of it (triage/upkeep.h)
 *   store_check.c   the invariants
 *
 * A file's statements stand in one table; its enumerators are their names.
 */
#ifndef TRIAGE_STORE_PRIVATE_H
#define TRIAGE_STORE_PRIVATE_H

#include "base/hash.h"
#include "triage/store.h"
#include "triage/store/cluster.h"
#include "triage/trial.h"

enum {
    STORE_NAME_MAX = 512,    /* bytes of a target's or worker's escaped name */
    STORE_REASON_MAX = 1000, /* bytes of a reason */
    /* bytes up to which a blob lies in its row: a page of the database, whose overflow is
     * another one at most, where the least file takes a block, an inode and a name */
    STORE_ROW_BYTES_MAX = 4 << 10,
    STORE_SOURCES_MAX = 8, /* of a bug: sources and builds with an example each */
    STORE_TRIM_FROM = 64,  /* crashes that a bug has more than when it was trimmed */
    STORE_TRIM_MAX = 512,  /* blobs that are weighed at a time */
    STORE_LATER_MAX =
        1000, /* bugs, or crashes, that a process hands out for a later build */
    STORE_TRIM_EVERY = 256, /* crashes that are filed until a flood is trimmed */
};

struct handed {  /* a job that this process handed out */
    bool is_bug; /* a minimization; else a crash */
    int64_t id;
};

struct recent_key { /* borrowed */
    int64_t job, target;
    const char *source;
};

struct store {
    struct db *db;
    char *folder;
    char *blobs;
    int64_t last_job;
    struct handed *handed;
    size_t n_handed;
    int64_t untrimmed; /* crashes filed since the last look for surplus inputs */
    struct recent *recent;
    struct unlinker *unlinker;
    int64_t row_bytes_max; /* of a new blob that lies in its row; -1: each is a file */
    bool regressions_due;  /* bugs may have reproducers that lie in no file yet */
    struct later {
        int64_t after; /* the last bug or crash that was looked at */
        int handed;
    } release, sanitized;
};

/* Whether a state is one of a list; else -EINVAL, "'opne' is no state KIND (did you mean
 * 'open'?): LIST". */
int store_check_state(const char *state, const char *const *states, const char *kind,
                      const char *list, struct err *err);

/* --- statements --- */

/* What a row r of `replay` says: the input showed something on that build. */
#define STORE_SHOWS " r.k > 0 AND r.outcome IN ('crash', 'timeout', 'unparsed')"

struct store_sql { /* a test prepares each and looks at its plan */
    const char *const *v;
    size_t n;
};
/* clang-format off: a line each, so that two new ones do not meet */
#define STORE_SQL(X)        \
    X(store_blob_sql)       \
    X(store_ledger_sql)     \
    X(store_jobs_sql)       \
    X(store_died_sql)       \
    X(store_finish_sql)     \
    X(store_bugs_sql)       \
    X(store_event_sql)      \
    X(store_run_sql)        \
    X(store_check_sql)      \
    X(store_smaller_sql)    \
    X(store_sweep_sql)      \
    X(store_similar_sql)    \
    X(cluster_sql)          \
    X(cluster_input_sql)    \
    X(store_group_sql)      \
    X(store_split_sql)      \
    X(store_choose_sql)     \
    X(store_settle_sql)     \
    X(store_severity_sql)   \
    X(store_state_sql)      \
    X(store_history_sql)    \
    X(store_build_sql)      \
    X(store_example_sql)    \
    X(store_regroup_sql)    \
    X(store_older_sql)      \
    X(store_plan_sql)       \
    X(store_outbox_sql)     \
    X(store_regression_sql) \
    X(store_backup_sql)     \
    X(store_target_sql)     \
    X(store_coverage_sql)   \
    X(store_life_sql)       \
    X(store_minimize_sql)   \
    X(store_release_sql)    \
    X(store_sanitized_sql)  \
    X(store_evidence_sql)   \
    X(store_revision_sql)   \
    X(store_kept_sql)       \
    X(store_issue_sql)      \
    X(store_owner_sql)      \
    X(store_records_sql)    \
    X(store_changed_sql)    \
    X(store_digest_sql)     \
    X(store_tally_sql)      \
    X(store_control_sql)    \
    X(store_vitals_sql)
/* clang-format on */
#define STORE_SQL_DECLARE(table) extern const struct store_sql table;
STORE_SQL(STORE_SQL_DECLARE)

const struct db_migration *store_migrations(size_t *count);
int store_migrate(struct store *store, const struct db_migration *list, size_t count,
                  struct err *err);

/* The end of a transaction: commits when rc is 0, else rolls back. */
int store_end(struct store *store, int rc, struct err *err);

/* --- blobs (store_blob.c) --- */

/*
 * Bytes are content-addressed, and lie in one of two places, which is decided when they
 * come: STORE_ROW_BYTES_MAX and fewer in their row, as they are, so that they come and go
 * with it; more than that in a file of their own, compressed. Nobody but store_blob.c,
 * store_sweep.c, the check and the backup knows which.
 *
 * Blobs on their way to the disk: hold, add..., flush, then in a transaction rows, which
 * ends by end in place of store_end(), at last clear. While one holds no store_sweep() or
 * store_drop_surplus() of any process looks at the folder, or drops a row. What was added
 * and never flushed is removed by clear; files that were flushed and came into no row
 * wait for a sweep.
 */
struct batch_blob {
    char sha256[HASH_HEX_MAX];
    char *data; /* what goes into the row; NULL: it is a file */
    char *temp; /* the file; NULL once it has its name */
    int64_t bytes, stored;
};
struct blob_batch {
    struct store *store;
    struct batch_blob *v;
    size_t n, n_files;
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

/* Take the bytes in, unless the batch has them already. Wants hold. */
int store_batch_add(struct blob_batch *batch, const char *sha256, const void *data,
                    size_t len, struct err *err);
int store_batch_flush(struct blob_batch *batch, struct err *err);
int store_batch_rows(struct blob_batch *batch, struct err *err);
int store_batch_end(struct blob_batch *batch, int rc, struct err *err);

/* flock() of the blobs' folder; *out_fd is the lock. Commits the group. */
int store_blobs_lock(const struct store *store, int how, int *out_fd, struct err *err);

/* -ENODATA: no such row. */
int store_blob_id(struct store *store, const char *sha256, int64_t *id, struct err *err);

/* Whether the bytes are there already: a row in state present, and what it stands for. */
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

/* Evidence moves a bug, unless it left the state `from` meanwhile; why: the event's
 * detail, borrowed. */
int store_move_bug(struct store *store, int64_t bug, const char *from, const char *to,
                   json_t *why, struct err *err);

/* A crash that is no backlog joined a fixed bug: it is regressed, when the crash shows on
 * a build on which the others did not. */
int store_bug_is_back(struct store *store, int64_t bug, int64_t crash, struct err *err);

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

struct answer_replay { /* see struct route_replay */
    const char *kind;  /* NULL: of no build that is known */
    enum outcome outcome;
    char major[RECORD_HASH_MAX];
    int k, n;
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
    char found[TRIAL_FOUND_MAX][RECORD_HASH_MAX]; /* signatures of other crashes */
    size_t n_found;
    struct answer_replay replays[BUILDS_MAX + 2]; /* JOB_TRIAGE */
    size_t n_replays;
};
void store_answer_clear(struct answer *answer);
AUTO_DEFINE_CLEAR(struct answer, store_answer_clear)
int store_answer_read(const struct job *job, const json_t *object, struct answer *out,
                      struct err *err);
const char *store_outcome_name(enum outcome outcome);
int store_outcome_find(const char *name);        /* -EINVAL: no such word */
const char *store_reproducibility(int k, int n); /* the design's word */

/* A crash that no parser knows, as a record: one bug for each target and way to end. */
int store_unparsed_record(const struct answer *answer,
                          const struct record_options *options, struct record **out,
                          struct err *err);

/* --- the last answers (store_recent.c): in memory, for this process --- */

struct recent *store_recent_new(void);
void store_recent_free(struct recent *recent);

/* Keep the record of a crash that was filed, for answers that name its job; stolen. */
void store_recent_add(struct store *store, const struct recent_key *key,
                      struct record *record);

/* Borrowed; NULL: not kept (any more), or of another target or source. */
struct record *store_recent_find(const struct store *store, const struct recent_key *key);

/* Whether a crash's next answer is to be a whole one: it was short, and that was not
 * enough. */
void store_ask_whole(struct store *store, int64_t crash, bool whole);
bool store_wants_whole(const struct store *store, int64_t crash);

/* When crash c was seen (0005_seen.sql). */
#define CRASH_SEEN "iif(c.backlog, c.first_seen, c.written)"

/* Of a crash: what a second chance resets. */
#define QUEUED_AGAIN                                                            \
    "state = 'queued', attempts = 0, deaths = 0, k = 0, n = 0, outcome = NULL," \
    " reason = NULL, reproducibility = 'unknown', triaged = NULL"

/* When a bug is due (struct bug), wall ms, 0: never. */
#define DUE_OF(g)                                                                 \
    "iif(" g ".backlog OR " g ".state = 'fixed' OR " g ".state = 'ignored' OR " g \
    ".state = 'duplicate', 0, coalesce(" g ".filed + (SELECT nullif(value, 0)"    \
    " FROM setting WHERE name = 'deadline_' || " g ".severity), 0))"

/* --- builds (store_build.c) --- */

/* The command of the build that showed crash c, which a bug g stands on; else its
 * target's t; with the options that it shows with only (record.replay_options). A path
 * that exists is nothing to json_insert(). */
#define SHOWN_LAYOUT                                                 \
    "(SELECT json_extract(x.json, '$.replay_options') FROM record x" \
    " WHERE x.crash = c.id)"
#define SHOWN_COMMAND                                                            \
    "json_insert(coalesce((SELECT s.command FROM replay r JOIN build o"          \
    " ON o.id = r.build JOIN build s ON s.target = o.target AND s.kind = o.kind" \
    " WHERE r.crash = c.id AND r.major = c.major AND s.current"                  \
    " LIMIT 1), t.command), iif(" SHOWN_LAYOUT                                   \
    " IS NULL, '$.argv', '$.env[#]'), " SHOWN_LAYOUT ")"

/* "build" and "builds" of a triage job's request, which has its "command"; source: the
 * crash's. */
int store_request_builds(struct store *store, int64_t target, const char *source,
                         json_t *request, struct err *err);

/* "replays" of a worker's answer; -EBADMSG. */
int store_read_replays(const json_t *object, struct answer *out, struct err *err);

/* Within the caller's transaction; what ran on no build that is registered is left out.
 */
int store_put_replays(struct store *store, int64_t crash, int64_t target,
                      const struct answer *answer, struct err *err);

/* --- settings and titles --- */

json_t *store_settings_to_json(const struct record_settings *settings);
void store_settings_from_json(const json_t *object, struct record_settings *out);

/* "Heap-buffer-overflow READ 4 in foo" */
void store_title(char *out, size_t size, const char *crash_type, const char *crash_state);
void store_bug_name(char *out, size_t size, int64_t bug);

/* --- groups (store_group.c, store_split.c, store_choose.c) --- */

/* "there is no bug NJ-7 here (nightjar bugs lists them)": -ENODATA. */
int store_no_bug(int64_t bug, struct err *err);

/* The bug that it is a duplicate of, in the end; itself when it is none. */
int store_root(struct store *store, int64_t bug, int64_t *root, struct err *err);

struct group_key { /* what decides where a crash belongs */
    int64_t blob, target, version;
    const char *major, *minor;
    int64_t place; /* crash.place; 0: none, its signature counts */
};

/* 1: a hand chose its bug, before duplicates are followed, and why; 0: none did. */
int store_decided(struct store *store, const struct group_key *key,
                  struct cluster_match *out, struct err *err);

/* Where a crash belongs that was grouped before: as a hand chose, else by its signature.
 * -ENODATA: its signature has no bug. */
int store_home(struct store *store, const struct group_key *key, int64_t *bug,
               struct err *err);

struct moves { /* from bug to bug, each pair once */
    struct bug_move *v;
    size_t n;
};
void moves_clear(struct moves *moves);
AUTO_DEFINE_CLEAR(struct moves, moves_clear)
void store_moved(struct moves *moves, int64_t from, int64_t to, int64_t crashes);

/* The end of a decision's transaction, in place of store_end(): a dry run is rolled back;
 * then its visitor is told. */
int store_decide_end(struct store *store, const struct decision *decision,
                     const struct moves *moves, int rc, struct err *err);

struct hand_event {
    int64_t bug;
    const char *kind, *from, *to;
    int64_t other; /* 0: none; a bug that the detail names as `other_is` */
    const char *other_is;
    int64_t crashes; /* that moved */
    json_t *more;    /* of the detail; NULL: nothing; borrowed */
};
int store_event_by_hand(struct store *store, const struct decision *decision,
                        const struct hand_event *hand, struct err *err);

/* For who only reads: from now on `bug` is the table as it would be if somebody had just
 * called store_wake(), a view that is found before the table (which is main.bug). So each
 * statement tells the state as of now, and none has to know how. */
int store_bugs_now(struct store *store, struct err *err);

/* store_wake(); what fails is logged, since the next who comes does it. */
void store_wake_sometimes(struct store *store);

/* A person has looked at the bug; in the caller's transaction. */
int store_acknowledge(struct store *store, int64_t bug, struct err *err);

/* Ask the rules whose it is by what stands for it now, unless a hand said so; in the
 * caller's transaction. */
int store_weigh_owner(struct store *store, int64_t bug, const char *target,
                      const struct record *record, struct err *err);

/* T.owners beside a target's builds; in the caller's transaction. */
int store_put_target_owner(struct store *store, int64_t target,
                           const struct build_list *builds, struct err *err);

/* -ENODATA: no such bug. */
int store_crashes_of(struct store *store, int64_t bug, int64_t *crashes, struct err *err);

/* Make `other` a duplicate of `root`, a bug that is none, and move its crashes; in the
 * caller's transaction, and without settling root. -EINVAL: it is one already. */
int store_merge_one(struct store *store, int64_t root, int64_t other,
                    const struct decision *decision, struct moves *moves,
                    struct err *err);

/* What the rules decide by later evidence, in the caller's transaction: the younger of
 * two bugs becomes a duplicate of the older, with events that say why, and can be
 * unmerged. */
int store_join(struct store *store, int64_t bug, int64_t other, const char *why,
               struct err *err);

struct chosen {                                /* a crash that a person named */
    int64_t crash, blob, target, bug, version; /* bug 0: none */
    int64_t place;                             /* 0: none */
    char minor[RECORD_HASH_MAX], major[RECORD_HASH_MAX];
    char sha256[HASH_HEX_MAX];
    char state[16];
    bool present; /* its bytes */
};
struct chosen_list {
    struct chosen *v;
    size_t n;
};
void chosen_list_clear(struct chosen_list *list);
AUTO_DEFINE_CLEAR(struct chosen_list, chosen_list_clear)

/* Add the crashes that the text names, of every target: a SHA-256 or the beginning of one
 * (8 digits at least), a path under which a crash of `bug` was given, a file with its
 * bytes. -EINVAL: there is none; the message says what lists them. */
int store_choose(struct store *store, int64_t bug, const char *text,
                 struct chosen_list *out, struct err *err);

/* The first crash of the bug with this exact signature whose bytes are kept; -ENODATA. */
int store_choose_exact(struct store *store, int64_t bug, const char *minor,
                       struct chosen *out, struct err *err);

/* Found a bug that is like `from` until it is settled, with this crash, whose bytes are
 * there; in the caller's transaction. */
int store_found_from(struct store *store, int64_t from, const struct chosen *first,
                     const char *major, int64_t *out, struct err *err);
bool store_is_minor(const char *text); /* 40 hex digits */

/* --- a bug's row (store_settle.c, store_finish.c, store_severity.c), in the caller's
 * transaction --- */

struct settling {
    const char *actor; /* of the events that follow */
    int64_t lender; /* a crash whose record is taken where none of the bug's kept one */
    bool is_new;    /* its "bug.new" comes after this and tells the severity */
};

/* After crashes came or went: what stands for the bug, its inputs, times, severity.
 * -ENODATA when the bytes of all its crashes were dropped. */
int store_settle_bug(struct store *store, int64_t bug, const struct settling *how,
                     struct err *err);

/* A crash that kept a record, and where its input is; borrowed. */
struct signed_crash {
    const char *target, *settings, *record; /* a name, JSON, JSON */
    const char *sha256; /* of its input; NULL: it is a report's text */
    int64_t bytes;
    bool present; /* the input was not dropped */
};

/* Columns of target t, record r, crash c and blob b, and what they say from `column` on;
 * valid until the row's next step. */
#define SIGNED_CRASH \
    " t.name, t.settings, r.json, c.is_report, b.sha256, b.bytes, b.state"
struct signed_crash store_signed_crash(struct stmt *row, int column);

/* A stored record as this release and these settings sign it, with the input as at
 * intake; new, NULL when it cannot be read. *blind: the input is gone, or damaged; then
 * last words stay as they were signed, since what of them is data only the input tells.
 * One input is in memory at a time. */
struct record *store_sign_again(const struct store *store,
                                const struct signed_crash *crash, bool *blind);

/* Find, among bugs that an older release signed, one of the target whose crash has the
 * same place, else the same signature, by this release; out->bug stays 0 when there is
 * none. */
int store_older_bug(struct store *store, const struct cluster_clue *clue,
                    struct cluster_match *out, struct err *err);

/* Examples of the bug whose crashes belong to another by now go there. */
int store_examples_follow(struct store *store, int64_t bug, struct err *err);

/* Tell a new bug, as its row is. */
int store_bug_is_new(struct store *store, int64_t bug, const char *actor,
                     struct err *err);

/* What the rules of triage say of the record that stands for the bug; what counts
 * follows, and the rules of the owners are asked. `event` is a draft of the event for a
 * change that counts (NULL: none is written). */
int store_computed_severity(struct store *store, int64_t bug, const char *target,
                            const struct record *record, struct event *event,
                            struct err *err);

/* Reproducibility in the order in which a bug prefers it: 0 unreproducible ... 3
 * reliable. */
int store_reproducibility_rank(const char *reproducibility);

/* Whether such an input is worth minimizing: "waiting" or "none". */
const char *store_minimizable(bool is_report, const char *reproducibility, int64_t bytes);

/* --- examples (store_example.c); the rule stands at the head of that file --- */

struct example {
    const char *minor, *source;  /* of the crash, with the build-id; borrowed */
    bool first_stack, of_source; /* it is the first with this, so that it is kept */
};

/* Set what the crash would be the first of for a bug that is there. */
int store_example_weigh(struct store *store, int64_t bug, struct example *example,
                        struct err *err);

/* Remember it, in the caller's transaction. */
int store_example_add(struct store *store, int64_t bug, int64_t crash,
                      const struct example *example, struct err *err);

/* How many exact stacks of a bug keep an example. */
int store_examples(struct store *store, int64_t *out, struct err *err);

/* Weigh one bug's new crashes and drop what is surplus: 1, or 0 when no bug has enough
 * that is new. *dropped is the number of blobs. */
int store_trim(struct store *store, int64_t *dropped, struct err *err);

/* The same when it is time; what fails is logged, since nothing depends on it. spare:
 * there is nothing else to do. */
void store_trim_sometimes(struct store *store, bool spare);

/* Mark those of the blobs dropped that nothing needs, durably, then have their files
 * removed by store->unlinker: whoever is killed in between leaves files to the next
 * sweep. *dropped is their number. -EAGAIN: somebody holds the blobs, whom nobody waits
 * for. */
int store_drop_surplus(struct store *store, const struct strv *sha256, int64_t *dropped,
                       struct err *err);

/* A file in blobs/tmp, new path, that asks for a sweep as long as it is there. */
int store_mark(const struct store *store, char **path, struct err *err);

/* --- minimizations (store_minimize.c) --- */

/* Of a job in that folder: its journal is there, its request says where. */
int store_minimize_begin(struct store *store, int64_t bug, const char *folder,
                         json_t *request, struct err *err);

/* The journal is kept where the bug's minimization goes on later, else it goes. */
void store_minimize_end(struct store *store, const struct job *job, bool goes_on);

/* File what it found and nobody knows as crashes, which are triaged like any other. */
int store_minimize_found(struct store *store, const struct job *job,
                         const struct answer *answer, struct err *err);

/* --- regressions (store_regression.c; triage/regression.h) --- */

/* A bug is fixed, in the caller's transaction: so is what nothing but its inputs showed
 * on builds in between (regression_file_changed()). why: borrowed, for the events. */
int store_fix_changed(struct store *store, int64_t bug, json_t *why, struct err *err);

/* --- commits (store_revision.c): what is asked for each of many bugs --- */

struct bug_came { /* as struct bug_builds has it, wall ms, 0: not known */
    int64_t introduced, clean_before;
    bool released;
};
int store_bug_came(struct store *store, int64_t bug, struct bug_came *out,
                   struct err *err);
int store_any_revision(struct store *store, bool *any, struct err *err);

/* In spare time: some of the files that are due. What fails is logged. */
void store_regressions_sometimes(struct store *store);

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

/* Where the options want the input; new. */
char *store_input_path(const struct job_options *options);

/* The bytes of a blob to there. -ENOENT, -EUCLEAN: they are not there. */
int store_put_input(struct store *store, const char *sha256, int64_t bytes,
                    const struct job_options *options, struct err *err);

/* --- later release builds (store_release.c) --- */

/* As store_next_job(): the next open bug that was not replayed on its target's release
 * build yet. */
int store_next_release(struct store *store, const struct job_options *options,
                       struct job *out, struct err *err);
int store_finish_release(struct store *store, const struct job *job,
                         const struct answer *answer, struct job_outcome *out,
                         struct err *err);
/* The worker died: the build counts as broken for this bug. */
int store_release_died(struct store *store, const struct job *job,
                       struct job_outcome *out, struct err *err);

/* --- later sanitizer builds (store_sanitized.c) --- */

struct sanitized { /* a crash of an open bug that no sanitizer saw */
    int64_t crash, bytes;
    char sha256[HASH_HEX_MAX];
};

/* 1: *out is the next that was not replayed on its target's sanitizer build yet; 0: none.
 */
int store_next_sanitized(struct store *store, struct sanitized *out, struct err *err);

/* No sanitizer saw it there either: keep what the builds did. answer NULL: nothing is
 * known. */
int store_sanitized_seen(struct store *store, const struct job *job,
                         const struct answer *answer, struct err *err);
/* The worker died: the build counts as broken for this crash. */
int store_sanitized_died(struct store *store, const struct job *job,
                         struct job_outcome *out, struct err *err);

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
