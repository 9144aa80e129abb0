#include "triage/parse/unwrap.h"

#include "triage/parse/span.h"

enum {
    LINE_MAX_LOOK = 1 << 16, /* a longer line is no sign of a prefix */
    TRIES_MAX = 16,          /* places that are looked at for each of the words */
    NEXT_LINES = 3,          /* lines behind such a place, of which */
    NEXT_ALIKE = 2,          /* so many begin alike */
};

/* The line at the beginning of *rest, without its newline; *rest moves behind that. */
static struct span
next_line(struct span *rest)
{
    return span_eat_until(rest, '\n');
}

/* --- JSON lines --- */

/* The message of a line: behind the opening quote. joins: a newline is part of the
 * message, and where it is missing the next line goes on. */
static bool
find_message(struct span line, struct span *out, bool *joins)
{
    static const char *const keys[] = {
        "\"log\":", "\"Output\":",      "\"message\":", "\"MESSAGE\":",
        "\"msg\":", "\"textPayload\":", "\"line\":",    "\"text\":"};

    if (!span_starts(line, "{\"") || !span_ends(line, "}")) {
        return false;
    }
    for (size_t i = 0; i < COUNT(keys); i++) {
        struct span rest;
        if (span_after(line, keys[i], &rest)) {
            (void)span_eat_blanks(&rest);
            *joins = i < 2;
            *out = rest;
            return span_eat(out, "\"");
        }
    }
    return false;
}

/* Four digits behind "\u"; characters that take two of them read "??". */
static void
add_unicode(struct span *s, struct buf *out)
{
    unsigned value = 0;

    for (int i = 0; i < 4 && s->len > 0 && span_hex_digit(s->at[0]) >= 0; i++) {
        value = value << 4 | (unsigned)span_hex_digit(s->at[0]);
        *s = span_from(*s, 1);
    }
    if (value < 0x80) {
        buf_addc(out, (char)value);
    } else if (value < 0x800) {
        buf_addc(out, (char)(0xc0 | value >> 6));
        buf_addc(out, (char)(0x80 | (value & 0x3f)));
    } else if (value < 0xd800 || value > 0xdfff) {
        buf_addc(out, (char)(0xe0 | value >> 12));
        buf_addc(out, (char)(0x80 | (value >> 6 & 0x3f)));
        buf_addc(out, (char)(0x80 | (value & 0x3f)));
    } else {
        buf_addc(out, '?');
    }
}

/* Up to the closing quote. */
static void
add_string(struct span s, struct buf *out)
{
    static const char escapes[][2] = {
        {'n', '\n'}, {'t', '\t'}, {'r', '\r'}, {'b', '\b'}, {'f', '\f'}};

    for (;;) {
        size_t plain = 0;
        while (plain < s.len && s.at[plain] != '"' && s.at[plain] != '\\') {
            plain++;
        }
        buf_add(out, s.at, plain);
        s = span_from(s, plain);
        if (s.len < 2 || s.at[0] == '"') {
            return;
        }
        char c = s.at[1];
        s = span_from(s, 2);
        if (c == 'u') {
            add_unicode(&s, out);
            continue;
        }
        for (size_t i = 0; i < COUNT(escapes); i++) {
            if (escapes[i][0] == c) {
                c = escapes[i][1];
                break;
            }
        }
        buf_addc(out, c);
    }
}

static void
add_json_line(struct span line, struct buf *out)
{
    struct span message;
    bool joins = false;

    if (find_message(line, &message, &joins)) {
        add_string(message, out);
    } else {
        buf_add(out, line.at, line.len);
    }
    if (!joins) {
        buf_addc(out, '\n');
    }
}

static bool
unwrap_json(struct span text, struct buf *out)
{
    struct span rest = text;
    struct span ignored;
    bool joins;

    if (!span_starts(text, "{\"") && !span_after(text, "\n{\"", &rest)) {
        return false;
    }
    rest = span_from(text, rest.len == text.len ? 0 : text.len - rest.len - 2);
    if (!find_message(span_trim(next_line(&rest)), &ignored, &joins)) {
        return false;
    }
    for (rest = text; rest.len > 0;) {
        add_json_line(span_strip(next_line(&rest), "\r"), out);
    }
    return true;
}

/* --- terminal escapes --- */

/* Behind the escape character: what a terminal would take for its own. */
static void
eat_escape(struct span *s)
{
    size_t n = 0;
    int kind = s->len > 0 ? s->at[0] : '\0';

    if (kind == ']') { /* a title, up to BEL or another escape */
        while (n < s->len && strchr("\a\033\n", s->at[n]) == NULL) {
            n++;
        }
        n += n < s->len && s->at[n] == '\a';
    } else { /* "[1;31m", "(B", "\" */
        n = kind == '[';
        while (n < s->len && s->at[n] >= 0x20 && s->at[n] < 0x40) {
            n++;
        }
        n += n < s->len && s->at[n] >= 0x40 && s->at[n] < 0x7f;
    }
    *s = span_from(*s, n);
}

