#include "triage/signature.h"

#include "base/hash.h"
#include "base/mem.h"
#include "triage/parse/span.h"
#include "triage/severity.h"
#include "triage/stack.h"

static bool
is_wild(const char *type)
{
    return strncmp(type, "UNKNOWN", 7) == 0 || strncmp(type, "Null-dereference", 16) == 0;
}

/* Which of the two threads is caught is chance. */
static bool
is_race(const char *type)
{
    return strncmp(type, "Data race", 9) == 0;
}

/* The access without its size; of a wild one not even its direction (reference/triage: it
 * flips between runs of one input). */
char *
signature_kind(const char *crash_type)
{
    AUTO(buf_clear) struct buf kind = BUF_INIT;
    struct span rest = span_of(crash_type);
    struct span first = span_eat_until(&rest, '\n');

    if (is_wild(crash_type)) {
        first = span_to(first, span_find_char(first, ' '));
        rest.len = 0;
    }
    if (is_race(crash_type)) {
        rest.len = 0;
    }
    buf_add(&kind, first.at, first.len);
    while (rest.len > 0) {
        struct span word = span_eat_word(&rest);
        (void)span_eat_blanks(&rest);
        if (word.len > 0 && span_letter(word.at[0])) {
            buf_addc(&kind, ' ');
            buf_add(&kind, word.at, word.len);
        }
    }
    return buf_steal(&kind);
}

/* An assertion's text: every number and address in it may vary. */
static void
add_message(struct buf *key, struct span text)
{
    while (text.len > 0) {
        uint64_t value = 0;
        if (span_eat_hex(&text, &value) || span_eat_digits(&text, &value)) {
            buf_addc(key, '0');
        } else {
            buf_addc(key, text.at[0]);
            text = span_from(text, 1);
        }
    }
}

/* The lines of the state that are not frames: an assertion, a target's name, NULL. */
static void
add_words(struct buf *key, const struct record *record)
{
    bool frames = false;

    for (size_t i = 0; i < record->n_frames; i++) {
        frames = frames || record->frames[i].kept;
    }
    if (record->state_override != NULL) {
        add_message(key, span_of(record->state_override));
    } else if (!frames) {
        buf_adds(key, record->crash_state);
    }
    buf_addc(key, '\n');
}

