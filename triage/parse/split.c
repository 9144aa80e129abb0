#include "triage/parse/split.h"

#include "base/auto.h"
#include "triage/parse/span.h"

struct splitter {
    struct split_part *parts;
    size_t n;       /* parts begun */
    bool has_head;  /* the part has a headline */
    bool closed;    /* and its report has ended; `tail` is behind it */
    bool open_tail; /* the lines behind the end may still belong to it */
    bool is_ubsan;
    uint64_t pid; /* of the last headline; 0: not told */
    size_t tail;  /* where the next part begins if the report has ended */
};

enum head { HEAD_NONE, HEAD_SANITIZER, HEAD_SIGNAL, HEAD_LIBFUZZER, HEAD_UBSAN };

static enum head
head_of(struct span line)
{
    static const char *const words[] = {
        "ERROR: AddressSanitizer", "ERROR: HWAddressSanitizer",
        "ERROR: LeakSanitizer",    "WARNING: MemorySanitizer",
        "ERROR: MemorySanitizer",  "WARNING: ThreadSanitizer",
        "ERROR: ThreadSanitizer",  "ERROR: UndefinedBehaviorSanitizer"};
    static const char *const signals[] = {": SEGV on ", ": ABRT on ", ": FPE on ",
                                          ": ILL on ",  ": BUS on ",  ": TRAP on "};
    struct span rest;

    if (span_has(line, "ERROR: libFuzzer")) {
        return HEAD_LIBFUZZER;
    }
    for (size_t i = 0; i < COUNT(words); i++) {
        if (!span_after(line, words[i], &rest)) {
            continue;
        }
        for (size_t k = 0; k < COUNT(signals); k++) {
            if (span_starts(rest, signals[k])) {
                return HEAD_SIGNAL;
            }
        }
        return HEAD_SANITIZER;
    }
    /* Go says "panic: runtime error: ...", and says it again when it is rethrown */
    return span_has(line, ": runtime error: ") && !span_has(line, "panic: ") ? HEAD_UBSAN
                                                                             : HEAD_NONE;
}

/* "==123==ERROR: ...", "(pid=123)"; 0: not told. */
static uint64_t
pid_of(struct span line)
{
    uint64_t pid = 0;
    struct span s = line;
    size_t at = span_find(line, "==");

    if (at != SPAN_NONE) {
        s = span_from(line, at + 2);
        if (span_eat_digits(&s, &pid) && span_starts(s, "==")) {
            return pid;
        }
    }
    return span_after(line, "(pid=", &s) && span_eat_digits(&s, &pid) ? pid : 0;
}

static bool
is_end(struct span line)
{
    return (span_has(line, "SUMMARY: ") &&
            (span_has(line, "Sanitizer: ") || span_has(line, "libFuzzer: "))) ||
           span_ends(span_trim(line), "==ABORTING");
}

/* What sanitizers and libFuzzer print behind the summary. */
static bool
is_tail(struct span line)
{
    static const char *const words[] = {"=>",
                                        "Shadow byte",
                                        "==ABORTING",
                                        "MS: ",
                                        "base unit",
                                        "artifact_prefix=",
                                        "Base64: ",
                                        "0x",
                                        "NOTE: libFuzzer",
                                        "ThreadSanitizer: reported"};

    if (line.len == 0 || span_blank(line.at[0])) {
        return true;
    }
    for (size_t i = 0; i < COUNT(words); i++) {
        if (span_starts(line, words[i])) {
            return true;
        }
    }
    return false;
}

static bool
begins(const struct splitter *s, enum head head, uint64_t pid)
{
    bool other = pid != 0 && s->pid != 0 && pid != s->pid;

    if (!s->has_head) {
        return false;
    }
    if (head == HEAD_UBSAN) {
        return s->closed || s->is_ubsan;
    }
    if (s->is_ubsan && (head == HEAD_SIGNAL || head == HEAD_LIBFUZZER)) {
        return false;
    }
    return other || (s->closed && head != HEAD_LIBFUZZER);
}

static void
read_line(struct splitter *s, struct span line, size_t from, size_t next)
{
    enum head head = head_of(line);

    if (head == HEAD_NONE) {
        bool end = s->has_head && is_end(line);
        s->open_tail = end || (s->open_tail && is_tail(line));
        s->closed = s->closed || end;
        s->tail = s->open_tail ? next : s->tail;
        return;
    }
    uint64_t pid = pid_of(line);
    if (begins(s, head, pid) && s->n < SPLIT_MAX) {
        s->parts[s->n++].from = s->closed ? s->tail : from;
        s->pid = 0;
        s->is_ubsan = false;
    }
    s->has_head = true;
    s->closed = false;
    s->open_tail = false;
    s->is_ubsan = s->is_ubsan || head == HEAD_UBSAN;
    s->pid = pid != 0 ? pid : s->pid;
}

size_t
split_reports(const char *text, size_t len, struct split_part parts[SPLIT_MAX])
{
    struct splitter s = {.parts = parts, .n = 1};

    parts[0].from = 0;
    /* JSON (a .casrep) is whole or nothing */
    for (size_t at = 0; at < len && text[0] != '{';) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t stop = end == NULL ? len : (size_t)(end - text);
        size_t next = end == NULL ? len : stop + 1;
        read_line(&s, (struct span){text + at, stop - at}, at, next);
        at = next;
    }
    for (size_t i = 0; i < s.n; i++) {
        parts[i].len = (i + 1 < s.n ? parts[i + 1].from : len) - parts[i].from;
    }
    return s.n;
}
