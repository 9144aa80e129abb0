#include "tests/unit/unit.h"

#include "orchestrator/cmd/show.h"

static int
setup(void **state)
{
    *state = NULL;
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    return 0;
}

static void
test_hex_shows_offset_bytes_and_characters(void **state)
{
    AUTO(strv_clear) struct strv lines = {0};
    static const unsigned char data[] = "magic\033[31m`|\xff\x80 and more";

    (void)state;
    show_hex_lines(data, sizeof(data) - 1, 256, &lines);
    assert_int_equal(lines.n, 2);
    assert_string_equal(lines.v[0],
                        "00000000  6d 61 67 69 63 1b 5b 33  31 6d 60 7c ff 80 20 61"
                        "  |magic.[31m`|.. a|");
    assert_string_equal(lines.v[1],
                        "00000010  6e 64 20 6d 6f 72 65                            "
                        "  |nd more|");
}

static void
test_hex_ends_at_its_bound(void **state)
{
    AUTO(strv_clear) struct strv lines = {0};
    static const unsigned char data[64] = "x";

    (void)state;
    show_hex_lines(data, sizeof(data), 17, &lines);
    assert_int_equal(lines.n, 2);
    assert_string_equal(lines.v[1],
                        "00000010  00                                              "
                        "  |.|");
    show_hex_lines(data, 0, 17, &lines);
    assert_int_equal(lines.n, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_hex_shows_offset_bytes_and_characters),
        TEST(test_hex_ends_at_its_bound),
    };

    return cmocka_run_group_tests_name("show_input", tests, NULL, NULL);
}
