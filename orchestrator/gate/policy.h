/*
 * What fails a build: `gate:` of nightjar.yaml. It is read from the copy of the base
 * branch where there is one (`ci --policy-from`), so that a change gains nothing by
 * editing its own.
 *
 * A waiver lets one known bug pass until a day, not later than GATE_WAIVER_DAYS from now.
 * It is void when the bug is more severe than it says, and one that is over fails the
 * build in its own words, so that it is not forgotten.
 */
#ifndef ORCHESTRATOR_GATE_POLICY_H
#define ORCHESTRATOR_GATE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "triage/store.h"

enum {
    GATE_NEVER = SEVERITY_CRITICAL + 1, /* no bug is so severe */
    GATE_MIN_K = 3,                     /* ClusterFuzz's rule of thumb: 3 of 10 */
    GATE_MIN_N = 10,
    GATE_WAIVER_DAYS = 90,
    GATE_WARN_DAYS = 7, /* before a waiver ends */
    GATE_WAIVERS_MAX = 1000,
    GATE_TOKENS_MAX = 100,
    GATE_TOKEN_BYTES_MIN = 32, /* of a token: long enough that its hash tells nothing */
    GATE_MIN_EXECS = 100,      /* a harness that hangs runs some, too */
};
#define GATE_DAY_MS INT64_C(86400000)

/* Of the time that a target's workers fuzzed, or were broken. */
#define GATE_PRODUCTIVE 0.9

struct gate_waiver {
    int64_t bug;     /* 0: by signature */
    char *signature; /* hash.major; NULL: by number */
    char *owner, *reason;
    int64_t expires;            /* wall ms; the day's end */
    enum severity max_severity; /* default critical: any */
    char *origin;               /* "nightjar.yaml:12" */
};

struct gate_waivers {
    struct gate_waiver *v;
    size_t n;
};
void gate_waivers_clear(struct gate_waivers *waivers);

struct gate_token { /* of somebody who may override a frozen budget */
    char *owner;
    char *sha256; /* of the token */
};

struct gate_tokens {
    struct gate_token *v;
    size_t n;
};
void gate_tokens_clear(struct gate_tokens *tokens);

struct gate_policy {
    enum severity fail_on;   /* new bugs of this severity or worse fail */
    int fail_on_regressed;   /* the same of what was fixed; GATE_NEVER: none does */
    int min_k, min_n;        /* what shows more rarely is flaky, and fails nobody */
    bool timeout, oom, leak; /* whether bugs of these kinds fail, or are only told */
    double min_productive;   /* 0 to 1; see GATE_PRODUCTIVE */
    int64_t min_execs;       /* of each target that is fuzzed */
    bool freeze;             /* an exhausted breach budget fails all but fixes */
    char *signers; /* who may override that: a file of the base branch, gate/freeze.h;
                      NULL: nobody */
    struct gate_tokens tokens; /* the same by token */
    bool untrusted;            /* `trust: untrusted`: changes are strangers' */
    struct gate_waivers waivers;
};

void gate_policy_clear(struct gate_policy *policy);
AUTO_DEFINE_CLEAR(struct gate_policy, gate_policy_clear)

/* high; regressed: any; 3 of 10; timeouts and memory are told, leaks fail; nine tenths of
 * the time productive; 100 executions; warn. */
struct gate_policy gate_policy_default(void);

/* Whether bugs of this crash type fail at all; *kind receives "timeout", "oom", "leak" or
 * "crash", constant. */
bool gate_policy_kind(const struct gate_policy *policy, const char *crash_type,
                      const char **kind);

/* Whether it showed in too few runs to fail anybody. n 0: nobody knows, it counts. */
bool gate_policy_flaky(const struct gate_policy *policy, int k, int n);

enum waiver_word { WAIVER_NONE, WAIVER_HOLDS, WAIVER_EXPIRED, WAIVER_VOID };

/* What the waivers say of a bug now; *text (new, or NULL with WAIVER_NONE) is a sentence:
 * who waived it until when and why, or why that does not hold. *ends_ms: how long it
 * still holds. The best of several counts. */
enum waiver_word gate_policy_waiver(const struct gate_policy *policy,
                                    const struct bug *bug, int64_t now, char **text,
                                    int64_t *ends_ms);

#endif
