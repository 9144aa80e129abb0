/*
 * The store: one SQLite database and a folder of content-addressed blobs, the only memory of nightjar.
 *
 *   STATE/nightjar.db       WAL, STRICT tables, foreign keys
 *   STATE/blobs/ab/abcd...  inputs and reports, zlib-compressed, named by the SHA-256 of the plain bytes
 *   STATE/work/             scratch of the running supervisor; emptied at its start
 *   STATE/lock              held by the supervisor or `triage` that owns triage and migrations
 *
 * The way of a crash: store_intake() writes blob file, fsync, folder fsync, then one row in `crash`
 * (queued), in batches, before anything else looks at it. store_next_job() hands out what is queued,
 * store_finish_job() files the answer: crash row, bug, events and outbox rows in one transaction. All of it is
 * idempotent: a job that was handed out and never finished is handed out again after a restart.
 */
#ifndef TRIAGE_STORE_H
#define TRIAGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/db.h"
#include "base/err.h"
#include "base/json.h"
#include "triage/command.h"
#include "triage/record.h"

struct store;

/*
 * DB_CREATE makes folders and schema; DB_WRITE and DB_READ want an existing store (-ENOENT says which command
 * makes one). Migrations run only in DB_CREATE mode, under the lock of store_lock() or when the database is
 * new. *out is new.
 */
int store_open(const char *state, enum db_mode mode, struct store **out, struct err *err);
void store_close(struct store *store);
AUTO_DEFINE(struct store *, store_close)
const char *store_folder(const struct store *store); /* absolute path of STATE; borrowed */
struct db *store_db(struct store *store);            /* borrowed */

/* Become the one process that triages and migrates here; the lock is flock(2) on STATE/lock, so that it ends with
 * the descriptor. -EBUSY names the holder's pid and verb. */
int store_lock(const char *state, const char *verb, int *out_fd, struct err *err);

/* --- targets and campaigns --- */
struct record_settings { /* record_options as they are stored with a target */
    bool ooms_and_hangs, asserts_are_security, checks_are_security;
    struct strv ignore_frames;
};
/* Insert or update by name. */
int store_put_target(struct store *store, const char *name, const struct command *command,
                     const struct record_settings *settings, int64_t *id, struct err *err);

/* --- the ledger --- */
struct intake_item {
    const char *path;   /* file to read; bytes of its name are arbitrary */
    int64_t target;
    const char *source; /* "aflpp" "libfuzzer" "triage" "reports" "api" */
    bool is_report;     /* a report's text, not an input */
};
struct intake_result {
    int64_t crash;  /* its row, new or known; 0 when refused */
    bool is_new;
    int code;       /* 0, or why the file was refused: -ENOENT (gone), -EFBIG, -EINVAL, -EACCES, ... */
    char reason[256]; /* for a person, when code is not 0 */
};
/* Ledger a batch in one transaction. Equal bytes for the same target are one crash, each path is remembered.
 * A file that cannot be read is a result with a code, not a failure; fails only when the store does
 * (-ENOSPC, ...), and then nothing of the batch is filed and no blob is lost that was filed before. */
int store_intake(struct store *store, const struct intake_item *items, size_t n,
                 struct intake_result *results, struct err *err);

enum { STORE_INPUT_MAX = 128 << 20 }; /* default bound of an input's size */

/* --- jobs for triage workers --- */
enum job_kind { JOB_TRIAGE, JOB_MINIMIZE, JOB_REPORT };
struct job {
    enum job_kind kind;
    int64_t id;     /* unique within the process */
    int64_t crash;
    int64_t bug;    /* JOB_MINIMIZE */
    int attempt;    /* 1, 2: how often it has been handed out, this time included */
    json_t *request; /* what the worker gets (triage/worker.h), with "input" in `folder` already written */
};
void job_clear(struct job *job);
AUTO_DEFINE_CLEAR(struct job, job_clear)

struct job_options {
    const char *folder;   /* where the worker finds its input and leaves its output: STATE/work/triage-N */
    int runs;             /* replays of a crash that may stand for a bug */
    int64_t minimize_ms;  /* 0: no minimization jobs */
    bool minimize_only_idle; /* minimization only when nothing is queued (always true today) */
};
/* 1: *out is filled in; 0: nothing to do now; negative: failure. Oldest queued crash first; minimization (of
 * the worst bug whose reproducer was not minimized yet) only when no crash waits. */
int store_next_job(struct store *store, const struct job_options *options, struct job *out,
                   struct err *err);

struct job_outcome { /* what changed, for progress and messages */
    int64_t bug;      /* 0: none */
    bool bug_is_new;
    char state[16];   /* of the crash now: triaged unparsed untriageable broken queued */
    char bug_name[24]; /* "NJ-12" */
    char title[256];  /* crash type and top frame in one line */
    enum severity severity;
};
/* File a worker's answer. It is checked field by field (a worker may have been taken over): a malformed one is
 * treated as the worker's death. */
