#include "triage/stack.h"

#include <errno.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/mem.h"
#include "base/str.h"
#include "triage/parse/span.h"
#include "triage/stack_rules.h"

static const char by_pattern[] = "matches --ignore-frame";
static const char too_short[] = "too short a name to tell anything";
static const char no_name[] = "neither a function nor a module is known";
static const char beyond[] = "below the three frames that count";
static const char other_stack[] = "not on the stack of the crash itself";
static const char of_cycle[] = "part of the recursion, whose cycle counts once";
static const char replaced[] = "the message stands for the stack";
static const char varies[] = "the stack of a timeout or of memory running out differs "
                             "each time: the target's name counts";

/* --- the user's patterns --- */

enum { PATTERN_MATCHES_MAX = 20000, PATTERN_TEXT_MAX = 2048 };

struct patterns {
    pcre2_code **v;
    size_t n;
    pcre2_match_data *match;
    pcre2_match_context *context;
};

static void
patterns_clear(struct patterns *patterns)
{
    for (size_t i = 0; i < patterns->n; i++) {
        pcre2_code_free(patterns->v[i]);
    }
    mem_free(patterns->v);
    pcre2_match_data_free(patterns->match);
    pcre2_match_context_free(patterns->context);
}
AUTO_DEFINE_CLEAR(struct patterns, patterns_clear)

static int
patterns_compile(const struct strv *list, struct patterns *out, struct err *err)
{
    if (list == NULL || list->n == 0) {
        return 0;
    }
    out->v = mem_array(list->n, sizeof(pcre2_code *));
    for (size_t i = 0; i < list->n; i++) {
        int code = 0;
        PCRE2_SIZE at = 0;
        pcre2_code *compiled =
            pcre2_compile((PCRE2_SPTR)list->v[i], PCRE2_ZERO_TERMINATED, PCRE2_ANCHORED,
                          &code, &at, NULL);
        if (compiled == NULL) {
            PCRE2_UCHAR why[256];
            (void)pcre2_get_error_message(code, why, sizeof(why));
            return err_set(
                err, -EINVAL,
                "ignore pattern '%s': %s at character %zu; it is a Perl regular "
                "expression, a backslash makes '(' an ordinary character",
                list->v[i], (const char *)why, (size_t)at + 1);
        }
        out->v[out->n++] = compiled;
    }
    out->match = pcre2_match_data_create(1, NULL);
    out->context = pcre2_match_context_create(NULL);
    if (out->match == NULL || out->context == NULL) {
        abort();
    }
    (void)pcre2_set_match_limit(out->context, PATTERN_MATCHES_MAX);
    (void)pcre2_set_depth_limit(out->context, PATTERN_MATCHES_MAX);
    (void)pcre2_set_heap_limit(out->context, 1024); /* KiB */
    return 0;
}

/* The frame as ClusterFuzz's patterns see it: "f(int) /src/x.c:3:4", "f (module+0x12)".
 */
static void
pattern_text(const struct frame *frame, struct buf *out)
{
    buf_adds(out, frame->function == NULL ? "" : frame->function);
    if (frame->language == LANGUAGE_NATIVE && frame->file != NULL) {
        buf_addf(out, " %s", frame->file);
        if (frame->line > 0) {
            buf_addf(out, ":%d", frame->line);
        }
        if (frame->column > 0) {
            buf_addf(out, ":%d", frame->column);
        }
    } else if (frame->language == LANGUAGE_NATIVE && frame->module != NULL) {
        bool bare = frame->function == NULL;
        buf_addf(out, "%s%s+0x%llx%s", bare ? "" : " (", frame->module,
                 (unsigned long long)frame->offset, bare ? "" : ")");
    }
    for (size_t i = 0; i < out->len; i++) {
        if (out->data[i] == '\\') {
            out->data[i] = '/';
        }
    }
}

/* A pattern that exceeds its limits on a frame does not match it. */
static bool
patterns_match(const struct patterns *patterns, const struct frame *frame)
{
    AUTO(buf_clear) struct buf text = {.max = PATTERN_TEXT_MAX};

    if (patterns->n == 0) {
        return false;
    }
    pattern_text(frame, &text);
    for (size_t i = 0; i < patterns->n; i++) {
        if (pcre2_match(patterns->v[i], (PCRE2_SPTR)buf_str(&text), text.len, 0, 0,
                        patterns->match, patterns->context) >= 0) {
            return true;
        }
    }
    return false;
}

/* --- what a frame is called --- */

/* Whether the report's text for the frame has more than the function in it. */
static bool
has_place(const struct frame *frame)
{
    return frame->language == LANGUAGE_NATIVE &&
           (frame->file != NULL || frame->module != NULL);
}

