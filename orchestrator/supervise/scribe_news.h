/*
 * What triage workers tell each other by way of the scribe: the signatures that each has
 * seen in several runs of an input (triage/known.h), so that the same bug is not run
 * several times by each of them. News are not kept: who is not told finds out by itself.
 *
 * Threat: a worker may have been taken over, so what it tells is bounded, and goes on
 * uninterpreted to those who check it.
 */
#ifndef ORCHESTRATOR_SUPERVISE_SCRIBE_NEWS_H
#define ORCHESTRATOR_SUPERVISE_SCRIBE_NEWS_H

#include <stdint.h>

#include "base/auto.h"
#include "base/json.h"

enum {
    SCRIBE_NEWS_MAX = 512,         /* kept for those who have not asked yet */
    SCRIBE_NEWS_BYTES = 16 << 10,  /* of one */
    SCRIBE_NEWS_READERS_MAX = 256, /* workers; further ones are told nothing */
};

struct scribe_news {
    json_t *items[SCRIBE_NEWS_MAX]; /* a ring */
    uint64_t n;                     /* ever taken */
    struct {
        char *folder; /* the worker's */
        uint64_t next;
    } readers[SCRIBE_NEWS_READERS_MAX];
    size_t n_readers;
};

void scribe_news_clear(struct scribe_news *news);
AUTO_DEFINE_CLEAR(struct scribe_news, scribe_news_clear)

/* What a worker told; anything but an array is nothing. */
void scribe_news_take(struct scribe_news *news, const json_t *told);

/* Put into a request of the worker of that folder ("known") what was told since its last
 * one. */
void scribe_news_give(struct scribe_news *news, const char *folder, json_t *request);

#endif
