/*
 * Files on their way into the ledger: given by pipeline_submit(), handed to the scribe a
 * window at a time, and gone from here once it has answered.
 */
#ifndef ORCHESTRATOR_SUPERVISE_PIPELINE_INTAKE_H
#define ORCHESTRATOR_SUPERVISE_PIPELINE_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orchestrator/supervise/scribe_link.h"

/* Files that the scribe has and has not filed yet: enough for full batches, few enough
 * that a request for a job, which waits its turn behind them, does not wait long. */
enum { INTAKE_WINDOW = 128 };

struct submission {
    char *target;
    char *path;         /* absolute */
    const char *source; /* a constant of the caller */
    bool is_report, backlog;
    int64_t written, from, bytes; /* as in struct intake_item */
    /* what the caller of pipeline_submit() wants to be told; may be NULL */
    void (*done)(void *user, const char *path, int code, bool is_new);
    void *user;
    struct submission *next; /* intake's own */
};

struct intake;

/* The scribe has answered: code and reason as in struct intake_result. The submission's
 * own `done` is called behind it. */
typedef void intake_filed(void *user, int code, bool is_new, const char *reason);

struct intake *intake_new(intake_filed *filed, void *user);
void intake_free(struct intake *intake); /* NULL is a no-op */

/* Copies all of it. */
void intake_add(struct intake *intake, const struct submission *submission);

/* Give the scribe what the window lets through. */
void intake_pump(struct intake *intake, struct scribe_link *link);

/* Refuse with -ECANCELED what the scribe has not got. Returns how many. */
size_t intake_cancel(struct intake *intake);

/* How many the scribe has not got. */
size_t intake_waiting(const struct intake *intake);

#endif
