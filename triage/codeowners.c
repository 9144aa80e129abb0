#include "triage/codeowners.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

/* --- patterns --- */

struct segment { /* between two slashes; borrowed */
    const char *text;
    size_t len;
};

/* The segment at *at, which moves behind it and its slash; false: there is none. */
static bool
next_segment(const char **at, struct segment *out)
{
    if (**at == '\0') {
        return false;
    }
    *out = (struct segment){*at, strcspn(*at, "/")};
    *at += out->len;
    while (**at == '/') {
        (*at)++;
    }
    return true;
}

/* One segment: `*` is any characters, `?` one, `\` takes what is behind it as it is. The
 * last `*` alone is tried again, which is enough for any number of them. */
static bool
glob(const struct segment *pattern, const struct segment *text)
{
    size_t p = 0;
    size_t t = 0;
    size_t star = SIZE_MAX;
    size_t from = 0;

    while (t < text->len) {
        bool escaped = p + 1 < pattern->len && pattern->text[p] == '\\';
        const char *at = p < pattern->len ? pattern->text + p + escaped : "";
        if (!escaped && *at == '*') {
            star = p++;
            from = t;
        } else if (p < pattern->len &&
                   ((!escaped && *at == '?') || *at == text->text[t])) {
            p += escaped ? 2 : 1;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern->len && pattern->text[p] == '*') {
        p++;
    }
    return p == pattern->len;
}

static bool
is_word(const struct segment *segment, const char *word)
{
    return segment->len == strlen(word) &&
           strncmp(segment->text, word, segment->len) == 0;
}

/* What the end of a pattern lets follow: `docs/` needs something, `docs` allows it,
 * `docs/` followed by a star does not. */
struct ending {
    bool folder, deeper;
};

static struct ending
ending_of(const char *pattern)
{
    const char *slash = strrchr(pattern, '/');
    const char *last = slash == NULL ? pattern : slash + 1;

    return (struct ending){.folder = *last == '\0', .deeper = strcmp(last, "*") != 0};
}

/* As glob(), with segments for characters and `**` for `*`. */
static bool
match_segments(const char *pattern, const char *path, struct ending ending)
{
    const char *again = NULL; /* the pattern behind the last ** */
    const char *from = path;  /* where it is tried next */

    for (;;) {
        const char *p = pattern;
        const char *t = path;
        struct segment want = {"", 0};
        struct segment have = {"", 0};
        bool more = next_segment(&t, &have);
        if (!next_segment(&p, &want)) {
            if (more ? ending.deeper : !ending.folder) {
                return true;
            }
        } else if (is_word(&want, "**")) {
            again = p;
            from = path;
            pattern = p;
            continue;
        } else if (more && glob(&want, &have)) {
            pattern = p;
            path = t;
            continue;
        }
        if (again == NULL || !next_segment(&from, &have)) {
            return false;
        }
        pattern = again;
        path = from;
    }
}

bool
codeowners_match(const char *pattern, const char *path)
{
    const char *slash = strchr(pattern, '/');
    const struct ending ending = ending_of(pattern);

    /* one without a slash before its end matches at any depth */
    if (slash == NULL || slash[1] == '\0') {
        AUTO(mem_free) char *anywhere = mem_printf("**/%s", pattern);
        struct ending shallow = ending;
        shallow.deeper = true;
        return match_segments(anywhere, path, shallow);
    }
    return match_segments(pattern[0] == '/' ? pattern + 1 : pattern, path, ending);
}

/* --- the file --- */

/* The pattern at the beginning of a line, in which a blank may stand behind a backslash;
 * the rest of the line. */
static const char *
take_pattern(const char *line, struct buf *pattern)
{
    while (*line != '\0' && *line != ' ' && *line != '\t') {
        size_t len = *line == '\\' && line[1] != '\0' ? 2 : 1;
        buf_add(pattern, line, len);
        line += len;
    }
    return line;
}

/* Words up to a comment. */
static void
take_owners(const char *rest, struct buf *owners)
{
    for (rest += strspn(rest, " \t"); *rest != '\0' && *rest != '#';
         rest += strspn(rest, " \t")) {
        size_t len = strcspn(rest, " \t");
        if (owners->len > 0) {
            buf_addc(owners, ' ');
        }
        buf_add(owners, rest, len);
        rest += len;
    }
}

static int
read_line(const char *line, int number, codeowners_visit *visit, void *user,
          struct err *err)
{
    AUTO(buf_clear) struct buf pattern = {.max = CODEOWNERS_PATTERN_MAX};
    AUTO(buf_clear) struct buf owners = {.max = CODEOWNERS_OWNERS_MAX};

    line += strspn(line, " \t");
    if (*line == '\0' || *line == '#' || *line == '!') {
        return 0;
    }
    take_owners(take_pattern(line, &pattern), &owners);
    if (pattern.truncated || owners.truncated ||
        strpbrk(buf_str(&pattern), "[]") != NULL) {
        return 0;
    }
    return visit(user, number, buf_str(&pattern), buf_str(&owners), err);
}

int
codeowners_read(const char *text, codeowners_visit *visit, void *user, struct err *err)
{
    int number = 0;
    int rc = 0;

    while (*text != '\0' && rc == 0) {
        size_t len = strcspn(text, "\n");
        AUTO(mem_free) char *line = mem_printf("%.*s", (int)len, text);
        line[strcspn(line, "\r")] = '\0';
        if (++number > CODEOWNERS_RULES_MAX) {
            return err_set(err, -E2BIG, "more than %d lines", CODEOWNERS_RULES_MAX);
        }
        rc = read_line(line, number, visit, user, err);
        text += len + (text[len] == '\n');
    }
    return rc;
}
