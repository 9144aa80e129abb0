#include "triage/signature.h"

#include "base/hash.h"
#include "base/mem.h"
#include "triage/parse/span.h"
#include "triage/severity.h"
#include "triage/stack.h"
#include "triage/trace.h"

enum {
    CYCLE_SHARE = 32,  /* a function of a recursion is at least this part of its stack */
    EXPLAINED_MAX = 8, /* names in a sentence */
};

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

/* The steps that count: the first ones of the program itself, as many as the state has
 * frames. A crash in main() alone has that. */
struct counted {
    struct trace trace;
    const char *names[RECORD_FRAMES_MAX];
    size_t n;
    bool cycle; /* they are a recursion's functions, sorted */
};

static void
counted_clear(struct counted *counted)
{
    trace_clear(&counted->trace);
}
AUTO_DEFINE_CLEAR(struct counted, counted_clear)

static bool
has_kept(const struct record *record)
{
    for (size_t i = 0; i < record->n_frames; i++) {
        if (record->frames[i].kept) {
            return true;
        }
    }
    return false;
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/*
 * A recursion overflows in whichever of its functions is called last, and one that goes
 * now this way, now that way, has no fixed cycle. So all functions that keep coming back
 * count, in the order of their names. One that came back a few times in a long stack is
 * left out: in another run it would not have.
 */
static void
count_cycle(struct counted *counted)
{
    const size_t often = counted->trace.frames / CYCLE_SHARE;

    for (size_t i = 0; i < counted->trace.n_all; i++) {
        const struct trace_name *one = &counted->trace.all[i];
        if (one->times >= STACK_CYCLE_TIMES && one->times >= often) {
            counted->names[counted->n++] = one->name;
        }
    }
    qsort(counted->names, counted->n, sizeof(counted->names[0]), compare_names);
    counted->cycle = counted->n > 0;
}

static void
count_first(const struct record *record, struct counted *counted)
{
    const size_t room = (size_t)(STACK_STATE_FRAMES - record->override_frames);

    for (size_t i = 0; i < counted->trace.n && counted->n < room; i++) {
        const struct trace_step *step = &counted->trace.steps[i];
        if (!step->is_main) {
            counted->names[counted->n++] = step->name;
        }
    }
}

static void
count(const struct record *record, struct counted *counted)
{
    counted->n = 0;
    counted->cycle = false;
    trace_init(&counted->trace, record, STACK_CRASH);
    if (!has_kept(record)) {
        return; /* a message or a target's name stands for the stack */
    }
    if (record->recursive) {
        count_cycle(counted);
    }
    if (!counted->cycle) {
        count_first(record, counted);
    }
}

/* The lines of the state that are not frames: an assertion, a target's name, NULL; and
 * all of a state whose frames stem from another stack than that of the crash. */
static void
add_words(struct buf *key, const struct record *record, const struct counted *counted)
{
    if (record->state_override != NULL) {
        add_message(key, span_of(record->state_override));
    } else if (counted->n == 0) {
        buf_adds(key, record->crash_state);
    }
    buf_addc(key, '\n');
}

static void
add_frames(struct buf *key, const struct counted *counted)
{
    for (size_t i = 0; i < counted->n; i++) {
        buf_addf(key, "%s\n", counted->names[i]);
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
explain_frames(struct record *record, const struct counted *counted)
{
    AUTO(buf_clear) struct buf names = BUF_INIT;

    for (size_t i = 0; i < counted->n && i < EXPLAINED_MAX; i++) {
        buf_addf(&names, "%s%s", i == 0 ? "" : ", ", counted->names[i]);
    }
    if (counted->cycle) {
        strv_addf(&record->grouping,
                  "a recursion of %zu function%s, by their names: %s%s", counted->n,
                  counted->n == 1 ? "" : "s", buf_str(&names),
                  counted->n > EXPLAINED_MAX ? ", ..." : "");
        return;
    }
    if (counted->n > 0) {
        strv_addf(&record->grouping, "%zu frame%s of the stack: %s", counted->n,
                  counted->n == 1 ? "" : "s", buf_str(&names));
    }
    if (counted->n > 0 && counted->trace.frames > counted->trace.n) {
        strv_addf(&record->grouping,
                  "%zu of its frames are left out: the stack comes back to a function "
                  "that is in it already",
                  counted->trace.frames - counted->trace.n);
    }
}

static void
explain_dropped(struct record *record)
{
    size_t kept = 0;
    size_t dropped = 0;

    for (size_t i = 0; i < record->n_frames && kept < STACK_STATE_FRAMES; i++) {
        kept += record->frames[i].kept;
        dropped += !record->frames[i].kept && !record->frames[i].counts;
    }
    if (dropped > 0) {
        strv_addf(&record->grouping,
                  "%zu frame%s above or between them %s left out by a rule", dropped,
                  dropped == 1 ? "" : "s", dropped == 1 ? "is" : "are");
    }
}

static void
explain(struct record *record, const struct counted *counted, const char *kind,
        bool security)
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
    if (counted->n == 0 && has_kept(record)) {
        strv_add(&record->grouping,
                 "the frames of the crash state, which stem from another "
                 "stack of the report");
    }
    explain_frames(record, counted);
    explain_dropped(record);
    strv_addf(&record->grouping, "by default %s a security problem",
              security ? "is" : "is not");
}

void
signature_make(struct record *record)
{
    AUTO(buf_clear) struct buf key = BUF_INIT;
    AUTO(counted_clear) struct counted counted;
    AUTO(mem_free) char *kind = signature_kind(record->crash_type);
    /* a wild access' flag follows from its kind alone: the rest of the report may vary */
    bool security = is_wild(record->crash_type) ? strncmp(kind, "UNKNOWN", 7) == 0
                                                : severity_default_security(record);

    buf_addf(&key, "%d\n%s\n%d\n", SIGNATURE_VERSION, kind, security);
    count(record, &counted);
    add_words(&key, record, &counted);
    add_frames(&key, &counted);
    hash(&key, record->hash_major);
    add_all_frames(&key, record);
    hash(&key, record->hash_minor);
    explain(record, &counted, kind, security);
}
