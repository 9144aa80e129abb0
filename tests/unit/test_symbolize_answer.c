#include "tests/unit/unit.h"

#include "triage/symbolize_answer.h"

static void
read_text(const char *text, struct symbol_names *out)
{
    AUTO(json_decref) json_t *reply = json_loads(text, 0, NULL);

    assert_non_null(reply);
    symbol_names_read(reply, out);
}

static void
test_names_stand_innermost_first(void **state)
{
    AUTO(symbol_names_clear) struct symbol_names names = {0};

    (void)state;
    read_text(
        "{\"Symbol\":[{\"FunctionName\":\"f\",\"FileName\":\"/s/x.c\",\"Line\":12,"
        "\"Column\":3},{\"FunctionName\":\"g\",\"FileName\":\"crt.o\",\"Line\":0}]}",
        &names);
    assert_int_equal(names.n, 2);
    assert_string_equal(names.v[0].function, "f");
    assert_string_equal(names.v[0].file, "/s/x.c");
    assert_int_equal(names.v[0].line, 12);
    assert_int_equal(names.v[0].column, 3);
    assert_null(names.v[1].file);
}

static void
test_names_end_at_the_first_that_is_unknown(void **state)
{
    AUTO(symbol_names_clear) struct symbol_names names = {0};

    (void)state;
    read_text(
        "{\"Symbol\":[{\"FunctionName\":\"f\"},{\"FunctionName\":\"??\",\"FileName\":"
        "\"/s/y.c\"},{\"FunctionName\":\"h\"}]}",
        &names);
    assert_int_equal(names.n, 1);
    assert_int_equal(names.v[0].line, 0);
}

static void
test_strange_replies_hold_no_names(void **state)
{
    static const char *const replies[] = {"{}", "[]", "{\"Symbol\":7}",
                                          "{\"Symbol\":[7]}",
                                          "{\"Symbol\":[{\"FunctionName\":7}]}"};

    (void)state;
    for (size_t i = 0; i < COUNT(replies); i++) {
        AUTO(symbol_names_clear) struct symbol_names names = {0};
        read_text(replies[i], &names);
        assert_int_equal(names.n, 0);
    }
}

static void
test_numbers_and_texts_are_bounded(void **state)
{
    AUTO(symbol_names_clear) struct symbol_names names = {0};

    (void)state;
    read_text(
        "{\"Symbol\":[{\"FunctionName\":\"a\\nb\\u001b[1m\",\"FileName\":\"/s/z.c\","
        "\"Line\":99999999999,\"Column\":-4}]}",
        &names);
    assert_string_equal(names.v[0].function, "a b[1m");
    assert_int_equal(names.v[0].line, 0);
    assert_int_equal(names.v[0].column, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_stand_innermost_first),
        cmocka_unit_test(test_names_end_at_the_first_that_is_unknown),
        cmocka_unit_test(test_strange_replies_hold_no_names),
        cmocka_unit_test(test_numbers_and_texts_are_bounded),
    };

    return cmocka_run_group_tests_name("symbolize_answer", tests, NULL, NULL);
}
