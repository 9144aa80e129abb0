#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { SUGGEST_MAX = 64 };

bool
str_starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool
str_ends(const char *text, const char *suffix)
{
    size_t len = strlen(text);
    size_t want = strlen(suffix);

    return len >= want && memcmp(text + len - want, suffix, want) == 0;
}

/* Length of the valid UTF-8 sequence at s (RFC 3629: no overlong form, no surrogate), or
 * 0. */
static size_t
utf8_length(const unsigned char *s, size_t left)
{
    size_t want = s[0] < 0x80   ? 1
                  : s[0] < 0xc2 ? 0
                  : s[0] < 0xe0 ? 2
                  : s[0] < 0xf0 ? 3
                  : s[0] < 0xf5 ? 4
                                : 0;

    if (want == 0 || want > left) {
        return 0;
    }
    for (size_t i = 1; i < want; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool surrogate = s[0] == 0xed && s[1] >= 0xa0;
    bool beyond = s[0] == 0xf4 && s[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : want;
}

/* C0 controls, DEL, and the C1 controls that UTF-8 spells with 0xc2. */
static bool
is_control(const unsigned char *s, size_t len)
{
    return (len == 1 && (s[0] < 0x20 || s[0] == 0x7f)) ||
           (len == 2 && s[0] == 0xc2 && s[1] < 0xa0);
}

static unsigned
code_point(const unsigned char *s, size_t len)
{
    unsigned c = len == 1 ? s[0] : s[0] & (0xffU >> (len + 1));

    for (size_t i = 1; i < len; i++) {
        c = c << 6 | (s[i] & 0x3fU);
    }
    return c;
}

/* Characters that reorder what stands round them or cannot be seen, so that a name reads
 * as another one (Unicode TR 36: bidirectional controls, zero width, line separators,
 * tags). */
static bool
is_deceptive(const unsigned char *s, size_t len)
{
    static const struct {
        unsigned from, to;
    } ranges[] = {{0xad, 0xad},     {0x61c, 0x61c},    {0x115f, 0x1160}, {0x17b4, 0x17b5},
                  {0x180b, 0x180f}, {0x200b, 0x200f},  {0x2028, 0x202e}, {0x2060, 0x206f},
                  {0x3164, 0x3164}, {0xfe00, 0xfe0f},  {0xfeff, 0xfeff}, {0xffa0, 0xffa0},
                  {0xfff0, 0xfffb}, {0xe0000, 0xe0fff}};
    unsigned c = len < 2 ? 0 : code_point(s, len);

    for (size_t i = 0; i < COUNT(ranges); i++) {
        if (c >= ranges[i].from && c <= ranges[i].to) {
            return true;
        }
    }
    return false;
}

bool
str_is_utf8(const char *data, size_t len, size_t *bad)
{
    const unsigned char *s = (const unsigned char *)data;

    for (size_t i = 0; i < len;) {
        size_t n = utf8_length(s + i, len - i);
        if (n == 0) {
            if (bad != NULL) {
                *bad = i;
            }
            return false;
        }
        i += n;
    }
    return true;
}

/* Add all of a character or nothing: half of one would make the whole text invalid. */
static bool
add_whole(struct buf *out, const void *data, size_t len)
{
    if (buf_room(out) < len) {
        out->truncated = true;
        return false;
    }
    buf_add(out, data, len);
    return true;
}

/* The printable ASCII at s, which both functions below take over as it is. */
static size_t
plain_run(const unsigned char *s, size_t left)
{
    size_t n = 0;

    while (n < left && s[n] >= 0x20 && s[n] < 0x7f && s[n] != '\\') {
        n++;
    }
    return n;
}

void
str_clean(struct buf *out, const char *data, size_t len)
{
    static const char replacement[] = "\xef\xbf\xbd";
    const unsigned char *s = (const unsigned char *)data;
    bool more = true;

    for (size_t i = 0; more && i < len;) {
        size_t n = plain_run(s + i, len - i);
        if (n > 0) {
            buf_add(out, s + i, n);
            i += n;
            continue;
        }
        n = utf8_length(s + i, len - i);
        if (n == 0) {
            more = add_whole(out, replacement, sizeof(replacement) - 1);
            n = 1;
        } else if (s[i] == '\n' || s[i] == '\t' || !is_control(s + i, n)) {
            more = add_whole(out, s + i, n);
        }
        i += n;
    }
}

/* The bytes as "\\xNN"s, all or nothing. */
static bool
add_hex(struct buf *out, const unsigned char *s, size_t n)
{
    char text[4 * 4 + 1] = "";

    for (size_t k = 0; k < n; k++) {
        (void)snprintf(text + 4 * k, sizeof(text) - 4 * k, "\\x%02x", s[k]);
    }
    return add_whole(out, text, 4 * n);
}

static void
add_shown(struct buf *out, const char *data, size_t len, const char *backslash)
{
    const unsigned char *s = (const unsigned char *)data;
    bool more = true;

    for (size_t i = 0; more && i < len;) {
        size_t n = plain_run(s + i, len - i);
        if (n > 0) {
            buf_add(out, s + i, n);
            i += n;
            continue;
        }
        n = utf8_length(s + i, len - i);
        if (n > 0 && s[i] == '\\') {
            more = add_whole(out, backslash, strlen(backslash));
        } else if (n > 0 && !is_control(s + i, n) && !is_deceptive(s + i, n)) {
            more = add_whole(out, s + i, n);
        } else {
            n = n == 0 ? 1 : n;
            more = add_hex(out, s + i, n);
        }
        i += n;
    }
}

void
str_name(struct buf *out, const char *data, size_t len)
{
    add_shown(out, data, len, "\\\\");
}

void
str_visible(struct buf *out, const char *data, size_t len)
{
    add_shown(out, data, len, "\\");
}

char *
str_name_dup(const char *name)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;

    str_name(&out, name, strlen(name));
    return buf_steal(&out);
}

/* The value of "xNN" at s, or -1; 0 is none, since a string cannot hold it. */
static int
hex_escape(const char *s)
{
    if (s[0] != 'x' || !isxdigit((unsigned char)s[1]) || !isxdigit((unsigned char)s[2])) {
        return -1;
    }
    const char hex[3] = {s[1], s[2], '\0'};
    int value = (int)strtol(hex, NULL, 16);
    return value == 0 ? -1 : value;
}

int
str_unname(const char *escaped, char **out, struct err *err)
{
    AUTO(buf_clear) struct buf bytes = BUF_INIT;

    for (const char *s = escaped; *s != '\0'; s++) {
        int value = s[0] == '\\' ? hex_escape(s + 1) : -1;
        if (s[0] != '\\') {
            buf_addc(&bytes, *s);
        } else if (s[1] == '\\') {
            buf_addc(&bytes, '\\');
            s++;
        } else if (value > 0) {
            buf_addc(&bytes, (char)value);
            s += 3;
        } else {
            return err_set(err, -EINVAL,
                           "'%s': a backslash stands before neither \\ nor xNN", escaped);
        }
    }
    *out = buf_steal(&bytes);
    return 0;
}

/* Whether every character can be shown on one line of a terminal. */
static bool
is_printable(const char *word)
{
    const unsigned char *s = (const unsigned char *)word;
    size_t len = strlen(word);

    for (size_t i = 0; i < len;) {
        size_t n = utf8_length(s + i, len - i);
        if (n == 0 || is_control(s + i, n)) {
            return false;
        }
        i += n;
    }
    return true;
}

/* "it's" in single quotes. */
static void
shell_quoted(struct buf *out, const char *word)
{
    buf_addc(out, '\'');
    for (; *word != '\0'; word++) {
        if (*word == '\'') {
            buf_adds(out, "'\\''");
        } else {
            buf_addc(out, *word);
        }
    }
    buf_addc(out, '\'');
}

/* What printf(1), or $'...', makes the word of; octal ends after three digits, hex would
 * not. */
static void
shell_escaped(struct buf *out, const char *word, bool percent)
{
    for (; *word != '\0'; word++) {
        unsigned char c = (unsigned char)*word;
        if (c < 0x20 || c >= 0x7f || c == '\'' || c == '\\') {
            buf_addf(out, "\\%03o", c);
        } else if (c == '%' && percent) {
            buf_adds(out, "%%");
        } else {
            buf_addc(out, (char)c);
        }
    }
}

void
str_shell(struct buf *out, const char *word)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789@%+=:,./-_";
    size_t len = strlen(word);

    if (len > 0 && strspn(word, safe) == len) {
        buf_adds(out, word);
    } else if (is_printable(word)) {
        shell_quoted(out, word);
    } else if (word[len - 1] != '\n') {
        buf_adds(out, "\"$(printf '");
        shell_escaped(out, word, true);
        buf_adds(out, "')\"");
    } else { /* a substitution would drop the newline */
        buf_adds(out, "$'");
        shell_escaped(out, word, false);
        buf_addc(out, '\'');
    }
}

