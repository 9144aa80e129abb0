/*
 * The store: one SQLite database and a folder of content-addressed blobs, the only memory
 * of nightjar.
 *
 *   STATE/nightjar.db   WAL, STRICT tables, foreign keys; triage/sql says what and why;
 *                       inputs and reports of 4 kB and less
 *   STATE/blobs/ab/...  larger ones, compressed, named by the SHA-256 of the plain bytes
 *   STATE/work          scratch of the running supervisor; emptied at its start
 *   STATE/lock          held by the process that owns triage and migrations
 *
 * The way of a crash:
 *   1. store_intake() writes blob file, fsync, folder fsync, then one row in `crash`
 *      (queued), in batches, before anything else looks at it; what is small is committed
 *      with that row in place of a file;
 *   2. store_next_job() hands out what is queued;
 *   3. store_finish_job() files the answer: crash row, bug, events and outbox rows in one
 *      transaction; store_fail_job() says that there is none.
 * All of it is idempotent: a job that was handed out and never finished is handed out
 * again after a restart, and one that is finished twice is finished once.
 *
 * Several processes may have one store open: transactions are short and IMMEDIATE. Names,
 * paths and everything that a worker answers are hostile; names and paths are stored
 * escaped (str_name).
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
#include "triage/build.h"
#include "triage/command.h"
#include "triage/keep.h"
#include "triage/record.h"

struct store;

/*
 * DB_CREATE makes folders and schema; DB_WRITE and DB_READ want an existing store
 * (-ENOENT says which command makes one; DB_READ works on a read-only disk too, see
 * base/db.h). Migrations run only in DB_CREATE mode, while this process or its parent
 * holds store_lock() or nobody does, or when the database is new; else -EBUSY. *out is
 * new.
 */
int store_open(const char *state, enum db_mode mode, struct store **out, struct err *err);
void store_close(struct store *store);
AUTO_DEFINE(struct store *, store_close)
const char *store_folder(const struct store *store); /* absolute; borrowed */
struct db *store_db(struct store *store);            /* borrowed */

/* Become the one process that triages and migrates here, in a state folder that is made
 * where there is none (its database: store_open()); the lock is flock(2) on
 * STATE/lock, so that it ends with the descriptor, and what stands in the file only
 * serves messages. -EBUSY names the holder's verb and pid. */
int store_lock(const char *state, const char *verb, int *out_fd, struct err *err);

/* Remove what a killed process or a full disk left: unfinished blob files and those that
 * no row names. Safe beside running writers, and quick when there is nothing to do;
 * DB_CREATE does it. *removed (may be NULL) is the number of files. */
int store_sweep(struct store *store, int64_t *removed, struct err *err);

/* --- targets --- */

struct record_settings { /* record_options as they are stored with a target */
    bool ooms_and_hangs, asserts_are_security, checks_are_security;
    struct strv ignore_frames;
    enum keep_level keep; /* of minimization */
};

/*
 * Insert or update by name (escaped when it holds control or invalid bytes). command
 * NULL: there are only reports, and a command that is known stays. When command or
 * settings changed, crashes whose replay was broken or showed nothing are queued again.
 */
int store_put_target(struct store *store, const char *name, const struct command *command,
                     const struct record_settings *settings, int64_t *id,
                     struct err *err);

/* All builds of a target that there are now, in the order in which they are tried; the
 * one that store_put_target() was given the command of is among them. A crash is replayed
 * on those of them that have to do with its source, and its bug's command is that of the
 * build that showed it. */
int store_put_builds(struct store *store, int64_t target, const struct build_list *builds,
                     struct err *err);

/* Those builds, in that order. Appends to out, which is empty; none is no failure. */
int store_builds(struct store *store, int64_t target, struct build_list *out,
                 struct err *err);

/* The row of a target. -ENODATA: there is none. */
int store_target(struct store *store, const char *name, int64_t *id, struct err *err);

/* Append the names of all targets, as they are stored. */
int store_target_names(struct store *store, struct strv *out, struct err *err);

/* Visit the targets whose coverage dropped ("dropped", else "ok") or that are held for
 * their disk ("full"): where their last events left them. visit may not use the store. */
