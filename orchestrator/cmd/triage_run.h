/*
 * Files into the ledger and, where no other nightjar does it, through triage to the table
 * of bugs: what `nightjar triage` and `nightjar import` have in common. One call a
 * process.
 */
#ifndef ORCHESTRATOR_CMD_TRIAGE_RUN_H
#define ORCHESTRATOR_CMD_TRIAGE_RUN_H

#include "orchestrator/cmd/cmd.h"
#include "orchestrator/corpus/crash_files.h"

struct triage_call {             /* all borrowed */
    const struct strv *paths;    /* empty: what is queued */
    const struct strv *command;  /* behind "--"; empty: none given */
    const char *source;          /* of what is filed: see struct intake_item */
    const char *target;          /* a name; NULL: the program's */
    const char *verb;            /* for messages: "triage", "import afl" */
    const enum crash_kind *kind; /* what all paths must be; NULL: anything */
    bool reports;                /* texts of reports: nothing is run */
    bool backlog;                /* old findings: see struct intake_item */
    bool ledger_only;            /* file them, and leave triage to a later call */
    int64_t jobs, runs;          /* 0: nightjar.yaml's, else the default */
    int64_t timeout_ms;          /* of one run; 0: the default */
    const char *minimize;        /* a duration or "no"; NULL: the default */
    const char *rung;            /* of the sandbox; NULL: nightjar.yaml's */
};

/* Says what it does on standard error and prints the bugs; an exit status. */
int triage_run(const struct cmd_context *context, const struct triage_call *call);

#endif
