#include "tests/unit/unit.h"

#include "base/mem.h"
#include "triage/parse/parse.h"
#include "triage/severity_steps.h"

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

static double
score_of(struct fixture *fix, const char *text, const void *input, size_t len)
{
    record_free(fix->record);
    fix->record = NULL;
    fix->options.input = input;
    fix->options.input_len = len;
    assert_int_equal(
        parse_report(text, strlen(text), &fix->options, &fix->record, &fix->err), 0);
    assert_int_equal(record_finish(fix->record, &fix->options, &fix->err), 0);
    return fix->record->severity_score;
}

static bool
says(const struct fixture *fix, const char *sentence)
{
    return strv_has(&fix->record->reasons, sentence);
}

#define SEGV(address, pc, access)                                               \
    "==1==ERROR: AddressSanitizer: SEGV on unknown address " address " (pc " pc \
    " bp 0x1)\n==1==The signal is caused by a " access " memory access.\n"

static void
test_numbers_are_found_in_an_input(void **state)
{
    static const unsigned char input[] = {9,    9,    0x45, 0x44, 0x43, 0x42, 0x41, 0, 0,
                                          0x12, 0x34, 0x56, 0x78, 0x9a, 0,    0,    1, 0};

    (void)state;
    assert_int_equal(severity_find_number(0x4142434445, 4, false, input, 18), 2);
    assert_int_equal(severity_find_number(0x123456789a, 4, false, input, 18), 9);
    /* a member behind what the pointer points to */
    assert_int_equal(severity_find_number(0x4142434455, 4, true, input, 18), 2);
    assert_int_equal(severity_find_number(0x1234567810, 4, true, input, 18), 9);
    assert_int_equal(severity_find_number(0x4142434455, 4, false, input, 18), -1);
    assert_int_equal(severity_find_number(0x4142434999, 4, true, input, 18), -1);
    /* what any input may hold */
    assert_int_equal(severity_find_number(0x10000, 3, false, input, 18), -1);
    assert_int_equal(severity_find_number(0, 1, true, input, 18), -1);
    assert_int_equal(severity_find_number(0x4142434445, 4, false, input, 0), -1);
}

static void
test_a_pointer_from_the_input_raises(void **state)
{
    struct fixture *fix = *state;
    const char *read = SEGV("0x004142434445", "0x55", "READ");
    const char *write = SEGV("0x004142434445", "0x55", "WRITE");
    const char *jump = SEGV("0x004142434445", "0x004142434445", "READ");
    const char *sentence =
        "the address 0x4142434445 consists of bytes of the input, at offset 3";

    assert_float_equal(score_of(fix, read, "xxxxEDCBA", 9), 7.0, 0.01);
    assert_false(says(fix, sentence));
    assert_float_equal(score_of(fix, read, "xxxEDCBA", 8), 7.0, 0.01);
    assert_true(says(fix, sentence));
    assert_float_equal(score_of(fix, write, "xxxEDCBA", 8), 9.2, 0.01);
    assert_float_equal(score_of(fix, jump, "xxxEDCBA", 8), 9.8, 0.01);
    assert_float_equal(score_of(fix, read, "something else", 14), 5.4, 0.01);
    assert_float_equal(score_of(fix, write, NULL, 0), 7.4, 0.01);
    assert_float_equal(score_of(fix, jump, NULL, 0), 9.4, 0.01);
}

