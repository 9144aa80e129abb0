/*
 * Text: runs of whole lines and of whole words, and what brackets, quotes and tags
 * enclose: without it, or without them, or only what of it is enclosed once more (so
 * grammars that nest come down a level at a time).
 */
#include "triage/shrink/strategy.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"

/* --- lines and words --- */

typedef bool boundary(const struct buf *bytes, size_t at);

static bool
line_begins(const struct buf *bytes, size_t at)
{
    return at == 0 || at >= bytes->len || bytes->data[at - 1] == '\n';
}

static int
kind_of(char c)
{
    unsigned char byte = (unsigned char)c;

    return isalnum(byte) || c == '_' || byte >= 0x80 ? 1 : isspace(byte) ? 2 : 3 + byte;
}

/* Words, spaces, and equal punctuation in a row. */
static bool
word_begins(const struct buf *bytes, size_t at)
{
    return at == 0 || at >= bytes->len ||
           kind_of(bytes->data[at - 1]) != kind_of(bytes->data[at]);
}

/* The longest run of units that ends at or before the cursor and is no longer than the
 * grain. */
static bool
run_of(const struct sketch *sketch, boundary *begins, size_t grain, struct cursor *cursor,
       struct edit *edit)
{
    const struct buf *bytes = &sketch->bytes;

    while (cursor->at > 0) {
        size_t end = cursor->at;
        size_t begin = end;
        if (!begins(bytes, end)) {
            cursor->at--;
            continue;
        }
        for (size_t at = end; at-- > 0 && end - at <= grain;) {
            begin = begins(bytes, at) ? at : begin;
        }
        if (begin < end) {
            edit->from = begin;
            edit->to = end;
            cursor->at = begin;
            return true;
        }
        cursor->at--; /* a unit that is longer: the next grain's, or that of a part */
    }
    return false;
}

static bool
lines_next(const struct sketch *sketch, size_t grain, struct cursor *cursor, void **plan,
           struct step *step)
{
    (void)plan;
    return run_of(sketch, line_begins, grain, cursor, &step->edit);
}

static bool
tokens_next(const struct sketch *sketch, size_t grain, struct cursor *cursor, void **plan,
            struct step *step)
{
    (void)plan;
    return run_of(sketch, word_begins, grain, cursor, &step->edit);
}

/* --- brackets --- */

enum {
    PAIRS_INPUT_MAX =
        1 << 20, /* larger inputs are not searched: each bracket may cost ... */
    PAIRS_MAX = 16384,
    OPEN_MAX = 256, /* ... a look at all that are open */
    NAME_LEN_MAX = 64,
    TAG_LEN_MAX = 1024,
};

struct pair {
    size_t from, to;         /* with the brackets */
    size_t inner, inner_end; /* without */
    size_t child, child_end; /* the largest pair inside; empty: none */
};

struct pairs {
    size_t n;
    struct pair pair[PAIRS_MAX]; /* those that begin last come first */
};

struct open {
    char close;
    size_t at, inner;
    const char *name; /* of a tag */
    size_t name_len, child, child_end;
};

struct reader {
    const struct buf *bytes;
    struct pairs *pairs;
    struct open open[OPEN_MAX];
    size_t depth;
};

static void
push(struct reader *reader, struct open open)
{
    if (reader->depth < OPEN_MAX) {
        reader->open[reader->depth++] = open;
    }
}

static void
close_at(struct reader *reader, size_t depth, size_t inner_end, size_t end)
{
    const struct open *open = &reader->open[depth];

    if (reader->pairs->n < PAIRS_MAX) {
        reader->pairs->pair[reader->pairs->n++] = (struct pair){
            open->at, end, open->inner, inner_end, open->child, open->child_end};
    }
    reader->depth = depth;
    if (depth > 0) {
        struct open *above = &reader->open[depth - 1];
        if (end - open->at > above->child_end - above->child) {
            above->child = open->at;
            above->child_end = end;
        }
    }
}

/* The innermost that this closes, over those that were never closed. */
static void
close_bracket(struct reader *reader, size_t i)
{
    for (size_t depth = reader->depth; depth-- > 0;) {
        if (reader->open[depth].close == reader->bytes->data[i]) {
            close_at(reader, depth, i, i + 1);
            return;
        }
    }
}

static size_t
name_length(const struct buf *bytes, size_t at)
{
    size_t len = 0;

    while (at + len < bytes->len && len < NAME_LEN_MAX &&
           kind_of(bytes->data[at + len]) == 1) {
        len++;
    }
    return len;
}

