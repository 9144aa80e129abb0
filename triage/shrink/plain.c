/*
 * Bytes that do not matter made to look so, and numbers made small: for whoever reads the
 * reproducer, and because a smaller number often lets bytes go.
 */
#include "triage/shrink/strategy.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { NUMBERS_INPUT_MAX = 4096, DIGITS_MAX = 18 };

static char
dull(char c)
{
    return isprint((unsigned char)c) || isspace((unsigned char)c) ? '0' : '\0';
}

static bool
dull_next(const struct sketch *sketch, size_t grain, struct cursor *cursor, void **plan,
          struct step *step)
{
    const struct buf *bytes = &sketch->bytes;

    (void)plan;
    while (cursor->at > 0) {
        size_t to = cursor->at;
        size_t from = to > grain ? to - grain : 0;
        bool changed = false;
        cursor->at = from;
        buf_cut(&step->edit.with, 0);
        for (size_t i = from; i < to; i++) {
            char c = dull(bytes->data[i]);
            changed = changed || c != bytes->data[i];
            buf_addc(&step->edit.with, c);
        }
        if (changed) {
            step->edit.from = from;
            step->edit.to = to;
            step->taken = (struct cursor){.at = from};
            step->taken_set = true;
            return true;
        }
    }
    return false;
}

/* --- numbers --- */

enum { NUMBER_ZERO, NUMBER_ONE, NUMBER_HALF, NUMBER_LESS, NUMBER_TRIES };

static uint64_t
lowered(uint64_t value, size_t n)
{
    return n == NUMBER_ZERO   ? 0
           : n == NUMBER_ONE  ? 1
           : n == NUMBER_HALF ? value / 2
                              : value - 1;
}

/* A decimal number that begins there: fewer digits, or a smaller one. */
static bool
lower_decimal(const struct buf *bytes, size_t begin, size_t n, struct edit *edit)
{
    size_t end = begin;
    uint64_t value = 0;
    char text[24];

    if (begin > 0 && isdigit((unsigned char)bytes->data[begin - 1])) {
        return false;
    }
    for (; end < bytes->len && isdigit((unsigned char)bytes->data[end]); end++) {
        if (end - begin == DIGITS_MAX) {
            return false;
        }
        value = value * 10 + (uint64_t)(bytes->data[end] - '0');
    }
    if (end == begin || value == 0 || lowered(value, n) >= value) {
        return false;
    }
    int len = snprintf(text, sizeof(text), "%llu", (unsigned long long)lowered(value, n));
    buf_add(&edit->with, text, (size_t)len);
    edit->from = begin;
    edit->to = end;
    return true;
}

/* One byte: the high ones of a number first become 0 by the dull blocks. */
static bool
lower_byte(const struct buf *bytes, size_t at, size_t n, struct edit *edit)
{
    unsigned char value = (unsigned char)bytes->data[at];

    if (isprint(value) || lowered(value, n) >= value) {
        return false;
    }
    buf_addc(&edit->with, (char)lowered(value, n));
    edit->from = at;
    edit->to = at + 1;
    return true;
}

static bool
numbers_next(const struct sketch *sketch, size_t grain, struct cursor *cursor,
             void **plan, struct step *step)
{
    const struct buf *bytes = &sketch->bytes;

    (void)plan;
    if (grain != 1 || bytes->len > NUMBERS_INPUT_MAX) {
        return false;
    }
    for (; cursor->at > 0; cursor->at--, cursor->again = 0) {
        size_t begin = cursor->at - 1;
        while (cursor->again < NUMBER_TRIES) {
            size_t n = cursor->again++;
            buf_clear(&step->edit.with);
            if (lower_decimal(bytes, begin, n, &step->edit) ||
                lower_byte(bytes, begin, n, &step->edit)) {
                /* halved: once more from the half */
                step->taken =
                    (struct cursor){.at = n == NUMBER_HALF ? cursor->at : begin,
                                    .again = n == NUMBER_HALF ? NUMBER_HALF : 0};
                step->taken_set = true;
                return true;
            }
        }
    }
    return false;
}

const struct strategy strategy_dull = {.phase = STRATEGY_PLAIN, .next = dull_next};
const struct strategy strategy_numbers = {.phase = STRATEGY_PLAIN, .next = numbers_next};
