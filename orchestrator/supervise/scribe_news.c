#include "orchestrator/supervise/scribe_news.h"

#include <string.h>

#include "base/mem.h"
#include "triage/known.h"

void
scribe_news_clear(struct scribe_news *news)
{
    for (size_t i = 0; i < SCRIBE_NEWS_MAX; i++) {
        json_decref(news->items[i]);
    }
    for (size_t i = 0; i < news->n_readers; i++) {
        mem_free(news->readers[i].folder);
    }
    *news = (struct scribe_news){0};
}

void
scribe_news_take(struct scribe_news *news, const json_t *told)
{
    for (size_t i = 0; i < json_array_size(told) && i < KNOWN_NEWS_MAX; i++) {
        json_t *item = json_array_get(told, i);
        json_t **place = &news->items[news->n % SCRIBE_NEWS_MAX];
        if (json_dumpb(item, NULL, 0, JSON_ENCODE_ANY) <= SCRIBE_NEWS_BYTES) {
            json_decref(*place);
            *place = json_incref(item);
            news->n++;
        }
    }
}

/* Where the worker's next news stand; NULL: too many workers. */
static uint64_t *
find_reader(struct scribe_news *news, const char *folder)
{
    for (size_t i = 0; i < news->n_readers; i++) {
        if (strcmp(news->readers[i].folder, folder) == 0) {
            return &news->readers[i].next;
        }
    }
    if (news->n_readers == SCRIBE_NEWS_READERS_MAX) {
        return NULL;
    }
    news->readers[news->n_readers].folder = mem_strdup(folder);
    return &news->readers[news->n_readers++].next;
}

void
scribe_news_give(struct scribe_news *news, const char *folder, json_t *request)
{
    uint64_t *next = find_reader(news, folder);

    if (next == NULL || *next == news->n) {
        return;
    }
    uint64_t oldest = news->n > SCRIBE_NEWS_MAX ? news->n - SCRIBE_NEWS_MAX : 0;
    json_t *told = json_array();
    for (uint64_t i = *next > oldest ? *next : oldest; i < news->n; i++) {
        (void)json_array_append(told, news->items[i % SCRIBE_NEWS_MAX]);
    }
    *next = news->n;
    json_put(request, "known", told);
}
