/*
 * What a triage worker has seen: signatures that one of its inputs showed in every one of
 * several runs. A further input that shows such a signature needs no more than the run in
 * which it did, unless it may come to stand for the bug (store_finish.c: of a worse
 * score, or smaller), for whatever stands for a bug was run several times. A worker
 * that is started anew begins with nothing, which costs some runs and is never wrong.
 * What one has seen the others are told: news travel as JSON, in its answers and in their
 * next requests.
 */
#ifndef TRIAGE_KNOWN_H
#define TRIAGE_KNOWN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/json.h"
#include "triage/command.h"
#include "triage/record.h"

enum {
    KNOWN_MAX = 512,     /* signatures; the oldest gives way */
    KNOWN_NEWS_MAX = 16, /* of them told at a time */
};

struct known;

struct known *known_new(void);
void known_free(struct known *known); /* NULL is a no-op */
AUTO_DEFINE(struct known *, known_free)

/* An input of that many bytes showed the record's signature in all of its runs. */
void known_add(struct known *known, const struct command *command,
               const struct record *record, int64_t bytes);

/* What was added since the last call, an array that is mostly empty; the rest is told at
 * the next one. New reference. */
json_t *known_news(struct known *known);

/* What others added; no news here. Malformed entries are left out: whoever told them may
 * have been taken over, and can cost a crash no more than its further runs. */
void known_learn(struct known *known, const json_t *news);

/* Whether an input that showed this once is a further duplicate and no more. */
bool known_covers(const struct known *known, const struct command *command,
                  const struct record *record, int64_t bytes);

/* Whether an input is so much smaller than another that it is worth the runs that it
 * costs to put it in the other's place: by an eighth; what is left is minimization's. */
bool known_is_smaller(int64_t bytes, int64_t than);

#endif
