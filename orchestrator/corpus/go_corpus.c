#include "orchestrator/corpus/go_corpus.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static const char header[] = "go test fuzz v1\n";

bool
go_corpus_is(const char *text, size_t len)
{
    return len >= sizeof(header) - 1 && memcmp(text, header, sizeof(header) - 1) == 0;
}

struct text {
    const char *at, *end;
};

static bool
skip(struct text *text, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(text->end - text->at) < len || memcmp(text->at, word, len) != 0) {
        return false;
    }
    text->at += len;
    return true;
}

static void
skip_blanks(struct text *text)
{
    while (text->at < text->end && strchr(" \t\r\n", *text->at) != NULL &&
           *text->at != '\0') {
        text->at++;
    }
}

static int
digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : 16;
}

/* n digits of a base; false: they are not there. */
static bool
take_number(struct text *text, int n, int base, uint32_t *out)
{
    *out = 0;
    for (; n > 0; n--, text->at++) {
        if (text->at == text->end || digit_of(*text->at) >= base) {
            return false;
        }
        *out = *out * (uint32_t)base + (uint32_t)digit_of(*text->at);
    }
    return true;
}

static bool
put_rune(struct buf *out, uint32_t rune)
{
    if (rune > 0x10ffff || (rune >= 0xd800 && rune < 0xe000)) {
        return false;
    }
    if (rune < 0x80) {
        buf_addc(out, (char)rune);
    } else if (rune < 0x800) {
        buf_addc(out, (char)(0xc0 | rune >> 6));
        buf_addc(out, (char)(0x80 | (rune & 63)));
    } else if (rune < 0x10000) {
        buf_addc(out, (char)(0xe0 | rune >> 12));
        buf_addc(out, (char)(0x80 | (rune >> 6 & 63)));
        buf_addc(out, (char)(0x80 | (rune & 63)));
    } else {
        buf_addc(out, (char)(0xf0 | rune >> 18));
        buf_addc(out, (char)(0x80 | (rune >> 12 & 63)));
        buf_addc(out, (char)(0x80 | (rune >> 6 & 63)));
        buf_addc(out, (char)(0x80 | (rune & 63)));
    }
    return true;
}

/* What stands behind a backslash (The Go Programming Language Specification, "Rune
 * literals"). */
static bool
take_escape(struct text *text, struct buf *out)
{
    static const char letters[] = "abfnrtv\\\"'";
    static const char values[] = "\a\b\f\n\r\t\v\\\"'";
    uint32_t value;

    if (text->at == text->end) {
        return false;
    }
    char c = *text->at;
    const char *letter = c == '\0' ? NULL : strchr(letters, c);
    if (letter != NULL) {
        text->at++;
        buf_addc(out, values[letter - letters]);
        return true;
    }
    if (c >= '0' && c <= '7') {
        if (!take_number(text, 3, 8, &value) || value > 255) {
            return false;
        }
        buf_addc(out, (char)value);
        return true;
    }
    text->at++;
    if (c == 'x') {
        if (!take_number(text, 2, 16, &value)) {
            return false;
        }
        buf_addc(out, (char)value);
        return true;
    }
    return (c == 'u' && take_number(text, 4, 16, &value) && put_rune(out, value)) ||
           (c == 'U' && take_number(text, 8, 16, &value) && put_rune(out, value));
}

static bool
take_quoted(struct text *text, struct buf *out)
{
    while (text->at < text->end && *text->at != '"') {
        char c = *text->at++;
        if (c == '\n' || (c == '\\' && !take_escape(text, out))) {
            return false;
        }
        if (c != '\\') {
            buf_addc(out, c);
        }
    }
    return skip(text, "\"");
}

static bool
take_raw(struct text *text, struct buf *out)
{
    while (text->at < text->end && *text->at != '`') {
        char c = *text->at++;
        if (c != '\r') {
            buf_addc(out, c);
        }
    }
    return skip(text, "`");
}

int
go_corpus_decode(const char *text, size_t len, struct buf *out)
{
    struct text rest = {text + sizeof(header) - 1, text + len};
    size_t before = out->len;

    if (!go_corpus_is(text, len)) {
        return -EINVAL;
    }
    skip_blanks(&rest);
    if (!skip(&rest, "[]byte(") && !skip(&rest, "string(")) {
        return rest.at == rest.end ? -EINVAL : -ENOTSUP;
    }
    bool good = skip(&rest, "\"")  ? take_quoted(&rest, out)
                : skip(&rest, "`") ? take_raw(&rest, out)
                                   : false;
    good = good && skip(&rest, ")");
    skip_blanks(&rest);
    if (good && rest.at == rest.end) {
        return 0;
    }
    buf_cut(out, before);
    return good ? -ENOTSUP : -EINVAL;
}
