#include "triage/glance.h"

#include <ctype.h>
#include <string.h>
#include <sys/wait.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/buf.h"
#include "triage/judge.h"

enum { NEAR_NULL_DIGITS = 4 /* hex digits of what is below 64 KiB */ };

static size_t
hex_digits(const char *at, const char *end)
{
    size_t n = 0;

    while (at + n < end && isxdigit((unsigned char)at[n])) {
        n++;
    }
    return n;
}

/* One line of the report: an offset into a module and the size of an access count, other
 * numbers do not; of an address it counts whether it is near null. */
static void
add_line(struct buf *out, const char *at, const char *end)
{
    bool sized = memmem(at, (size_t)(end - at), " of size ", 9) != NULL;

    while (at < end) {
        bool hex = end - at > 2 && at[0] == '0' && at[1] == 'x';
        if (hex) {
            bool offset = at[-1] == '+';
            size_t n = hex_digits(at + 2, end);
            size_t zeros = strspn(at + 2, "0");
            buf_addc(out, n <= zeros + NEAR_NULL_DIGITS ? 'n' : 'a');
            if (offset) {
                buf_add(out, at, n + 2);
            }
            at += n + 2;
        } else if (isdigit((unsigned char)*at) && !sized) {
            at++;
        } else {
            buf_addc(out, *at++);
        }
    }
    buf_addc(out, '\n');
}

/* The dump of shadow memory, and what follows it, say nothing of the crash. */
static bool
is_end(const char *at, const char *end)
{
    static const char *const ends[] = {"Shadow bytes around", "SUMMARY: "};

    for (size_t i = 0; i < COUNT(ends); i++) {
        size_t len = strlen(ends[i]);
        if ((size_t)(end - at) >= len && memcmp(at, ends[i], len) == 0) {
            return true;
        }
    }
    return false;
}

static void
add_report(struct buf *out, const char *at, const char *end)
{
    while (at < end && !is_end(at, end)) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline == NULL ? end : newline;
        add_line(out, at, stop);
        at = newline == NULL ? end : newline + 1;
    }
}

static const char *
back_over(const char *data, const char *at, const char *set)
{
    while (at > data && at[-1] != '\0' && strchr(set, at[-1]) != NULL) {
        at--;
    }
    return at;
}

/* How much was printed before the report, whose "==PID" stands before `report`: what
 * announces a signal's is part of it. */
static size_t
len_before(const char *data, const char *report)
{
    static const char signal[] = "AddressSanitizer:DEADLYSIGNAL\n";
    size_t own = sizeof(signal) - 1;
    size_t len = (size_t)(back_over(data, report, "=0123456789\n") - data) + 1;

    return len >= own && len <= (size_t)(report - data) &&
                   memcmp(data + len - own, signal, own) == 0
               ? len - own
               : (size_t)(report - data);
}

bool
glance_of(const struct limit_run *run, bool loud, struct glance *out)
{
    static const char begin[] = "==ERROR: AddressSanitizer: ";
    AUTO(buf_clear) struct buf text = BUF_INIT;
    const char *data = buf_str(&run->output);
    size_t len = run->output.len;
    const char *at = memmem(data, len, begin, sizeof(begin) - 1);

    if (run->hit != LIMIT_NONE || run->last_words.len > 0) {
        return false;
    }
    buf_addf(&text, "%d ", run->status);
    if (at != NULL) {
        /* another report before it, or an abort, whose words count */
        if (judge_alarming(data, len_before(data, at)) != NULL ||
            memmem(at, len - (size_t)(at - data), "ABRT", 4) != NULL) {
            return false;
        }
        add_report(&text, at, data + len);
    } else if (!loud || !WIFEXITED(run->status) || judge_alarming(data, len) != NULL) {
        return false;
    }
    XXH128_hash_t hash = XXH3_128bits(buf_str(&text), text.len);
    *out = (struct glance){hash.high64, hash.low64};
    return true;
}

int
glances_find(const struct glances *glances, const struct glance *key)
{
    for (size_t i = 0; i < glances->n; i++) {
        if (glances->key[i].low == key->low && glances->key[i].high == key->high) {
            return glances->verdict[i] ? 1 : 0;
        }
    }
    return -1;
}

void
glances_add(struct glances *glances, const struct glance *key, bool verdict)
{
    if (glances->n < GLANCES_MAX) {
        glances->key[glances->n] = *key;
        glances->verdict[glances->n++] = verdict;
    }
}
