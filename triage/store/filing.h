/* A crash's answer on its way into the tables: between store_plan.c, which decides where
 * it belongs, and store_finish.c, which files it. */
#ifndef TRIAGE_STORE_FILING_H
#define TRIAGE_STORE_FILING_H

#include "triage/store/store_private.h"

/* What is filed: the job, its checked answer, and what the tables know of the crash. */
struct filing {
    struct store *store;
    const struct job *job;
    struct answer answer;
    bool queued;  /* still */
    bool is_sure; /* what the tables say was read in the transaction that goes on */
    bool is_report, backlog;
    int64_t target, blob, bytes, first_seen, written;
    char *target_name, *source;
    char *settings; /* JSON */
    const char *reproducibility;
    char report[HASH_HEX_MAX]; /* "" : none is kept */
    bool is_short; /* the answer names another job's: its record is that one's */
    struct {       /* JOB_SANITIZED: the open bug that it was filed in */
        int64_t bug;
        bool unseen;  /* by any sanitizer */
        bool present; /* its own bytes: else the bug's reproducer stood in for them */
        char minor[RECORD_HASH_MAX];
    } before;
};

void filing_clear(struct filing *filing);
AUTO_DEFINE_CLEAR(struct filing, filing_clear)

/* Which bug, and what of the crash is kept. */
struct plan {
    struct cluster_match match; /* bug: after duplicates were followed */
    int64_t home;               /* before that; 0: a new bug */
    enum severity severity;     /* computed for the bug until now; info for a new one */
    bool stands;                /* the crash is to stand for the bug */
    struct example example;     /* what it is the first of */
    bool reproduces;            /* its input is to be the bug's reproducer */
    struct cluster_match same;  /* .bug: another one that it shows to be this; 0: none */
    bool freshens;              /* it ends the bug's being backlog */
    bool fixed;                 /* the bug is, and this may show that it is back */
};

struct cluster_clue filing_clue(const struct filing *filing);

/* Find its bug and weigh it against what stands for that; in the caller's transaction. */
int filing_plan(const struct filing *filing, struct plan *out, struct err *err);

/* --- JOB_SANITIZED (store_sanitized.c): triaged again, on a build that came later --- */

/* Sets filing->before; it is taken for queued if the bug is open. */
int sanitized_load(struct filing *filing, struct err *err);

/* Whether a sanitizer told of it now. */
bool sanitized_shows(const struct filing *filing);

/* What nobody knows yet is the bug that no sanitizer saw yet. */
void sanitized_adopt(const struct filing *filing, struct plan *plan);

/* Whether no sanitizer saw this bug, which it was filed in, before. */
bool sanitized_is_first(const struct filing *filing, int64_t bug);

/* The crash was filed in `bug`: what follows for the one that it was in, and for crashes
 * of the same exact stack. */
int sanitized_follow(const struct filing *filing, int64_t bug, struct err *err);

#endif
