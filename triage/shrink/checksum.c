#include "triage/shrink/layout.h"

#include <string.h>
#include <zlib.h>

#include "base/mem.h"

enum {
    SPAN_LEAST = 4,      /* of a CRC-32: shorter ones are chance or not worth it */
    INPUT_MAX = 1 << 20, /* larger inputs are not searched */
    NEAR_MAX = 4096,     /* inputs in which every pair of ends is tried for the rest */
    WORD = 4,            /* bytes of a CRC-32, of an Adler-32 */
    SUM_EDGE = 16,       /* where a sum of the whole input may begin, or stand */
    PROBES_MAX = 64, /* of the hash table: bytes can be chosen so that all keys are one */
};

static const uint32_t adler_base = 65521;
static const uint32_t all_ones = UINT32_MAX; /* what a CRC-32 begins and ends with */

static uint32_t
byte_sum(const unsigned char *data, size_t len)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i++) {
        sum += data[i];
    }
    return sum;
}

uint32_t
field_checksum(enum field_kind kind, const struct buf *bytes, size_t from, size_t to)
{
    const unsigned char *data = (const unsigned char *)buf_str(bytes) + from;
    size_t len = to - from;

    switch (kind) {
    case FIELD_CRC32:
        return (uint32_t)crc32_z(0, data, len);
    case FIELD_ADLER32:
        return (uint32_t)adler32_z(1, data, len);
    case FIELD_SUM:
        return byte_sum(data, len);
    case FIELD_LENGTH:
    case FIELD_KINDS:
        break;
    }
    return 0;
}

static void
add(struct layout *layout, const struct buf *input, const struct field *field)
{
    uint64_t value = 0;
    uint32_t mask = field->width == WORD ? all_ones : (1U << (8 * field->width)) - 1;

    if (layout->n < LAYOUT_MAX && field_read(input, field, &value) && value != 0 &&
        value == (field_checksum(field->kind, input, field->from, field->to) & mask) &&
        !layout_has(layout, field->at, field->width)) {
        layout->field[layout->n++] = *field;
    }
}

static uint32_t
word_at(const struct buf *input, size_t at, enum field_form form)
{
    const struct field field = {.form = form, .at = at, .width = WORD};
    uint64_t value = 0;

    (void)field_read(input, &field, &value);
    return (uint32_t)value;
}

/* --- CRC-32 of any span, in linear time ---
 *
 * A byte takes the register s to Z(s) + T[byte], where Z (a zero byte) is linear and can
 * be undone by U. With P(b) the register after b bytes from 0, that of [a, b) alone is
 * Z^(b-a)(ones + P(a)) + P(b). So the word v at b is the checksum of [a, b) when
 * U^b(v + ones + P(b)) = U^a(ones + P(a)): one side knows only b, the other only a, and
 * they meet in a hash table. (+ is exclusive or.)
 */
struct crc {
    const z_crc_t *table;
    unsigned char undo[256]; /* the byte whose table entry has this top byte */
    uint32_t power[32];      /* U^b of each bit */
    uint32_t state;          /* P(b) */
    uint32_t *key;           /* hash table: U^a(ones + P(a)) ... */
    size_t *begin;           /* ... of this a, plus 1; 0: free */
    size_t mask;
};

static void
crc_clear(struct crc *crc)
{
    mem_free(crc->key);
    mem_free(crc->begin);
}
AUTO_DEFINE_CLEAR(struct crc, crc_clear)

static void
crc_init(struct crc *crc, size_t len)
{
    size_t slots = 64;

    while (slots < 2 * len) {
        slots *= 2;
    }
    crc->table = get_crc_table();
    for (unsigned i = 0; i < 256; i++) {
        crc->undo[crc->table[i] >> 24] = (unsigned char)i;
    }
    for (unsigned i = 0; i < 32; i++) {
        crc->power[i] = 1U << i;
    }
    crc->mask = slots - 1;
    crc->key = mem_array(slots, sizeof(*crc->key));
    crc->begin = mem_array(slots, sizeof(*crc->begin));
}

static uint32_t
undone(const struct crc *crc, uint32_t value)
{
    uint32_t sum = 0;

    for (; value != 0; value &= value - 1) {
        sum ^= crc->power[__builtin_ctz(value)];
    }
    return sum;
}

static size_t
slot_of(const struct crc *crc, uint32_t key)
{
    return (key * 2654435769U >> 7) & crc->mask; /* Knuth's multiplicative hash */
}

static void
crc_put(struct crc *crc, uint32_t key, size_t begin)
{
    size_t slot = slot_of(crc, key);

    for (int i = 0; i < PROBES_MAX; i++, slot = (slot + 1) & crc->mask) {
        if (crc->begin[slot] == 0) {
            crc->key[slot] = key;
            crc->begin[slot] = begin + 1;
            return;
        }
    }
}

