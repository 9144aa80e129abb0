#include "orchestrator/corpus/dictionary.h"

#include <stdbool.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

struct line {
    const char *at, *end;
    const char *trouble; /* the first; NULL */
};

struct repair {
    const char *name; /* as it is shown */
    struct buf *out;
    struct strv *notes;
    size_t entries, troubles;
};

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool
is_plain(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           c == '_';
}

static void
trim(struct line *line)
{
    while (line->at < line->end && is_blank(*line->at)) {
        line->at++;
    }
    while (line->at < line->end && is_blank(line->end[-1])) {
        line->end--;
    }
}

static void
find_trouble(struct line *line, const char *trouble)
{
    line->trouble = line->trouble == NULL ? trouble : line->trouble;
}

static int
digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* One byte of the value; *at stands behind the backslash. What is no escape of the two
 * engines is one of C's, or a backslash. */
static void
take_escape(struct line *line, struct buf *value)
{
    static const char letters[] = "nrt0";
    static const char values[] = "\n\r\t";
    unsigned int byte;
    static const char nothing = '\0';
    const char c = *(line->at < line->end ? line->at : &nothing);
    const char *letter = c == '\0' ? NULL : strchr(letters, c);

    if (c == '\\' || c == '"') {
        buf_addc(value, c);
        line->at++;
    } else if (c == 'x' && line->end - line->at >= 3 && digit_of(line->at[1]) >= 0 &&
               digit_of(line->at[2]) >= 0) {
        byte = (unsigned int)digit_of(line->at[1]) << 4 |
               (unsigned int)digit_of(line->at[2]);
        buf_addc(value, (char)byte);
        line->at += 3;
    } else if (letter != NULL) {
        buf_addc(value, values[letter - letters]);
        line->at++;
        find_trouble(line, "an escape of C was written as \\xNN");
    } else {
        buf_addc(value, '\\');
        find_trouble(line, "a lone backslash was doubled");
    }
}

/* Whether nothing, or a comment, stands behind a quote: then it closes the value. */
static bool
closes(struct line *line)
{
    const char *at = line->at;

    while (at < line->end && is_blank(*at)) {
        at++;
    }
    if (at == line->end || *at != '#') {
        return at == line->end;
    }
    if (memchr(at, '"', (size_t)(line->end - at)) != NULL) {
        return false;
    }
    find_trouble(line, "a comment behind the value was left out");
    return true;
}

/* Behind the first quote. */
static void
take_quoted(struct line *line, struct buf *value)
{
    while (line->at < line->end) {
        char c = *line->at++;
        if (c == '\\') {
            take_escape(line, value);
        } else if (c == '"' && closes(line)) {
            return;
        } else {
            if (c == '"') {
                find_trouble(line, "a quote within the value was escaped");
            } else if ((unsigned char)c < 32 || (unsigned char)c > 126) {
                find_trouble(line, "a byte that is not printable was written as \\xNN");
            }
            buf_addc(value, c);
        }
    }
    find_trouble(line, "the closing quote was missing");
}

/* `name=`, `name@2=`; what else stands before the value is left out. */
static void
put_name(struct line *line, const char *end, struct buf *out)
{
    const char *at = line->at;

    while (at < end && is_plain(*at)) {
        at++;
    }
    size_t len = (size_t)(at - line->at);
    if (at < end && *at == '@') {
        do {
            at++;
        } while (at < end && *at >= '0' && *at <= '9');
    }
    const char *behind = at;
    while (at < end && is_blank(*at)) {
        at++;
    }
    if (len > 0 && len < 64 && at + 1 == end && *at == '=') {
        buf_add(out, line->at, (size_t)(behind - line->at));
        buf_addc(out, '=');
    } else if (end > line->at) {
        find_trouble(line, "what stood before the value is no name, and was left out");
    }
}

static void
put_value(const struct buf *value, struct buf *out)
{
    buf_addc(out, '"');
    for (size_t i = 0; i < value->len; i++) {
        unsigned char c = (unsigned char)value->data[i];
        if (c == '"' || c == '\\') {
            buf_addf(out, "\\%c", c);
        } else if (c < 32 || c > 126) {
            buf_addf(out, "\\x%02X", c);
        } else {
            buf_addc(out, (char)c);
        }
    }
    buf_adds(out, "\"\n");
}

static void
note(struct repair *repair, size_t number, const char *what)
{
    if (++repair->troubles <= DICTIONARY_NOTES_MAX) {
        strv_addf(repair->notes, "%s:%zu: %s", repair->name, number, what);
    }
}

/* Without any quote: the whole of it, or what stands behind a name. */
static void
take_bare(struct line *line, struct buf *value, struct buf *name)
{
    const char *equals = memchr(line->at, '=', (size_t)(line->end - line->at));
    const char *at = line->at;

    find_trouble(line, "the value had no quotes");
    while (equals != NULL && at < equals && is_plain(*at)) {
        at++;
    }
    if (equals != NULL && at == equals && at > line->at) {
        put_name(line, equals + 1, name);
        line->at = equals + 1;
    }
    while (line->at < line->end) {
        char c = *line->at++;
        if (c == '\\') {
            take_escape(line, value);
        } else {
            buf_addc(value, c);
        }
    }
}

static void
take_line(struct repair *repair, struct line *line, size_t number)
{
    AUTO(buf_clear) struct buf value = BUF_INIT;
    AUTO(buf_clear) struct buf name = BUF_INIT;

    trim(line);
    if (line->at == line->end || *line->at == '#') {
        return;
    }
    const char *quote = memchr(line->at, '"', (size_t)(line->end - line->at));
    if (quote != NULL) {
        put_name(line, quote, &name);
        line->at = quote + 1;
        take_quoted(line, &value);
    } else {
        take_bare(line, &value, &name);
    }
    if (value.len == 0 || value.len > DICTIONARY_VALUE_MAX) {
        note(repair, number,
             value.len == 0 ? "an empty value was left out"
                            : "a value of more than 128 bytes was left out");
        return;
    }
    if (line->trouble != NULL) {
        note(repair, number, line->trouble);
    }
    buf_add(repair->out, buf_str(&name), name.len);
    put_value(&value, repair->out);
    repair->entries++;
}

void
dictionary_repair(const char *name, const char *text, size_t len, struct buf *out,
                  size_t *entries, struct strv *notes)
{
    AUTO(mem_free) char *shown = str_name_dup(name);
    struct repair repair = {.name = shown, .out = out, .notes = notes};
    const char *end = text + len;
    size_t number = 0;

    for (const char *at = text; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        struct line line = {at, newline == NULL ? end : newline, NULL};
        take_line(&repair, &line, ++number);
        at = newline == NULL ? end : newline + 1;
    }
    if (repair.troubles > DICTIONARY_NOTES_MAX) {
        strv_addf(notes, "%s: %zu further lines were repaired or left out", shown,
                  repair.troubles - DICTIONARY_NOTES_MAX);
    }
    *entries = repair.entries;
}

int
dictionary_read(const char *path, struct buf *out, size_t *entries, struct strv *notes,
                struct err *err)
{
    AUTO(buf_clear) struct buf text = {.max = DICTIONARY_BYTES_MAX + 1};
    int rc = fs_read(path, DICTIONARY_BYTES_MAX, &text, err);

    if (rc < 0) {
        return rc;
    }
    dictionary_repair(path, buf_str(&text), text.len, out, entries, notes);
    return 0;
}
