/* A record read back from JSON, for the triage worker's protocol: see record.h. */
#include "triage/record.h"

#include <errno.h>

#include "base/mem.h"
#include "triage/options.h"
#include "triage/record_words.h"
#include "triage/severity.h"
#include "triage/stack.h"

enum { TYPE_MAX = 512, STATE_MAX = 4096, SENTENCES_MAX = 32, SENTENCE_MAX = 4096 };

static int
wrong(struct err *err, const char *key, const char *what)
{
    return err_set(err, -EBADMSG, "record: field '%s' %s", key, what);
}

/* A string of at most max bytes without control bytes but newlines and tabs, or null; new
 * in *out. */
static int
get_text(const json_t *object, const char *key, size_t max, char **out, struct err *err)
{
    const json_t *value = json_object_get(object, key);

    if (value == NULL || json_is_null(value)) {
        return 0;
    }
    if (!json_is_string(value)) {
        return wrong(err, key, "is no string");
    }
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);
    if (len > max) {
        return wrong(err, key, "is too long");
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) {
            return wrong(err, key, "has control bytes");
        }
    }
    *out = mem_dup(text, len);
    return 0;
}

static int
get_int(const json_t *object, const char *key, int64_t min, int64_t max, int64_t *out,
        struct err *err)
{
    const json_t *value = json_object_get(object, key);

    if (value == NULL || json_is_null(value)) {
        *out = min > 0 ? min : 0;
        return 0;
    }
    if (!json_is_integer(value) || json_integer_value(value) < min ||
        json_integer_value(value) > max) {
        return wrong(err, key, "is no number in its range");
    }
    *out = json_integer_value(value);
    return 0;
}

static int
get_bool(const json_t *object, const char *key, bool *out, struct err *err)
{
    const json_t *value = json_object_get(object, key);

    if (value != NULL && !json_is_boolean(value)) {
        return wrong(err, key, "is neither true nor false");
    }
    *out = json_is_true(value);
    return 0;
}

static int
get_hex(const json_t *object, const char *key, uint64_t *out, bool *given,
        struct err *err)
{
    const char *text = json_get_str(object, key, NULL);
    char *end = NULL;

    *given = text != NULL;
    if (text == NULL) {
        return 0;
    }
    errno = 0;
    *out = strtoull(text, &end, 16);
    if (errno != 0 || *end != '\0' || text[0] != '0' || text[1] != 'x' ||
        text[2] == '\0') {
        return wrong(err, key, "is no hexadecimal number");
    }
    return 0;
}

/* Index of the field's word in names[0..count); a missing field reads as the first. */
static int
get_word(const json_t *object, const char *key, const char *const *names, size_t count,
         size_t *out, struct err *err)
{
    const char *word = json_get_str(object, key, names[0]);

    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], word) == 0) {
            *out = i;
            return 0;
        }
    }
    return wrong(err, key, "has a word that is not known");
}

static int
get_numbers(const json_t *object, struct frame *f, struct err *err)
{
    bool given = false;
    int64_t n = 0;
    int64_t line = 0;
    int64_t column = 0;
    int64_t start = 0;
    int rc = get_int(object, "n", 0, INT32_MAX, &n, err);

    rc = rc < 0 ? rc : get_int(object, "line", 0, INT32_MAX, &line, err);
    rc = rc < 0 ? rc : get_int(object, "column", 0, INT32_MAX, &column, err);
    rc = rc < 0 ? rc : get_int(object, "start_line", 0, INT32_MAX, &start, err);
    rc = rc < 0 ? rc : get_hex(object, "offset", &f->offset, &f->has_offset, err);
    rc = rc < 0 ? rc : get_hex(object, "address", &f->address, &given, err);
    f->n = (int)n;
    f->line = (int)line;
    f->column = (int)column;
    f->start_line = (int)start;
    return rc;
}

