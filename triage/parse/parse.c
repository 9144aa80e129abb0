#include "triage/parse/parse.h"

#include <errno.h>
#include <pthread.h>

#include "base/mem.h"
#include "base/str.h"
#include "triage/parse/casrep.h"
#include "triage/parse/demangle.h"
#include "triage/parse/parser.h"
#include "triage/parse/unwrap.h"
#include "triage/parse/words.h"

/* The order is ClusterFuzz's: what explains a crash (an assertion) comes before what
 * reports it. */
static const struct parser_ops *const table[] = {
    &parser_noise,  /* lines that never count */
    &parser_oom,    /* out of memory, or the end of the matter when it does not count */
    &parser_kernel, /* before asan: both say "Read of size 4 at" */
    &parser_assert, /* ASSERT, glibc's and libc++'s assertions */
    &parser_glibc,  /* malloc's, fortify's and the stack guard's last words */
    &parser_cxx,    /* the C++ runtimes' */
    &parser_rust,       &parser_gdb,     &parser_windows,
    &parser_msan,       &parser_tsan,    &parser_lsan,
    &parser_go, /* before ubsan: both say "runtime error:" */
    &parser_javascript, &parser_ubsan,   &parser_jvm,
    &parser_python,     &parser_signal, /* a sanitizer's report of a fatal signal */
    &parser_asan,       &parser_gwpasan, &parser_android,
    &parser_extra,     /* OSS-Fuzz's extra sanitizers, Centipede */
    &parser_libfuzzer, /* behind what it only repeats */
    &parser_log,       /* glog, abseil, Chromium */
    &parser_v8,         &parser_loader,  &parser_valgrind,
    &parser_apple,      &parser_native, /* nightjar's own, of a bare signal */
    &parser_registers,                  /* its and sanitizers' */
    &parser_fatal,                      /* signals by name, when nothing else told more */
    &parser_sections,                   /* which stack follows */
    &parser_memory,                     /* what lies at the address */
    &parser_frames, /* "#0 0x... in f file:line", the last reader of frames */
};

enum { WORDS_MAX = 256, LINE_BEFORE = 4096 };

static struct words *wakers;
static const struct parser_ops *readers[COUNT(table)]; /* those that read frames */
static size_t n_readers;
static pthread_once_t ready_once = PTHREAD_ONCE_INIT;

static void
make_ready(void)
{
    struct word list[WORDS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < COUNT(table); i++) {
        if (table[i]->frame != NULL) {
            readers[n_readers++] = table[i];
        }
        for (const char *const *w = table[i]->words; w != NULL && *w != NULL; w++) {
            if (count == WORDS_MAX) {
                abort();
            }
            list[count++] = (struct word){*w, UINT64_C(1) << i};
        }
    }
    wakers = words_new(list, count);
}

/* --- what families call --- */

/* Higher ranked types are not replaced by lower ranked ones (ClusterFuzz:
 * high_rank_types). */
static int
rank(const char *type)
{
    static const struct {
        const char *type;
        int rank;
    } ranks[] = {{"V8 sandbox violation", 2}, {"Timeout", 1}};

    for (size_t i = 0; i < COUNT(ranks); i++) {
        if (strcmp(ranks[i].type, type) == 0) {
            return ranks[i].rank;
        }
    }
    return 0;
}

void
parser_set_type(struct parser *p, struct span line, const char *type)
{
    if (rank(type) < rank(p->type)) {
        return;
    }
    span_copy(span_of(type), p->type, sizeof(p->type));
    p->message = line;
    p->hearsay = false;
}

void
parser_forget_frames(struct parser *p)
{
    p->n_frames = 0;
    p->stack = STACK_CRASH;
    p->state[0] = '\0';
    p->state_frames = 0;
    p->place = (struct raw_frame){0};
}

void
parser_begin(struct parser *p, struct span line, const char *type)
{
    const unsigned lasting =
        FACT_STACK_GUARD | FACT_HEAP_CHECK | FACT_FORTIFY | FACT_FUZZER_ISSUE;

    parser_set_type(p, line, type);
    parser_forget_frames(p);
    p->address[0] = '\0';
    p->fault = 0;
    p->no_address = false;
    p->access = ACCESS_UNKNOWN;
    p->access_bytes = 0;
    p->memory = (struct raw_memory){0};
    p->registers = (struct span){0};
    p->facts &= lasting;
    p->bad_cast_open = false;
    p->python = false;
    p->recursion = false;
}

