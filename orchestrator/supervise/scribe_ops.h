/*
 * What the scribe does for each request but "intake", which goes in batches (scribe.c):
 * one handler and one row of a table each. scribe.h has the requests and the answers.
 */
#ifndef ORCHESTRATOR_SUPERVISE_SCRIBE_OPS_H
#define ORCHESTRATOR_SUPERVISE_SCRIBE_OPS_H

#include "base/err.h"
#include "base/json.h"
#include "orchestrator/supervise/scribe_news.h"
#include "triage/store.h"

struct scribe_target {
    char *name;
    int64_t id;
};

struct scribe_books { /* what requests read and write */
    struct store *store;
    struct scribe_target *targets; /* registered in the life of this scribe */
    size_t n_targets;
    int64_t campaign; /* the last one begun; 0: none */
    struct scribe_news news;
};

/* Close the store and forget the targets. */
void scribe_books_clear(struct scribe_books *books);

/* The id of a registered target; 0: there is none of that name. */
int64_t scribe_target(const struct scribe_books *books, const char *name);

/* Do the request and fill in the answer, an object that has its "seq". body is what came
 * on the line after it, len bytes as a worker wrote them; NULL: none. -EPROTO: not as
 * scribe.h has it; other errors are the store's, -EBUSY is worth another try. */
typedef int scribe_handler(struct scribe_books *books, const json_t *request,
                           const char *body, size_t len, json_t *answer, struct err *err);

struct scribe_op {
    const char *op;
    scribe_handler *run;
    bool grouped; /* with those before and after it, in one transaction */
};

/* NULL: there is no such request. */
const struct scribe_op *scribe_op_find(const char *op);

#endif
