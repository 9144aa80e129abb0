#include "triage/known.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { SMALLER_PART = 8 };

struct entry {
    struct command command;
    char major[RECORD_HASH_MAX];
    double score;  /* the worst that was run several times */
    int64_t bytes; /* the smallest */
};

struct known {
    struct entry entries[KNOWN_MAX];
    size_t n;    /* in use */
    size_t next; /* to be replaced when all are */
};

struct known *
known_new(void)
{
    return mem_alloc(sizeof(struct known));
}

void
known_free(struct known *known)
{
    for (size_t i = 0; known != NULL && i < known->n; i++) {
        command_clear(&known->entries[i].command);
    }
    mem_free(known);
}

/* Its place, or the number in use. */
static size_t
find(const struct known *known, const struct command *command, const char *major)
{
    size_t i = 0;

    while (i < known->n && (strcmp(known->entries[i].major, major) != 0 ||
                            !command_same(&known->entries[i].command, command))) {
        i++;
    }
    return i;
}

bool
known_is_smaller(int64_t bytes, int64_t than)
{
    return bytes < than && bytes <= than - than / SMALLER_PART;
}

void
known_add(struct known *known, const struct command *command, const struct record *record,
          int64_t bytes)
{
    size_t at = find(known, command, record->hash_major);

    if (at < known->n) {
        struct entry *entry = &known->entries[at];
        bool worse = record->severity_score > entry->score;
        entry->score = worse ? record->severity_score : entry->score;
        entry->bytes = bytes < entry->bytes || worse ? bytes : entry->bytes;
        return;
    }
    at = known->n < KNOWN_MAX ? known->n++ : known->next++ % KNOWN_MAX;
    struct entry *entry = &known->entries[at];
    command_copy(&entry->command, command);
    entry->score = record->severity_score;
    entry->bytes = bytes;
    (void)snprintf(entry->major, sizeof(entry->major), "%s", record->hash_major);
}

bool
known_covers(const struct known *known, const struct command *command,
             const struct record *record, int64_t bytes)
{
    size_t at = find(known, command, record->hash_major);

    return at < known->n && record->severity_score <= known->entries[at].score &&
           !known_is_smaller(bytes, known->entries[at].bytes);
}
