/*
 * Which issue of a tracker stands for a bug. It is an event of the bug ("bug.issue"), so
 * that its history says it, and the last one of a sink counts.
 */
#ifndef TRIAGE_ISSUE_H
#define TRIAGE_ISSUE_H

#include "triage/store.h"

struct issue_row {
    char *key;       /* the tracker's: "12", "SEC-12" */
    char state[16];  /* filed closed digest gone */
    int64_t until;   /* wall ms: its details are withheld until then; 0: they are not */
    int64_t created; /* wall ms: when the bug came to be in that issue */
};
void issue_clear(struct issue_row *row);
AUTO_DEFINE_CLEAR(struct issue_row, issue_clear)

/* Fill in *out, which is empty; it stays so when there is no issue. */
int store_issue(struct store *store, int64_t bug, const char *sink, struct issue_row *out,
                struct err *err);

/* What the issue is now. `created` is not read. */
int store_put_issue(struct store *store, int64_t bug, const char *sink,
                    const struct issue_row *row, struct err *err);

/* Bugs that got an issue of their own since then. */
int store_issues_since(struct store *store, const char *sink, int64_t since, int64_t *out,
                       struct err *err);

/* Visit bugs that came into a digest since then, in that order; and those whose details
 * were withheld until now. visit may not use the store. */
typedef int issue_visit(void *user, int64_t bug, const char *key, struct err *err);
int store_issues_digest(struct store *store, const char *sink, int64_t since,
                        issue_visit *visit, void *user, struct err *err);
int store_issues_due(struct store *store, const char *sink, int64_t now,
                     issue_visit *visit, void *user, struct err *err);

/* What marks the sink's issues: no other sink of any store has it. New. -ENODATA. */
int store_sink_key(struct store *store, const char *sink, char **out, struct err *err);

#endif