static int
frame_from_json(const json_t *object, struct frame *f, struct err *err)
{
    size_t stack = 0;
    size_t language = 0;
    int rc = json_is_object(object)
                 ? 0
                 : wrong(err, "frames", "has something else than objects");

    rc = rc < 0 ? rc : get_numbers(object, f, err);
    rc = rc < 0 ? rc
                : get_text(object, "function", RECORD_FUNCTION_MAX, &f->function, err);
    rc = rc < 0 ? rc : get_text(object, "file", RECORD_PATH_MAX, &f->file, err);
    rc = rc < 0 ? rc : get_text(object, "module", RECORD_PATH_MAX, &f->module, err);
    rc = rc < 0 ? rc : get_text(object, "build_id", RECORD_PATH_MAX, &f->build_id, err);
    rc = rc < 0 ? rc : get_bool(object, "inlined", &f->inlined, err);
    rc = rc < 0 ? rc : get_bool(object, "kept", &f->kept, err);
    rc = rc < 0 ? rc : get_bool(object, "counts", &f->counts, err);
    rc = rc < 0 ? rc
                : get_word(object, "stack", record_stack_names, COUNT(record_stack_names),
                           &stack, err);
    rc = rc < 0 ? rc
                : get_word(object, "language", record_language_names,
                           COUNT(record_language_names), &language, err);
    if (rc < 0) {
        return rc;
    }
    f->stack = (enum stack_kind)stack;
    f->language = (enum frame_language)language;
    const char *rule = json_get_str(object, "rule", NULL);
    f->rule = rule == NULL ? NULL : stack_reason(rule);
    if (rule != NULL && f->rule == NULL) {
        return wrong(err, "rule", "has a word that is not known");
    }
    return 0;
}

