#include "triage/parse/words.h"

#include <assert.h>

#include "base/mem.h"

enum { ENDS = 0x8000, STATE = 0x7fff };

struct words {
    uint8_t class_of[256]; /* bytes that no word has share class 0 */
    size_t classes;
    size_t states;
    uint16_t *next; /* [state][class]: the next state, with ENDS when words end there */
    uint64_t *bits; /* [state]: of all words that end there */
};

static unsigned char
fold(char c)
{
    return (unsigned char)span_lower(c);
}

static void
number_classes(struct words *words, const struct word *list, size_t count)
{
    words->classes = 1;
    for (size_t i = 0; i < count; i++) {
        for (const char *at = list[i].text; *at != '\0'; at++) {
            unsigned char c = fold(*at);
            if (words->class_of[c] == 0) {
                words->class_of[c] = (uint8_t)words->classes++;
            }
        }
    }
    for (const char *at = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"; *at != '\0'; at++) {
        words->class_of[(unsigned char)*at] = words->class_of[fold(*at)];
    }
}

static uint16_t *
cell(struct words *words, size_t state, unsigned char byte)
{
    return &words->next[state * words->classes + words->class_of[byte]];
}

static void
add_word(struct words *words, const struct word *word)
{
    size_t state = 0;

    for (const char *at = word->text; *at != '\0'; at++) {
        uint16_t *to = cell(words, state, fold(*at));
        if (*to == 0) {
            *to = (uint16_t)words->states++;
        }
        state = *to;
    }
    words->bits[state] |= word->bits;
}

/* Breadth first, so that a state's fallback is complete before the state is (Aho,
 * Corasick 1975). */
static void
link_states(struct words *words)
{
    AUTO(mem_free) uint16_t *queue = mem_array(words->states, sizeof(*queue));
    AUTO(mem_free) uint16_t *fallback = mem_array(words->states, sizeof(*fallback));
    size_t head = 0;
    size_t tail = 0;

    queue[tail++] = 0;
    while (head < tail) {
        size_t state = queue[head++];
        for (size_t c = 0; c < words->classes; c++) {
            uint16_t *to = &words->next[state * words->classes + c];
            uint16_t other = words->next[fallback[state] * words->classes + c];
            if (*to == 0) {
                *to = state == 0 ? 0 : other;
                continue;
            }
            fallback[*to] = state == 0 ? 0 : other;
            words->bits[*to] |= words->bits[fallback[*to]];
            queue[tail++] = *to;
        }
    }
}

static void
mark_ends(struct words *words)
{
    for (size_t i = 0; i < words->states * words->classes; i++) {
        words->next[i] =
            (uint16_t)(words->next[i] | (words->bits[words->next[i]] != 0 ? ENDS : 0));
    }
}

struct words *
words_new(const struct word *list, size_t count)
{
    AUTO(words_free) struct words *words = mem_alloc(sizeof(*words));
    size_t bytes = 1;

    for (size_t i = 0; i < count; i++) {
        bytes += strlen(list[i].text);
    }
    assert(bytes <= WORDS_BYTES_MAX);
    number_classes(words, list, count);
    words->next = mem_array(bytes * words->classes, sizeof(*words->next));
    words->bits = mem_array(bytes, sizeof(*words->bits));
    words->states = 1;
    for (size_t i = 0; i < count; i++) {
        add_word(words, &list[i]);
    }
    link_states(words);
    mark_ends(words);
    return STEAL(words);
}

uint64_t
words_scan(const struct words *words, struct span s)
{
    const uint16_t *next = words->next;
    size_t classes = words->classes;
    uint64_t bits = 0;
    size_t state = 0;

    for (size_t i = 0; i < s.len; i++) {
        state = next[(state & STATE) * classes + words->class_of[(unsigned char)s.at[i]]];
        if ((state & ENDS) != 0) {
            bits |= words->bits[state & STATE];
        }
    }
    return bits;
}

size_t
words_first(const struct words *words, struct span s, uint64_t bits)
{
    size_t state = 0;

    for (size_t i = 0; i < s.len; i++) {
        state = words->next[(state & STATE) * words->classes +
                            words->class_of[(unsigned char)s.at[i]]];
        if ((state & ENDS) != 0 && (words->bits[state & STATE] & bits) != 0) {
            return i + 1;
        }
    }
    return SPAN_NONE;
}

void
words_free(struct words *words)
{
    if (words != NULL) {
        mem_free(words->next);
        mem_free(words->bits);
        mem_free(words);
    }
}