static void
add_without(struct buf *out, struct span s)
{
    static const char *const noise[] = {
        "non-virtual thunk to ", "(anonymous namespace)::", "`anonymous namespace'::"};

    while (s.len > 0) {
        size_t k = 0;
        while (k < COUNT(noise) && !span_eat(&s, noise[k])) {
            k++;
        }
        if (k == COUNT(noise)) {
            buf_addc(out, s.at[0]);
            s = span_from(s, 1);
        }
    }
}

/* Up to the first bracket; without one up to the first blank, as ClusterFuzz cuts it. */
static struct span
cut_name(struct span s, bool to_blank)
{
    size_t bracket = 0;
    size_t bang = span_rfind_char(s, '!');

    if (bang != SPAN_NONE && !span_ends(span_to(s, bang), "operator")) {
        s = span_from(s, bang + 1);
    }
    while (bracket < s.len && s.at[bracket] != '(' && s.at[bracket] != '[') {
        bracket++;
    }
    if (bracket > 0 && bracket < s.len) {
        return span_trim(span_to(s, bracket));
    }
    s = span_trim(s);
    return to_blank ? span_to(s, span_find_char(s, ' ')) : s;
}

/* The frame's line in a crash state, before numbers are replaced. */
static void
state_name(const struct frame *frame, struct buf *out)
{
    static const char entry[] = "LLVMFuzzerTestOneInput";
    AUTO(buf_clear) struct buf text = BUF_INIT;

    if (frame->function == NULL) {
        const char *place = frame->module != NULL ? frame->module : frame->file;
        struct span base = span_base(span_of(place));
        buf_adds(out, frame->module != NULL ? place : base.at);
        return;
    }
    struct span function = span_of(frame->function);
    if (frame->language == LANGUAGE_GO) {
        function = span_base(function);
        buf_add(out, function.at, function.len);
        return;
    }
    if (span_starts(function, entry) && has_place(frame)) {
        struct span base =
            span_base(span_of(frame->file != NULL ? frame->file : frame->module));
        buf_add(&text, base.at, base.len);
        function = span_from(function, sizeof(entry) - 1);
    }
    add_without(&text, function);
    bool brackets_follow = frame->language == LANGUAGE_NATIVE && frame->file == NULL &&
                           frame->module != NULL;
    struct span name =
        cut_name((struct span){buf_str(&text), text.len}, !brackets_follow);
    buf_add(out, name.at, name.len);
}

/* --- which frames are dropped --- */

static const char *
drop_reason(const struct frame *frame, const struct patterns *patterns)
{
    AUTO(buf_clear) struct buf name = BUF_INIT;

    if (frame->function == NULL && frame->module == NULL && frame->file == NULL) {
        return no_name;
    }
    if (!has_place(frame) && frame->function != NULL && strlen(frame->function) < 3) {
        return too_short;
    }
    if (patterns_match(patterns, frame)) {
        return by_pattern;
    }
    if (frame->function != NULL && frame->language == LANGUAGE_NATIVE) {
        stack_qualified_name(frame->function, &name);
    } else if (frame->function != NULL) {
        buf_adds(&name, frame->function);
    }
    const struct stack_rule *rule = stack_rules_find(frame, buf_str(&name));
    return rule == NULL ? NULL : rule->reason;
}

static bool
calls_main(const struct frame *frame)
{
    return frame->stack == STACK_CRASH && frame->function != NULL &&
           str_starts(frame->function, "__libc_start_");
}

/* In a program without symbols the C library alone has names: what it called is main(),
 * and what called it is the program's start. */
static void
drop_nameless_start(struct record *record)
{
    bool below = false;

    for (size_t i = 0; i < record->n_frames; i++) {
        struct frame *frame = &record->frames[i];
        bool nameless = frame->function == NULL && frame->rule == NULL;
        const struct frame *next =
            i + 1 < record->n_frames ? &record->frames[i + 1] : NULL;
        if (frame->stack != STACK_CRASH) {
            break;
        }
        if (nameless && below) {
            frame->rule = stack_reason_starting;
        } else if (nameless && next != NULL && calls_main(next)) {
            frame->rule = stack_reason_main;
        }
        below = below || calls_main(frame);
    }
}

/* A stack that only fills a state up when it would else be empty: ClusterFuzz's
 * STATE_STOP_MARKERS. */
static bool
stops(enum stack_kind stack)
{
    return stack == STACK_ALLOCATED || stack == STACK_STORED || stack == STACK_OBJECT ||
           stack == STACK_LEAK;
}

/* --- the state --- */