typedef int target_trouble(void *user, const char *target, const char *coverage,
                           const char *disk, struct err *err);
int store_target_troubles(struct store *store, target_trouble *visit, void *user,
                          struct err *err);

/* --- the ledger --- */

enum { STORE_INPUT_MAX = 128 << 20 }; /* bytes of an input or a report */

struct intake_item {
    const char *path; /* file to read; bytes of its name are arbitrary */
    int64_t target;
    const char *source; /* "aflpp" "libfuzzer" "triage" "reports" "core" "import" "api",
                           "verify" (regression_file_changed()) */
    bool is_report;     /* a report's text, not an input */
    /* The part of the file that is meant, e.g. one report of a log; bytes 0: all of it */
    int64_t from, bytes;
    /* When it was found, wall ms; 0: the time of the file. What no clock can have shown
     * (in the future, before 2000, before the first campaign where a worker found it) is
     * taken for a clock that was wrong: then it was found now. */
    int64_t written;
    /* Found before nightjar looked, or by somebody else: its bug is backlog (no alert, no
     * deadline; its events go to no sink) until a crash joins that is not. The same bytes
     * given again without it make the crash a fresh one. */
    bool backlog;
    /*
     * What a person named ("triage" "reports" "core" "import" "api") is read as named.
     * What lies in an engine's folder may have been put there by a hostile target: the
     * file itself must not be a link, and below this folder (NULL: STATE) no part of its
     * path may be one.
     */
    const char *root;
};

struct intake_result {
    int64_t crash; /* its row, new or known; 0 when refused */
    bool is_new;
    int code; /* 0, or why the file was refused: -ENOENT (gone), -EFBIG, -EINVAL (no
                 regular file), -ELOOP (a link), -EACCES, ... */
    char reason[256]; /* for a person, when code is not 0 */
};

/*
 * Ledger a batch in one transaction. Equal bytes for the same target are one crash, each
 * path is remembered; a known crash whose replay was broken is queued again when a person
 * gives it again. A file that cannot be read is a result with a code, not a failure;
 * fails only when the store does (-ENOSPC, ...), and then nothing of the batch is filed
 * and no blob is lost that was filed before.
 */
int store_intake(struct store *store, const struct intake_item *items, size_t n,
                 struct intake_result *results, struct err *err);

/* --- jobs for triage workers --- */

enum job_kind {
    JOB_TRIAGE,
    JOB_MINIMIZE,
    JOB_REPORT,
    JOB_RELEASE,   /* what stands for a bug, on a release build that came later */
    JOB_SANITIZED, /* a crash that no sanitizer saw, on a build that came later */
};

enum {
    STORE_DEATHS_MAX = 2,    /* worker deaths that make an input untriageable */
    STORE_HANDOUTS_MAX = 10, /* times that a job is handed out and never answered */
};

struct job {
    enum job_kind kind;
    int64_t id; /* unique within the process */
    int64_t crash;
    int64_t bug;      /* JOB_MINIMIZE, JOB_RELEASE */
    int attempt;      /* 1, 2: one more than the workers that died of it */
    int64_t handed;   /* how often it had been handed out before */
    bool interrupted; /* JOB_MINIMIZE: asked to end before its time; does not count */
    json_t *request;  /* what the worker gets (triage/worker.h); its input is written */
};
void job_clear(struct job *job);
AUTO_DEFINE_CLEAR(struct job, job_clear)

struct job_options {
    /* Where the worker finds its input and leaves its output: STATE/work/triage-N; exists
     */
    const char *folder;
    const char *input;   /* the input's name in the folder; NULL: "input" */
    int runs;            /* replays of a crash that may stand for a bug */
    int64_t minimize_ms; /* 0: no minimization jobs */
    bool crashes_only;   /* nothing that can wait, not even spare time is used */
};

/* 1: *out is filled in; 0: nothing to do now; negative: failure. Oldest queued crash
 * first; when no crash waits, open bugs that their target's release build has not
 * seen, and crashes that no sanitizer saw (a bounded number, once for each build); then
 * minimization (of the worst bug whose reproducer was not minimized yet and shows
 * reliably). */
