#include "triage/known.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

enum { SMALLER_PART = 8 };

struct entry {
    char *command; /* as JSON */
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
        mem_free(known->entries[i].command);
    }
    mem_free(known);
}

static char *
text_of(const struct command *command)
{
    AUTO(json_decref) json_t *object = command_to_json(command);

    return json_line(object);
}

/* Its place, or the number in use. */
static size_t
find(const struct known *known, const char *command, const char *major)
{
    size_t i = 0;

    while (i < known->n && (strcmp(known->entries[i].major, major) != 0 ||
                            strcmp(known->entries[i].command, command) != 0)) {
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
    AUTO(mem_free) char *text = text_of(command);
    size_t at = find(known, text, record->hash_major);

    if (at < known->n) {
        struct entry *entry = &known->entries[at];
        bool worse = record->severity_score > entry->score;
        entry->score = worse ? record->severity_score : entry->score;
        entry->bytes = bytes < entry->bytes || worse ? bytes : entry->bytes;
        return;
    }
    at = known->n < KNOWN_MAX ? known->n++ : known->next++ % KNOWN_MAX;
    mem_free(known->entries[at].command);
    known->entries[at] = (struct entry){
        .command = STEAL(text), .score = record->severity_score, .bytes = bytes};
    (void)snprintf(known->entries[at].major, sizeof(known->entries[at].major), "%s",
                   record->hash_major);
}

bool
known_covers(const struct known *known, const struct command *command,
             const struct record *record, int64_t bytes)
{
    AUTO(mem_free) char *text = text_of(command);
    size_t at = find(known, text, record->hash_major);

    return at < known->n && record->severity_score <= known->entries[at].score &&
           !known_is_smaller(bytes, known->entries[at].bytes);
}