/* One line: numbers replaced, cut at STACK_LINE_MAX characters, never within one. */
static void
add_line(struct buf *state, struct span line)
{
    AUTO(buf_clear) struct buf scrubbed = BUF_INIT;
    size_t characters = 0;
    size_t len = 0;

    stack_scrub(line.at, line.len, &scrubbed);
    for (; len < scrubbed.len; len++) {
        bool begins = (scrubbed.data[len] & 0xc0) != 0x80;
        characters += begins;
        if (characters > STACK_LINE_MAX && !span_starts(line, "Bad-cast")) {
            break;
        }
    }
    buf_add(state, buf_str(&scrubbed), len);
    buf_addc(state, '\n');
}

static void
add_frame_line(struct buf *state, const struct frame *frame)
{
    AUTO(buf_clear) struct buf name = BUF_INIT;

    state_name(frame, &name);
    add_line(state, (struct span){buf_str(&name), name.len});
}

static void
add_override(struct buf *state, const struct record *record)
{
    struct span text = record->state_override == NULL ? (struct span){"", 0}
                                                      : span_of(record->state_override);

    while (text.len > 0) {
        struct span line = span_eat_until(&text, '\n');
        add_line(state, line);
    }
}

/* Frames without a reason so far are kept until the state is full. */
static void
keep_frames(struct record *record, struct buf *state)
{
    int room =
        record->state_only_override ? 0 : STACK_STATE_FRAMES - record->override_frames;
    bool stopped = false;

    for (size_t i = 0; i < record->n_frames; i++) {
        struct frame *frame = &record->frames[i];
        stopped = stopped || (stops(frame->stack) && state->len > 0);
        if (stopped) {
            frame->rule = other_stack;
        } else if (frame->rule == NULL && room > 0) {
            frame->kept = true;
            add_frame_line(state, frame);
            room--;
        } else if (frame->rule == NULL) {
            frame->rule = record->state_only_override   ? replaced
                          : frame->stack != STACK_CRASH ? other_stack
                                                        : beyond;
        }
    }
}

/* --- recursion --- */

struct candidates {
    size_t at[RECORD_FRAMES_MAX];   /* index of the frame */
    uint64_t id[RECORD_FRAMES_MAX]; /* of its line in a state: equal lines, equal ids */
    size_t n;
};

static uint64_t
id_of(const struct frame *frame)
{
    AUTO(buf_clear) struct buf name = BUF_INIT;
    uint64_t id = 14695981039346656037U; /* FNV-1a: collisions would need a forged stack,
                                            and only shorten its state */

    state_name(frame, &name);
    for (size_t i = 0; i < name.len; i++) {
        id = (id ^ (unsigned char)name.data[i]) * 1099511628211U;
    }
    return id;
}

static void
find_candidates(const struct record *record, struct candidates *out)
{
    out->n = 0;
    for (size_t i = 0; i < record->n_frames; i++) {
        if (record->frames[i].rule == NULL && record->frames[i].stack == STACK_CRASH) {
            out->at[out->n] = i;
            out->id[out->n] = id_of(&record->frames[i]);
            out->n++;
        }
    }
}

static bool
repeats(const struct candidates *c, size_t from, size_t length)
{
    if (from + STACK_CYCLE_TIMES * length >= c->n) {
        return false;
    }
    for (size_t i = from; i < from + (STACK_CYCLE_TIMES - 1) * length; i++) {
        if (c->id[i] != c->id[i + length]) {
            return false;
        }
    }
    return true;
}

static bool
find_cycle(const struct candidates *c, size_t *from, size_t *length)
{
    for (*from = 0; *from < c->n; (*from)++) {
        for (*length = 1; *length <= STACK_CYCLE_MAX; (*length)++) {
            if (repeats(c, *from, *length)) {
                return true;
            }
        }
    }
    return false;
}

/* The first cycle is the state; false when the stack shows none. */
static bool
keep_cycle(struct record *record, struct buf *state)
{
    AUTO(mem_free) struct candidates *c = mem_alloc(sizeof(*c));
    size_t from = 0;
    size_t length = 0;

    find_candidates(record, c);
    if (!find_cycle(c, &from, &length)) {
        return false;
    }
    for (size_t i = 0; i < record->n_frames; i++) {
        struct frame *frame = &record->frames[i];
        if (frame->rule == NULL) {
            frame->rule = frame->stack == STACK_CRASH ? of_cycle : other_stack;
        }
    }
    size_t lines = length < STACK_STATE_FRAMES ? length : STACK_STATE_FRAMES;
    buf_cut(state, 0);
    for (size_t i = from; i < from + lines; i++) {
        record->frames[c->at[i]].kept = true;
        record->frames[c->at[i]].rule = NULL;
        add_frame_line(state, &record->frames[c->at[i]]);
    }
    record->cycle_frames = (int)length;
    return true;
}

/* --- when nothing is left --- */

