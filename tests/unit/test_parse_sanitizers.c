#include "tests/unit/parse_fixture.h"

static void
test_asan_headline_access_and_frames(void **state)
{
    struct fixture *fix = *state;
    const struct record *r =
        parse(fix, "=================================================================\n"
                   "==7==ERROR: AddressSanitizer: heap-buffer-overflow on address "
                   "0x602000000014 at pc "
                   "0x0000004f7d2c bp 0x7ffe sp 0x7ffd\n"
                   "READ of size 4 at 0x602000000014 thread T0\n"
                   "    #0 0x4f7d2b in ns::f(int) /s/a b/x.cc:12:3\n"
                   "    #1 0x4f7d2c in g (/usr/bin/x+0x1234) (BuildId: 5f3c)\n"
                   "    #2 0x4f7d2d  (/usr/lib/y.so+0x12)\n");

    assert_string_equal(r->crash_type, "Heap-buffer-overflow\nREAD 4");
    assert_string_equal(r->crash_address, "0x602000000014");
    assert_string_equal(r->sanitizer, "address");
    assert_int_equal(r->access, ACCESS_READ);
    assert_int_equal(r->access_bytes, 4);
    assert_int_equal(r->n_frames, 3);
    assert_string_equal(r->frames[0].function, "ns::f(int)");
    assert_string_equal(r->frames[0].file, "/s/a b/x.cc");
    assert_int_equal(r->frames[0].line, 12);
    assert_int_equal(r->frames[0].column, 3);
    assert_string_equal(r->frames[1].module, "/usr/bin/x");
    assert_int_equal(r->frames[1].offset, 0x1234);
    assert_string_equal(r->frames[1].build_id, "5f3c");
    assert_null(r->frames[2].function);
    assert_string_equal(r->frames[2].module, "/usr/lib/y.so");
    assert_string_equal(r->message,
                        "==7==ERROR: AddressSanitizer: heap-buffer-overflow on address "
                        "0x602000000014 at pc 0x0000004f7d2c bp 0x7ffe sp 0x7ffd");
}

static void
test_abort_behind_a_sanitizers_report_adds_nothing(void **state)
{
    struct fixture *fix = *state;
    const struct record *r = parse(
        fix, "==1==ERROR: HWAddressSanitizer: tag-mismatch on address 0x0012345678a0 "
             "at pc 0x1\nWRITE of size 4 at 0x0012345678a0 tags: 01/02 in thread T0\n"
             "    #0 0x1 in f /s/a.c:1:2\n"
             "Fatal signal 6 (SIGABRT), code -6 (SI_TKILL) in tid 12 (x), pid 12 (x)\n"
             "signal 6 (SIGABRT), code -6 (SI_TKILL), fault addr --------\n");

    assert_string_equal(r->crash_type, "Tag-mismatch\nWRITE 4");
    assert_string_equal(r->crash_state, "f\n");
}

static void
test_pysecsan_is_named_by_python_frames(void **state)
{
    struct fixture *fix = *state;
    const struct record *r =
        parse(fix, "===BUG DETECTED: PySecSan: Command Injection===\n"
                   "Traceback (most recent call last):\n"
                   "  File \"/s/a.py\", line 3, in outer\n"
                   "  File \"/s/b.py\", line 4, in inner\n"
                   "==1== ERROR: libFuzzer: fuzz target exited\n");

    assert_string_equal(r->crash_type, "PySecSan");
    assert_string_equal(r->crash_state, "inner\nouter\n");
}

static const char *
asan_type(struct fixture *fix, const char *behind)
{
    AUTO(mem_free) char *text = mem_printf("==1==ERROR: AddressSanitizer: %s\n", behind);

    return parse(fix, text)->crash_type;
}

