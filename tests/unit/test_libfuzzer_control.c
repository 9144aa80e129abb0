#include "tests/unit/unit.h"

#include <string.h>

#include "base/auto.h"
#include "orchestrator/corpus/libfuzzer_control.h"

static void
test_control_next_gives_names_starts_and_features(void **state)
{
    static const char text[] = "2\n0\nin/1\nin/0\nSTARTED 0 2\nSTARTED 1 7\n"
                               "FT 1 0 24 4294967295\nCOV 1 3 4\nFT 9 1\nFT 0 5";
    static const enum control_word words[] = {CONTROL_NAME, CONTROL_NAME, CONTROL_STARTED,
                                              CONTROL_STARTED, CONTROL_FEATURES};
    struct control control;
    struct control_line line;

    (void)state;
    assert_int_equal(control_begin(&control, text, strlen(text), 10), 2);
    for (size_t i = 0; i < COUNT(words); i++) {
        control_next(&control, 2, &line);
        assert_int_equal(line.word, words[i]);
    }
    assert_int_equal(line.index, 1);
    assert_int_equal(control_number(&line.text, line.end), 0);
    assert_int_equal(control_number(&line.text, line.end), 24);
    assert_int_equal(control_number(&line.text, line.end), 4294967295);
    assert_int_equal(control_number(&line.text, line.end), -1);
    /* no file has number 9, and a kill has cut the last line */
    control_next(&control, 2, &line);
    assert_int_equal(line.word, CONTROL_END);
}

static void
test_control_begin_refuses_what_is_none(void **state)
{
    static const char *const texts[] = {
        "", "2", "x\n0\n", "0\n0\n", "-1\n0\n", "11\n0\n", "99999999999999999999\n0\n",
    };
    struct control control;

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_int_equal(control_begin(&control, texts[i], strlen(texts[i]), 10), 0);
    }
}

static void
test_control_number_ends_at_what_is_no_feature(void **state)
{
    static const char text[] = "7 4294967296 8";
    const char *at = text;
    const char *end = text + strlen(text);

    (void)state;
    assert_int_equal(control_number(&at, end), 7);
    assert_int_equal(control_number(&at, end), -1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_control_next_gives_names_starts_and_features),
        cmocka_unit_test(test_control_begin_refuses_what_is_none),
        cmocka_unit_test(test_control_number_ends_at_what_is_no_feature),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