int store_finish_job(struct store *store, const struct job *job, const json_t *answer,
                     struct job_outcome *out, struct err *err);
/* The worker died or ran into its deadline: back to queued, or `untriageable` after two deaths. A
 * minimization is given up after two. */
int store_fail_job(struct store *store, const struct job *job, const char *reason,
                   struct job_outcome *out, struct err *err);

/* --- what people and other verbs read --- */
struct bug {
    int64_t id;
    char name[24];         /* "NJ-12" */
    char *signature;       /* hash.major */
    char *crash_type, *crash_state, *state, *target, *sanitizer;
    enum severity severity;
    double severity_score;
    bool security;
    char *class_name, *exploitability, *cwe;
    int64_t crashes;       /* files that joined, duplicates included */
    int64_t first_seen, last_seen; /* wall ms */
    int64_t reproducer_bytes;      /* of the smallest known */
    char *reproducer;      /* sha256 */
    char *original;        /* sha256 of the first input */
    bool minimized;
    char *reproducibility; /* reliable flaky unreproducible unknown */
    int k, n;              /* of the crash that stands for it */
    int64_t crash;         /* the crash row that stands for it */
    struct record *record; /* of that crash */
};
void bug_clear(struct bug *bug);
AUTO_DEFINE_CLEAR(struct bug, bug_clear)

/* "NJ-12", "nj-12" or "12" -> number; -EINVAL says what an id looks like. */
int bug_parse_id(const char *text, int64_t *out, struct err *err);

/* Visit bugs worst first (severity, security, score, crashes). A non-zero return of visit ends it and is returned. */
struct bug_filter {
    const char *target;  /* NULL: all */
    const char *state;   /* NULL: all but duplicate */
    enum severity at_least;
};
typedef int bug_visit(void *user, const struct bug *bug, struct err *err);
int store_bugs(struct store *store, const struct bug_filter *filter, bug_visit *visit, void *user,
               struct err *err);
int store_bug(struct store *store, int64_t id, struct bug *out, struct err *err); /* -ENODATA: no such bug */

/* Visit each path that was ever given, with its crash: `bugs --crashes`. bug_name NULL where none. */
typedef int crash_visit(void *user, const char *sha256, const char *path, const char *bug_name,
                        const char *state, struct err *err);
int store_crash_paths(struct store *store, crash_visit *visit, void *user, struct err *err);

/* A blob's plain bytes, checked against its name; appends to out. */
int store_blob(struct store *store, const char *sha256, struct buf *out, struct err *err);
/* The raw report of a crash; empty when there is none. */
int store_report(struct store *store, int64_t crash, struct buf *out, struct err *err);
/* The command that the bug's target is replayed with. */
int store_bug_command(struct store *store, int64_t bug, struct command *out,
                      struct record_settings *settings, struct err *err);

struct store_counts {
    int64_t crashes, queued, triaged, unparsed, untriageable, broken;
    int64_t bugs[5]; /* open ones by severity */
    int64_t bugs_total;
    int64_t minimize_waiting;
};
int store_counts(struct store *store, struct store_counts *out, struct err *err);

/* --- events: every state change has one; each goes to the outbox of every sink --- */
struct event {
    const char *kind;    /* "bug.new" "bug.state" "crash.state" "worker.state" "campaign.start" "gate.verdict" ... */
    const char *subject; /* "bug" "crash" "worker" "campaign" "target" "gate" */
    int64_t subject_id;
    const char *from, *to; /* states, or NULL */
    json_t *detail;      /* borrowed; NULL: none */
};
int store_event(struct store *store, const struct event *event, struct err *err);

/* --- campaigns and workers, written by the supervisor's scribe --- */
int store_campaign_begin(struct store *store, const json_t *arguments, int64_t *id, struct err *err);
int store_campaign_end(struct store *store, int64_t id, const char *how, struct err *err);
struct worker_row {
    const char *name;   /* unique within the state: "stb_truetype-aflpp-1" */
    int64_t target;
    const char *engine; /* aflpp libfuzzer */
    const char *state;  /* the design's words */
    int64_t pid;        /* 0: none */
    int64_t restarts;   /* in all */
    int64_t execs;      /* monotone over restarts */
    double execs_per_sec;
    int64_t edges, corpus;
    int64_t productive_ms; /* in state running with progress */
    const char *reason; /* why it is in this state, or NULL */
};
/* Upsert; a changed state writes a worker.state event. */
int store_put_worker(struct store *store, int64_t campaign, const struct worker_row *row, struct err *err);
typedef int worker_visit(void *user, const struct worker_row *row, const char *target, int64_t updated,
                         struct err *err);
int store_workers(struct store *store, worker_visit *visit, void *user, struct err *err);

/* --- db check: prove the invariants. Calls `finding` for each violation; returns their number or a failure. --- */
typedef void check_finding(void *user, const char *text);
int store_check(struct store *store, check_finding *finding, void *user, struct err *err);

#endif
