/* Formats whose smallest crashing input is known, made at random, with parsers that are
 * as strict as real ones: how near the search comes, and at what cost. */
#include "tests/unit/unit.h"

#include <ctype.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "triage/shrink.h"

typedef bool parser(const unsigned char *data, size_t len);

static uint32_t state_of_chance;

static size_t
chance(size_t below)
{
    state_of_chance = state_of_chance * 1664525 + 1013904223;
    return (state_of_chance >> 8) % below;
}

static void
noise(struct buf *buf, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        buf_addc(buf, (char)chance(256));
    }
}

static size_t
number(const unsigned char *at, size_t width)
{
    size_t value = 0;

    for (size_t i = 0; i < width; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

static void
put_number(struct buf *buf, size_t value, size_t width)
{
    while (width-- > 0) {
        buf_addc(buf, (char)(value >> (8 * width) & 0xff));
    }
}

/* --- tag, length of two bytes, value; containers nest; the bug is three deep --- */

enum verdict { FINE, BROKEN, SHOWS };

static enum verdict
read_tlv(const unsigned char *data, size_t len, int depth)
{
    enum verdict verdict = FINE;

    for (size_t i = 0; i < len && verdict == FINE;) {
        size_t size = len - i < 3 ? SIZE_MAX : number(data + i + 1, 2);
        if (size > len || size > len - i - 3) {
            return BROKEN;
        }
        const unsigned char *value = data + i + 3;
        verdict = data[i] == 'C'   ? read_tlv(value, size, depth + 1)
                  : data[i] == 'D' ? FINE
                  : data[i] == 'X' && depth == 3 && size >= 3 && value[0] == 0x7f
                      ? SHOWS
                      : BROKEN;
        i += 3 + size;
    }
    return verdict;
}

static bool
tlv(const unsigned char *data, size_t len)
{
    return len > 4 && memcmp(data, "TLV1", 4) == 0 &&
           read_tlv(data + 4, len - 4, 0) == SHOWS;
}

static void
put_tlv(struct buf *buf, char tag, const struct buf *value)
{
    buf_addc(buf, tag);
    put_number(buf, value->len, 2);
    buf_add(buf, buf_str(value), value->len);
}

static void
put_noise_tlv(struct buf *buf, size_t most)
{
    AUTO(buf_clear) struct buf value = BUF_INIT;

    noise(&value, chance(most));
    put_tlv(buf, 'D', &value);
}

static void
make_tlv(struct buf *out)
{
    AUTO(buf_clear) struct buf inner = BUF_INIT;

    buf_addc(&inner, 0x7f);
    noise(&inner, 30);
    for (int depth = 3; depth >= 0; depth--) {
        AUTO(buf_clear) struct buf around = BUF_INIT;
        put_noise_tlv(&around, 700);
        put_tlv(&around, depth == 3 ? 'X' : 'C', &inner);
        put_noise_tlv(&around, 700);
        buf_clear(&inner);
        buf_add(&inner, around.data, around.len);
    }
    buf_adds(out, "TLV1");
    buf_add(out, inner.data, inner.len);
}

/* --- chunks with a checksum each, a first and a last one that must be there --- */

static bool
chunks(const unsigned char *data, size_t len)
{
    bool first = true;
    bool bug = false;

    for (size_t i = 4; len >= 4 && memcmp(data, "CHNK", 4) == 0 && len - i >= 12;) {
        size_t size = number(data + i, 4);
        const unsigned char *type = data + i + 4;
        if (size > len - i - 12 ||
            number(type + 4 + size, 4) != crc32_z(0, type, size + 4) ||
            first != (memcmp(type, "HEAD", 4) == 0)) {
            return false;
        }
        if (memcmp(type, "DONE", 4) == 0) {
            return bug;
        }
        bug = bug || (memcmp(type, "BUGS", 4) == 0 && size >= 3 && type[6] == 9);
        first = false;
        i += 12 + size;
    }
    return false;
}

static void
put_chunk(struct buf *buf, const char *type, size_t size)
{
    put_number(buf, size, 4);
    size_t from = buf->len;
    buf_adds(buf, type);
    noise(buf, size);
    if (strcmp(type, "BUGS") == 0) {
        buf->data[from + 6] = 9;
    }
    put_number(buf, crc32_z(0, (const Bytef *)buf->data + from, size + 4), 4);
}

static void
make_chunks(struct buf *out)
{
    buf_adds(out, "CHNK");
    put_chunk(out, "HEAD", 13);
    for (int i = 0; i < 8; i++) {
        put_chunk(out, i == 4 ? "BUGS" : "DATA", 10 + chance(2500));
    }
    put_chunk(out, "DONE", 0);
}

/* --- decimal lengths, nested: 12:L8:L4:SBUG,,, --- */

static enum verdict
read_strings(const unsigned char *data, size_t len, int depth)
{
    enum verdict verdict = FINE;

    for (size_t i = 0; i < len && verdict == FINE;) {
        size_t size = 0;
        size_t at = i;
        for (; at < len && at - i < 6 && isdigit(data[at]); at++) {
            size = size * 10 + (size_t)(data[at] - '0');
        }
        if (at == i || data[i] == '0' || at >= len || data[at] != ':' ||
            size + 1 > len - at - 1 || data[at + 1 + size] != ',') {
            return BROKEN;
        }
        const unsigned char *value = data + at + 1;
        verdict = value[0] == 'L'   ? read_strings(value + 1, size - 1, depth + 1)
                  : value[0] != 'S' ? BROKEN
                  : depth >= 2 && size >= 4 && memcmp(value + 1, "BUG", 3) == 0 ? SHOWS
                                                                                : FINE;
        i = at + 1 + size + 1;
    }
    return verdict;
}

static bool
strings(const unsigned char *data, size_t len)
{
    return read_strings(data, len, 0) == SHOWS;
}

static void
make_strings(struct buf *out)
{
    AUTO(buf_clear) struct buf inner = BUF_INIT;

    buf_adds(&inner, "SBUG and more");
    for (int depth = 0; depth < 4; depth++) {
        AUTO(buf_clear) struct buf around = BUF_INIT;
        for (int i = 0; i < 3; i++) {
            size_t size = 1 + chance(300);
            buf_addf(&around, "%zu:S", size);
            for (size_t k = 1; k < size; k++) {
                buf_addc(&around, (char)('a' + chance(26)));
            }
            buf_adds(&around, ",");
        }
        buf_addf(&around, "%zu:%s,", inner.len, buf_str(&inner));
        buf_clear(&inner);
        buf_addf(&inner, "L%s", buf_str(&around));
    }
    buf_addf(out, "%zu:%s,", inner.len, buf_str(&inner));
}

/* --- brackets that must balance --- */

static bool
brackets(const unsigned char *data, size_t len)
{
    int depth = 0;
    bool bug = false;

    for (size_t i = 0; i < len && depth >= 0; i++) {
        depth += data[i] == '(' ? 1 : data[i] == ')' ? -1 : 0;
        bug = bug || (data[i] == '%' && depth >= 2);
    }
    return depth == 0 && bug;
}

static void
make_brackets(struct buf *out)
{
    for (int depth = 0; depth < 9; depth++) {
        buf_adds(out, "(let x (f 1 2) ");
    }
    buf_adds(out, "a % b");
    for (int depth = 0; depth < 9; depth++) {
        buf_adds(out, " (g (h y)) )");
    }
}

/* --- the whole length, itself counted, and a sum of all bytes at the end --- */

static bool
sums(const unsigned char *data, size_t len)
{
    size_t sum = 0;

    if (len < 12 || memcmp(data, "SUMS", 4) != 0 || number(data + 4, 4) != len) {
        return false;
    }
    for (size_t i = 0; i + 2 < len; i++) {
        sum += data[i];
    }
    return (sum & 0xffff) == number(data + len - 2, 2) &&
           memmem(data + 8, len - 10, "\1\2\3\4", 4) != NULL;
}

static void
make_sums(struct buf *out)
{
    size_t sum = 0;

    buf_adds(out, "SUMS");
    put_number(out, 14 + 9000, 4);
    noise(out, 4500);
    buf_add(out, "\1\2\3\4", 4);
    noise(out, 4500);
    for (size_t i = 0; i < out->len; i++) {
        sum += (unsigned char)out->data[i];
    }
    put_number(out, sum & 0xffff, 2);
}

/* --- the search on each of them --- */

struct trial {
    parser *shows;
};

static int
test(void *user, const struct buf *list, size_t n, size_t *shown, int64_t *execs,
     struct err *err)
{
    const struct trial *trial = user;

    (void)err;
    *shown = n;
    for (size_t i = n; i-- > 0;) {
        /* a copy of its own size, so that a parser that reads too far is seen */
        AUTO(mem_free) unsigned char *copy = mem_alloc(list[i].len);
        if (list[i].len > 0) {
            memcpy(copy, list[i].data, list[i].len);
        }
        *shown = trial->shows(copy, list[i].len) ? i : *shown;
    }
    /* what stands behind was for nothing, but costs no time on lanes that were idle */
    *execs += (int64_t)(*shown < n ? *shown + 1 : n);
    return 0;
}

static void
check(parser *shows, void (*make)(struct buf *out), size_t ideal, int64_t most)
{
    for (uint32_t seed = 1; seed <= 5; seed++) {
        struct trial trial = {.shows = shows};
        AUTO(buf_clear) struct buf input = BUF_INIT;
        AUTO(buf_clear) struct buf first = BUF_INIT;
        state_of_chance = seed;
        make(&input);
        assert_true(shows((const unsigned char *)buf_str(&input), input.len));
        for (size_t width = 1; width <= 33; width += 16) {
            const struct shrink_oracle oracle = {
                .user = &trial, .width = width, .test = test};
            const struct shrink_limits limits = {.execs = most};
            AUTO(shrink_result_clear) struct shrink_result result = {0};
            shrink(&oracle, &limits, buf_str(&input), input.len, &result);
            assert_true(
                shows((const unsigned char *)buf_str(&result.bytes), result.bytes.len));
            assert_true(result.finished);
            assert_in_range(result.bytes.len, ideal, ideal + ideal / 5);
            if (width == 1) {
                buf_add(&first, result.bytes.data, result.bytes.len);
            }
            /* the width changes how long it takes, not what comes out */
            assert_int_equal(result.bytes.len, first.len);
            assert_memory_equal(buf_str(&result.bytes), buf_str(&first), first.len);
        }
    }
}

/* --- as RIFF: name, length, a further name, and elements of the same kind in some --- */

static enum verdict
read_riff(const unsigned char *data, size_t len, int depth)
{
    enum verdict verdict = FINE;

    for (size_t i = 0; i < len && verdict == FINE;) {
        size_t size = len - i < 8
                          ? SIZE_MAX
                          : data[i + 4] | (size_t)data[i + 5] << 8 |
                                (size_t)data[i + 6] << 16 | (size_t)data[i + 7] << 24;
        if (size > len || size > len - i - 8) {
            return BROKEN;
        }
        const unsigned char *value = data + i + 8;
        bool list = memcmp(data + i, "LIST", 4) == 0;
        verdict =
            list && size >= 4 ? read_riff(value + 4, size - 4, depth + 1)
            : list            ? BROKEN
            : depth == 2 && memcmp(data + i, "bugs", 4) == 0 && size >= 1 && value[0] == 7
                ? SHOWS
                : FINE;
        i += 8 + size;
    }
    return verdict;
}

static bool
riff(const unsigned char *data, size_t len)
{
    return read_riff(data, len, 0) == SHOWS;
}

static void
put_riff(struct buf *buf, const char *name, const char *further, const struct buf *value)
{
    size_t size = strlen(further) + value->len;

    buf_adds(buf, name);
    for (int i = 0; i < 4; i++) {
        buf_addc(buf, (char)(size >> (8 * i) & 0xff));
    }
    buf_adds(buf, further);
    buf_add(buf, buf_str(value), value->len);
}

static void
put_noise_riff(struct buf *buf, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        AUTO(buf_clear) struct buf value = BUF_INIT;
        noise(&value, chance(300));
        put_riff(buf, "data", "", &value);
    }
}

static void
make_riff(struct buf *out)
{
    AUTO(buf_clear) struct buf inner = BUF_INIT;

    buf_addc(&inner, 7);
    noise(&inner, 99);
    for (int depth = 2; depth >= 0; depth--) {
        AUTO(buf_clear) struct buf around = BUF_INIT;
        put_noise_riff(&around, 5);
        put_riff(&around, depth == 2 ? "bugs" : "LIST", depth == 2 ? "" : "kind", &inner);
        put_noise_riff(&around, 5);
        buf_clear(&inner);
        buf_add(&inner, around.data, around.len);
    }
    buf_add(out, inner.data, inner.len);
}

static void
test_lists_with_neighbours_on_both_sides(void **state)
{
    (void)state;
    check(riff, make_riff, 2 * 12 + 8 + 1, 5000);
}

static void
test_nested_lengths(void **state)
{
    (void)state;
    check(tlv, make_tlv, 4 + 3 * 3 + 3 + 3, 4000);
}

static void
test_chunks_with_checksums(void **state)
{
    (void)state;
    check(chunks, make_chunks, 4 + 12 + 12 + 3 + 12, 8000);
}

static void
test_decimal_lengths(void **state)
{
    (void)state;
    check(strings, make_strings, strlen("12:L8:L4:SBUG,,,"), 8000);
}

static void
test_brackets_that_balance(void **state)
{
    (void)state;
    check(brackets, make_brackets, strlen("((%))"), 1000);
}

static void
test_a_sum_over_all(void **state)
{
    (void)state;
    check(sums, make_sums, 14, 2000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists_with_neighbours_on_both_sides),
        cmocka_unit_test(test_nested_lengths),
        cmocka_unit_test(test_chunks_with_checksums),
        cmocka_unit_test(test_decimal_lengths),
        cmocka_unit_test(test_brackets_that_balance),
        cmocka_unit_test(test_a_sum_over_all),
    };

    return cmocka_run_group_tests_name("strategy", tests, NULL, NULL);
}