/* <name ...> opens, </name> closes; the text between '<' and '>' is a pair of its own. */
static void
read_tag(struct reader *reader, size_t i)
{
    const struct buf *bytes = reader->bytes;
    size_t most = bytes->len - i < TAG_LEN_MAX ? bytes->len - i : TAG_LEN_MAX;
    const char *end = memchr(bytes->data + i, '>', most);
    bool closes = i + 1 < bytes->len && bytes->data[i + 1] == '/';
    size_t begin = i + (closes ? 2 : 1);
    size_t len = name_length(bytes, begin);

    if (end == NULL || len == 0) {
        return;
    }
    size_t behind = (size_t)(end - bytes->data) + 1;
    if (!closes) {
        push(reader,
             (struct open){
                 .at = i, .inner = behind, .name = bytes->data + begin, .name_len = len});
        return;
    }
    for (size_t depth = reader->depth; depth-- > 0;) {
        const struct open *open = &reader->open[depth];
        if (open->name_len == len && memcmp(open->name, bytes->data + begin, len) == 0) {
            close_at(reader, depth, i, behind);
            return;
        }
    }
}

static int
by_begin(const void *a, const void *b)
{
    const struct pair *x = a;
    const struct pair *y = b;

    return x->from != y->from ? (x->from < y->from ? 1 : -1)
                              : (x->to > y->to ? -1 : x->to < y->to);
}

static struct pairs *
find_pairs(const struct buf *bytes)
{
    static const char opening[] = "([{";
    static const char closing[] = ")]}";
    AUTO(mem_free) struct reader *reader = mem_alloc(sizeof(*reader));

    reader->bytes = bytes;
    reader->pairs = mem_alloc(sizeof(*reader->pairs));
    for (size_t i = 0; i < bytes->len; i++) {
        char c = bytes->data[i];
        const char *bracket = c == '\0' ? NULL : strchr(opening, c);
        if (bracket != NULL) {
            push(reader, (struct open){.close = closing[bracket - opening],
                                       .at = i,
                                       .inner = i + 1});
        } else if (c == '<') {
            read_tag(reader, i);
        } else if (c != '\0' && strchr(closing, c) != NULL) {
            close_bracket(reader, i);
        }
    }
    qsort(reader->pairs->pair, reader->pairs->n, sizeof(struct pair), by_begin);
    return reader->pairs;
}

enum { PAIR_WHOLE, PAIR_INNER, PAIR_CHILD, PAIR_UNWRAP, PAIR_TRIES };

static bool
part_of(const struct buf *bytes, const struct pair *pair, size_t n, struct edit *edit)
{
    edit->from = pair->from;
    edit->to = pair->to;
    switch (n) {
    case PAIR_WHOLE:
        return true;
    case PAIR_INNER:
        edit->from = pair->inner;
        edit->to = pair->inner_end;
        return edit->to > edit->from;
    case PAIR_CHILD:
        buf_add(&edit->with, bytes->data + pair->child, pair->child_end - pair->child);
        return pair->child_end > pair->child;
    default:
        buf_add(&edit->with, bytes->data + pair->inner, pair->inner_end - pair->inner);
        return true;
    }
}

static bool
brackets_next(const struct sketch *sketch, size_t grain, struct cursor *cursor,
              void **plan, struct step *step)
{
    if (sketch->bytes.len > PAIRS_INPUT_MAX) {
        return false;
    }
    if (*plan == NULL) {
        *plan = find_pairs(&sketch->bytes);
    }
    const struct pairs *pairs = *plan;
    for (size_t i = 0; i < pairs->n; i++) {
        const struct pair *pair = &pairs->pair[i];
        size_t size = pair->to - pair->from;
        if (pair->from > cursor->at || size > grain || size <= grain / 2) {
            continue;
        }
        if (pair->from < cursor->at) {
            cursor->at = pair->from;
            cursor->again = 0;
        }
        while (cursor->again < PAIR_TRIES) {
            buf_clear(&step->edit.with);
            if (part_of(&sketch->bytes, pair, cursor->again++, &step->edit)) {
                step->taken = (struct cursor){.at = pair->from};
                step->taken_set = true;
                return true;
            }
        }
    }
    return false;
}

const struct strategy strategy_lines = {.text_only = true, .next = lines_next};
const struct strategy strategy_tokens = {.text_only = true, .next = tokens_next};
const struct strategy strategy_brackets = {.text_only = true, .next = brackets_next};
