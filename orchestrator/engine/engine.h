/*
 * A fuzzing engine: how its workers are started, watched, stopped and resumed, and where
 * their finds appear. One file in this folder and one row in the table of engine.c.
 *
 * The life of a worker, which supervise/worker.c drives:
 *   1. probe()     once a process: what the engine that is installed here can do
 *   2. prepare()   before each start: folders, seeds, what an earlier run left behind
 *   3. command()   argument vector, environment, what the sandbox must show
 *   4. line()      for each line that it prints; poll() every few seconds
 *   5. classify()  why it ended
 *   6. repair()    puts right what would end the next run in the same way
 * At any time find_folders() names the folders in which finds appear.
 *
 * Threat: all that an engine prints and all below engine_job.folder may be a target's
 * doing. Lines are scanned for numbers in a fixed form and kept as text, files are opened
 * by folder.h only.
 */
#ifndef ORCHESTRATOR_ENGINE_ENGINE_H
#define ORCHESTRATOR_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"
#include "orchestrator/target.h"
#include "triage/sandbox.h"

/* Below the folder of seeds: those that are to be run before the others, which have them,
 * too. AFL++ reads the last name of a folder first. */
#define ENGINE_SEEDS_FIRST "~first"

enum {
    ENGINE_LINE_MAX = 4096,    /* bytes of a line that line() sees; the rest is dropped */
    ENGINE_TAIL_MAX = 8 << 10, /* bytes of output kept for classify() */
    ENGINE_REASON_MAX = 200,   /* bytes of a reason in words */
    ENGINE_BAD_SEEDS_MAX = 100, /* crashing seeds remembered of one run */
};

/* How patient the supervisor is with an engine's workers; all times in milliseconds. */
struct engine_policy {
    int64_t start_ms;   /* silence allowed before the first execution */
    int64_t frozen_ms;  /* silence allowed afterwards */
    int64_t grace_ms;   /* between asking it to stop and killing it */
    int64_t quick_ms;   /* a shorter run that ends badly is part of a crash loop */
    int loop_limit;     /* so many in a row: quarantined */
    int64_t backoff_ms; /* wait after the first bad end, doubled by each further one */
    int64_t backoff_max_ms;
    int64_t cool_ms; /* wait after a find, doubled while the same shallow find repeats */
    int64_t cool_max_ms;
    int64_t shallow_ms;    /* a find after a shorter run than this is shallow */
    int64_t slow_after_ms; /* so long below slow_per_s: slow */
    double slow_per_s;
    int64_t plateau_ms; /* so long without new coverage: plateaued */
};

/* The engine as it is installed here. `has` are bits of the engine's own. */
struct engine_caps {
    bool usable;
    char *program; /* absolute path; NULL where the target itself is the program */
    char version[32];
    unsigned has;
};

void engine_caps_clear(struct engine_caps *caps);
AUTO_DEFINE_CLEAR(struct engine_caps, engine_caps_clear)

/* One worker, as its engine needs to know it. Everything is borrowed; paths are absolute.
 */
struct engine_job {
    const struct target *target;
    const struct engine_caps *caps;
    const char *folder; /* STATE/fuzz/TARGET/ENGINE: shared by the engine's workers on
                           this target */
    const char *seeds;  /* STATE/fuzz/TARGET/seeds: unpacked, read only */
    const char *state;  /* STATE: hidden from the worker but for the two above */
    int number;     /* of this worker among those of the engine on the target, from 1 */
    int count;      /* how many there are */
    int cpu;        /* to run on; -1: wherever */
    int64_t for_ms; /* length of the campaign; 0: until stopped */
    bool sliced;    /* workers take turns: this one will be stopped and resumed */
    bool repaired;  /* repair() put something right in this campaign */
};

struct engine_command {
    struct strv argv; /* argv[0] is an absolute path */
    struct strv env;  /* the whole environment */
    struct sandbox_policy policy;
    int stop_signal; /* that asks it to stop */
};

void engine_command_clear(struct engine_command *command);
AUTO_DEFINE_CLEAR(struct engine_command, engine_command_clear)

/* What is known of the present run. Zeroed by engine_view_begin() before each start. */
struct engine_view {
    int64_t begun_ms; /* wall-clock time of the start */
    bool ready;       /* it is past its start-up: it fuzzes */
    bool found;       /* it said that it saved a find */
    uint64_t beats;   /* signs of life so far: lines that only a living engine prints */
    int64_t patience_ms;  /* how long it may now be silent; 0: policy.frozen_ms */
    int64_t execs;        /* as the engine counts; -1: not known yet */
    int64_t base_execs;   /* where its count began */
    int64_t base_ms;      /* and the running time that belongs to it */
    double execs_per_sec; /* as the engine says, or from its own counts */
    int64_t edges, corpus;
    int64_t edges_known;   /* of the target in all; 0: not known */
    double stability;      /* share of edges that are the same each time; -1: not known */
    uint64_t find_key;     /* of the last find, to tell a repeated one; 0: none */
    struct buf tail;       /* the last lines, as they came */
    char attempt[256];     /* the seed that is being tried */
    struct strv bad_seeds; /* inputs that the engine skips since they crash; below
                              engine_job.folder */
    int64_t reloaded; /* inputs of others that it said to have taken into its corpus */
};

void engine_view_begin(struct engine_view *view);
void engine_view_clear(struct engine_view *view);
AUTO_DEFINE_CLEAR(struct engine_view, engine_view_clear)

/* Keep a line for classify(). For the engines' line(). */
void engine_view_keep(struct engine_view *view, const char *line, size_t len);

enum engine_end {
    ENGINE_END_DONE,   /* it stopped because it was told to, or had nothing more to do */
    ENGINE_END_FOUND,  /* it ended with a find, as libFuzzer does */
    ENGINE_END_BROKEN, /* it failed; starting it again may help */
    ENGINE_END_HOPELESS, /* it failed in a way that the next start will meet again */
};