int store_next_job(struct store *store, const struct job_options *options,
                   struct job *out, struct err *err);

/* A job that was handed out and will not be begun: a JOB_TRIAGE or JOB_REPORT. It is the
 * next to be handed out again, and not counted. */
int store_return_job(struct store *store, const struct job *job, struct err *err);

struct job_outcome { /* what changed, for progress and messages */
    int64_t bug;     /* 0: none */
    bool
        bug_is_new; /* this crash founded it; said again when the job is finished again */
    char state[16]; /* of the crash now: triaged unparsed untriageable broken queued */
    char bug_name[24]; /* "NJ-12" */
    char title[256];   /* crash type and top frame in one line */
    enum severity severity;
    bool again; /* its answer was short, which is not enough: it is still queued */
};

/*
 * File a worker's answer. It is checked field by field (a worker may have been taken
 * over): a malformed one is treated as the worker's death. {"error":...} is a try that
 * failed for the machine's sake: queued again, `broken` after two.
 */
int store_finish_job(struct store *store, const struct job *job, const json_t *answer,
                     struct job_outcome *out, struct err *err);

/*
 * What is handed out, finished and failed until store_group_end() is committed together
 * with as few transactions as possible: tell nobody before it answered 0. When it fails,
 * all of it may be done again.
 */
void store_group_begin(struct store *store);
int store_group_end(struct store *store, struct err *err);

/* The worker died or ran into its deadline: back to queued, or `untriageable` after two
 * deaths. A minimization is given up after two. */
int store_fail_job(struct store *store, const struct job *job, const char *reason,
                   struct job_outcome *out, struct err *err);

/* --- what people and other verbs read --- */

struct bug_until {   /* when what is ignored or accepted is open again, by itself */
    int64_t at;      /* wall ms; 0: not for the time */
    int64_t crashes; /* once it has so many more than now; 0: not for them */
    bool worse;      /* once its severity is above what it is now */
};

struct bug {
    int64_t id;
    char name[24];   /* "NJ-12" */
    char *signature; /* hash.major of its first crash */
    char *crash_type, *crash_state, *state, *target, *sanitizer;
    enum severity severity; /* what counts: decided by a hand or a rule, else computed */
    double severity_score;
    enum severity computed_severity;
    double computed_score;
    char *decided_by;     /* who decided: a user, "nightjar.yaml:12"; NULL: nobody did */
    char *decided_reason; /* and why; NULL */
    bool security;
    char *class_name, *exploitability, *cwe;
    int64_t crashes; /* distinct inputs that joined */
    /* Wall ms. Seen: when its crashes were found, the times of their files; of backlog,
     * when it came here. Filed: when the first of them came into the ledger. */
    int64_t first_seen, last_seen, filed;
    /* Wall ms, 0: never. When somebody first looked at it, last said that a fix is on its
     * way, nightjar verify last saw it clean. */
    int64_t acknowledged, claimed, verified;
    /* By when it is to be fixed: by its severity from when it was filed. 0: no backlog,
     * and nothing that is fixed or no bug, has a date; what is accepted (wontfix) has. */
    int64_t due;
    char *owner, *owner_origin; /* "" : nobody's; "hand", "CODEOWNERS:12" */
    struct bug_until until;     /* crashes: how many it has then; 0: not for them */
    int64_t reproducer_bytes;   /* of the smallest known */
    char *reproducer;           /* sha256 */
    char *original;             /* sha256 of the first input */
    bool minimized;
    bool is_report; /* it stems from a text: reproducer is that text, and nothing runs */
    char *source;   /* of the crash that stands for it: see struct intake_item */
    bool backlog;   /* all its crashes are: see struct intake_item */
    char *reproducibility; /* reliable flaky unreproducible unknown */
    int k, n;              /* of the crash that stands for it */
    int64_t crash;         /* the crash row that stands for it */
    /* Of that crash, its `grouping` followed by why each signature belongs here. NULL
     * when the filter said light, or when an older nightjar wrote what this one cannot
     * read. */
    struct record *record;
};
void bug_clear(struct bug *bug);
AUTO_DEFINE_CLEAR(struct bug, bug_clear)