static int
compare_keys(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/*
 * A recursion overflows in whichever of its functions is called last, so its frames enter
 * in the order of their names and all of the cycle counts, not the three frames it
 * happened to end with.
 */
static void
add_cycle(struct buf *key, const struct record *record)
{
    struct strv names = {0};
    int left = record->cycle_frames;
    bool inside = false;

    for (size_t i = 0; i < record->n_frames && left > 0; i++) {
        const struct frame *frame = &record->frames[i];
        inside = inside || frame->kept;
        if (inside && frame->counts) {
            AUTO(buf_clear) struct buf name = BUF_INIT;
            stack_frame_key(frame, &name);
            strv_add(&names, buf_str(&name));
            left--;
        }
    }
    if (names.n > 0) {
        qsort(names.v, names.n, sizeof(*names.v), compare_keys);
    }
    for (size_t i = 0; i < names.n; i++) {
        buf_addf(key, "%s\n", names.v[i]);
    }
    strv_clear(&names);
}

static void
add_frames(struct buf *key, const struct record *record)
{
    for (size_t i = 0; i < record->n_frames; i++) {
        if (record->frames[i].kept) {
            stack_frame_key(&record->frames[i], key);
            buf_addc(key, '\n');
        }
    }
}

static void
add_all_frames(struct buf *key, const struct record *record)
{
    for (size_t i = 0; i < record->n_frames; i++) {
        const struct frame *frame = &record->frames[i];
        if (frame->stack == STACK_CRASH) {
            struct span file = span_base(span_of(frame->file == NULL ? "" : frame->file));
            stack_frame_key(frame, key);
            buf_addf(key, " %.*s:%d:%d\n", (int)file.len, file.at, frame->line,
                     frame->column);
        }
    }
}

static void
hash(const struct buf *key, char out[RECORD_HASH_MAX])
{
    char whole[HASH_HEX_MAX];

    hash_sha256(buf_str(key), key->len, whole);
    memcpy(out, whole, RECORD_HASH_MAX - 1);
    out[RECORD_HASH_MAX - 1] = '\0';
}

/* --- in words --- */

static void
explain_kind(struct record *record, const char *kind)
{
    if (is_wild(record->crash_type)) {
        strv_addf(
            &record->grouping,
            "kind of crash: %s (whether it read or wrote is left out: that of a wild "
            "access varies from run to run)",
            kind);
    } else if (is_race(record->crash_type)) {
        strv_addf(
            &record->grouping,
            "kind of crash: %s (which of its accesses was caught is left out: it varies)",
            kind);
    } else if (strchr(record->crash_type, '\n') != NULL) {
        strv_addf(&record->grouping,
                  "kind of crash: %s (the size is left out: it varies)", kind);
    } else {
        strv_addf(&record->grouping, "kind of crash: %s", kind);
    }
}

static void
explain_frames(struct record *record)
{
    AUTO(buf_clear) struct buf names = BUF_INIT;
    size_t kept = 0;
    size_t dropped = 0;

    for (size_t i = 0; i < record->n_frames; i++) {
        const struct frame *frame = &record->frames[i];
        if (frame->kept) {
            buf_adds(&names, kept++ == 0 ? "" : ", ");
            stack_frame_key(frame, &names);
        } else if (kept < STACK_STATE_FRAMES && !frame->counts) {
            dropped++;
        }
    }
    if (record->cycle_frames > 0) {
        strv_addf(&record->grouping, "a recursion of %d function%s, by their names: %s%s",
                  record->cycle_frames, record->cycle_frames == 1 ? "" : "s",
                  buf_str(&names), (size_t)record->cycle_frames > kept ? ", ..." : "");
    } else if (kept > 0) {
        strv_addf(&record->grouping, "%zu frame%s of the stack: %s", kept,
                  kept == 1 ? "" : "s", buf_str(&names));
    }
    if (dropped > 0) {
        strv_addf(&record->grouping,
                  "%zu frame%s above or between them %s left out by a rule", dropped,
                  dropped == 1 ? "" : "s", dropped == 1 ? "is" : "are");
    }
}

static void
explain(struct record *record, const char *kind, bool security)
{
    strv_clear(&record->grouping);
    explain_kind(record, kind);
    if (record->state_override != NULL) {
        size_t end = strcspn(record->state_override, "\n");
        strv_addf(&record->grouping, "the message, its numbers left out: %.*s", (int)end,
                  record->state_override);
    } else if (strcmp(record->crash_state, "NULL") == 0) {
        strv_add(&record->grouping, "no frame and no message: all crashes of this kind "
                                    "without one fall together");
    }
    explain_frames(record);
    strv_addf(&record->grouping, "by default %s a security problem",
              security ? "is" : "is not");
}

void
signature_make(struct record *record)
{
    AUTO(buf_clear) struct buf key = BUF_INIT;
    AUTO(mem_free) char *kind = signature_kind(record->crash_type);
    /* a wild access' flag follows from its kind alone: the rest of the report may vary */
    bool security = is_wild(record->crash_type) ? strncmp(kind, "UNKNOWN", 7) == 0
                                                : severity_default_security(record);

    buf_addf(&key, "%d\n%s\n%d\n", SIGNATURE_VERSION, kind, security);
    add_words(&key, record);
    if (record->cycle_frames > 0) {
        add_cycle(&key, record);
    } else {
        add_frames(&key, record);
    }
    hash(&key, record->hash_major);
    add_all_frames(&key, record);
    hash(&key, record->hash_minor);
    explain(record, kind, security);
}
