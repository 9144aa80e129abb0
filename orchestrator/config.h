/*
 * nightjar.yaml: strict. An unknown key, a wrong type or value is an error with file,
 * line, column and a suggestion. Relative paths are relative to the file. Everything has
 * a default; the file is optional.
 */
#ifndef ORCHESTRATOR_CONFIG_H
#define ORCHESTRATOR_CONFIG_H

#include <stdint.h>

#include "base/err.h"
#include "orchestrator/corpus/disk.h"
#include "orchestrator/gate/policy.h"
#include "orchestrator/gate/slo.h"
#include "orchestrator/publish/notify.h"
#include "orchestrator/publish/sink.h"
#include "orchestrator/supervise/exchange.h"
#include "orchestrator/target.h"
#include "triage/record.h"
#include "triage/sandbox.h"
#include "triage/store.h"

/* An entry of `severity:`: patterns (triage/pattern.h; NULL: any), and what they decide.
 */
struct config_rule {
    char *target, *crash_type, *function, *file;
    char *severity, *reason;
    char *origin; /* "nightjar.yaml:12" */
};
struct config_rules {
    struct config_rule *v;
    size_t n;
};
void config_rules_clear(struct config_rules *rules);

/* `notify:` */
struct config_sinks {
    struct notify_sink *v;
    size_t n;
};
void config_sinks_clear(struct config_sinks *sinks);

struct config {
    char *path;  /* of the file that was read; NULL: defaults only */
    char *state; /* `state:`; NULL when not given (then --state or .nightjar) */
    enum sandbox_rung sandbox;
    int64_t jobs; /* fuzzing workers at a time; default: cores */
    struct target_list
        targets;     /* `targets:` entries merged with discovery of `out:` folders */
    struct strv out; /* `out:` folders to discover targets in */
    struct {
        int64_t jobs;         /* triage workers; 0: not given (1 beside fuzzing, cores for
                                 `triage`) */
        int64_t runs;         /* replays of what stands for a bug; default 10*/
        int64_t minimize_ms;  /* time per bug; 0: no minimization; default 20 s */
        enum keep_level keep; /* what a minimized input must still show: `keep: major` */
        int64_t examples; /* inputs kept of each bug, one an exact stack; default 32 */
        int64_t timeout_ms, memory_bytes; /* of one run, where a target says nothing of
                                             its own; 0: not given (25 s, 2.5 GiB) */
        bool ooms_and_hangs;              /* default yes */
        bool asserts_are_security, checks_are_security;
    } triage;
    struct strv names;     /* of the entries of `targets:` */
    struct {               /* `builds:` */
        struct strv watch; /* folders whose sub-folders are a build each; absolute */
        int64_t keep;      /* newest revisions of a branch whose programs are kept */
        int64_t max_bytes; /* of all copies; 0: no limit */
    } builds;
    struct { /* `retention:`: what gc leaves of what workers left */
        int64_t hangs_ms, crashes_ms, logs_ms;
    } retention;
    struct { /* `exchange: cross: start`, inputs between targets */
        enum exchange_cross cross;
    } exchange;
    struct seed_limits import;    /* `import:` */
    struct disk_limits disk;      /* `disk:` */
    struct config_rules severity; /* `severity:` */
    struct {                      /* `owners:` */
        char *file;               /* like CODEOWNERS; NULL: where GitHub looks for it */
        struct strv roots; /* where its patterns begin, also in builds elsewhere; none:
                              the folder of nightjar.yaml */
    } owners;
    struct gate_policy gate;    /* `gate:` */
    struct slo_policy slo;      /* `slo:` */
    struct config_sinks notify; /* `notify:` */
    int64_t metrics_every_ms;   /* during a campaign; default 15 s */
    char *metrics[SINKS_MAX];   /* where each of sink_at() sends to; NULL: not wanted */
};

/* path NULL: nightjar.yaml in the current folder, or defaults when there is none. New
 * config. Whatever is wrong with the file is -EINVAL: "nightjar.yaml:12:3: unknown key
 * 'tiemout' (did you mean 'timeout'?)". */
int config_load(const char *path, struct config **out, struct err *err);

/* The same for verbs that run no target: everything is checked that stands in the file,
 * but no folder is searched and no named file need exist. `targets` stays empty. */
int config_load_settings(const char *path, struct config **out, struct err *err);

/* What holds where there is no file at all. */
struct config *config_default(void);

void config_free(struct config *config);
AUTO_DEFINE(struct config *, config_free)

/* Make the store know what it is run with: the rules of `severity:`, `triage: examples:`,
 * owners, deadlines, whom to notify. */
int config_put_store(const struct config *config, struct store *store, struct err *err);
int config_put_owners(const struct config *config, struct store *store, struct err *err);
int config_put_sinks(const struct config *config, struct store *store,
                     struct err *err); /* the last alone */

/* A NAME.yaml beside a binary (harnesses' target.yaml): the same keys as an entry of
 * `targets:`, of which package, license, origin are only checked. What it says replaces
 * what target holds; env merges. A seed path that does not exist is passed over where
 * NAME_seed_corpus.* lies beside the file: the archive was made from it. */
int config_load_target(const char *path, struct target *target, struct err *err);

/* Write a commented nightjar.yaml for what was discovered. -EEXIST when the file is
 * there. */
int config_write(const char *path, const struct target_list *targets,
                 const struct strv *out, struct err *err);

#endif