/* "NJ-12", "nj-12" or "12" -> number; -EINVAL says what an id looks like. */
int bug_parse_id(const char *text, int64_t *out, struct err *err);

/* Whether a bug in this state still is a risk: new, open, fixing, regressed. */
bool bug_is_open(const char *state);

struct bug_filter {
    const char *target; /* seen there; NULL: all */
    const char *state;  /* NULL: all but duplicate; -EINVAL when there is no such state */
    const char *class_name; /* NULL: any */
    enum severity at_least;
    const char *owner; /* one of its owners; "none": it has none; NULL: any */
    bool overdue;      /* only what is due and not fixed */
    bool light;        /* without records: a list of many bugs needs no stacks */
    bool row;          /* and without what is known of the crash that stands for each
                        * (reproducibility, k, n, is_report, source: "", 0), nor the hash
                        * of its first input: a table shows none of it */
};

/* Visit bugs worst first (severity, security, score, crashes). A non-zero return of visit
 * ends it and is returned. visit may use the store. */
typedef int bug_visit(void *user, const struct bug *bug, struct err *err);
int store_bugs(struct store *store, const struct bug_filter *filter, bug_visit *visit,
               void *user, struct err *err);
int store_bug(struct store *store, int64_t id, struct bug *out,
              struct err *err); /* -ENODATA: no such bug */

/* --- what people decide, remembered and never taken back by triage --- */

struct bug_move { /* of crashes, from bug to bug */
    int64_t from, to, crashes;
};
typedef int move_visit(void *user, const struct bug_move *move, struct err *err);

struct decision {
    const char *actor;             /* who: a user's name */
    const char *reason;            /* why; NULL: not said */
    bool dry_run;                  /* find out what would move, and change nothing */
    bool bytes_only;               /* store_split(): not what has the same exact stack */
    const struct bug_until *until; /* store_set_bug_state(): its end; NULL: none */
    move_visit *moved;             /* told of each move afterwards; NULL: nobody is */
    void *user;
};

/*
 * Crashes are named by the SHA-256 of their bytes (8 digits are enough), by a path under
 * which they were given, or by a file with the same bytes; where bugs are listed `others`
 * holds their numbers, int64_t each. What is decided holds for later crashes too, has
 * events with actor and reason, and can be undone; -EINVAL says what is wrong with the
 * request, -ENODATA that there is no such bug.
 *
 * Merge: the others become duplicates of the bug; their crashes count with it, and later
 * crashes with their signatures join it. Unmerge takes them back, with what was theirs.
 */
int store_merge(struct store *store, int64_t bug, const struct buf *others,
                const struct decision *decision, struct err *err);
int store_unmerge(struct store *store, const struct buf *bugs,
                  const struct decision *decision, struct err *err);

/* Take crashes of the bug, and what has their exact stacks (hash.minor, which may be
 * named itself), out into a new bug, *out. At least one must be left, and one of those
 * that go must have its bytes. */
int store_split(struct store *store, int64_t bug, const struct strv *which,
                const struct decision *decision, int64_t *out, struct err *err);

/* These bytes belong to this bug, whatever any rule says; unpin leaves them to the rules.
 */
int store_pin(struct store *store, int64_t bug, const struct strv *which,
              const struct decision *decision, struct err *err);
int store_unpin(struct store *store, int64_t bug, const struct strv *which,
                const struct decision *decision, struct err *err);

struct regrouped {      /* what store_regroup() did, or would do */
    int64_t records;    /* that were signed anew */
    int64_t unreadable; /* that could not be: their crashes stay */
    int64_t blind;      /* whose input is gone: last words stay as they were signed */
    int64_t changed;    /* whose signature is another one now */
    int64_t moved;      /* crashes, from bug to bug */
    int64_t joined, split;
};

/*
 * Sign every crash that kept a record anew, by this release, its input and the settings
 * of its target, and let the bugs follow; crashes without one go with most of those that
 * had their signature. Numbers of bugs stay with most of their crashes; what a hand
 * decided stays; a bug that loses all becomes a duplicate. One transaction for each
 * signature, and what is interrupted is taken up by the next call.
 */