static bool
unwrap_escapes(struct span text, struct buf *out)
{
    size_t at = span_find_char(text, '\033');

    if (at == SPAN_NONE) {
        return false;
    }
    for (; at != SPAN_NONE; at = span_find_char(text, '\033')) {
        buf_add(out, text.at, at);
        text = span_from(text, at + 1);
        eat_escape(&text);
    }
    buf_add(out, text.at, text.len);
    return true;
}

/* --- prefixes --- */

static size_t
run_of(struct span s, size_t at, bool (*is)(char c))
{
    size_t n = 0;

    while (at + n < s.len && is(s.at[at + n])) {
        n++;
    }
    return n;
}

/* Whether the line begins like this; then it is moved behind it. Blanks count as little
 * as digits: they make columns. A prefix does not end in blanks. */
static bool
eat_prefix(struct span *line, struct span prefix)
{
    size_t k = 0;

    for (size_t i = 0; i < prefix.len;) {
        i += run_of(prefix, i, span_blank);
        k += run_of(*line, k, span_blank);
        size_t mine = run_of(prefix, i, span_digit);
        size_t its = run_of(*line, k, span_digit);
        if ((mine > 0) != (its > 0)) {
            return false;
        }
        if (mine == 0) {
            mine = its = 1;
            if (k == line->len || line->at[k] != prefix.at[i]) {
                return false;
            }
        }
        i += mine;
        k += its;
    }
    *line = span_from(*line, k);
    return true;
}

/* Whether lines at the beginning of rest begin like this, so that it is no accident. */
static bool
goes_on(struct span rest, struct span prefix)
{
    int alike = 0;

    rest = span_to(rest, LINE_MAX_LOOK);
    for (int i = 0; i < NEXT_LINES && rest.len > 0; i++) {
        struct span line = next_line(&rest);
        alike += eat_prefix(&line, prefix);
    }
    return alike >= NEXT_ALIKE;
}

enum place { PLACE_ELSEWHERE, PLACE_BARE, PLACE_PREFIX };

/* What stands before text[at], where a line of a report would begin. */
static enum place
look_before(struct span text, size_t at, struct span *prefix)
{
    size_t from = at > UNWRAP_PREFIX_MAX ? at - UNWRAP_PREFIX_MAX : 0;
    struct span before = span_to(span_from(text, from), at - from);
    size_t newline = span_rfind_char(before, '\n');

    if (newline == SPAN_NONE && from > 0) {
        return PLACE_ELSEWHERE;
    }
    before = span_from(before, newline == SPAN_NONE ? 0 : newline + 1);
    size_t len = before.len;
    while (len > 0 && span_blank(before.at[len - 1])) {
        len--;
    }
    if (len == 0) {
        return PLACE_BARE;
    }
    char last = before.at[len - 1];
    bool glued = len == before.len && (span_digit(last) || span_letter(last));
    struct span line = span_to(span_from(text, at), LINE_MAX_LOOK);
    size_t end = span_find_char(line, '\n');
    *prefix = span_to(before, len);
    return !glued && end != SPAN_NONE && goes_on(span_from(text, at + end + 1), *prefix)
               ? PLACE_PREFIX
               : PLACE_ELSEWHERE;
}

/* "==123" before the second pair of "==ERROR: ". False when there is none. */
static bool
back_over_pid(struct span text, size_t *at)
{
    size_t n = *at;

    while (n > 0 && *at - n < 20 && span_digit(text.at[n - 1])) {
        n--;
    }
    if (n == *at || n < 2 || text.at[n - 1] != '=' || text.at[n - 2] != '=') {
        return false;
    }
    *at = n - 2;
    return true;
}

/* Words with which reports begin their lines. */
static const struct opening {
    const char *word;
    bool pid; /* a process number comes before */
} openings[] = {
    {"==ERROR: ", true},
    {"== ERROR: ", true},
    {"==WARNING: ", true},
    {"#0 ", false},
    {"goroutine ", false},
    {"Traceback (most recent call last)", false},
    {"thread '", false},
    {"Exception in thread \"", false},
    {"*** stack smashing detected", false},
    {"terminate called ", false},
};

