/*
 * The crashes that a triage worker has answered in full. A further duplicate whose record
 * says the same of all that is filed of it (the exact stack with its signature, type,
 * class and score) is answered by the number of that job alone: neither the record nor
 * the report travel, are parsed and are judged once more. Whoever files it may have
 * forgotten that job and asks for the whole then. A worker that is started anew begins
 * with nothing.
 */
#ifndef TRIAGE_ANSWERED_H
#define TRIAGE_ANSWERED_H

#include <stdint.h>

#include "base/auto.h"
#include "base/json.h"
#include "triage/record.h"

enum {
    ANSWERED_MAX = 512,       /* crashes; the oldest gives way */
    ANSWERED_SCOPES_MAX = 16, /* requests that differ in more than their input */
};

struct answered;

struct answered *answered_new(void);
void answered_free(struct answered *answered); /* NULL is a no-op */
AUTO_DEFINE(struct answered *, answered_free)

/* The number of what a request asks for, its job and its input aside: command, builds,
 * options, source. Requests that are alike have the same. */
int64_t answered_scope(struct answered *answered, const json_t *request);

/* The last job of that scope whose record said the same; 0: there is none. */
int64_t answered_find(const struct answered *answered, int64_t scope,
                      const struct record *record);

void answered_add(struct answered *answered, int64_t scope, const struct record *record,
                  int64_t job);

#endif