int store_regroup(struct store *store, const struct decision *decision,
                  struct regrouped *out, struct err *err);

/* A severity by hand, which needs a reason, in place of the computed one; its score is
 * moved into the severity's range. It is above an owner's rule, and stays when triage
 * finds something worse. */
int store_set_severity(struct store *store, int64_t bug, enum severity severity,
                       const struct decision *decision, struct err *err);
int store_clear_severity(struct store *store, int64_t bug,
                         const struct decision *decision, struct err *err);

/* open fixing fixed ignored wontfix; not of a duplicate (-EINVAL). Wontfix accepts a
 * risk: it needs a reason and a time, and always ends when the severity rises. */
int store_set_bug_state(struct store *store, int64_t bug, const char *state,
                        const struct decision *decision, struct err *err);

/* Somebody has looked at it (any decision says so, too); a new one is open then. */
int store_acknowledge_bug(struct store *store, int64_t bug,
                          const struct decision *decision, struct err *err);

/* What is ignored or accepted and has come to its end is open again, with an event that
 * says why. Whoever opens the store for writing does it, and triage in spare time. */
int store_wake(struct store *store, int64_t *woken, struct err *err);

/* Whose it is, by hand: names as CODEOWNERS has them. NULL: no longer by hand, the rules
 * decide again. */
int store_set_owner(struct store *store, int64_t bug, const char *owner,
                    const struct decision *decision, struct err *err);

/* A line of CODEOWNERS. */
struct owner_rule {
    const char *pattern;
    const char *root; /* folders that patterns begin in, absolute, one a line */
    const char *owners, *origin; /* "@a @b"; "CODEOWNERS:12" */
};

/* These are the rules from now on; the last that matches the path of the first frame that
 * counts decides, else what store_put_builds() finds beside the target (T.owners). All
 * bugs are weighed anew when they changed. */
int store_put_owner_rules(struct store *store, const struct owner_rule *rules, size_t n,
                          struct err *err);

/* How long after it was filed a bug is due, by severity, ms; 0: never. */
int store_put_deadlines(struct store *store, const int64_t *ms, struct err *err);

/* A rule of the owners, `severity:` in nightjar.yaml. Patterns are those of
 * triage/pattern.h, NULL: any; function and file are those of the first frame that
 * counts. */
struct severity_rule {
    const char *target, *crash_type, *function, *file;
    enum severity severity;
    const char *reason, *origin; /* origin: "nightjar.yaml:12" */
};

/* These are the rules from now on; the first that matches decides. All bugs are weighed
 * anew when they changed. */
int store_put_severity_rules(struct store *store, const struct severity_rule *rules,
                             size_t n, struct err *err);

/* A bug that may be the same one: suggested to a person, never joined unasked. */
struct similar_bug {
    int64_t bug;
    char name[24], state[16];
    char title[256]; /* crash type and top frame in one line */
    double score;    /* 0 to 1, of the bugs' stacks: triage/similar.h */
    bool cluster;    /* so alike that CASR would put the two into one cluster */
    char why[512];   /* a sentence */
};

/* Below this nothing is suggested: half the way to CASR's one cluster. */
#define STORE_SIMILAR_MIN 0.35

/* Visit those most alike first, ten at most, among the 256 bugs that share most frames of
 * their crash states with it; duplicates are left out. None for a bug without a record.
 * -ENODATA: no such bug. visit may use the store. */
typedef int similar_visit(void *user, const struct similar_bug *similar, struct err *err);
int store_similar(struct store *store, int64_t id, similar_visit *visit, void *user,
                  struct err *err);

/* Visit each path that was ever given, in that order, with its crash: `bugs --crashes`.
 * The path's bytes are as given; bug_name NULL where none. */
typedef int crash_visit(void *user, const char *sha256, const char *path,
                        const char *bug_name, const char *state, struct err *err);
int store_crash_paths(struct store *store, crash_visit *visit, void *user,
                      struct err *err);

/*
 * A blob's plain bytes, checked against its name; appends to out, whose bound is raised
 * to hold them unless the caller set one. -EINVAL: no SHA-256; -ENODATA: unknown or
 * dropped; -ENOENT: its file is gone; -EUCLEAN: its file is damaged; -EFBIG: more than
 * out holds.
 */
