/*
 * One regression on its way through the verifier: which of its witnesses is asked
 * next, with which command, and what the answers say together.
 *
 *   1. the reproducer; it is the bug, or another: that is all
 *   2. where it is clean, the bug's first input: a minimized one may miss
 *   3. where both are, and the build is such that the bug would be fixed: all others that
 *      are kept of it, each on the build that showed it, until one is not clean
 */
#ifndef ORCHESTRATOR_SUPERVISE_VERIFIER_CHECK_H
#define ORCHESTRATOR_SUPERVISE_VERIFIER_CHECK_H

#include "orchestrator/target.h"
#include "triage/kept.h"
#include "triage/regression.h"

struct build_name { /* a program and its build id */
    char *path, *id;
};

struct checking { /* what all checks share; borrowed */
    struct store *store;
    const struct strv *command;   /* a person's, behind "--"; NULL or n 0: none */
    const struct revision *build; /* --build; NULL: the present ones */
    /* The builds of another version, which only answer; NULL: those that the store has.
     */
    const struct target_list *elsewhere;
    int64_t runs; /* of each; 0: by how often it showed */
    int fix_runs; /* then: clean ones until an open bug counts as fixed; 0: the same */
    struct build_name *builds; /* owned: build ids that were asked for */
    size_t n_builds;
};
void checking_clear(struct checking *checking);

struct check {
    const struct regression *of; /* borrowed */
    struct witness_list witnesses;
    size_t at;      /* the one that is asked */
    int64_t target; /* whose command it is run with */
    struct command command;
    struct record_settings settings;
    struct verified seen;
    int runs;
    bool fixes;        /* the rest is asked whether it is fixed, too */
    bool loaded, done; /* its command; all that is to be known is */
};
void check_clear(struct check *check);
AUTO_DEFINE_CLEAR(struct check, check_clear)

/* What is to be run now: a new request of triage/worker.h; its input is appended. */
int check_request(struct checking *checking, struct check *check, json_t **request,
                  struct buf *input, struct err *err);

/* Take an answer in (NULL: it could not be run, and why): 1: ask again; 0: that is all,
 * check->seen says what was seen. Fails only when the store does. */
int check_answer(struct checking *checking, struct check *check, int64_t job,
                 const json_t *answer, const char *why, struct err *err);

#endif
