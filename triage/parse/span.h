/*
 * A piece of a report's text: borrowed, not NUL-terminated, any bytes. All scanning of
 * hostile text goes through these calls: each is linear in the bytes that it is given and
 * none backtracks.
 */
#ifndef TRIAGE_PARSE_SPAN_H
#define TRIAGE_PARSE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const char *at;
    size_t len;
};

#define SPAN_NONE ((size_t)-1)

static inline struct span
span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

/* From byte `from` on, and up to byte `to`; beyond the end gives what there is. */
static inline struct span
span_from(struct span s, size_t from)
{
    from = from < s.len ? from : s.len;
    return (struct span){s.at + from, s.len - from};
}

static inline struct span
span_to(struct span s, size_t to)
{
    return (struct span){s.at, to < s.len ? to : s.len};
}

static inline bool
span_starts(struct span s, const char *prefix)
{
    size_t len = strlen(prefix);

    return s.len >= len && memcmp(s.at, prefix, len) == 0;
}

static inline bool
span_ends(struct span s, const char *suffix)
{
    size_t len = strlen(suffix);

    return s.len >= len && memcmp(s.at + s.len - len, suffix, len) == 0;
}

static inline bool
span_is(struct span s, const char *text)
{
    size_t len = strlen(text);

    return s.len == len && memcmp(s.at, text, len) == 0;
}

/* Index of the first or last occurrence, or SPAN_NONE. */
size_t span_find(struct span s, const char *text);
size_t span_rfind(struct span s, const char *text);
size_t span_find_char(struct span s, char c);
size_t span_rfind_char(struct span s, char c);
/* ASCII letters match either case; text is lower case. */
size_t span_find_nocase(struct span s, const char *text);

static inline bool
span_has(struct span s, const char *text)
{
    return span_find(s, text) != SPAN_NONE;
}

/* What stands behind the first or last occurrence; false, leaving *out, when there is
 * none. */
bool span_after(struct span s, const char *text, struct span *out);
bool span_after_last(struct span s, const char *text, struct span *out);

struct span span_trim(struct span s); /* without blanks at both ends */
struct span span_strip(struct span s,
                       const char *chars); /* without these characters there */

/* Consuming: move *s behind what was read; false, leaving *s, when it is not there. */
bool span_eat(struct span *s, const char *text);
bool span_eat_blanks(struct span *s);                  /* at least one */
bool span_eat_digits(struct span *s, uint64_t *value); /* decimal; saturates */
bool span_eat_hex(struct span *s, uint64_t *value);    /* 0x and digits; saturates */
struct span span_eat_word(struct span *s);             /* up to a blank, which stays */
struct span span_eat_until(struct span *s,
                           char stop); /* up to stop, which is eaten too, or the end */

/* The part behind the last slash or backslash. */
struct span span_base(struct span path);

/* New string of printable UTF-8 (str_clean(), no newline, no tab), at most max bytes, cut
 * between characters; NULL for an empty span. */
char *span_dup(struct span s, size_t max);

/* The same into out[0..size), NUL-terminated, ASCII letters and digits as they are. */
void span_copy(struct span s, char *out, size_t size);

static inline bool
span_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline bool
span_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool
span_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* An ASCII capital as a small letter, anything else as it is. */
static inline char
span_lower(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return (char)(c | 0x20);
    }
    return c;
}

/* Python's capitalize() of ASCII: the first letter large, all others small. */
static inline void
span_capitalize(char *text)
{
    for (size_t i = 0; text[i] != '\0'; i++) {
        text[i] = span_lower(text[i]);
    }
    if (text[0] >= 'a' && text[0] <= 'z') {
        text[0] = (char)(text[0] ^ 0x20);
    }
}

/* The value of a hexadecimal digit, or -1. */
static inline int
span_hex_digit(char c)
{
    if (span_digit(c)) {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

#endif