/* A fault in ASan's check tells neither the access nor the address as it is. */
static void
test_a_fault_in_the_check_before_an_access(void **state)
{
    struct fixture *fix = *state;
    const char *text = SEGV("0x0008a847e888", "0x55",
                            "READ") "==1==First 16 instruction bytes at pc: 8a 80 00 80 "
                                    "ff 7f 84 c0 75 04 89 17 58 c3 "
                                    "89 f9 \n";

    assert_float_equal(score_of(fix, text, NULL, 0), 5.4, 0.01);
    assert_string_equal(fix->record->crash_type, "UNKNOWN");
    assert_int_equal(fix->record->access, ACCESS_UNKNOWN);
    assert_string_equal(fix->record->class_name, "AccessViolation");
    assert_int_equal(fix->record->facts & FACT_IN_CHECK, FACT_IN_CHECK);
    assert_float_equal(score_of(fix, text, "xEDCBA", 6), 7.0, 0.01);
    assert_true(says(
        fix, "the address 0x4142434440 consists of bytes of the input, at offset 1"));
    /* the program's own read, of code that happens to hold the constant later on */
    text = SEGV("0x0008a847e888", "0x55",
                "READ") "==1==First 16 instruction bytes at pc: 8b 07 c3 48 83 ec 08 e8 "
                        "49 00 80 ff 7f c0 "
                        "89 f9 \n";
    (void)score_of(fix, text, NULL, 0);
    assert_string_equal(fix->record->crash_type, "UNKNOWN READ");
    assert_int_equal(fix->record->facts & FACT_IN_CHECK, 0);
}

static void
test_sizes_raise(void **state)
{
    struct fixture *fix = *state;
    const char *text =
        "==1==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602000000014 at "
        "pc 0x1\nREAD of size 66051 at 0x602000000014 thread T0\n";

    assert_float_equal(score_of(fix, text, NULL, 0), 6.0, 0.01);
    assert_true(
        says(fix, "more than 16 bytes at once: the size may come from the input"));
    assert_float_equal(score_of(fix, text, "\x03\x02\x01", 3), 6.4, 0.01);
    assert_true(says(fix, "the size 66051 stands in the input, at offset 0"));
}

static void
test_a_freed_pointer_is_worse_than_a_freed_byte(void **state)
{
    struct fixture *fix = *state;
#define FREED(size)                                                                      \
    "==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000014 at pc " \
    "0x1\nREAD of size " size " at 0x602000000014 thread T0\n"

    assert_float_equal(score_of(fix, FREED("1"), NULL, 0), 7.6, 0.01);
    assert_float_equal(score_of(fix, FREED("8"), NULL, 0), 8.0, 0.01);
}

static void
test_what_is_shipped_raises(void **state)
{
    struct fixture *fix = *state;

    (void)score_of(fix, SEGV("0x000000000008", "0x55", "READ"), NULL, 0);
    assert_float_equal(fix->record->severity_score, 3.0, 0.01);
    fix->record->shipped_k = 9;
    fix->record->shipped_n = 10;
    assert_int_equal(record_finish(fix->record, &fix->options, &fix->err), 0);
    assert_float_equal(fix->record->severity_score, 4.5, 0.01);
    assert_true(says(fix, "crashes what we ship: 9 of 10 runs"));
    fix->record->shipped_k = 0;
    assert_int_equal(record_finish(fix->record, &fix->options, &fix->err), 0);
    assert_float_equal(fix->record->severity_score, 3.0, 0.01);
    assert_true(says(fix, "does not crash what we ship: 0 of 10 runs"));
}

static void
test_a_score_ends_at_ten(void **state)
{
    struct fixture *fix = *state;

    (void)score_of(fix, SEGV("0x414141414141", "0x414141414141", "READ"), NULL, 0);
    fix->record->shipped_k = 1;
    fix->record->shipped_n = 1;
    assert_int_equal(record_finish(fix->record, &fix->options, &fix->err), 0);
    assert_float_equal(fix->record->severity_score, 10.0, 0.0);
    assert_int_equal(fix->record->severity, SEVERITY_CRITICAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_numbers_are_found_in_an_input),
        TEST(test_a_pointer_from_the_input_raises),
        TEST(test_a_fault_in_the_check_before_an_access),
        TEST(test_sizes_raise),
        TEST(test_a_freed_pointer_is_worse_than_a_freed_byte),
        TEST(test_what_is_shipped_raises),
        TEST(test_a_score_ends_at_ten),
    };

    return cmocka_run_group_tests_name("severity_steps", tests, NULL, NULL);
}
