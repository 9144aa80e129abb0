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
    bool is_news;  /* nobody else was told */
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

static struct entry *
add(struct known *known, const struct command *command, const char *major, double score,
    int64_t bytes)
{
    size_t at = find(known, command, major);

    if (at < known->n) {
        struct entry *entry = &known->entries[at];
        bool worse = score > entry->score;
        entry->score = worse ? score : entry->score;
        entry->bytes = bytes < entry->bytes || worse ? bytes : entry->bytes;
        return entry;
    }
    at = known->n < KNOWN_MAX ? known->n++ : known->next++ % KNOWN_MAX;
    struct entry *entry = &known->entries[at];
    command_copy(&entry->command, command);
    entry->score = score;
    entry->bytes = bytes;
    entry->is_news = false;
    (void)snprintf(entry->major, sizeof(entry->major), "%s", major);
    return entry;
}

void
known_add(struct known *known, const struct command *command, const struct record *record,
          int64_t bytes)
{
    struct entry *entry =
        add(known, command, record->hash_major, record->severity_score, bytes);

    entry->is_news = true;
}

json_t *
known_news(struct known *known)
{
    json_t *array = json_array();

    for (size_t i = 0; i < known->n && json_array_size(array) < KNOWN_NEWS_MAX; i++) {
        struct entry *entry = &known->entries[i];
        if (entry->is_news) {
            json_t *object = json_object();
            json_put(object, "command", command_to_json(&entry->command));
            json_put(object, "major", json_string(entry->major));
            json_put(object, "score", json_real(entry->score));
            json_put(object, "bytes", json_integer(entry->bytes));
            (void)json_array_append_new(array, object);
            entry->is_news = false;
        }
    }
    return array;
}

void
known_learn(struct known *known, const json_t *news)
{
    for (size_t i = 0; i < json_array_size(news); i++) {
        const json_t *object = json_array_get(news, i);
        AUTO(command_clear) struct command command = {0};
        const char *major = json_get_str(object, "major", "");
        int64_t bytes = json_get_int(object, "bytes", -1);
        if (major[0] != '\0' && strlen(major) < RECORD_HASH_MAX && bytes >= 0 &&
            command_from_json(json_object_get(object, "command"), &command, NULL) == 0) {
            (void)add(known, &command, major, json_get_real(object, "score", 0), bytes);
        }
    }
}

bool
known_covers(const struct known *known, const struct command *command,
             const struct record *record, int64_t bytes)
{
    size_t at = find(known, command, record->hash_major);

    return at < known->n && record->severity_score <= known->entries[at].score &&
           !known_is_smaller(bytes, known->entries[at].bytes);
}
