#include "tests/unit/unit.h"

#include <string.h>

#include "base/mem.h"
#include "triage/parse/casrep.h"
#include "triage/parse/parse.h"

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

/* crash_type and crash_state of the report within, or what the error says. */
static char *
read_casrep(const char *text)
{
    const struct record_options options = RECORD_OPTIONS_INIT;
    AUTO(record_free) struct record *record = NULL;
    struct err err = ERR_INIT;

    if (parse_report(text, strlen(text), &options, &record, &err) < 0 ||
        record_finish(record, &options, &err) < 0) {
        return mem_strdup(err.msg);
    }
    return mem_printf("%s/%s", record->crash_type, record->crash_state);
}

static void
test_the_sanitizers_words_are_read(void **state)
{
    AUTO(mem_free)
    char *got = read_casrep(
        "\n {\"CrashSeverity\": {\"ShortDescription\": \"heap-buffer-overflow(read)\"},"
        " \"Stacktrace\": [\"#0 0x1 in wrong /s/a.c:1\"], \"AsanReport\": ["
        "\"==1==ERROR: AddressSanitizer: heap-buffer-overflow on address "
        "0x602000000011\","
        "\"READ of size 4 at 0x602000000011 thread T0\","
        "\"    #0 0x1 in parse /s/a.c:3:4\"]}");

    (void)state;
    assert_string_equal(got, "Heap-buffer-overflow\nREAD 4/parse\n");
}

static void
test_gdbs_stack_has_the_classs_signal(void **state)
{
    AUTO(mem_free)
    char *abort = read_casrep(
        "{\"CrashSeverity\": {\"ShortDescription\": \"AbortSignal\"}, \"AsanReport\": [],"
        " \"Stacktrace\": [\"#0  0x00007ffff7 in stop (n=3) at /s/a.c:3\"]}");
    AUTO(mem_free)
    char *wild =
        read_casrep("{\"CrashSeverity\": {\"ShortDescription\": \"SourceAv\"},"
                    " \"Stacktrace\": [\"#0  0x00007ffff7 in stop (n=3) at /s/a.c:3\"]}");

    (void)state;
    assert_string_equal(abort, "SIGABRT/stop\n");
    assert_string_equal(wild, "SIGSEGV/stop\n");
}

static void
test_anything_else_is_no_casrep(void **state)
{
    static const char *const texts[] = {"",
                                        "{",
                                        "{}",
                                        "{\"CrashSeverity\":1}",
                                        "{\"CrashSeverity\":{},\"Stacktrace\":{}}",
                                        "{\"CrashSeverity\":{},\"Stacktrace\":[]}",
                                        "[\"CrashSeverity\"]",
                                        "{\"CrashSeverity\":{},\"AsanReport\":[1,null]}",
                                        "text \"CrashSeverity\""};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        AUTO(buf_clear) struct buf out = BUF_INIT;
        assert_false(casrep_text(texts[i], strlen(texts[i]), &out));
        assert_int_equal(out.len, 0);
    }
}

static void
test_a_huge_one_is_left_alone(void **state)
{
    AUTO(mem_free) char *text = mem_alloc(CASREP_MAX + 2);
    AUTO(buf_clear) struct buf out = BUF_INIT;
    static const char head[] = "{\"CrashSeverity\":{},\"AsanReport\":[\"x\"]}";

    (void)state;
    memset(text, ' ', CASREP_MAX + 1);
    memcpy(text, head, sizeof(head) - 1);
    assert_true(casrep_text(text, CASREP_MAX, &out));
    assert_false(casrep_text(text, CASREP_MAX + 1, &out));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_sanitizers_words_are_read),
        TEST(test_gdbs_stack_has_the_classs_signal),
        TEST(test_anything_else_is_no_casrep),
        TEST(test_a_huge_one_is_left_alone),
    };

    return cmocka_run_group_tests_name("casrep", tests, NULL, NULL);
}
