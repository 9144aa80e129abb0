/*
 * A record as JSON, written straight into a buffer: `parse` prints thousands a second,
 * and building a tree of values for each cost as much as all the rest.
 */
#include "triage/record.h"

#include "base/mem.h"
#include "base/str.h"
#include "triage/record_words.h"

/* Bytes that stand for themselves in a JSON string. */
static size_t
plain_run(const char *text)
{
    size_t n = 0;

    while ((unsigned char)text[n] >= 0x20 && (unsigned char)text[n] < 0x7f &&
           text[n] != '"' && text[n] != '\\') {
        n++;
    }
    return n;
}

static void
put_escaped(struct buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '\n') {
            buf_adds(out, "\\n");
        } else if (c == '\t') {
            buf_adds(out, "\\t");
        } else {
            if (c == '"' || c == '\\') {
                buf_addc(out, '\\');
            }
            buf_addc(out, c);
        }
    }
}

static void
put_string(struct buf *out, const char *text)
{
    size_t plain = plain_run(text);

    buf_addc(out, '"');
    buf_add(out, text, plain);
    if (text[plain] != '\0') {
        AUTO(buf_clear) struct buf clean = BUF_INIT;
        str_clean(&clean, text + plain, strlen(text + plain));
        put_escaped(out, buf_str(&clean), clean.len);
    }
    buf_addc(out, '"');
}

/* Every key ends with a comma behind its value; close() takes the last one off. */
static void
put_key(struct buf *out, const char *key)
{
    buf_addc(out, '"');
    buf_adds(out, key);
    buf_add(out, "\":", 2);
}

static void
put_text(struct buf *out, const char *key, const char *text)
{
    put_key(out, key);
    if (text == NULL) {
        buf_add(out, "null", 4);
    } else {
        put_string(out, text);
    }
    buf_addc(out, ',');
}

static void
put_bool(struct buf *out, const char *key, bool value)
{
    put_key(out, key);
    buf_adds(out, value ? "true," : "false,");
}

static void
put_digits(struct buf *out, uint64_t value, unsigned base)
{
    char digits[24];
    size_t at = sizeof(digits);

    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value > 0);
    buf_add(out, digits + at, sizeof(digits) - at);
}

static void
put_int(struct buf *out, const char *key, int64_t value)
{
    put_key(out, key);
    put_digits(out, value < 0 ? 0 : (uint64_t)value, 10);
    buf_addc(out, ',');
}

/* One decimal, with a point in every locale. */
static void
put_tenths(struct buf *out, const char *key, double value)
{
    uint64_t tenths = (uint64_t)(value * 10.0 + 0.5);

    put_key(out, key);
    put_digits(out, tenths / 10, 10);
    buf_addc(out, '.');
    put_digits(out, tenths % 10, 10);
    buf_addc(out, ',');
}

static void
put_int_or_null(struct buf *out, const char *key, int64_t value)
{
    if (value > 0) {
        put_int(out, key, value);
    } else {
        put_text(out, key, NULL);
    }
}

/* Addresses and offsets are strings: JSON readers lose bits of large numbers. */
static void
put_hex(struct buf *out, const char *key, uint64_t value, bool given)
{
    if (!given) {
        put_text(out, key, NULL);
        return;
    }
    put_key(out, key);
    buf_add(out, "\"0x", 3);
    put_digits(out, value, 16);
    buf_add(out, "\",", 2);
}

static void
close_with(struct buf *out, char bracket)
{
    if (out->len > 0 && out->data[out->len - 1] == ',') {
        buf_cut(out, out->len - 1);
    }
    buf_addc(out, bracket);
    buf_addc(out, ',');
}

static void
put_sentences(struct buf *out, const char *key, const struct strv *list)
{
    put_key(out, key);
    buf_addc(out, '[');
    for (size_t i = 0; i < list->n; i++) {
        put_string(out, list->v[i]);
        buf_addc(out, ',');
    }
    close_with(out, ']');
}

static void
put_frame(struct buf *out, const struct frame *f)
{
    buf_addc(out, '{');
    put_int(out, "n", f->n);
    put_text(out, "function", f->function);
    put_text(out, "file", f->file);
    put_int_or_null(out, "line", f->line);
    put_int_or_null(out, "column", f->column);
    put_text(out, "module", f->module);
    put_hex(out, "offset", f->offset, f->has_offset);
    put_bool(out, "inlined", f->inlined);
    put_bool(out, "kept", f->kept);
    put_text(out, "rule", f->rule);
    put_text(out, "stack", record_stack_names[f->stack]);
    put_hex(out, "address", f->address, f->address != 0);
    if (f->start_line > 0) {
        put_int(out, "start_line", f->start_line);
    }
    if (f->build_id != NULL) {
        put_text(out, "build_id", f->build_id);
    }
    if (f->counts) {
        put_bool(out, "counts", true);
    }
    if (f->language != LANGUAGE_NATIVE) {
        put_text(out, "language", record_language_names[f->language]);
    }
    close_with(out, '}');
}