static enum place
look_for(struct span text, const struct opening *opening, struct span *prefix)
{
    size_t from = 0;

    for (int i = 0; i < TRIES_MAX; i++) {
        size_t at = span_find(span_from(text, from), opening->word);
        if (at == SPAN_NONE) {
            return PLACE_ELSEWHERE;
        }
        at += from;
        from = at + 1;
        enum place place = !opening->pid || back_over_pid(text, &at)
                               ? look_before(text, at, prefix)
                               : PLACE_ELSEWHERE;
        if (place != PLACE_ELSEWHERE) {
            return place;
        }
    }
    return PLACE_ELSEWHERE;
}

/* How far two lines begin alike, up to behind a blank, so that no word is cut. */
static size_t
alike(struct span a, struct span b)
{
    size_t i = 0;
    size_t end = 0;

    for (size_t k = 0; i < a.len && k < b.len && i < UNWRAP_PREFIX_MAX;) {
        bool (*is)(char) = span_digit(a.at[i])   ? span_digit
                           : span_blank(a.at[i]) ? span_blank
                                                 : NULL;
        size_t its = is == NULL ? (size_t)(a.at[i] == b.at[k]) : run_of(b, k, is);
        if (its == 0) {
            break;
        }
        i += is == NULL ? 1 : run_of(a, i, is);
        k += its;
        end = is == span_blank ? i : end;
    }
    return end;
}

/* No word that opens a report: a prefix that all lines share, if it looks like one.
 * "==1== " is Valgrind's own, "#0 " a frame's. */
static bool
find_shared(struct span text, struct span *prefix)
{
    struct span first = next_line(&text);
    size_t len = first.len;
    bool marked = false;

    if (text.len == 0) {
        return false;
    }
    while (text.len > 0 && len > 0) {
        len = alike(span_to(first, len), next_line(&text));
    }
    size_t pid = span_find(span_to(first, len), "==");
    size_t number = span_find_char(span_to(first, len), '#');
    len = pid < len ? pid : len;
    len = number < len ? number : len;
    while (len > 0 && span_blank(first.at[len - 1])) {
        len--;
    }
    for (size_t i = 0; i < len; i++) {
        marked = marked || strchr(":|]>", first.at[i]) != NULL;
    }
    if (marked) {
        *prefix = span_to(first, len);
    }
    return marked;
}

/* False when the text's reports begin their lines. */
static bool
find_prefix(struct span text, struct span *prefix)
{
    bool found = false;

    for (size_t i = 0; i < COUNT(openings); i++) {
        struct span one;
        enum place place = look_for(text, &openings[i], &one);
        if (place == PLACE_BARE) {
            return false;
        }
        if (place == PLACE_PREFIX && !found) {
            *prefix = one;
            found = true;
        }
    }
    return found || find_shared(text, prefix);
}

/* The fewest blanks behind the prefix, of the lines that have it and more than blanks. */
static size_t
shared_blanks(struct span text, struct span prefix)
{
    size_t fewest = SPAN_NONE;

    while (text.len > 0 && fewest > 0) {
        struct span line = next_line(&text);
        if (!eat_prefix(&line, prefix)) {
            continue;
        }
        size_t blanks = run_of(line, 0, span_blank);
        bool empty = blanks == line.len || line.at[blanks] == '\r';
        fewest = !empty && blanks < fewest ? blanks : fewest;
    }
    return fewest == SPAN_NONE ? 0 : fewest;
}

static bool
unwrap_lines(struct span text, struct buf *out)
{
    struct span prefix = {text.at, 0};
    bool found = find_prefix(text, &prefix);
    size_t blanks = shared_blanks(text, prefix);

    if (!found && blanks == 0) {
        return false;
    }
    while (text.len > 0) {
        struct span line = next_line(&text);
        if (eat_prefix(&line, prefix)) {
            size_t own = run_of(line, 0, span_blank);
            line = span_from(line, own < blanks ? own : blanks);
        }
        buf_add(out, line.at, line.len);
        buf_addc(out, '\n');
    }
    return true;
}

bool
unwrap_text(const char *text, size_t len, struct buf *out)
{
    static bool (*const steps[])(struct span, struct buf *) = {
        unwrap_json, unwrap_escapes, unwrap_lines};
    AUTO(buf_clear) struct buf last = {.max = out->max};
    struct span s = {text, len};
    bool wrapped = false;

    for (size_t i = 0; i < COUNT(steps); i++) {
        AUTO(buf_clear) struct buf next = {.max = out->max};
        if (steps[i](s, &next)) {
            buf_clear(&last);
            last = next;
            next = (struct buf)BUF_INIT;
            s = (struct span){buf_str(&last), last.len};
            wrapped = true;
        }
    }
    if (wrapped) {
        *out = last;
        last = (struct buf)BUF_INIT;
    }
    return wrapped;
}