/* Where a span with this key begins, and before `limit`; SIZE_MAX: nowhere. */
static size_t
crc_get(const struct crc *crc, uint32_t key, size_t limit)
{
    size_t slot = slot_of(crc, key);

    for (int i = 0; i < PROBES_MAX && crc->begin[slot] != 0;
         i++, slot = (slot + 1) & crc->mask) {
        if (crc->key[slot] == key && crc->begin[slot] - 1 <= limit) {
            return crc->begin[slot] - 1;
        }
    }
    return SIZE_MAX;
}

static void
crc_step(struct crc *crc, unsigned char byte)
{
    crc->state = crc->table[(crc->state ^ byte) & 0xff] ^ crc->state >> 8;
    for (size_t i = 0; i < 32; i++) {
        unsigned char low = crc->undo[crc->power[i] >> 24];
        crc->power[i] = (crc->power[i] ^ (uint32_t)crc->table[low]) << 8 | low;
    }
}

/* The word at `at` as the checksum of a span that ends at `end`, where the steps are. */
static void
match(struct crc *crc, struct layout *layout, const struct buf *input, size_t at,
      size_t end)
{
    for (int form = FIELD_LITTLE; form <= FIELD_BIG; form++) {
        struct field field = {
            .kind = FIELD_CRC32, .form = (enum field_form)form, .at = at, .width = WORD};
        uint32_t word = word_at(input, at, field.form);
        field.from =
            crc_get(crc, undone(crc, word ^ all_ones ^ crc->state), end - SPAN_LEAST);
        field.to = end;
        bool apart = at >= end || (field.from != SIZE_MAX && field.from >= at + WORD);
        if (field.from != SIZE_MAX && apart) {
            add(layout, input, &field);
        }
    }
}

static void
find_crc32(struct layout *layout, const struct buf *input)
{
    AUTO(crc_clear) struct crc crc = {0};

    crc_init(&crc, input->len);
    for (size_t b = 0; b < input->len; b++) {
        if (b >= SPAN_LEAST && b + WORD <= input->len) {
            match(&crc, layout, input, b, b);
        }
        crc_put(&crc, undone(&crc, all_ones ^ crc.state), b);
        crc_step(&crc, (unsigned char)input->data[b]);
    }
    /* those that stand before what they cover, up to the end */
    for (size_t at = 0; at + WORD + SPAN_LEAST <= input->len; at++) {
        match(&crc, layout, input, at, input->len);
    }
}

/* --- the rest --- */

/* All spans that begin there. */
static void
find_adler32(struct layout *layout, const struct buf *input, size_t from)
{
    const unsigned char *data = (const unsigned char *)buf_str(input);
    uint32_t low = 1;
    uint32_t high = 0;

    for (size_t to = from; to + WORD <= input->len; to++) {
        uint32_t sum = high << 16 | low;
        for (int form = FIELD_LITTLE; form <= FIELD_BIG && to - from >= SPAN_LEAST;
             form++) {
            const struct field field = {
                FIELD_ADLER32, (enum field_form)form, to, WORD, from, to, 0};
            /* the first byte tells nearly all spans apart */
            if (data[to] == (form == FIELD_LITTLE ? low & 0xff : high >> 8) &&
                word_at(input, to, field.form) == sum) {
                add(layout, input, &field);
            }
        }
        low = (low + data[to]) % adler_base;
        high = (high + low) % adler_base;
    }
}

/* A sum of all bytes behind it, or before it, but for a few at the beginning. One byte
 * agrees by chance too often to be looked for in more than the usual place. */
static void
find_sums(struct layout *layout, const struct buf *input)
{
    for (size_t width = 1; width <= WORD && input->len > (size_t)2 * SUM_EDGE;
         width *= 2) {
        size_t edge = width == 1 ? 1 : SUM_EDGE;
        for (size_t i = 0; i < edge; i++) {
            for (int form = FIELD_LITTLE; form <= FIELD_BIG; form++) {
                struct field field = {.kind = FIELD_SUM,
                                      .form = (enum field_form)form,
                                      .at = input->len - width,
                                      .width = width,
                                      .from = i,
                                      .to = input->len - width};
                add(layout, input, &field);
                field.at = i;
                field.from = i + width;
                field.to = input->len;
                add(layout, input, &field);
            }
        }
    }
}

void
layout_find_checksums(struct layout *layout, const struct buf *input)
{
    if (input->len > INPUT_MAX || input->len < WORD) {
        return;
    }
    find_crc32(layout, input);
    if (input->len <= NEAR_MAX) {
        for (size_t from = 0; from + SPAN_LEAST + WORD <= input->len; from++) {
            find_adler32(layout, input, from);
        }
    }
    find_sums(layout, input);
}
