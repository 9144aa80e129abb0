/* What is counted of what happens, in the caller's transaction (store_tally.c). Private
 * to the store. */
#ifndef TRIAGE_STORE_TALLY_H
#define TRIAGE_STORE_TALLY_H

#include "triage/histogram.h"
#include "triage/store.h"

/* Pairs of name and value, ending with NULL, as a counter has them: new JSON text. */
char *store_labels(const char *const *labels);

/* Count a value; `labels` are pairs of name and value, ending with NULL; less than 0 is a
 * clock that was wrong, and is left out. */
int store_observe(struct store *store, const struct histogram *histogram,
                  const char *const *labels, double value, struct err *err);

/* What an event means for totals: a bug that is fixed or back, a deadline, an incident, a
 * verdict of the gate. */
int store_tally_event(struct store *store, const struct event *event, int64_t now,
                      struct err *err);

/* A bug that is no backlog was found: how long that took, by each clock but that of the
 * commit that introduced it, which is not known yet. */
int store_tally_found(struct store *store, int64_t bug, int64_t now, struct err *err);

/* A crash was triaged, that came into the ledger then and was written then (wall ms; -1:
 * by others). */
int store_tally_triaged(struct store *store, int64_t written, int64_t first_seen,
                        int64_t now, struct err *err);

/* A bug's input was minimized to so many bytes. */
int store_tally_minimized(struct store *store, int64_t bug, int64_t bytes, int64_t now,
                          struct err *err);

#endif