bool
parser_text_has(struct parser *p, enum text_word word)
{
    static const char *const words[TEXT_WORDS] = {
        [TEXT_SANITIZER] = "Sanitizer", [TEXT_LIBFUZZER] = "libFuzzer",
        [TEXT_PYTHON] = ".py\", line ", [TEXT_SCARINESS] = "SCARINESS: ",
        [TEXT_SIGNAL] = " (signal)",
    };

    if (p->has[word] == 0) {
        p->has[word] = span_has(p->text, words[word]) ? 1 : -1;
    }
    return p->has[word] > 0;
}

bool
parser_hearsay(struct parser *p, struct span line, const char *type, struct span text)
{
    if (parser_has_type(p) || parser_is_kernel(p)) {
        return false;
    }
    parser_begin(p, line, type);
    if (text.len > 0) {
        parser_set_state(p, text, 1);
    }
    p->hearsay = true;
    return true;
}

void
parser_sanitizer_type(struct span kind, char out[PARSER_TYPE_MAX])
{
    span_copy(span_trim(kind), out, PARSER_TYPE_MAX);
    span_capitalize(out);
    for (char *at = strchr(out, '_'); at != NULL; at = strchr(at, '_')) {
        *at = '-';
    }
}

bool
parser_set_address(struct parser *p, struct span s)
{
    struct span rest = s;
    uint64_t value;

    if (!span_eat_hex(&rest, &value)) {
        return false;
    }
    span_copy(span_to(s, s.len - rest.len), p->address, sizeof(p->address));
    p->fault = value;
    return true;
}

struct raw_frame *
parser_add_frame(struct parser *p, int n)
{
    if (p->n_frames == RECORD_FRAMES_MAX) {
        return NULL;
    }
    if (p->n_frames > 0) {
        const struct raw_frame *last = &p->frames[p->n_frames - 1];
        if (last->stack == p->stack && n <= last->n) {
            p->stack = STACK_OTHER;
        }
    }
    struct raw_frame *frame = &p->frames[p->n_frames++];
    *frame = (struct raw_frame){.n = n, .stack = p->stack};
    return frame;
}

void
parser_add_parsed(struct parser *p, int n, const struct raw_frame *parsed)
{
    struct raw_frame *frame = parser_add_frame(p, n);

    if (frame != NULL) {
        enum stack_kind stack = frame->stack;
        *frame = *parsed;
        frame->n = n;
        frame->stack = stack;
    }
}

void
parser_add_next(struct parser *p, const struct raw_frame *parsed)
{
    parser_add_parsed(p, p->n_frames == 0 ? 0 : p->frames[p->n_frames - 1].n + 1, parsed);
}

/* Digits at the end behind a colon: taken off, false when there are none. */
static bool
eat_number_behind(struct span *s, int *value)
{
    size_t n = s->len;
    uint64_t number = 0;

    while (n > 0 && span_digit(s->at[n - 1])) {
        n--;
    }
    if (n == s->len || n < 2 || s->at[n - 1] != ':') {
        return false;
    }
    struct span digits = span_from(*s, n);
    (void)span_eat_digits(&digits, &number);
    *value = number > INT32_MAX ? 0 : (int)number;
    *s = span_to(*s, n - 1);
    return true;
}

bool
parser_location(struct span s, struct raw_frame *frame)
{
    int last = 0;
    int before = 0;

    if (!eat_number_behind(&s, &last)) {
        return false;
    }
    bool column = eat_number_behind(&s, &before);
    frame->file = s;
    frame->line = column ? before : last;
    frame->column = column ? last : 0;
    return true;
}

/* --- the pass over the lines --- */

/* A line with a megabyte of the target's own output before the headline: what is read
 * begins a little before the first word that matters. */
static struct span
cut_line(struct span line)
{
    if (line.len <= PARSER_LINE_MAX) {
        return line;
    }
    size_t at = words_first(wakers, line, UINT64_MAX);
    size_t from = at == SPAN_NONE || at < LINE_BEFORE ? 0 : at - LINE_BEFORE;
    return span_to(span_from(line, from), PARSER_LINE_MAX);
}

/* "the program's own unfinished lineAddressSanitizer:DEADLYSIGNAL": what a sanitizer says
 * first when a signal comes says nothing, but must not become part of an assertion's
 * text. */
static struct span
cut_signal_word(struct span line)
{
    size_t at = span_find(line, "Sanitizer:DEADLYSIGNAL");

    while (at != SPAN_NONE && at > 0 && span_letter(line.at[at - 1])) {
        static const char *const names[] = {"Address", "HWAddress",         "Leak",
                                            "Memory",  "UndefinedBehavior", "Thread"};
        for (size_t i = 0; i < COUNT(names); i++) {
            if (span_ends(span_to(line, at), names[i])) {
                return span_to(line, at - strlen(names[i]));
            }
        }
        break;
    }
    return at == SPAN_NONE ? line : span_to(line, at);
}