/* One quoted stretch at *at (which stands on the quote) into word; 0, or -EINVAL. */
static int
take_quoted(const char **at, struct buf *word, struct err *err)
{
    char quote = **at;

    for (++*at; **at != quote; ++*at) {
        if (**at == '\0') {
            return err_set(err, -EINVAL, "a %c is not closed", quote);
        }
        if (quote == '"' && **at == '\\' && (*at)[1] != '\0' &&
            strchr("\"\\$`\n", (*at)[1]) != NULL) {
            ++*at;
        }
        buf_addc(word, **at);
    }
    ++*at;
    return 0;
}

/* One word from *at up to a blank or newline outside quotes. */
static int
take_word(const char **at, struct buf *word, struct err *err)
{
    while (**at != '\0' && strchr(" \t\n", **at) == NULL) {
        if (**at == '\'' || **at == '"') {
            int rc = take_quoted(at, word, err);
            if (rc < 0) {
                return rc;
            }
            continue;
        }
        if (**at == '\\' && (*at)[1] != '\0') {
            ++*at;
        }
        buf_addc(word, **at);
        ++*at;
    }
    return 0;
}

int
str_shell_split(const char *text, struct strv *out, struct err *err)
{
    for (const char *at = text;;) {
        AUTO(buf_clear) struct buf word = BUF_INIT;
        at += strspn(at, " \t");
        if (*at == '\0' || *at == '\n') {
            return 0;
        }
        int rc = take_word(&at, &word, err);
        if (rc < 0) {
            return rc;
        }
        strv_add(out, buf_str(&word));
    }
}