static void
put_frames(struct buf *out, const struct record *record)
{
    put_key(out, "frames");
    buf_addc(out, '[');
    for (size_t i = 0; i < record->n_frames; i++) {
        put_frame(out, &record->frames[i]);
    }
    close_with(out, ']');
}

static void
put_memory(struct buf *out, const struct memory *memory)
{
    put_key(out, "memory");
    buf_addc(out, '{');
    put_text(out, "kind", record_memory_names[memory->kind]);
    put_text(out, "side", record_side_names[memory->side]);
    put_int(out, "distance", memory->distance);
    put_int_or_null(out, "size", memory->size);
    put_text(out, "name", memory->name);
    put_text(out, "place", memory->place);
    close_with(out, '}');
}

/* What only a debugger or a newer sanitizer tells; absent where it is not known. */
static void
put_processor(struct buf *out, const struct record *record)
{
    if (record->instruction != NULL) {
        put_text(out, "instruction", record->instruction);
    }
    if (record->n_registers == 0) {
        return;
    }
    put_key(out, "registers");
    buf_addc(out, '[');
    for (size_t i = 0; i < record->n_registers; i++) {
        buf_addc(out, '{');
        put_text(out, "name", record->registers[i].name);
        put_hex(out, "value", record->registers[i].value, true);
        close_with(out, '}');
    }
    close_with(out, ']');
}

static void
put_builds(struct buf *out, const struct record *record)
{
    if (record->build != NULL) {
        put_text(out, "build", record->build);
    }
    if (record->shipped_n > 0) {
        put_key(out, "shipped");
        buf_addc(out, '{');
        put_int(out, "k", record->shipped_k);
        put_int(out, "n", record->shipped_n);
        close_with(out, '}');
    }
}

/* What record_finish() needs besides the fields that a person reads. */
static void
put_evidence(struct buf *out, const struct record *record)
{
    put_key(out, "evidence");
    buf_addc(out, '{');
    put_text(out, "state", record->state_override);
    if (record->last_words != NULL) {
        put_text(out, "last_words", record->last_words);
    }
    put_int(out, "state_frames", record->override_frames);
    put_bool(out, "state_only", record->state_only_override);
    put_bool(out, "recursive", record->recursive);
    put_int(out, "cycle_frames", record->cycle_frames);
    put_bool(out, "no_address", record->no_address);
    put_int(out, "facts", record->facts);
    close_with(out, '}');
}

static void
put_verdict(struct buf *out, const struct record *record)
{
    put_bool(out, "security", record->security);
    put_text(out, "severity", severity_name(record->severity));
    put_tenths(out, "severity_score", record->severity_score);
    put_text(out, "exploitability", record->exploitability);
    put_text(out, "class", record->class_name);
    put_text(out, "cwe", record->cwe);
}

/* What holds for few records. */
static void
put_runs(struct buf *out, const struct record *record)
{
    if (record->in_harness) {
        put_bool(out, "in_harness", true);
    }
    if (record->samples > 0) {
        put_int(out, "samples", record->samples);
    }
    if (record->replay_options != NULL) {
        put_text(out, "replay_options", record->replay_options);
    }
}

void
record_write_json(const struct record *record, const char *file, struct buf *out)
{
    buf_addc(out, '{');
    if (file != NULL) {
        AUTO(mem_free) char *name = str_name_dup(file);
        put_text(out, "file", name);
    }
    put_text(out, "sanitizer", record->sanitizer);
    put_text(out, "crash_type", record->crash_type);
    /* "" is ClusterFuzz's word for "not known" */
    put_text(out, "crash_address",
             record->crash_address == NULL ? "" : record->crash_address);
    put_text(out, "crash_state", record->crash_state);
    put_verdict(out, record);
    put_text(out, "crash_line", record->crash_line);
    put_text(out, "message", record->message);
    put_text(out, "access", record_access_names[record->access]);
    put_int(out, "access_bytes", record->access_bytes);
    put_bool(out, "near_null", record->near_null);
    if (record->memory.kind != MEMORY_UNKNOWN) {
        put_memory(out, &record->memory);
    }
    put_frames(out, record);
    put_processor(out, record);
    put_builds(out, record);
    put_runs(out, record);
    put_key(out, "hash");
    buf_addc(out, '{');
    put_int(out, "version", SIGNATURE_VERSION);
    put_text(out, "major", record->hash_major);
    put_text(out, "minor", record->hash_minor);
    close_with(out, '}');
    if (record->place != NULL) {
        put_text(out, "place", record->place);
    }
    put_sentences(out, "reasons", &record->reasons);
    put_sentences(out, "grouping", &record->grouping);
    put_evidence(out, record);
    close_with(out, '}');
    buf_cut(out, out->len - 1);
}

json_t *
record_to_json(const struct record *record)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;
    json_t *object = NULL;

    record_write_json(record, NULL, &text);
    if (json_parse(buf_str(&text), text.len, &object, NULL) < 0) {
        abort(); /* what we write is JSON */
    }
    return object;
}