/* A crash in main() itself, or in a fuzz target without debug information, is still a
 * crash of that program: better its name than the NULL that ClusterFuzz merges all of
 * them into. */
static void
keep_last_resort(struct record *record, struct buf *state)
{
    struct frame *best = NULL;

    for (size_t i = 0; i < record->n_frames && record->frames[i].stack == STACK_CRASH;
         i++) {
        struct frame *frame = &record->frames[i];
        if (frame->rule == stack_reason_engine) {
            break;
        }
        bool entry = frame->function != NULL && frame->language == LANGUAGE_NATIVE &&
                     str_starts(frame->function, "LLVMFuzzerTestOneInput");
        if (entry) {
            best = frame->file != NULL || frame->module == NULL ? NULL : frame;
            break;
        }
        if (frame->rule == stack_reason_main && best == NULL && has_place(frame) &&
            (frame->file == NULL || !stack_rules_is_driver(frame->file))) {
            best = frame;
        }
    }
    if (best != NULL) {
        best->kept = true;
        best->rule = NULL;
        add_frame_line(state, best);
    }
}

static bool
named_by_target(const struct record *record)
{
    return strcmp(record->crash_type, "Timeout") == 0 ||
           strcmp(record->crash_type, "Out-of-memory") == 0 ||
           strcmp(record->crash_type, "Overwrites-const-input") == 0;
}

static void
use_target_name(struct record *record, const char *target, struct buf *state)
{
    buf_cut(state, 0);
    add_line(state, span_of(target));
    for (size_t i = 0; i < record->n_frames; i++) {
        record->frames[i].rule = record->frames[i].kept ? varies : record->frames[i].rule;
        record->frames[i].kept = false;
    }
}

static void
make_state(struct record *record, const struct record_options *options, struct buf *state)
{
    const char *target = options->fuzz_target;

    record->cycle_frames = 0;
    add_override(state, record);
    if (!record->recursive || !keep_cycle(record, state)) {
        keep_frames(record, state);
    }
    if (state->len == 0) {
        keep_last_resort(record, state);
    }
    if (target != NULL && *target != '\0' &&
        (state->len == 0 || named_by_target(record))) {
        use_target_name(record, target, state);
    }
    if (state->len == 0) {
        buf_adds(state, "NULL");
    }
}

/* --- the crash line --- */

/* As CASR: "file:line:column", "file:line", "file", "module+0x12". New string or NULL. */
static char *
line_of(const struct frame *f)
{
    if (f->file != NULL && f->line > 0 && f->column > 0) {
        return mem_printf("%s:%d:%d", f->file, f->line, f->column);
    }
    if (f->file != NULL && f->line > 0) {
        return mem_printf("%s:%d", f->file, f->line);
    }
    if (f->file != NULL) {
        return mem_strdup(f->file);
    }
    if (f->module != NULL && f->has_offset) {
        return mem_printf("%s+0x%llx", f->module, (unsigned long long)f->offset);
    }
    return NULL;
}

static const struct frame *
first_frame(const struct record *record)
{
    for (size_t i = 0; i < record->n_frames; i++) {
        const struct frame *frame = &record->frames[i];
        if ((frame->kept || frame->counts) && frame->stack == STACK_CRASH) {
            return frame;
        }
    }
    return NULL;
}

int
stack_decide(struct record *record, const struct record_options *options, struct err *err)
{
    AUTO(patterns_clear) struct patterns patterns = {0};
    AUTO(buf_clear) struct buf state = BUF_INIT;

    int rc = patterns_compile(options->ignore_frames, &patterns, err);
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < record->n_frames; i++) {
        record->frames[i].kept = false;
        record->frames[i].rule = drop_reason(&record->frames[i], &patterns);
    }
    drop_nameless_start(record);
    for (size_t i = 0; i < record->n_frames; i++) {
        record->frames[i].counts = record->frames[i].rule == NULL;
    }
    make_state(record, options, &state);
    mem_free(record->crash_state);
    record->crash_state = buf_steal(&state);
    mem_free(record->crash_line);
    const struct frame *first = first_frame(record);
    record->crash_line = first == NULL ? NULL : line_of(first);
    return 0;
}

int
stack_check_patterns(const struct strv *patterns, struct err *err)
{
    AUTO(patterns_clear) struct patterns compiled = {0};

    return patterns_compile(patterns, &compiled, err);
}

const char *
stack_reason(const char *text)
{
    static const char *const reasons[] = {by_pattern,  too_short, no_name,  beyond,
                                          other_stack, of_cycle,  replaced, varies};

    for (size_t i = 0; i < COUNT(reasons); i++) {
        if (strcmp(reasons[i], text) == 0) {
            return reasons[i];
        }
    }
    return stack_rules_reason(text);
}
