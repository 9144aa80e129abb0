/*
 * What a gate run found and decided, ready to be written down: plain data that gate.c
 * (from the database alone) and `nightjar ci` (from a run) fill in and that the report
 * formats (publish/report.h) read. Formats look at nothing else.
 *
 * All text in it is hostile: crash types, frames, paths, and sentences that quote them.
 */
#ifndef ORCHESTRATOR_GATE_FINDING_H
#define ORCHESTRATOR_GATE_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"
#include "triage/store.h"

enum verdict {
    VERDICT_PASS,
    VERDICT_FAIL,
    VERDICT_INCONCLUSIVE,
    VERDICT_BUDGET_EXHAUSTED
};

const char *
verdict_name(enum verdict verdict);     /* pass fail inconclusive budget_exhausted */
int verdict_exit(enum verdict verdict); /* the design's exit statuses: 0 1 3 4 */

/* What a finding is to the change that is judged. */
enum finding_class {
    FINDING_NEW,            /* unknown, and not on the base build */
    FINDING_REGRESSED,      /* was fixed, crashes again */
    FINDING_CHANGED,        /* a known bug whose reproducer crashes differently now */
    FINDING_UNATTRIBUTED,   /* unknown, and there is no base to compare with */
    FINDING_FLAKY,          /* shows in too few runs to fail anybody */
    FINDING_UNREPRODUCIBLE, /* was seen, shows in no run */
    FINDING_PRE_EXISTING,   /* known, or on the base build as well */
    FINDING_CLASSES
};

/* new regressed changed unattributed flaky unreproducible pre_existing */
const char *finding_class_name(enum finding_class class);

/* Runs of one input on one build: it showed in k of n; n 0: it was not run there. */
struct finding_runs {
    int k, n;
};

/* Where to show it in the source; path relative to its root. */
struct finding_place {
    char *path;
    int line, column; /* column 0: unknown */
    bool in_source;   /* the file was found below findings.source_root */
};

enum { FINDING_FINGERPRINT_MAX = 41 };

struct finding {
    struct bug bug; /* with its record */
    enum finding_class class;
    bool blocking;
    char *waiver; /* who lets it pass until when and why; NULL: nobody does */
    char *reason; /* a sentence: why it is of its class, and why it blocks or does not */
    struct finding_runs head, base;
    char *artifacts; /* its folder, relative to the report folder; NULL: none */
    /* set by report_write_all(), for the formats */
    struct finding_place place;
    char fingerprint[FINDING_FINGERPRINT_MAX]; /* publish/report_text.h */
    bool withheld;                             /* all but number and severity is */
};

/* How a target was looked at: control health. */
struct finding_target {
    char *name;
    bool ran;    /* it did what it was to do; else the verdict cannot be pass */
    char *why;   /* a sentence: why it did not run, or need not; NULL: nothing to say */
    char *seeds; /* a sentence: which seeds went first; NULL: no matter */
    int64_t execs, fuzz_ms; /* of fuzzing; 0: only replayed */
    int64_t replays;        /* of known reproducers */
    int64_t inputs;         /* of its corpus at the start */
};

/* Findings beyond that are counted in `more` alone: what GitHub shows of a SARIF file. */
enum { FINDINGS_MAX = 5000 };

struct findings {
    enum verdict verdict;
    struct strv reasons; /* sentences for a person, the decisive one first */
    struct finding *v;   /* every open bug of the targets; blocking ones first, then worst
                            first: findings_sort() */
    size_t n;
    int64_t more;
    struct finding_target *targets; /* none: only the database was asked */
    size_t n_targets;
    enum severity fail_on;
    int64_t open[5]; /* open bugs by severity */
    int64_t execs;   /* executions of all workers */
    int64_t triaged, queued;
    int64_t started, ended; /* wall ms */
    /* The change comes from somebody who is not trusted (a fork): see report.h. */
    bool untrusted;
    /* Absolute; where the sources lie that files of a report are named relative to. NULL:
     * unknown, nothing is looked for. */
    char *source_root;
};

void findings_clear(struct findings *findings);
AUTO_DEFINE_CLEAR(struct findings, findings_clear)

/* Append a zeroed finding and return it (borrowed until the next one); NULL beyond
 * FINDINGS_MAX, which is counted. */
struct finding *findings_add(struct findings *findings);

/* The same for a target. name is copied. */
struct finding_target *findings_add_target(struct findings *findings, const char *name);

/* Take back the last finding. */
void findings_drop(struct findings *findings);

/* Whether more than number and severity may be told of it: of an untrusted change only
 * what is its own, or has no consequences for security. */
bool finding_is_told(const struct findings *findings, const struct finding *finding);

/* Blocking ones first; then by severity, class, score and number of the bug. */
void findings_sort(struct findings *findings);

#endif
