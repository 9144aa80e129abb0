#include "triage/gdb_mi.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum { TOKEN_DIGITS_MAX = 18 };

struct reader {
    const char *at, *end, *begin;
    int values;
    int depth;
    struct level {
        json_t *container; /* borrowed from the one around it */
        char closing;      /* what ends it; NUL: the line's end */
    } levels[GDB_MI_DEPTH_MAX];
    struct err *err;
};

void
gdb_mi_clear(struct gdb_mi *line)
{
    json_decref(line->value);
    *line = (struct gdb_mi){.token = -1};
}

static int
wrong(const struct reader *r, const char *what)
{
    return err_set(r->err, -EBADMSG, "gdb/MI: %s at byte %zu", what,
                   (size_t)(r->at - r->begin));
}

static bool
next_is(const struct reader *r, char c)
{
    return r->at < r->end && *r->at == c;
}

/* Letters, digits, "-" and "_"; into name, cut to its size, and past it. */
static void
read_name(struct reader *r, char name[GDB_MI_NAME_MAX])
{
    size_t len = 0;

    while (r->at < r->end &&
           (isalnum((unsigned char)*r->at) || *r->at == '-' || *r->at == '_')) {
        if (len < GDB_MI_NAME_MAX - 1) {
            name[len++] = *r->at;
        }
        r->at++;
    }
    name[len] = '\0';
}

/* --- strings --- */

/* The byte behind a backslash, which r->at stands on; moves past all but its last
 * character. */
static char
read_escape(struct reader *r)
{
    static const char names[] = "abefnrtv";
    static const char bytes[] = "\a\b\033\f\n\r\t\v";
    const char *known = strchr(names, *r->at);
    unsigned value = 0;
    int digits = 0;

    if (*r->at == '\0') {
        return '\0';
    }
    if (known != NULL) {
        return bytes[known - names];
    }
    while (digits < 3 && r->at < r->end && *r->at >= '0' && *r->at <= '7') {
        value = value * 8 + (unsigned)(*r->at - '0');
        r->at++;
        digits++;
    }
    if (digits == 0) {
        return *r->at;
    }
    r->at--;
    return (char)(value & 0xff);
}

/* A C string with its quotes, which r->at stands on; *out is new. */
static int
read_string(struct reader *r, json_t **out)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;

    for (r->at++; r->at < r->end && *r->at != '"'; r->at++) {
        char c = *r->at;
        if (c == '\\') {
            if (++r->at == r->end) {
                break;
            }
            c = read_escape(r);
        }
        buf_addc(&text, c);
    }
    if (r->at >= r->end) {
        return wrong(r, "a string without an end");
    }
    r->at++;
    *out = json_text_n(buf_str(&text), text.len);
    return 0;
}

/* --- values --- */

/* Into the innermost container; steals value. */
static void
add_value(struct reader *r, const char *name, json_t *value)
{
    json_t *container = r->levels[r->depth].container;

    if (json_is_array(container)) {
        (void)json_array_append_new(container, value);
    } else {
        json_put(container, name, value);
    }
}

/* "name=" where there must or may be one. */
static int
read_variable(struct reader *r, char name[GDB_MI_NAME_MAX])
{
    bool in_list = json_is_array(r->levels[r->depth].container);

    name[0] = '\0';
    if (in_list && r->at < r->end && strchr("\"{[", *r->at) != NULL) {
        return 0;
    }
    read_name(r, name);
    if (name[0] == '\0' || !next_is(r, '=')) {
        return wrong(r, "no name and '='");
    }
    r->at++;
    return 0;
}

/* A string, or the beginning of a tuple or list. */
static int
read_value(struct reader *r, const char *name)
{
    json_t *value = NULL;

    if (++r->values > GDB_MI_VALUES_MAX) {
        return wrong(r, "more than GDB_MI_VALUES_MAX values");
    }
    if (next_is(r, '"')) {
        int rc = read_string(r, &value);
        if (rc == 0) {
            add_value(r, name, value);
        }
        return rc;
    }
    if (!next_is(r, '{') && !next_is(r, '[')) {
        return wrong(r, "no value");
    }
    if (r->depth + 1 == GDB_MI_DEPTH_MAX) {
        return wrong(r, "more than GDB_MI_DEPTH_MAX levels");
    }
    bool tuple = *r->at++ == '{';
    value = tuple ? json_object() : json_array();
    add_value(r, name, value);
    r->levels[++r->depth] = (struct level){value, tuple ? '}' : ']'};
    return 0;
}

/* Past all that ends here. */
static void
close_levels(struct reader *r)
{
    while (r->depth > 0 && next_is(r, r->levels[r->depth].closing)) {
        r->depth--;
        r->at++;
    }
}

/* ",name=value,..." up to the line's end into the object. */
static int
read_results(struct reader *r, json_t *object)
{
    char name[GDB_MI_NAME_MAX];

    r->levels[0] = (struct level){object, '\0'};
    while (r->at < r->end) {
        if (!next_is(r, ',')) {
            return wrong(r, "no ',' between values");
        }
        int before = r->depth;
        do { /* the first value of a tuple or list has no comma before it */
            r->at += r->depth == before ? 1 : 0;
            before = r->depth;
            int rc = read_variable(r, name);
            rc = rc < 0 ? rc : read_value(r, name);
            if (rc < 0) {
                return rc;
            }
        } while (r->depth > before && !next_is(r, r->levels[r->depth].closing));
        close_levels(r);
    }
    return r->depth == 0 ? 0 : wrong(r, "a tuple or list without an end");
}

/* --- lines --- */

static int64_t
read_token(struct reader *r)
{
    int64_t token = 0;
    int digits = 0;

    while (r->at < r->end && digits < TOKEN_DIGITS_MAX &&
           isdigit((unsigned char)*r->at)) {
        token = token * 10 + (*r->at - '0');
        r->at++;
        digits++;
    }
    return digits == 0 ? -1 : token;
}

static int
read_stream(struct reader *r, struct gdb_mi *line)
{
    line->kind = GDB_MI_STREAM;
    if (!next_is(r, '"')) {
        return wrong(r, "no string");
    }
    int rc = read_string(r, &line->value);
    return rc == 0 && r->at != r->end ? wrong(r, "more behind a string") : rc;
}

int
gdb_mi_parse(const char *line, size_t len, struct gdb_mi *out, struct err *err)
{
    struct reader r = {.at = line, .begin = line, .end = line + len, .err = err};
    AUTO(gdb_mi_clear) struct gdb_mi read = {.kind = GDB_MI_OTHER, .token = -1};
    int rc = 0;

    if (len > GDB_MI_LINE_MAX) {
        return wrong(&r, "more than GDB_MI_LINE_MAX bytes");
    }
    read.token = read_token(&r);
    char mark = '\0';
    if (r.at < r.end) {
        mark = *r.at;
    }
    if (mark == '^' || mark == '*' || mark == '+' || mark == '=') {
        r.at++;
        read.kind = mark == '^' ? GDB_MI_RESULT : GDB_MI_ASYNC;
        read.value = json_object();
        read_name(&r, read.class_name);
        rc = read.class_name[0] == '\0' ? wrong(&r, "no class")
                                        : read_results(&r, read.value);
    } else if (read.token < 0 && (mark == '~' || mark == '@' || mark == '&')) {
        r.at++;
        rc = read_stream(&r, &read);
    } else {
        read.token = -1;
    }
    if (rc == 0) {
        *out = read;
        read.value = NULL;
    }
    return rc;
}
