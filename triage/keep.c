#include "triage/keep.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "triage/signature.h"

static const char *const names[] = {
    [KEEP_EXACT] = "exact", [KEEP_MAJOR] = "major", [KEEP_LOOSE] = "loose"};

void
keep_of(const struct record *record, enum keep_level level, struct keep *out)
{
    *out = (struct keep){.level = level};
    (void)snprintf(out->major, sizeof(out->major), "%s", record->hash_major);
    (void)snprintf(out->minor, sizeof(out->minor), "%s", record->hash_minor);
    out->kind = signature_kind(record->crash_type);
    out->function = record_top_frame(record->crash_type, record->crash_state);
    out->place = mem_strdup(record->place);
    out->far = !record->near_null;
}

void
keep_clear(struct keep *keep)
{
    mem_free(keep->kind);
    mem_free(keep->function);
    mem_free(keep->place);
    *keep = (struct keep){0};
}

static bool
same_place(const struct keep *keep, const struct record *record)
{
    return keep->place == NULL || record->samples > 0 ||
           (record->place != NULL && strcmp(record->place, keep->place) == 0);
}

static bool
is_loosely(const struct keep *keep, const struct record *record)
{
    AUTO(mem_free) char *kind = signature_kind(record->crash_type);
    AUTO(mem_free)
    char *function = record_top_frame(record->crash_type, record->crash_state);
    bool same_function = strcmp(function, keep->function) == 0;

    return strcmp(kind, keep->kind) == 0 &&
           (keep->place == NULL || record->samples > 0 ? same_function
                                                       : same_place(keep, record));
}

bool
keep_holds(const struct keep *keep, const struct record *record)
{
    if (record == NULL) {
        return false;
    }
    if (keep->level == KEEP_LOOSE) {
        return is_loosely(keep, record);
    }
    if (keep->far && record->near_null) {
        return false;
    }
    if (keep->level == KEEP_EXACT && record->samples == 0) {
        return strcmp(record->hash_minor, keep->minor) == 0;
    }
    return strcmp(record->hash_major, keep->major) == 0 && same_place(keep, record);
}

const char *
keep_level_name(enum keep_level level)
{
    return names[level];
}

int
keep_level_parse(const char *word, enum keep_level *out, struct err *err)
{
    for (size_t i = 0; i < COUNT(names); i++) {
        if (strcmp(word, names[i]) == 0) {
            *out = (enum keep_level)i;
            return 0;
        }
    }
    return err_set(err, -EINVAL, "'%.40s' is not exact, major or loose", word);
}