/* Not what a sanitizer draws around its headline. */
static void
remember_words(struct parser *p, struct span line)
{
    struct span words = span_trim(line);

    if (words.len > 0 && !span_starts(words, "====") &&
        !span_ends(words, "DEADLYSIGNAL")) {
        p->last_words = words;
    }
}

static void
read_line(struct parser *p, struct span line)
{
    line = cut_line(line);
    uint64_t awake = words_scan(wakers, line);

    if ((awake & 1) != 0) { /* the noise */
        line = cut_signal_word(line);
    }

    for (size_t i = 0; i < COUNT(table) && awake >> i != 0; i++) {
        if ((awake >> i & 1) != 0 && table[i]->line != NULL &&
            table[i]->line(p, line) == LINE_DONE) {
            return;
        }
    }
    if (p->type[0] == '\0') {
        remember_words(p, line);
        return;
    }
    for (size_t i = 0; i < n_readers; i++) {
        if (readers[i]->frame(p, line)) {
            return;
        }
    }
}

static void
read_lines(struct parser *p)
{
    const char *at = p->text.at;
    const char *end = at + p->text.len;

    while (at < end && !p->done) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop == NULL ? end : stop;
        /* a lone carriage return ends a line too: progress lines overwrite themselves
         * with it */
        for (const char *from = at; from < stop && !p->done;) {
            const char *cr = memchr(from, '\r', (size_t)(stop - from));
            cr = cr == NULL ? stop : cr;
            if (cr > from) {
                read_line(p, (struct span){from, (size_t)(cr - from)});
            }
            from = cr + 1;
        }
        at = stop + 1;
    }
}

/* --- the record --- */

/* A wild access below the first page is one through a null pointer. */
static char *
final_type(const struct parser *p)
{
    static const char unknown[] = "UNKNOWN";
    size_t len = sizeof(unknown) - 1;

    if (strncmp(p->type, unknown, len) == 0 && p->address[0] != '\0' &&
        p->fault < 0x1000) {
        return mem_printf("Null-dereference%s", p->type + len);
    }
    return mem_strdup(p->type);
}

/* 0x000012345678 with 16 digits reads as ClusterFuzz has it, with 12. */
static char *
final_address(const struct parser *p)
{
    if (p->address[0] == '\0') {
        return NULL;
    }
    bool wide = strlen(p->address) == 18 && strncmp(p->address, "0x0000", 6) == 0;
    return wide ? mem_printf("0x%s", p->address + 6) : mem_strdup(p->address);
}

/* What was put together from cleaned texts may have been cut within a character. */
static char *
clean_state(const struct parser *p)
{
    AUTO(buf_clear) struct buf clean = BUF_INIT;

    if (p->state[0] == '\0') {
        return NULL;
    }
    str_clean(&clean, p->state, strlen(p->state));
    return buf_steal(&clean);
}

/* A variable of which only the frame is known says nothing. */
static void
copy_memory(const struct raw_memory *from, struct memory *to)
{
    if (from->kind == MEMORY_STACK && from->name.len == 0) {
        return;
    }
    *to = (struct memory){.kind = from->kind,
                          .side = from->side,
                          .distance = from->distance,
                          .size = from->size,
                          .name = span_dup(from->name, RECORD_FUNCTION_MAX),
                          .place = span_dup(from->place, RECORD_PATH_MAX)};
}

/* New string, or NULL. */
static char *
function_of(const struct raw_frame *frame)
{
    char name[DEMANGLE_MAX];

    if (frame->mangled && demangle(frame->function, name)) {
        return span_dup(span_of(name), RECORD_FUNCTION_MAX);
    }
    return span_dup(frame->function, RECORD_FUNCTION_MAX);
}

static void
copy_frame(struct frame *to, const struct raw_frame *from)
{
    to->n = from->n;
    to->stack = from->stack;
    to->language = from->language;
    to->address = from->address;
    to->function = function_of(from);
    to->file = span_dup(from->file, RECORD_PATH_MAX);
    to->line = from->line;
    to->column = from->column;
    to->module = span_dup(from->module, RECORD_PATH_MAX);
    to->offset = from->offset;
    to->has_offset = from->has_offset;
    to->build_id = span_dup(from->build_id, RECORD_PATH_MAX);
}