/* A folder below engine_job.folder in which finds appear. */
typedef void engine_folder_visit(void *user, const char *relative, bool consume);

/* What a name among an engine's inputs says of one. */
enum engine_input {
    ENGINE_INPUT_OWN,   /* it found it */
    ENGINE_INPUT_TAKEN, /* it came by an inlet, and the engine keeps it */
    ENGINE_INPUT_OTHER, /* a seed, a sibling's, one that was offered, no input */
};

struct engine_ops {
    const char *name;      /* "aflpp"; also the source of its crashes in the ledger */
    const char *title;     /* for a person: "AFL++" */
    enum build_kind build; /* what of a target it runs */
    bool counts_on; /* its count of executions goes on over restarts (else begins at 0) */
    bool
        counts_steadily; /* it tells them several times a minute; else when it has news */
    struct engine_policy policy;

    /* -ENOENT with the cure when it is not installed. */
    int (*probe)(struct engine_caps *out, struct err *err);
    int (*prepare)(const struct engine_job *job, struct engine_view *view,
                   struct err *err);
    int (*command)(const struct engine_job *job, struct engine_command *out,
                   struct err *err);
    /* line[len] is NUL; len <= ENGINE_LINE_MAX */
    void (*line)(const struct engine_job *job, struct engine_view *view, const char *line,
                 size_t len);
    void (*poll)(const struct engine_job *job, struct engine_view *view);
    /* status is waitpid's; reason (ENGINE_REASON_MAX bytes) is set for the last two ends
     */
    enum engine_end (*classify)(const struct engine_view *view, int status, char *reason);
    /* after each end, with everything ingested. 1: something was put right, so that a new
     * start makes sense at once (job->repaired from then on); 0: nothing; negative:
     * failure */
    int (*repair)(const struct engine_job *job, const struct engine_view *view,
                  struct err *err);
    void (*find_folders)(const struct engine_job *job, engine_folder_visit *visit,
                         void *user);
    /* whether a file of that name in such a folder is a find */
    bool (*is_find)(const char *name);

    /* --- exchange with the target's other engines (supervise/exchange.h); `folder` is
     * engine_job.folder --- */

    /* folders below `folder` in which inputs with new coverage appear */
    void (*inputs)(const char *folder, engine_folder_visit *visit, void *user);
    /* of a file in such a folder; with TAKEN *peer is the rest of the name behind
     * ENGINE_INLET_PREFIX, borrowed */
    enum engine_input (*input)(const char *name, const char **peer);
    /* where below `folder` a running engine takes in the n-th input, from 0, of the inlet
     * `peer`: "SOURCE-NUMBERS"; new string. The first folder of the path is made, and
     * removed when it is begun with ENGINE_INLET_PREFIX and its inlet is closed */
    char *(*inlet)(const char *peer, int64_t n, const char *sha256);
    int64_t inlet_room; /* inputs of one inlet; 0: no limit */
    /* inputs were removed while no worker ran: what it knows of their numbers is void.
     * NULL: it knows nothing */
    void (*pruned)(const char *folder);
};

#define ENGINE_INLET_PREFIX "from-"

/* The table, NULL-terminated. */
extern const struct engine_ops *const engine_table[];

/* By name; -EINVAL lists those that there are. */
int engine_find(const char *name, const struct engine_ops **out, struct err *err);

/* --- for the engines' files --- */

/* The decimal number behind `key` in text, which is searched from its start; `otherwise`
 * when there is none or when it is absurd (beyond 10^15). */
int64_t engine_number(const char *text, const char *key, int64_t otherwise);

/* The n-th field, from 0, of a line of numbers that stand between commas: its whole part.
 */
int64_t engine_column(const char *line, int n, int64_t otherwise);

/* Whether an entry of job->folder called PREFIX and a number is this worker's: its own
 * number, and for the first worker also those beyond the present count, which an earlier
 * campaign with more workers left. */
bool engine_owns(const struct engine_job *job, const char *name, const char *prefix);

/* The line behind one of a NULL-terminated list of marks in the view's tail, as a reason;
 * false: none. */
bool engine_last_words(const struct engine_view *view, const char *const *marks,
                       char *reason);

/* Seeds that no program should mind, for one that all its seeds crash; made beside
 * job->seeds, which is not writable for the worker. */
char *engine_minimal_seeds(const struct engine_job *job); /* where; new string */
int engine_make_minimal_seeds(const struct engine_job *job, struct err *err);

/* The text that a terminal would show: escape sequences and control bytes dropped.
 * Appends to out. */
void engine_plain(struct buf *out, const char *text, size_t len);

/* The message of a table whose `text` occurs in the view's tail; NULL when none does. */
struct engine_symptom {
    const char *text;   /* as the engine prints it */
    const char *reason; /* for a person, with the cure */
    bool hopeless;
};
const struct engine_symptom *engine_diagnose(const struct engine_view *view,
                                             const struct engine_symptom *table,
                                             size_t n);

/* What every engine's sandbox shows: the program and what lies beside it, seeds and
 * dictionary; own folder writable, STATE hidden. `program` is a build of the target; may
 * be called for several. */
int engine_policy_add(const struct engine_job *job, const char *program,
                      struct sandbox_policy *policy, struct err *err);

/* The environment of a build outside nightjar's own runs; abort_on_error as AFL++ insists
 * on it. Appends. */
void engine_environment(const struct target *target, const char *program,
                        bool abort_on_error, struct strv *env);

/* How a process ended that said nothing useful itself: signals, the sandbox's 125 to 127.
 */
void engine_describe_status(int status, char *reason);

#endif
