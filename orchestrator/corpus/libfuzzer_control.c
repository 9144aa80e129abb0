#include "orchestrator/corpus/libfuzzer_control.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static bool
take_line(struct control *control, const char **text, const char **end)
{
    const char *newline = memchr(control->at, '\n', (size_t)(control->end - control->at));

    if (newline == NULL) {
        control->at = control->end;
        return false;
    }
    *text = control->at;
    *end = newline;
    control->at = newline + 1;
    return true;
}

long long
control_number(const char **at, const char *end)
{
    long long value = 0;

    while (*at < end && **at == ' ') {
        ++*at;
    }
    if (*at == end || **at < '0' || **at > '9') {
        return -1;
    }
    for (; *at < end && **at >= '0' && **at <= '9'; ++*at) {
        value = value * 10 + (**at - '0');
        if (value > UINT32_MAX) {
            return -1;
        }
    }
    return value;
}

size_t
control_begin(struct control *control, const char *text, size_t len, size_t n_max)
{
    const char *at;
    const char *end;
    long long n;

    control->at = text;
    control->end = text + len;
    if (!take_line(control, &at, &end)) {
        return 0;
    }
    n = control_number(&at, end);
    if (n <= 0 || (size_t)n > n_max || !take_line(control, &at, &end)) {
        return 0;
    }
    return (size_t)n;
}

static bool
begins(const char **text, const char *end, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(end - *text) < len || memcmp(*text, word, len) != 0) {
        return false;
    }
    *text += len;
    return true;
}

void
control_next(struct control *control, size_t n_files, struct control_line *out)
{
    while (take_line(control, &out->text, &out->end)) {
        if (begins(&out->text, out->end, "STARTED ")) {
            out->word = CONTROL_STARTED;
        } else if (begins(&out->text, out->end, "FT ")) {
            out->word = CONTROL_FEATURES;
        } else if (begins(&out->text, out->end, "COV ")) {
            continue;
        } else {
            out->word = CONTROL_NAME;
            return;
        }
        long long index = control_number(&out->text, out->end);
        if (index >= 0 && (size_t)index < n_files) {
            out->index = (size_t)index;
            return;
        }
    }
    out->word = CONTROL_END;
}