struct unit {
    const char *name;
    int64_t factor;
};

/* number * factor of the unit behind it, checked against limit; unit NULL ends the table.
 */
static int
parse_unit(const char *text, const struct unit *units, int64_t limit, int64_t *out)
{
    char *end = NULL;

    if (!isdigit((unsigned char)text[0])) {
        return -EINVAL;
    }
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0) {
        return -ERANGE;
    }
    for (; units->name != NULL; units++) {
        if (strcmp(end, units->name) == 0) {
            if (number > limit / units->factor) {
                return -ERANGE;
            }
            *out = number * units->factor;
            return 0;
        }
    }
    return -EINVAL;
}

int
str_duration(const char *text, int64_t *out_ms, struct err *err)
{
    static const struct unit units[] = {{"ms", 1},       {"", 1000},     {"s", 1000},
                                        {"m", 60000},    {"min", 60000}, {"h", 3600000},
                                        {"d", 86400000}, {NULL, 0}};
    const int64_t ten_years = INT64_C(3650) * 86400000;
    int rc = parse_unit(text, units, ten_years, out_ms);

    if (rc == -ERANGE) {
        return err_set(err, -EINVAL, "'%s' is too long: durations end at ten years",
                       text);
    }
    if (rc < 0) {
        return err_set(err, rc, "'%s' is not a duration: write 90s, 10m or 8h", text);
    }
    return 0;
}

