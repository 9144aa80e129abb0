#include <string.h>

#include "base/mem.h"
#include "triage/store/store_private.h"

enum {
    RECENT_MAX =
        2048, /* the oldest gives way; several workers remember some hundred each */
    FRAMES_MAX = 128, /* of a record that is kept: a bound of the memory for all */
    WHOLE_MAX = 1024, /* crashes; one that is forgotten may be asked for once more */
};

struct entry {
    int64_t job, target;
    char *source;
    struct record *record;
};

struct recent {
    struct entry entries[RECENT_MAX];
    size_t n, next;
    int64_t whole[WHOLE_MAX]; /* 0: free */
    size_t next_whole;
};

struct recent *
store_recent_new(void)
{
    return mem_alloc(sizeof(struct recent));
}

static void
entry_clear(struct entry *entry)
{
    mem_free(entry->source);
    record_free(entry->record);
}

void
store_recent_free(struct recent *recent)
{
    for (size_t i = 0; recent != NULL && i < recent->n; i++) {
        entry_clear(&recent->entries[i]);
    }
    mem_free(recent);
}

void
store_recent_add(struct store *store, const struct recent_key *key, struct record *record)
{
    struct recent *recent = store->recent;

    if (record->n_frames > FRAMES_MAX) {
        record_free(record);
        return;
    }
    size_t at = recent->n < RECENT_MAX ? recent->n++ : recent->next++ % RECENT_MAX;
    struct entry *entry = &recent->entries[at];
    entry_clear(entry);
    *entry = (struct entry){key->job, key->target, mem_strdup(key->source), record};
}

struct record *
store_recent_find(const struct store *store, const struct recent_key *key)
{
    const struct recent *recent = store->recent;

    for (size_t i = 0; i < recent->n; i++) {
        const struct entry *entry = &recent->entries[i];
        if (entry->job == key->job) {
            return entry->target == key->target && strcmp(entry->source, key->source) == 0
                       ? entry->record
                       : NULL;
        }
    }
    return NULL;
}

/* Its place, or WHOLE_MAX. */
static size_t
find_whole(const struct recent *recent, int64_t crash)
{
    size_t i = 0;

    while (i < WHOLE_MAX && recent->whole[i] != crash) {
        i++;
    }
    return i;
}

void
store_ask_whole(struct store *store, int64_t crash, bool whole)
{
    struct recent *recent = store->recent;
    size_t at = find_whole(recent, crash);

    if (whole && at == WHOLE_MAX) {
        recent->whole[recent->next_whole++ % WHOLE_MAX] = crash;
    } else if (!whole && at < WHOLE_MAX) {
        recent->whole[at] = 0;
    }
}

bool
store_wants_whole(const struct store *store, int64_t crash)
{
    return find_whole(store->recent, crash) < WHOLE_MAX;
}