/* A sanitizer prints an inlined frame with the address of the function that it was
 * inlined into. A recursion's frames have equal addresses too, but then they are the same
 * place. */
static bool
inlined_into_next(const struct raw_frame *f, const struct raw_frame *next)
{
    bool same_place = f->function.len == next->function.len && f->line == next->line &&
                      (f->function.len == 0 ||
                       memcmp(f->function.at, next->function.at, f->function.len) == 0);

    return f->stack == next->stack && f->address != 0 && f->address == next->address &&
           f->n < next->n && !same_place;
}

static void
copy_frames(const struct parser *p, struct record *record)
{
    for (size_t i = 0; i < p->n_frames; i++) {
        /* Python prints the innermost call last */
        size_t at = p->python ? p->n_frames - 1 - i : i;
        struct frame *frame = record_add_frame(record);
        copy_frame(frame, &p->frames[at]);
        if (p->python) {
            frame->n = (int)i;
        } else {
            frame->inlined = at + 1 < p->n_frames &&
                             inlined_into_next(&p->frames[at], &p->frames[at + 1]);
        }
    }
}

/* Android's report of a program without symbols: its name says more than the libraries'
 * offsets. */
static bool
named_by_process(const struct parser *p)
{
    if (p->process[0] == '\0' || p->state[0] != '\0') {
        return false;
    }
    for (size_t i = 0; i < p->n_frames; i++) {
        if (p->frames[i].function.len > 0) {
            return false;
        }
    }
    return true;
}

static struct record *
make_record(const struct parser *p)
{
    struct record *record = mem_alloc(sizeof(*record));

    record->sanitizer = mem_strdup(p->sanitizer == NULL ? "none" : p->sanitizer);
    record->crash_type = final_type(p);
    record->crash_address = final_address(p);
    record->message = span_dup(span_trim(p->message), RECORD_LINE_MAX);
    if (strcmp(p->type, "Abrt") == 0) {
        record->last_words = span_dup(p->last_words, RECORD_LINE_MAX);
    }
    record->state_override = clean_state(p);
    record->override_frames = p->state_frames;
    record->state_only_override = p->state_frames >= PARSER_STATE_FRAMES;
    if (named_by_process(p)) {
        record->state_override = mem_printf("%s\n", p->process);
        record->state_only_override = true;
    }
    record->access = p->access;
    record->access_bytes = p->access_bytes;
    record->near_null = p->address[0] != '\0' && p->fault < 0x10000;
    record->no_address = p->no_address;
    record->recursive = p->recursion || strcmp(p->type, "Stack-overflow") == 0;
    record->facts = p->facts | (p->hearsay ? FACT_HEARSAY : 0);
    copy_memory(&p->memory, &record->memory);
    copy_frames(p, record);
    if (p->n_frames == 0 && p->place.file.len > 0) {
        copy_frame(record_add_frame(record), &p->place);
    }
    parser_registers_finish(p, record);
    parser_native_finish(p, record);
    return record;
}

static int
parse_text(const char *text, size_t len, const struct record_options *options,
           struct record **out, struct err *err)
{
    AUTO(mem_free) struct parser *p = mem_alloc(sizeof(*p));
    /* not cleared: parser_add_frame() clears those that there are */
    AUTO(mem_free)
    struct raw_frame *frames = mem_resize(NULL, RECORD_FRAMES_MAX * sizeof(*frames));

    (void)pthread_once(&ready_once, make_ready);
    /* the end of a log is where it crashed */
    p->text = (struct span){text, len};
    p->text = span_from(p->text, len > PARSE_REPORT_MAX ? len - PARSE_REPORT_MAX : 0);
    p->options = options;
    p->frames = frames;
    p->golang = span_has(p->text, ".go:");
    read_lines(p);
    bool bare = p->bare_stack && p->hearsay && p->n_frames < 2;
    if (p->type[0] == '\0' || p->nothing || bare) {
        return err_set(err, -ENODATA, "no crash in %zu bytes", len);
    }
    *out = make_record(p);
    return 0;
}

int
parse_report(const char *text, size_t len, const struct record_options *options,
             struct record **out, struct err *err)
{
    AUTO(buf_clear) struct buf inner = BUF_INIT;

    if (casrep_text(text, len, &inner)) {
        return parse_text(buf_str(&inner), inner.len, options, out, err);
    }
    if (unwrap_text(text, len, &inner)) {
        int rc = parse_text(buf_str(&inner), inner.len, options, out, err);
        if (rc != -ENODATA) {
            return rc;
        }
    }
    return parse_text(text, len, options, out, err);
}