static void
test_asan_kinds_have_clusterfuzz_names(void **state)
{
    struct fixture *fix = *state;

    assert_string_equal(asan_type(fix, "attempting double-free on 0x61 in thread T0:"),
                        "Heap-double-free");
    assert_string_equal(fix->record->crash_address, "0x61");
    assert_string_equal(
        asan_type(
            fix,
            "attempting free on address which was not malloc()-ed: 0x62 in thread T0"),
        "Invalid-free");
    assert_string_equal(fix->record->crash_address, "0x62");
    assert_string_equal(
        asan_type(fix, "memcpy-param-overlap: memory ranges [0x1,0x5) and [0x3, 0x7) "
                       "overlap"),
        "Memcpy-param-overlap");
    assert_string_equal(fix->record->crash_address, "[0x1,0x5) and [0x3, 0x7)");
    assert_string_equal(asan_type(fix, "negative-size-param: (size=-1)"),
                        "Negative-size-param");
    assert_string_equal(
        asan_type(fix, "alloc-dealloc-mismatch (malloc vs operator delete) on 0x60"),
        "Alloc-dealloc-mismatch");
    assert_string_equal(asan_type(fix, "odr-violation (0x5):"), "Odr-violation");
    assert_string_equal(
        asan_type(fix, "dynamic-stack-buffer-overflow on address 0x7f at pc 0x1"),
        "Dynamic-stack-buffer-overflow");
    assert_string_equal(
        asan_type(fix, "stack-overflow on address 0x7f (pc 0x1 bp 0x1 sp 0x1 T0)"),
        "Stack-overflow");
    assert_string_equal(asan_type(fix, "reallocarray parameters overflow: count * size"),
                        "Reallocarray-overflow");
}

static void
test_sizes_above_16_read_as_a_star(void **state)
{
    struct fixture *fix = *state;

    assert_string_equal(
        parse(fix, "==1==ERROR: AddressSanitizer: heap-buffer-overflow on address "
                   "0x60\nWRITE of size 17 at 0x60 thread T0\n")
            ->crash_type,
        "Heap-buffer-overflow\nWRITE {*}");
    assert_int_equal(fix->record->access_bytes, 17);
    assert_string_equal(
        parse(fix, "==1==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x60\n"
                   "READ of size 99999999999999999999999999 at 0x60 thread T0\n")
            ->crash_type,
        "Heap-buffer-overflow\nREAD {*}");
}

#define SEGV_WRITE_AT(address)                                                  \
    "==1==ERROR: AddressSanitizer: SEGV on unknown address " address            \
    " (pc 0x55 bp 0x1 sp 0x1 T0)\n==1==The signal is caused by a WRITE memory " \
    "access.\n"

static void
test_signal_near_null_is_a_null_dereference(void **state)
{
    struct fixture *fix = *state;

    assert_string_equal(parse(fix, SEGV_WRITE_AT("0x000000000ffc"))->crash_type,
                        "Null-dereference WRITE");
    assert_true(fix->record->near_null);
    assert_string_equal(parse(fix, SEGV_WRITE_AT("0x000000001000"))->crash_type,
                        "UNKNOWN WRITE");
    assert_string_equal(fix->record->crash_address, "0x000000001000");
    assert_int_equal(fix->record->access, ACCESS_WRITE);
}

static void
test_signal_without_an_address_is_unknown(void **state)
{
    struct fixture *fix = *state;
    const struct record *r =
        parse(fix, "==1==ERROR: AddressSanitizer: SEGV on unknown address (pc "
                   "0x55 bp 0x1 sp 0x1 T0)\n");

    assert_string_equal(r->crash_type, "UNKNOWN");
    assert_null(r->crash_address);
    assert_true(r->no_address);
    assert_true(r->security);
}

static void
test_signal_tells_where_the_counter_was(void **state)
{
    struct fixture *fix = *state;

    parse(fix, "==1==ERROR: AddressSanitizer: SEGV on unknown address 0x414141 (pc "
               "0x414141 bp 0x1)\n");
    assert_int_equal(fix->record->facts, FACT_PC_IS_ADDRESS);
    parse(fix, "==1==ERROR: AddressSanitizer: SEGV on unknown address 0x000000000000 (pc "
               "0x000000000000 bp 0x1)\n");
    assert_int_equal(fix->record->facts, FACT_PC_NULL);
    parse(fix, "==1==ERROR: AddressSanitizer: ILL on unknown address 0x414141 (pc "
               "0x414141 bp 0x1)\n");
    assert_int_equal(fix->record->facts, FACT_HARMLESS_SIGNAL);
}

static void
test_signal_of_an_assertion_does_not_replace_it(void **state)
{
    struct fixture *fix = *state;
    const struct record *r = parse(
        fix, "tool: x.c:12: f: Assertion `n > 1000' failed.\n"
             "==1==ERROR: AddressSanitizer: ABRT on unknown address 0x1 (pc 0x1 bp 0x1)\n"
             "    #0 0x1 in abort (/lib/libc.so.6+0x1)\n"
             "    #1 0x2 in check /s/x.c:12:3\n");

    assert_string_equal(r->crash_type, "ASSERT");
    assert_null(r->crash_address);
    assert_string_equal(r->crash_state, "n > NUMBER\ncheck\n");
}

