/*
 * Many words looked for at once: an Aho-Corasick automaton over bytes, ASCII case
 * ignored. One pass over a line tells which of up to 64 bits' words it has, so that only
 * the parsers that know one of them look at the line at all. Linear in the bytes whatever
 * they are.
 */
#ifndef TRIAGE_PARSE_WORDS_H
#define TRIAGE_PARSE_WORDS_H

#include <stdint.h>

#include "base/auto.h"
#include "triage/parse/span.h"

struct word {
    const char *text; /* ASCII, not empty; ours */
    uint64_t bits;    /* what finding it sets */
};

struct words;

/* New; `list` is not kept. The words' bytes together are at most WORDS_BYTES_MAX
 * (asserted). */
enum { WORDS_BYTES_MAX = 8000 };
struct words *words_new(const struct word *list, size_t count)
    __attribute__((returns_nonnull));
void words_free(struct words *words);
AUTO_DEFINE(struct words *, words_free)

/* The bits of all words that stand in s. */
uint64_t words_scan(const struct words *words, struct span s);

/* Where the first word of any bit of `bits` ends in s, or SPAN_NONE. */
size_t words_first(const struct words *words, struct span s, uint64_t bits);

#endif
