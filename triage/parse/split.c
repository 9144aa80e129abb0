#include "triage/parse/split.h"

#include <string.h>

#include "base/auto.h"
#include "triage/parse/span.h"

enum head {
    HEAD_NONE,
    HEAD_SANITIZER,
    HEAD_SIGNAL,
    HEAD_LIBFUZZER,
    /* what may end in one of the two above, and tells of no end of its own */
    HEAD_UBSAN,
    HEAD_RUST,
    HEAD_GO,
    HEAD_PYTHON,
    HEAD_JAVA,
};

/* A headline of a language's runtime, which stands at the beginning of its line. */
static enum head
runtime_head(struct span line)
{
    static const struct {
        const char *begins, *has;
        enum head head;
    } rows[] = {{"thread '", "' panicked at ", HEAD_RUST},
                {"panic: ", "", HEAD_GO},
                {"fatal error: ", "", HEAD_GO},
                {"Traceback (most recent call last):", "", HEAD_PYTHON},
                {"== Java Exception: ", "", HEAD_JAVA}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        if (span_starts(line, rows[i].begins) &&
            (rows[i].has[0] == '\0' || span_has(line, rows[i].has))) {
            return rows[i].head;
        }
    }
    return HEAD_NONE;
}

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
    enum head head = runtime_head(line);
    return head == HEAD_NONE && span_has(line, ": runtime error: ") &&
                   !span_has(line, "panic: ")
               ? HEAD_UBSAN
               : head;
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

/* Python: what comes next is another exception, of the same crash. */
static bool
is_chain(struct span line)
{
    return span_has(line, "the above exception") || span_has(line, "The above exception");
}

static bool
begins(const struct splitter *s, enum head head, uint64_t pid)
{
    bool other = pid != 0 && s->pid != 0 && pid != s->pid;

    if (!s->has_head) {
        return false;
    }
    if (head >= HEAD_UBSAN) {
        return s->closed || (s->kind == (int)head && !s->chained);
    }
    if (s->kind >= HEAD_UBSAN && (head == HEAD_SIGNAL || head == HEAD_LIBFUZZER)) {
        return false;
    }
    return other || (s->closed && head != HEAD_LIBFUZZER);
}

/* Without what stands further away than SPLIT_CONTEXT_MAX: a worker reads the head and
 * the tail of a long text. */
static struct split_part
part_of(const struct splitter *s, int64_t end)
{
    int64_t from = s->from;

    if (s->has_head) {
        int64_t most =
            s->end > 0 ? s->end + SPLIT_CONTEXT_MAX : s->head + SPLIT_REPORT_MAX;
        from = s->head - from > SPLIT_CONTEXT_MAX ? s->head - SPLIT_CONTEXT_MAX : from;
        end = end < most ? end : most;
    }
    return (struct split_part){from, end - from};
}

static void
read_rest(struct splitter *s, struct span line, int64_t next)
{
    bool end = s->has_head && is_end(line);

    s->open_tail = end || (s->open_tail && is_tail(line));
    s->closed = s->closed || end;
    s->tail = s->open_tail ? next : s->tail;
    s->end = s->open_tail ? next : s->end;
    s->chained = s->chained || is_chain(line);
}

bool
split_line(struct splitter *s, const char *data, size_t len, int64_t from, int64_t next,
           struct split_part *part)
{
    struct span line = {data, len};
    enum head head = head_of(line);

    if (head == HEAD_NONE) {
        read_rest(s, line, next);
        return false;
    }
    uint64_t pid = pid_of(line);
    bool cut = begins(s, head, pid);
    if (cut) {
        int64_t at = s->closed ? s->tail : from;
        *part = part_of(s, at);
        *s = (struct splitter){.from = at};
    }
    if (!s->has_head) {
        s->head = from;
        s->kind = (int)head;
    }
    s->has_head = true;
    s->closed = false;
    s->open_tail = false;
    s->chained = false;
    s->end = 0;
    s->pid = pid != 0 ? pid : s->pid;
    return cut;
}

struct split_part
split_end(const struct splitter *s, int64_t size)
{
    return part_of(s, size);
}