int
str_size(const char *text, int64_t *out_bytes, struct err *err)
{
    static const struct unit units[] = {{"", 1},          {"B", 1},
                                        {"k", 1 << 10},   {"K", 1 << 10},
                                        {"KiB", 1 << 10}, {"M", 1 << 20},
                                        {"MiB", 1 << 20}, {"G", 1 << 30},
                                        {"GiB", 1 << 30}, {"T", INT64_C(1) << 40},
                                        {NULL, 0}};
    int rc = parse_unit(text, units, INT64_C(1) << 60, out_bytes);

    if (rc == -ERANGE) {
        return err_set(err, -EINVAL, "'%s' is too large: sizes end at 2^60 bytes", text);
    }
    if (rc < 0) {
        return err_set(err, rc, "'%s' is not a size: write 64k, 512M or 2G", text);
    }
    return 0;
}

int
str_number(const char *what, const char *text, int64_t min, int64_t max, int64_t *out,
           struct err *err)
{
    const char *digits =
        text[0] == '-' ? text + 1 : text; /* strtoll() takes blanks and a plus */
    char *end = NULL;

    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (!isdigit((unsigned char)digits[0]) || errno != 0 || *end != '\0' ||
        number < min || number > max) {
        return err_set(err, -EINVAL, "%s '%s' is not a number from %lld to %lld", what,
                       text, (long long)min, (long long)max);
    }
    *out = number;
    return 0;
}

void
str_duration_show(char *out, size_t size, int64_t ms)
{
    static const struct {
        const char *major;
        int64_t major_ms;
        const char *minor;
        int64_t minor_ms;
    } scales[] = {{"d", 86400000, "h", 3600000},
                  {"h", 3600000, "min", 60000},
                  {"min", 60000, "s", 1000}};

    for (size_t i = 0; i < COUNT(scales); i++) {
        if (ms >= scales[i].major_ms) {
            long long rest = (ms % scales[i].major_ms) / scales[i].minor_ms;
            int len = snprintf(out, size, "%lld %s", (long long)(ms / scales[i].major_ms),
                               scales[i].major);
            if (rest > 0 && len > 0 && (size_t)len < size) {
                (void)snprintf(out + len, size - (size_t)len, " %lld %s", rest,
                               scales[i].minor);
            }
            return;
        }
    }
    if (ms >= 1000) {
        (void)snprintf(out, size, "%lld s", (long long)(ms / 1000));
    } else {
        (void)snprintf(out, size, "%lld ms", (long long)ms);
    }
}

void
str_bytes_show(char *out, size_t size, int64_t bytes)
{
    static const char *const names[] = {"KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t i = 0;

    if (bytes < 1024) {
        (void)snprintf(out, size, "%lld B", (long long)bytes);
        return;
    }
    /* what would be shown as 1024.0 is 1.0 of the next unit */
    for (value /= 1024; value >= 1023.95 && i + 1 < COUNT(names); i++) {
        value /= 1024;
    }
    (void)snprintf(out, size, "%.1f %s", value, names[i]);
}

/* Levenshtein distance of two words shorter than SUGGEST_MAX. */
static size_t
distance(const char *a, const char *b)
{
    size_t row[SUGGEST_MAX + 1];
    size_t lb = strlen(b);

    for (size_t j = 0; j <= lb; j++) {
        row[j] = j;
    }
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < lb; j++) {
            size_t best = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j + 1] = diagonal + 1 < best ? diagonal + 1 : best;
        }
    }
    return row[lb];
}

/* The first word of the list that `word` begins. */
static const char *
suggest_longer(const char *word, const char *const *list)
{
    for (; strlen(word) >= 3 && *list != NULL; list++) {
        if (str_starts(*list, word)) {
            return *list;
        }
    }
    return NULL;
}

const char *
str_suggest(const char *word, const char *const *list)
{
    const char *best = NULL;
    size_t len = strlen(word);
    size_t limit = len / 3 + 1;

    if (len >= SUGGEST_MAX) {
        return NULL;
    }
    for (const char *const *at = list; *at != NULL; at++) {
        if (strlen(*at) >= SUGGEST_MAX) {
            continue;
        }
        size_t d = distance(word, *at);
        if (d < len &&
            (best == NULL ? d <= limit : d < limit)) { /* d == len: nothing in common */
            best = *at;
            limit = d;
        }
    }
    return best != NULL ? best : suggest_longer(word, list);
}