static const char *
ubsan_type(struct fixture *fix, const char *message)
{
    AUTO(mem_free) char *text = mem_printf("/s/x.c:3:4: runtime error: %s\n", message);

    return parse(fix, text)->crash_type;
}

static void
test_ubsan_messages(void **state)
{
    static const struct {
        const char *message;
        const char *type;
    } cases[] = {
        {"signed integer overflow: 1 + 2147483647 cannot be represented in type 'int'",
         "Integer-overflow"},
        {"unsigned integer overflow: 1 + 4294967295 cannot be represented",
         "Unsigned-integer-overflow"},
        {"division by zero", "Divide-by-zero"},
        {"negation of -2147483648 cannot be represented in type 'int'",
         "Integer-overflow"},
        {"shift exponent 32 is too large for 32-bit type 'int'", "Undefined-shift"},
        {"left shift of negative value -1", "Undefined-shift"},
        {"index 7 out of bounds for type 'int [4]'", "Index-out-of-bounds"},
        {"load of value 3, which is not a valid value for type 'bool'",
         "Invalid-bool-value"},
        {"load of value 3, which is not a valid value for type '_Bool'",
         "Invalid-bool-value"},
        {"load of value 100, which is not a valid value for type 'Color'",
         "Invalid-enum-value"},
        {"load of misaligned address 0x7f for type 'int', which requires 4 byte "
         "alignment",
         "Misaligned-address"},
        {"member access within misaligned address 0x7f for type 'T'",
         "Misaligned-address"},
        {"load of null pointer of type 'int'", "Null-dereference READ"},
        {"store to null pointer of type 'int'", "Null-dereference WRITE"},
        {"member call on null pointer of type 'T'", "Null-dereference"},
        {"reference binding to null pointer of type 'int'", "Null-dereference"},
        {"upcast of null pointer of type 'T'", "Upcast-of-null-pointer"},
        {"load of address 0x7f with insufficient space for an object of type 'int'",
         "Object-size"},
        {"applying non-zero offset 8 to null pointer", "Pointer-overflow"},
        {"applying non-zero offset to non-null pointer 0x08 produced null pointer",
         "Pointer-overflow"},
        {"addition of unsigned offset to 0x08 overflowed to 0x04", "Pointer-overflow"},
        {"1e+30 is outside the range of representable values of type 'int'",
         "Float-cast-overflow"},
        {"implicit conversion from type 'int' of value 300", "Implicit-conversion"},
        {"null pointer passed as argument 1, which is declared to never be null",
         "Invalid-null-argument"},
        {"null pointer returned from function declared to never return null",
         "Invalid-null-return"},
        {"passing zero to ctz(), which is not a valid argument", "Invalid-builtin-use"},
        {"call to function f through pointer to incorrect function type 'void (*)()'",
         "Incorrect-function-pointer-type"},
        {"variable length array bound evaluates to non-positive value -1",
         "Non-positive-vla-bound-value"},
        {"execution reached an unreachable program point", "Unreachable code"},
        {"execution reached the end of a value-returning function without returning a "
         "value",
         "No-return-value"},
        {"assumption is violated during execution", "Assumption-violation"},
        {"something that no release says so far", "UNKNOWN"},
    };
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_string_equal(ubsan_type(fix, cases[i].message), cases[i].type);
        assert_string_equal(fix->record->sanitizer, "undefined");
    }
}

static void
test_ubsan_bad_casts_name_both_types(void **state)
{
    struct fixture *fix = *state;

    assert_string_equal(
        parse(fix, "a.cc:1:2: runtime error: downcast of address 0x2a which does not "
                   "point to an "
                   "object of type 'B'\n0x2a: note: object is of type 'C'\n 00 00\n"
                   "    #0 0x1 in f /s/a.cc:1:2\n")
            ->crash_state,
        "Bad-cast to B from C\nf\n");
    assert_string_equal(fix->record->crash_address, "0x2a");
    assert_string_equal(parse(fix,
                              "a.cc:1:2: runtime error: member call on address 0x2a "
                              "which does not point to an "
                              "object of type 'B'\n0x2a: note: object has invalid vptr\n")
                            ->crash_state,
                        "Bad-cast to B from invalid vptr\n");
    assert_string_equal(parse(fix, "a.cc:1:2: runtime error: control flow integrity "
                                   "check for type 'B' failed during "
                                   "cast to unrelated type (vtable address 0x42)\n0x42: "
                                   "note: vtable is of type 'A'\n")
                            ->crash_state,
                        "Bad-cast to B from A\n");
    assert_string_equal(fix->record->crash_address, "0x42");
}