int store_blob(struct store *store, const char *sha256, struct buf *out, struct err *err);

/* How many exact stacks of each bug keep an example: input and record. The inputs of
 * further crashes go in time, their rows and paths stay. */
enum { STORE_EXAMPLES = 32, STORE_EXAMPLES_MAX = 1000 };
int store_put_examples(struct store *store, int64_t examples, struct err *err);

/* The raw report of a crash; empty when there is none. */
int store_report(struct store *store, int64_t crash, struct buf *out, struct err *err);

/* How the bug's crash is replayed. -ENODATA: no such bug, or it stems from a report. */
int store_bug_command(struct store *store, int64_t bug, struct command *out,
                      struct record_settings *settings, struct err *err);

/* The same of one crash, on the build that showed it, with what it needs to show there.
 * *target is the row of its target. -ENODATA. */
int store_crash_command(struct store *store, int64_t crash, struct command *out,
                        struct record_settings *settings, int64_t *target,
                        struct err *err);

/* Crashes of one bug with one signature in one target. */
struct variant {
    const char *target, *signature; /* borrowed, like all below */
    /* of its oldest crash whose record is kept; "" where none is */
    const char *crash_type, *crash_state, *sanitizer, *build;
    int64_t crashes, stacks;       /* inputs; distinct stacks (hash.minor) among them */
    int64_t first_seen, last_seen; /* wall ms, as of a bug */
    int64_t written;               /* when the oldest was found, backlog too */
    const char *sha256;            /* of that crash's input */
};

/* Visit the variants of a bug, those with most crashes first, at most `limit`. visit may
 * use the store. */
typedef int variant_visit(void *user, const struct variant *variant, struct err *err);
int store_variants(struct store *store, int64_t bug, int limit, variant_visit *visit,
                   void *user, struct err *err);

struct store_counts {
    int64_t crashes, queued, triaged, unparsed, untriageable, broken;
    int64_t bugs[5]; /* open ones by severity */
    int64_t bugs_total;
    int64_t minimize_waiting;
};
int store_counts(struct store *store, struct store_counts *out, struct err *err);

/*
 * Totals that survive everything, for metrics; labels are a JSON object as text.
 *
 *   crashes_total            target, kind: crash hang oom leak unknown,
 *                            result: new duplicate unreproducible untriageable broken
 *   crash_files_total        target, source, result: new duplicate
 *   reproducer_runs_total    target, result: crash clean different
 *   bugs_detected_total      target, severity; so bugs_fixed_total, bugs_regressed_total
 *   bug_patch_deadline_total severity, result: met missed
 *   incidents_total          severity, kind: vuln control
 *   gate_runs_total          verdict
 *   worker_restarts_total    target, engine
 *   worker_executions_total  target, engine
 *   fuzz_milliseconds_total  target: time of workers that was used (triage/control.h)
 *   fuzz_scheduled_milliseconds_total   target: and that was meant
 *   control_slices_total     target, result: good bad
 *   control_fault_milliseconds_total    target, cause
 *   push_total               sink, result: ok failed
 *   db_busy_total            (none): times that a scribe waited for the database
 *   ..._bucket, ..._sum      triage/histogram.h
 *   exchange_inputs_total    target, direction: "aflpp_to_libfuzzer" "cross_to_aflpp"
 * ..., result: offered useful
 */
typedef int counter_visit(void *user, const char *name, const char *labels, int64_t value,
                          struct err *err);
int store_counters(struct store *store, counter_visit *visit, void *user,
                   struct err *err);

/* From when on this store has counted: the time of its first event; now when there is
 * none. Wall ms. */
int store_since(struct store *store, int64_t *at, struct err *err);

/* --- events: every state change has one; each goes to the outbox of every sink --- */

