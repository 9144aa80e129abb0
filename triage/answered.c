#include "triage/answered.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

struct entry {
    int64_t scope, job;
    char minor[RECORD_HASH_MAX];
    char *type;
    const char *class_name; /* a constant */
    double score;
};

struct scope {
    json_t *request; /* without what is each job's own */
    int64_t number;
};

struct answered {
    struct entry entries[ANSWERED_MAX];
    size_t n, next; /* in use; to be replaced when all are */
    struct scope scopes[ANSWERED_SCOPES_MAX];
    int64_t last_scope;
};

struct answered *
answered_new(void)
{
    return mem_alloc(sizeof(struct answered));
}

static void
entry_clear(struct entry *entry)
{
    mem_free(entry->type);
}

void
answered_free(struct answered *answered)
{
    for (size_t i = 0; answered != NULL && i < answered->n; i++) {
        entry_clear(&answered->entries[i]);
    }
    for (size_t i = 0; answered != NULL && i < ANSWERED_SCOPES_MAX; i++) {
        json_decref(answered->scopes[i].request);
    }
    mem_free(answered);
}

int64_t
answered_scope(struct answered *answered, const json_t *request)
{
    static const char *const keys[] = {"op",   "command", "build", "builds",
                                       "runs", "options", "source"};
    AUTO(json_decref) json_t *rest = json_object();

    for (size_t i = 0; i < COUNT(keys); i++) {
        json_t *value = json_object_get(request, keys[i]);
        if (value != NULL) {
            json_put(rest, keys[i], json_incref(value));
        }
    }
    for (size_t i = 0; i < ANSWERED_SCOPES_MAX; i++) {
        const struct scope *scope = &answered->scopes[i];
        if (scope->request != NULL && json_equal(scope->request, rest)) {
            return scope->number;
        }
    }
    struct scope *scope = &answered->scopes[answered->last_scope % ANSWERED_SCOPES_MAX];
    json_decref(scope->request);
    *scope = (struct scope){STEAL(rest), ++answered->last_scope};
    return scope->number;
}

static bool
same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
says_the_same(const struct entry *entry, const struct record *record)
{
    return strcmp(entry->minor, record->hash_minor) == 0 &&
           same_text(entry->type, record->crash_type) &&
           same_text(entry->class_name, record->class_name) &&
           entry->score >= record->severity_score &&
           entry->score <= record->severity_score;
}

static size_t
find(const struct answered *answered, int64_t scope, const struct record *record)
{
    size_t i = 0;

    while (i < answered->n && (answered->entries[i].scope != scope ||
                               !says_the_same(&answered->entries[i], record))) {
        i++;
    }
    return i;
}

int64_t
answered_find(const struct answered *answered, int64_t scope, const struct record *record)
{
    size_t at = find(answered, scope, record);

    return at < answered->n ? answered->entries[at].job : 0;
}

void
answered_add(struct answered *answered, int64_t scope, const struct record *record,
             int64_t job)
{
    size_t at = find(answered, scope, record);

    if (at < answered->n) {
        answered->entries[at].job = job;
        return;
    }
    at = answered->n < ANSWERED_MAX ? answered->n++ : answered->next++ % ANSWERED_MAX;
    struct entry *entry = &answered->entries[at];
    entry_clear(entry);
    *entry = (struct entry){.scope = scope,
                            .job = job,
                            .type = mem_strdup(record->crash_type),
                            .class_name = record->class_name,
                            .score = record->severity_score};
    (void)snprintf(entry->minor, sizeof(entry->minor), "%s", record->hash_minor);
}
