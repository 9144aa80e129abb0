/* What `nightjar verify` prints: a row for each regression, and the sum. */
#ifndef ORCHESTRATOR_CMD_VERIFY_H
#define ORCHESTRATOR_CMD_VERIFY_H

#include "orchestrator/cmd/cmd.h"
#include "triage/regression.h"

struct verify_view {
    const struct cmd_context *context;
    int64_t n[VERIFIED_WAYS]; /* rows by what was seen */
    int64_t runs;             /* of all rows */
    int64_t fixed, regressed; /* bugs that were moved there */
    int64_t ms;               /* that all took */
};

void verify_view_begin(struct verify_view *view, const struct cmd_context *context);

/* Print one, JSON with --json, and count it. */
void verify_view_row(struct verify_view *view, const struct regression *of,
                     const struct verified *seen);

/* `all`: how many there are, tried or not. */
void verify_view_summary(const struct verify_view *view, size_t regressions);

#endif
