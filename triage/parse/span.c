#include "triage/parse/span.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

size_t
span_find(struct span s, const char *text)
{
    const char *at = s.len == 0 ? NULL : memmem(s.at, s.len, text, strlen(text));

    return at == NULL ? SPAN_NONE : (size_t)(at - s.at);
}

/* Quadratic only in strlen(text), which is ours and short. */
size_t
span_rfind(struct span s, const char *text)
{
    size_t len = strlen(text);

    for (size_t i = s.len >= len ? s.len - len + 1 : 0; i > 0; i--) {
        if (s.at[i - 1] == text[0] && memcmp(s.at + i - 1, text, len) == 0) {
            return i - 1;
        }
    }
    return SPAN_NONE;
}

size_t
span_find_char(struct span s, char c)
{
    const char *at = s.len == 0 ? NULL : memchr(s.at, c, s.len);

    return at == NULL ? SPAN_NONE : (size_t)(at - s.at);
}

size_t
span_rfind_char(struct span s, char c)
{
    const char *at = s.len == 0 ? NULL : memrchr(s.at, c, s.len);

    return at == NULL ? SPAN_NONE : (size_t)(at - s.at);
}

size_t
span_find_nocase(struct span s, const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i + len <= s.len; i++) {
        size_t k = 0;
        while (k < len && span_lower(s.at[i + k]) == text[k]) {
            k++;
        }
        if (k == len) {
            return i;
        }
    }
    return SPAN_NONE;
}

bool
span_after(struct span s, const char *text, struct span *out)
{
    size_t at = span_find(s, text);

    if (at == SPAN_NONE) {
        return false;
    }
    *out = span_from(s, at + strlen(text));
    return true;
}

bool
span_after_last(struct span s, const char *text, struct span *out)
{
    size_t at = span_rfind(s, text);

    if (at == SPAN_NONE) {
        return false;
    }
    *out = span_from(s, at + strlen(text));
    return true;
}

struct span
span_strip(struct span s, const char *chars)
{
    while (s.len > 0 && s.at[0] != '\0' && strchr(chars, s.at[0]) != NULL) {
        s = span_from(s, 1);
    }
    while (s.len > 0 && s.at[s.len - 1] != '\0' &&
           strchr(chars, s.at[s.len - 1]) != NULL) {
        s.len--;
    }
    return s;
}

struct span
span_trim(struct span s)
{
    return span_strip(s, " \t");
}

bool
span_eat(struct span *s, const char *text)
{
    if (!span_starts(*s, text)) {
        return false;
    }
    *s = span_from(*s, strlen(text));
    return true;
}

bool
span_eat_blanks(struct span *s)
{
    size_t n = 0;

    while (n < s->len && span_blank(s->at[n])) {
        n++;
    }
    *s = span_from(*s, n);
    return n > 0;
}

bool
span_eat_digits(struct span *s, uint64_t *value)
{
    uint64_t sum = 0;
    size_t n = 0;

    for (; n < s->len && span_digit(s->at[n]); n++) {
        uint64_t digit = (uint64_t)(s->at[n] - '0');
        sum = sum > (UINT64_MAX - digit) / 10 ? UINT64_MAX : sum * 10 + digit;
    }
    if (n == 0) {
        return false;
    }
    *value = sum;
    *s = span_from(*s, n);
    return true;
}

bool
span_eat_hex(struct span *s, uint64_t *value)
{
    uint64_t sum = 0;
    size_t n = 2;

    if (s->len < 3 || s->at[0] != '0' || (s->at[1] != 'x' && s->at[1] != 'X') ||
        span_hex_digit(s->at[2]) < 0) {
        return false;
    }
    for (; n < s->len && span_hex_digit(s->at[n]) >= 0; n++) {
        uint64_t digit = (uint64_t)span_hex_digit(s->at[n]);
        sum = sum >> 60 != 0 ? UINT64_MAX : sum << 4 | digit;
    }
    *value = sum;
    *s = span_from(*s, n);
    return true;
}

struct span
span_eat_word(struct span *s)
{
    size_t n = 0;

    while (n < s->len && !span_blank(s->at[n])) {
        n++;
    }
    struct span word = span_to(*s, n);
    *s = span_from(*s, n);
    return word;
}

struct span
span_eat_until(struct span *s, char stop)
{
    size_t n = span_find_char(*s, stop);
    struct span part = span_to(*s, n);

    *s = n == SPAN_NONE ? span_from(*s, s->len) : span_from(*s, n + 1);
    return part;
}

struct span
span_base(struct span path)
{
    size_t n = path.len;

    while (n > 0 && path.at[n - 1] != '/' && path.at[n - 1] != '\\') {
        n--;
    }
    return span_from(path, n);
}

/* Almost every byte of a report is plain: no need to look at each sequence for those. */
static bool
is_plain(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if (c < 0x20 || c >= 0x7f) {
            return false;
        }
    }
    return true;
}

char *
span_dup(struct span s, size_t max)
{
    AUTO(buf_clear) struct buf clean = BUF_INIT;

    if (s.len == 0) {
        return NULL;
    }
    if (is_plain(s)) {
        return mem_dup(s.at, s.len < max ? s.len : max);
    }
    /* bounded work: what stands behind so many bytes that are to be dropped is not looked
     * for */
    str_clean(&clean, s.at, s.len < 4 * max ? s.len : 4 * max);
    size_t len = 0;
    for (size_t i = 0; i < clean.len; i++) {
        if (clean.data[i] != '\n' && clean.data[i] != '\t') {
            clean.data[len++] = clean.data[i];
        }
    }
    if (len > max) {
        len = max;
        while (len > 0 && (clean.data[len] & 0xc0) == 0x80) {
            len--;
        }
    }
    return len == 0 ? NULL : mem_dup(buf_str(&clean), len);
}

void
span_copy(struct span s, char *out, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; i < s.len && len + 1 < size; i++) {
        if (s.at[i] >= 0x20 && s.at[i] < 0x7f) {
            out[len++] = s.at[i];
        }
    }
    out[len] = '\0';
}