static int
frames_from_json(const json_t *array, struct record *record, struct err *err)
{
    if (!json_is_array(array) || json_array_size(array) > RECORD_FRAMES_MAX) {
        return wrong(err, "frames", "is no list of at most 512");
    }
    for (size_t i = 0; i < json_array_size(array); i++) {
        int rc = frame_from_json(json_array_get(array, i), record_add_frame(record), err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int
get_sentences(const json_t *object, const char *key, struct strv *out, struct err *err)
{
    const json_t *array = json_object_get(object, key);

    if (array == NULL) {
        return 0;
    }
    if (!json_is_array(array) || json_array_size(array) > SENTENCES_MAX) {
        return wrong(err, key, "is no list of at most 32 sentences");
    }
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *value = json_array_get(array, i);
        if (!json_is_string(value) || json_string_length(value) > SENTENCE_MAX) {
            return wrong(err, key, "has something else than sentences");
        }
        strv_add(out, json_string_value(value));
    }
    return 0;
}

static int
get_hash(const json_t *hash, const char *key, char out[RECORD_HASH_MAX], struct err *err)
{
    const char *text = json_get_str(hash, key, "");

    if (strlen(text) != RECORD_HASH_MAX - 1 ||
        strspn(text, "0123456789abcdef") != RECORD_HASH_MAX - 1) {
        return wrong(err, key, "is no hash of 40 hexadecimal digits");
    }
    memcpy(out, text, RECORD_HASH_MAX);
    return 0;
}

static int
get_verdict(const json_t *object, struct record *record, struct err *err)
{
    const json_t *score = json_object_get(object, "severity_score");
    const char *severity = json_get_str(object, "severity", "");
    int rc = severity_parse(severity, &record->severity, NULL);

    if (rc < 0) {
        return wrong(err, "severity", "has a word that is not known");
    }
    rc = get_bool(object, "security", &record->security, err);
    if (rc < 0) {
        return rc;
    }
    if (!json_is_number(score) || !(json_number_value(score) >= 0.0) ||
        json_number_value(score) > 10.0) {
        return wrong(err, "severity_score", "is no number from 0 to 10");
    }
    record->severity_score = json_number_value(score);
    record->exploitability =
        severity_find_exploitability(json_get_str(object, "exploitability", ""));
    record->class_name = severity_find_class(json_get_str(object, "class", ""));
    record->cwe = severity_find_cwe(json_get_str(object, "cwe", ""));
    if (record->exploitability == NULL || record->class_name == NULL ||
        record->cwe == NULL) {
        return wrong(err, "class, exploitability or cwe", "has a word that is not known");
    }
    return 0;
}

static int
get_evidence(const json_t *object, struct record *record, struct err *err)
{
    int64_t frames = 0;
    int64_t cycle = 0;
    int64_t facts = 0;
    int rc = get_text(object, "state", STATE_MAX, &record->state_override, err);

    rc = rc < 0
             ? rc
             : get_text(object, "last_words", RECORD_LINE_MAX, &record->last_words, err);

    rc = rc < 0 ? rc : get_int(object, "state_frames", 0, 3, &frames, err);
    rc = rc < 0 ? rc : get_int(object, "cycle_frames", 0, 10, &cycle, err);
    rc = rc < 0 ? rc : get_int(object, "facts", 0, FACT_ALL, &facts, err);
    rc = rc < 0 ? rc : get_bool(object, "state_only", &record->state_only_override, err);
    rc = rc < 0 ? rc : get_bool(object, "recursive", &record->recursive, err);
    rc = rc < 0 ? rc : get_bool(object, "no_address", &record->no_address, err);
    record->override_frames = (int)frames;
    record->cycle_frames = (int)cycle;
    record->facts = (unsigned)facts;
    return rc;
}

static int
get_memory(const json_t *object, struct memory *out, struct err *err)
{
    size_t kind = 0;
    size_t side = 0;
    int rc = get_word(object, "kind", record_memory_names, COUNT(record_memory_names),
                      &kind, err);

    rc = rc < 0 ? rc
                : get_word(object, "side", record_side_names, COUNT(record_side_names),
                           &side, err);
    rc = rc < 0 ? rc : get_int(object, "distance", 0, INT64_MAX, &out->distance, err);
    rc = rc < 0 ? rc : get_int(object, "size", 0, INT64_MAX, &out->size, err);
    rc = rc < 0 ? rc : get_text(object, "name", RECORD_FUNCTION_MAX, &out->name, err);
    rc = rc < 0 ? rc : get_text(object, "place", RECORD_PATH_MAX, &out->place, err);
    out->kind = (enum memory_kind)kind;
    out->side = (enum memory_side)side;
    return rc;
}

static int
get_texts(const json_t *object, struct record *record, struct err *err)
{
    size_t access = 0;
    int rc = get_text(object, "sanitizer", 32, &record->sanitizer, err);

    rc = rc < 0 ? rc : get_text(object, "crash_type", TYPE_MAX, &record->crash_type, err);
    rc = rc < 0
             ? rc
             : get_text(object, "crash_address", TYPE_MAX, &record->crash_address, err);
    rc = rc < 0 ? rc
                : get_text(object, "crash_state", STATE_MAX, &record->crash_state, err);
    rc = rc < 0 ? rc
                : get_text(object, "crash_line", RECORD_PATH_MAX + 64,
                           &record->crash_line, err);
    rc =
        rc < 0 ? rc : get_text(object, "message", RECORD_LINE_MAX, &record->message, err);
    rc = rc < 0 ? rc
                : get_word(object, "access", record_access_names,
                           COUNT(record_access_names), &access, err);
    rc = rc < 0
             ? rc
             : get_int(object, "access_bytes", 0, INT64_MAX, &record->access_bytes, err);
    rc = rc < 0 ? rc : get_bool(object, "near_null", &record->near_null, err);
    rc =
        rc < 0 ? rc : get_memory(json_object_get(object, "memory"), &record->memory, err);
    record->access = (enum access_kind)access;
    if (rc == 0 && (record->sanitizer == NULL || record->crash_type == NULL ||
                    record->crash_type[0] == '\0' || record->crash_state == NULL)) {
        return wrong(err, "sanitizer, crash_type or crash_state", "is missing");
    }
    return rc;
}

static int
registers_from_json(const json_t *array, struct record *record, struct err *err)
{
    size_t n = json_array_size(array);

    if (array != NULL && (!json_is_array(array) || n > RECORD_REGISTERS_MAX)) {
        return wrong(err, "registers", "is no list of at most 64");
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(array, i);
        uint64_t value = 0;
        bool given = false;
        int rc = get_hex(item, "value", &value, &given, err);
        if (rc < 0) {
            return rc;
        }
        record_add_register(record, json_get_str(item, "name", ""), value);
        if (!given || record->n_registers != i + 1) {
            return wrong(err, "registers", "has something else than names and values");
        }
    }
    return 0;
}

static int
get_builds(const json_t *object, struct record *record, struct err *err)
{
    const json_t *shipped = json_object_get(object, "shipped");
    const char *build = json_get_str(object, "build", NULL);
    int64_t k = 0;
    int64_t n = 0;

    record->build = build == NULL ? NULL : record_build_kind(build);
    if (build != NULL && record->build == NULL) {
        return wrong(err, "build", "has a word that is not known");
    }
    if (shipped == NULL) {
        return 0;
    }
    int rc = get_int(shipped, "n", 1, RECORD_RUNS_MAX, &n, err);
    rc = rc < 0 ? rc : get_int(shipped, "k", 0, n, &k, err);
    record->shipped_k = (int)k;
    record->shipped_n = (int)n;
    return rc;
}

static int
get_runs(const json_t *object, struct record *record, struct err *err)
{
    const char *options = json_get_str(object, "replay_options", NULL);
    int64_t samples = 0;
    int rc = get_bool(object, "in_harness", &record->in_harness, err);

    rc = rc < 0 ? rc : get_int(object, "samples", 0, RECORD_RUNS_MAX, &samples, err);
    record->samples = (int)samples;
    record->replay_options = options == NULL ? NULL : options_layout_find(options);
    if (rc == 0 && options != NULL && record->replay_options == NULL) {
        return wrong(err, "replay_options", "has options that are not known");
    }
    return rc;
}

int
record_from_json(const json_t *object, struct record **out, struct err *err)
{
    AUTO(record_free) struct record *record = mem_alloc(sizeof(*record));
    const json_t *hash = json_object_get(object, "hash");

    if (!json_is_object(object)) {
        return err_set(err, -EBADMSG, "record: no object");
    }
    int rc = get_texts(object, record, err);
    rc = rc < 0 ? rc : get_verdict(object, record, err);
    rc = rc < 0 ? rc : frames_from_json(json_object_get(object, "frames"), record, err);
    rc = rc < 0 ? rc
                : get_text(object, "instruction", RECORD_INSTRUCTION_MAX,
                           &record->instruction, err);
    rc = rc < 0 ? rc
                : registers_from_json(json_object_get(object, "registers"), record, err);
    rc = rc < 0 ? rc : get_builds(object, record, err);
    rc = rc < 0 ? rc : get_runs(object, record, err);
    rc = rc < 0 ? rc : get_evidence(json_object_get(object, "evidence"), record, err);
    rc = rc < 0 ? rc : get_sentences(object, "reasons", &record->reasons, err);
    rc = rc < 0 ? rc : get_sentences(object, "grouping", &record->grouping, err);
    rc = rc < 0 ? rc : get_text(object, "place", RECORD_PLACE_MAX, &record->place, err);
    rc = rc < 0 ? rc : get_hash(hash, "major", record->hash_major, err);
    rc = rc < 0 ? rc : get_hash(hash, "minor", record->hash_minor, err);
    if (rc < 0) {
        return rc;
    }
    if (record->crash_address != NULL && record->crash_address[0] == '\0') {
        mem_free(record->crash_address);
        record->crash_address = NULL;
    }
    *out = STEAL(record);
    return 0;
}
