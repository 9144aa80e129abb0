#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "orchestrator/corpus/go_corpus.h"

#define HEADER "go test fuzz v1\n"

static void
assert_bytes(const char *text, const char *expected, size_t len)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;

    assert_true(go_corpus_is(text, strlen(text)));
    assert_int_equal(go_corpus_decode(text, strlen(text), &out), 0);
    assert_int_equal(out.len, len);
    assert_memory_equal(buf_str(&out), expected, len);
}

static void
test_bytes_and_strings_are_decoded(void **state)
{
    (void)state;
    assert_bytes(HEADER "[]byte(\"abc\")\n", "abc", 3);
    assert_bytes(HEADER "string(\"a\\x00\\n\\\"\\\\\")", "a\0\n\"\\", 5);
    assert_bytes(HEADER "[]byte(\"\\377\\u00e9\\U0001F600\")\n",
                 "\xff\xc3\xa9\xf0\x9f\x98\x80", 7);
    assert_bytes(HEADER "string(`a\\n\"`)\n", "a\\n\"", 4);
    assert_bytes(HEADER "[]byte(\"\")\n", "", 0);
}

static void
test_what_is_no_single_bytes_is_told(void **state)
{
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        {HEADER "int(3)\n", -ENOTSUP},
        {HEADER "[]byte(\"a\")\nstring(\"b\")\n", -ENOTSUP},
        {HEADER, -EINVAL},
        {HEADER "[]byte(\"a)\n", -EINVAL},
        {HEADER "[]byte(\"\\x0\")\n", -EINVAL},
        {HEADER "[]byte(\"\\ud800\")\n", -EINVAL},
        {HEADER "[]byte(\"\\400\")\n", -EINVAL},
        {HEADER "[]byte(\"a\\", -EINVAL},
        {HEADER "[]byte(3)\n", -EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(buf_clear) struct buf out = BUF_INIT;
        buf_adds(&out, "x");
        assert_int_equal(go_corpus_decode(cases[i].text, strlen(cases[i].text), &out),
                         cases[i].code);
        assert_string_equal(buf_str(&out), "x");
    }
    assert_false(go_corpus_is("go test fuzz v2\n", 16));
    assert_false(go_corpus_is("go", 2));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_and_strings_are_decoded),
        cmocka_unit_test(test_what_is_no_single_bytes_is_told),
    };

    return cmocka_run_group_tests_name("go_corpus", tests, NULL, NULL);
}
