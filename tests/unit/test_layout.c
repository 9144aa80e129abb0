#include "tests/unit/unit.h"

#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "triage/shrink/layout.h"

struct fixture {
    struct buf input, out;
    struct layout layout, after;
    struct edit edit;
};

static int
setup(void **state)
{
    *state = mem_alloc(sizeof(struct fixture));
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    buf_clear(&fix->input);
    buf_clear(&fix->out);
    edit_clear(&fix->edit);
    mem_free(fix);
    return 0;
}

static bool
cut(struct fixture *fix, size_t from, size_t to)
{
    buf_clear(&fix->out);
    fix->edit.from = from;
    fix->edit.to = to;
    return layout_edit(&fix->layout, &fix->input, &fix->edit, false, &fix->out,
                       &fix->after);
}

static void
test_nested_lengths_are_lowered(void **state)
{
    struct fixture *fix = *state;

    buf_add(&fix->input, "\0\x0a\x06\0\0\0abcdef!", 13);
    fix->layout.n = 2;
    fix->layout.field[0] =
        (struct field){.form = FIELD_BIG, .at = 0, .width = 2, .from = 2, .to = 12};
    fix->layout.field[1] =
        (struct field){.form = FIELD_LITTLE, .at = 2, .width = 4, .from = 6, .to = 12};
    assert_true(cut(fix, 7, 10));
    assert_int_equal(fix->out.len, 10);
    assert_memory_equal(fix->out.data, "\0\x07\x03\0\0\0aef!", 10);
    assert_int_equal(fix->after.n, 2);
    AUTO(mem_free) char *words = layout_words(&fix->after);
    assert_string_equal(words, "little-endian length, big-endian length");
    /* behind them: nothing changes */
    assert_true(cut(fix, 12, 13));
    assert_memory_equal(fix->out.data, "\0\x0a\x06\0\0\0abcdef", 12);
    /* a field whose own bytes go is none any more, and the outer one counts them */
    assert_true(cut(fix, 2, 6));
    assert_int_equal(fix->after.n, 1);
    assert_memory_equal(fix->out.data,
                        "\0\x06"
                        "abcdef!",
                        9);
}

/* One digit less is one byte less for the number around it. */
static void
test_decimals_lose_digits(void **state)
{
    struct fixture *fix = *state;

    buf_adds(&fix->input, "15:10:0123456789,,");
    fix->layout.n = 2;
    fix->layout.field[0] =
        (struct field){.form = FIELD_DECIMAL, .at = 0, .width = 2, .from = 3, .to = 17};
    fix->layout.field[1] =
        (struct field){.form = FIELD_DECIMAL, .at = 3, .width = 2, .from = 6, .to = 16};
    assert_true(cut(fix, 8, 10));
    assert_string_equal(buf_str(&fix->out), "12:8:01456789,,");
    assert_int_equal(fix->after.n, 2);
}

static void
test_a_length_never_falls_below_nothing(void **state)
{
    struct fixture *fix = *state;

    buf_add(&fix->input,
            "\x02"
            "abcdef",
            7);
    fix->layout.n = 1;
    fix->layout.field[0] = (struct field){.at = 0, .width = 1, .from = 1, .to = 7};
    assert_false(cut(fix, 1, 5));
    assert_true(cut(fix, 1, 3));
    assert_memory_equal(fix->out.data, "\0cdef", 5);
}

static void
test_what_changes_nothing_is_no_candidate(void **state)
{
    struct fixture *fix = *state;

    buf_adds(&fix->input, "same");
    buf_adds(&fix->edit.with, "am");
    assert_false(cut(fix, 1, 3));
}

static void
put_word(struct buf *buf, uint32_t word, bool little)
{
    for (unsigned i = 0; i < 4; i++) {
        buf_addc(buf, (char)(word >> (little ? 8 * i : 24 - 8 * i) & 0xff));
    }
}

static void
test_checksums_are_found_and_kept(void **state)
{
    struct fixture *fix = *state;
    static const char body[] = "IDATsome data that a checksum covers";
    const size_t len = sizeof(body) - 1;

    for (int i = 0; i < 4; i++) {
        bool little = i % 2 == 1;
        bool adler = i / 2 == 1;
        buf_clear(&fix->input);
        fix->layout.n = 0;
        buf_adds(&fix->input, "head");
        buf_add(&fix->input, body, len);
        put_word(&fix->input,
                 (uint32_t)(adler ? adler32_z(1, (const Bytef *)body, len)
                                  : crc32_z(0, (const Bytef *)body, len)),
                 little);
        buf_adds(&fix->input, "tail");
        layout_find_checksums(&fix->layout, &fix->input);
        assert_int_equal(fix->layout.n, 1);
        AUTO(mem_free) char *words = layout_words(&fix->layout);
        assert_string_equal(words, adler ? "Adler-32" : "CRC-32");
        assert_int_equal(fix->layout.field[0].from, 4);
        assert_int_equal(fix->layout.field[0].to, 4 + len);
        assert_true(cut(fix, 8, 20));
        /* it holds in the candidate, too */
        struct layout again = {.n = 0};
        layout_find_checksums(&again, &fix->out);
        assert_int_equal(again.n, 1);
        assert_int_equal(again.field[0].to - again.field[0].from, len - 12);
    }
}

static void
test_a_checksum_before_what_it_covers(void **state)
{
    struct fixture *fix = *state;
    static const char body[] = "all of the rest of the file, to its end";

    buf_adds(&fix->input, "MAGI");
    put_word(&fix->input, (uint32_t)crc32_z(0, (const Bytef *)body, sizeof(body) - 1),
             true);
    buf_add(&fix->input, body, sizeof(body) - 1);
    layout_find_checksums(&fix->layout, &fix->input);
    assert_int_equal(fix->layout.n, 1);
    assert_int_equal(fix->layout.field[0].at, 4);
    assert_int_equal(fix->layout.field[0].from, 8);
}

static void
test_noise_holds_no_checksum(void **state)
{
    struct fixture *fix = *state;
    uint32_t random = 1;

    for (size_t i = 0; i < 2000; i++) {
        random = random * 1664525 + 1013904223;
        buf_addc(&fix->input, (char)(random >> 24));
    }
    layout_find_checksums(&fix->layout, &fix->input);
    assert_int_equal(fix->layout.n, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nested_lengths_are_lowered),
        TEST(test_decimals_lose_digits),
        TEST(test_a_length_never_falls_below_nothing),
        TEST(test_what_changes_nothing_is_no_candidate),
        TEST(test_checksums_are_found_and_kept),
        TEST(test_a_checksum_before_what_it_covers),
        TEST(test_noise_holds_no_checksum),
    };

    return cmocka_run_group_tests_name("layout", tests, NULL, NULL);
}