static void
test_other_reports_beat_ubsan(void **state)
{
    struct fixture *fix = *state;

    assert_string_equal(
        parse(fix, "/s/x.c:3:4: runtime error: division by zero\n"
                   "==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x60\n"
                   "/s/x.c:9:4: runtime error: division by zero\n")
            ->crash_type,
        "Heap-use-after-free");
}

static void
test_leaks_direct_beats_indirect_and_the_first_counts(void **state)
{
    struct fixture *fix = *state;
    const struct record *r =
        parse(fix, "==1==ERROR: LeakSanitizer: detected memory leaks\n"
                   "Indirect leak of 3 byte(s) in 1 object(s) allocated from:\n"
                   "    #0 0x1 in indirect /s/a.c:1:2\n"
                   "Direct leak of 3 byte(s) in 1 object(s) allocated from:\n"
                   "    #0 0x1 in __interceptor_malloc (/s/x+0x1)\n"
                   "    #1 0x1 in direct /s/a.c:1:2\n"
                   "Direct leak of 4 byte(s) in 1 object(s) allocated from:\n"
                   "    #0 0x1 in another /s/a.c:1:2\n");

    assert_string_equal(r->crash_type, "Direct-leak");
    assert_string_equal(r->crash_state, "direct\n");
    assert_string_equal(r->sanitizer, "leak");
    assert_int_equal(r->frames[2].stack, STACK_LEAK);
}

static void
test_libfuzzer_verdicts(void **state)
{
    struct fixture *fix = *state;

    assert_string_equal(parse(fix, "==1== ERROR: libFuzzer: deadly signal\n")->crash_type,
                        "Fatal-signal");
    assert_string_equal(fix->record->sanitizer, "libfuzzer");
    assert_string_equal(
        parse(fix, "==1== ERROR: libFuzzer: fuzz target exited\n")->crash_type,
        "Unexpected-exit");
    assert_string_equal(
        parse(fix, "==1== ERROR: libFuzzer: fuzz target overwrites its const input\n")
            ->crash_type,
        "Overwrites-const-input");
}

static void
test_hangs_and_memory_count_only_when_asked_for(void **state)
{
    struct fixture *fix = *state;
    const char *timeout =
        "==1== ERROR: libFuzzer: timeout after 5 seconds\n    #0 0x1 in f /s/a.c:1\n";
    const char *memory =
        "==1== ERROR: libFuzzer: out-of-memory (used: 1Mb; limit: 1Mb)\n";

    assert_no_crash(fix, timeout);
    assert_no_crash(fix, memory);
    fix->options.ooms_and_hangs = true;
    fix->options.fuzz_target = "tgt";
    assert_string_equal(parse(fix, timeout)->crash_type, "Timeout");
    assert_string_equal(fix->record->crash_state, "tgt\n");
    assert_string_equal(parse(fix, memory)->crash_type, "Out-of-memory");
    /* a timeout ranks above how the engine then ends the process */
    assert_string_equal(
        parse(
            fix,
            "==1== ERROR: libFuzzer: timeout after 5 seconds\n"
            "==1==ERROR: AddressSanitizer: SEGV on unknown address 0x5 (pc 0x1 bp 0x1)\n")
            ->crash_type,
        "Timeout");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_abort_behind_a_sanitizers_report_adds_nothing),
        TEST(test_pysecsan_is_named_by_python_frames),
        TEST(test_asan_headline_access_and_frames),
        TEST(test_asan_kinds_have_clusterfuzz_names),
        TEST(test_sizes_above_16_read_as_a_star),
        TEST(test_signal_near_null_is_a_null_dereference),
        TEST(test_signal_without_an_address_is_unknown),
        TEST(test_signal_tells_where_the_counter_was),
        TEST(test_signal_of_an_assertion_does_not_replace_it),
        TEST(test_ubsan_messages),
        TEST(test_ubsan_bad_casts_name_both_types),
        TEST(test_other_reports_beat_ubsan),
        TEST(test_leaks_direct_beats_indirect_and_the_first_counts),
        TEST(test_libfuzzer_verdicts),
        TEST(test_hangs_and_memory_count_only_when_asked_for),
    };

    return cmocka_run_group_tests_name("parse_sanitizers", tests, NULL, NULL);
}