struct event {
    const char *kind;    /* "bug.new" "bug.state" "bug.severity" "bug.minimize"
                            "bug.backlog" "bug.override" "bug.merge"
                            "bug.owner" "bug.acknowledged" "build.add" "build.remove"
                            "bug.split" "bug.pin" "bug.unpin" "bug.regroup"
                            "bug.verify" (triage/regression.h) "crash.state"
                            "bug.issue" (triage/issue.h)
                            "worker.state"    "campaign.start"           "campaign.end"
                            "target.replay" "target.disk" (corpus/disk.h) "target.coverage"
                            "gate.verdict" "bug.deadline"
                            "bug.incident" "bug.introduced"
                            "target.outage" "budget.state" (orchestrator/gate/slo.h) */
    const char *subject; /* "bug" "crash" "worker" "campaign" "target" "gate" "budget" */
    int64_t subject_id;
    const char *from, *to; /* states, or NULL */
    json_t *detail;        /* borrowed; NULL: none */
    const char *actor;     /* NULL: nightjar itself */
};

/* Crash events stay in the log: a flood of broken replays is one event of its target, not
 * a message to every sink for each file. So do those of a bug that is backlog; that it no
 * longer is tells "bug.backlog" (from "backlog" to "fresh"), with what "bug.new" told. */
int store_event(struct store *store, const struct event *event, struct err *err);

/* The same if its kind left its subject somewhere else, which becomes `from`; at first a
 * subject is at `otherwise`. So who looks again, at once with others, tells a change
 * once. */
int store_event_change(struct store *store, const struct event *event,
                       const char *otherwise, struct err *err);

/* The same if the subject has no event of this kind yet. */
int store_event_first(struct store *store, const struct event *event, struct err *err);

/* Where the last event of its kind left its subject (only these are read of `of`): new,
 * or NULL when there was none. */
int store_last_state(struct store *store, const struct event *of, char **state,
                     struct err *err);

struct event_row {
    int64_t id, at; /* at: wall ms */
    const char *kind, *actor;
    const char *from, *to; /* "": none */
    json_t *detail;        /* NULL: none; to be read alone */
};

struct event_range {
    const char *subject;
    int64_t subject_id;
    int limit;
    int64_t older; /* out: how many there are before those that were visited */
};

/* Visit the newest `limit` events of a subject, oldest first. visit may use the store. */
typedef int event_visit(void *user, const struct event_row *event, struct err *err);
int store_events(struct store *store, struct event_range *range, event_visit *visit,
                 void *user, struct err *err);

/* --- campaigns and workers, written by the supervisor's scribe --- */

int store_campaign_begin(struct store *store, const json_t *arguments, int64_t *id,
                         struct err *err);
int store_campaign_end(struct store *store, int64_t id, const char *how, struct err *err);

struct worker_row {
    const char *name; /* unique within the state: "stb_truetype-aflpp-1" */
    int64_t target;
    const char *engine; /* aflpp libfuzzer */
    const char *state;  /* the design's words */
    int64_t pid;        /* 0: none */
    int64_t restarts;   /* in all */
    int64_t execs; /* monotone over restarts; a smaller number than before counts anew */
    double execs_per_sec;
    int64_t edges, corpus;
    int64_t edges_known; /* of the target in all, as its engine counts; 0: not known */
    double stability;    /* share of edges that one input reaches every time, 0 to 1; less
                            than 0: not known */
    int64_t productive_ms; /* in state running with progress */
    const char *reason;    /* why it is in this state, or NULL */
};

/* Upsert; a changed state writes a worker.state event. */
int store_put_worker(struct store *store, int64_t campaign, const struct worker_row *row,
                     struct err *err);

/* Inputs that passed from one engine of a target to another, or were kept by it. */
int store_count_exchange(struct store *store, const char *target, const char *direction,
                         const char *result, int64_t inputs, struct err *err);

typedef int worker_visit(void *user, const struct worker_row *row, const char *target,
                         int64_t updated, struct err *err);
int store_workers(struct store *store, worker_visit *visit, void *user, struct err *err);

/* --- db check: prove the invariants --- */

/* `name` is the invariant's, `text` a sentence that names the row. */
typedef void check_finding(void *user, const char *name, const char *text);

/* Calls `finding` for each violation; returns their number or a failure. deep: every blob
 * is read and compared with its name. */
int store_check(struct store *store, bool deep, check_finding *finding, void *user,
                struct err *err);

#endif
