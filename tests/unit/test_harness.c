#include "tests/unit/unit.h"

#include "base/mem.h"
#include "triage/harness.h"
#include "triage/parse/parse.h"

struct fixture {
    struct record *record;
    struct record_options options;
    struct err err;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    fix->options = (struct record_options)RECORD_OPTIONS_INIT;
    fix->options.judge_harness = true;
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    record_free(fix->record);
    mem_free(fix);
    return 0;
}

static const struct record *
crash_in(struct fixture *fix, const char *kind, const char *frames)
{
    AUTO(mem_free)
    char *text = mem_printf("==1==ERROR: AddressSanitizer: %s on address 0x602000000014 "
                            "at pc 0x1\nWRITE of size 1 at 0x602000000014 thread T0\n%s",
                            kind, frames);

    record_free(fix->record);
    fix->record = NULL;
    assert_int_equal(
        parse_report(text, strlen(text), &fix->options, &fix->record, &fix->err), 0);
    assert_int_equal(record_finish(fix->record, &fix->options, &fix->err), 0);
    return fix->record;
}

static const char in_entry[] = "    #0 0x1 in LLVMFuzzerTestOneInput /s/fuzz_a.c:9:2\n"
                               "    #1 0x2 in fuzzer::Fuzzer::ExecuteCallback() /x\n";

static void
test_the_entry_point_is_the_harness(void **state)
{
    struct fixture *fix = *state;
    const struct record *r = crash_in(fix, "heap-buffer-overflow", in_entry);

    assert_true(r->in_harness);
    assert_string_equal(r->class_name, "harness");
    assert_int_equal(r->severity, SEVERITY_INFO);
    assert_float_equal(r->severity_score, 0.0, 0.0);
    assert_false(r->security);
    assert_string_equal(r->crash_type, "Heap-buffer-overflow\nWRITE 1");
    assert_string_equal(r->crash_state, "fuzz_a.c\n");
    assert_true(strv_has(&r->reasons, "as a crash of the program: high 8.6, "
                                      "heap-buffer-overflow(write)"));
    assert_true(strv_has(&r->reasons, "but it lies in the fuzz harness itself: "
                                      "LLVMFuzzerTestOneInput in fuzz_a.c"));
}

static void
test_what_the_harness_calls_is_the_program(void **state)
{
    static const char *const frames[] = {
        /* a helper in the harness's own file may be all there is of the program */
        "    #0 0x1 in helper /s/fuzz_a.c:5:2\n"
        "    #1 0x2 in LLVMFuzzerTestOneInput /s/fuzz_a.c:9:2\n",
        /* a library without debug information */
        "    #0 0x1  (/usr/lib/libx.so+0x1234)\n"
        "    #1 0x2 in LLVMFuzzerTestOneInput /s/fuzz_a.c:9:2\n",
        /* without debug information the entry point may hold inlined code */
        "    #0 0x1 in LLVMFuzzerTestOneInput (/b/fuzz_a+0x1234)\n",
    };
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(frames); i++) {
        const struct record *r = crash_in(fix, "heap-buffer-overflow", frames[i]);
        assert_false(r->in_harness);
        assert_string_equal(r->class_name, "heap-buffer-overflow(write)");
        assert_int_equal(r->severity, SEVERITY_HIGH);
    }
}

static void
test_frames_that_do_not_count_hide_nothing(void **state)
{
    struct fixture *fix = *state;

    assert_true(crash_in(fix, "heap-buffer-overflow",
                         "    #0 0x1 in __interceptor_memcpy (/b/fuzz_a+0x1234)\n"
                         "    #1 0x2 in FuzzedDataProvider::ConsumeBytes(unsigned long) "
                         "/i/FuzzedDataProvider.h:9:2\n"
                         "    #2 0x2 in LLVMFuzzerTestOneInput /s/fuzz_a.c:9:2\n")
                    ->in_harness);
}

static void
test_a_bare_report_keeps_its_class(void **state)
{
    struct fixture *fix = *state;

    fix->options.judge_harness = false;
    const struct record *r = crash_in(fix, "heap-buffer-overflow", in_entry);
    assert_true(r->in_harness);
    assert_string_equal(r->class_name, "heap-buffer-overflow(write)");
    assert_int_equal(r->severity, SEVERITY_HIGH);
    assert_true(r->security);
}

static void
test_a_check_of_the_harness_is_worth_a_look(void **state)
{
    struct fixture *fix = *state;
    static const char text[] =
        "==1==ERROR: AddressSanitizer: ABRT on unknown address 0x5 (pc 0x1)\n"
        "    #0 0x1 in abort (/lib/libc.so.6+0x1)\n"
        "    #1 0x2 in LLVMFuzzerTestOneInput /s/fuzz_a.c:9:2\n";

    assert_int_equal(
        parse_report(text, strlen(text), &fix->options, &fix->record, &fix->err), 0);
    assert_int_equal(record_finish(fix->record, &fix->options, &fix->err), 0);
    assert_string_equal(fix->record->class_name, "harness");
    assert_true(strv_has(&fix->record->reasons,
                         "if the harness checks there what the program did, it may be "
                         "the program that is wrong"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_entry_point_is_the_harness),
        TEST(test_what_the_harness_calls_is_the_program),
        TEST(test_frames_that_do_not_count_hide_nothing),
        TEST(test_a_bare_report_keeps_its_class),
        TEST(test_a_check_of_the_harness_is_worth_a_look),
    };

    return cmocka_run_group_tests_name("harness", tests, NULL, NULL);
}
