#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/fs.h"
#include "base/mem.h"
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

    fix->options.asserts_are_security = true;
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
parse_n(struct fixture *fix, const char *text, size_t len)
{
    record_free(fix->record);
    fix->record = NULL;
    if (parse_report(text, len, &fix->options, &fix->record, &fix->err) != 0 ||
        fix->record == NULL) {
        (void)fputs(fix->err.msg, stderr);
        abort();
    }
    assert_int_equal(record_finish(fix->record, &fix->options, &fix->err), 0);
    return fix->record;
}

static const struct record *
parse(struct fixture *fix, const char *text)
{
    return parse_n(fix, text, strlen(text));
}

static void
assert_no_crash(struct fixture *fix, const char *text)
{
    struct record *record = NULL;

    assert_int_equal(parse_report(text, strlen(text), &fix->options, &record, &fix->err),
                     -ENODATA);
    assert_null(record);
}

static void
test_text_without_a_crash_leaves_out_alone(void **state)
{
    struct fixture *fix = *state;

    assert_no_crash(fix, "");
    assert_string_equal(fix->err.msg, "no crash in 0 bytes");
    assert_no_crash(fix,
                    "all is well\n#1\tpulse  cov: 256\n    #0 0x1 in f /s/a.c:1:2\n");
    assert_no_crash(fix, "SUMMARY: AddressSanitizer: heap-use-after-free a.c:1 in f\n");
    assert_no_crash(fix,
                    "==1==WARNING: AddressSanitizer failed to allocate 0xfffff bytes\n");
}

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
test_words_of_a_program_stand_until_a_tool_speaks(void **state)
{
    struct fixture *fix = *state;
    const struct record *r = parse(fix, "terminate called after throwing an instance of "
                                        "'std::bad_alloc'\n  what():  std::bad_alloc\n");

    assert_string_equal(r->crash_type, "Abrt");
    assert_string_equal(r->crash_state, "std::bad_alloc: std::bad_alloc\n");
    assert_true(r->facts & FACT_HEARSAY);
    r = parse(fix, "free(): invalid pointer\n"
                   "==1== ERROR: libFuzzer: deadly signal\n"
                   "    #0 0x1 in f /s/a.c:1:2\n");
    assert_string_equal(r->crash_type, "Fatal-signal");
    assert_string_equal(r->crash_state, "f\n");
    assert_false(r->facts & FACT_HEARSAY);
}

static void
test_bare_stack_is_a_crash_of_two_frames_without_a_tool(void **state)
{
    struct fixture *fix = *state;
    const struct record *r =
        parse(fix, "#0 0x1 in f /s/a.c:1:2\n#1 0x2 in g /s/a.c:3:4\n");

    assert_string_equal(r->crash_type, "Fatal-signal");
    assert_string_equal(r->crash_state, "f\ng\n");
    assert_no_crash(fix, "#0 0x1 in f /s/a.c:1:2\n");
    assert_no_crash(fix, "INFO: libFuzzer: slow unit\n"
                         "#0 0x1 in f /s/a.c:1:2\n#1 0x2 in g /s/a.c:3:4\n");
}

static void
test_shell_words_are_no_crash_within_a_sentence(void **state)
{
    struct fixture *fix = *state;
    const struct record *r = parse(fix, "Segmentation fault (core dumped)\n");

    assert_string_equal(r->crash_type, "UNKNOWN");
    assert_no_crash(fix, "how to debug a Segmentation fault\n");
    assert_no_crash(fix, "Aborted by the user\n");
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

static void
test_first_report_of_a_kernel_counts(void **state)
{
    struct fixture *fix = *state;
    const struct record *r =
        parse(fix, "[    1.0] BUG: KASAN: use-after-free in f+0x1/0x2 at addr ffff8800\n"
                   "[    1.0] Read of size 4 by task x/1\n"
                   "[    1.0]  [<ffffffff81000000>] f+0x1/0x2\n"
                   "[    1.0] ASSERTION FAILED: x\n"
                   "[    1.0] BUG: KASAN: double-free in g+0x1/0x2\n"
                   "[    1.0]  [<ffffffff81000000>] g+0x1/0x2\n");

    assert_string_equal(r->crash_type, "Kernel failure\nUse-after-free\nREAD 4");
    assert_string_equal(r->crash_address, "0xffff8800");
    assert_string_equal(r->frames[0].function, "f");
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

static void
test_assertions_of_all_sorts(void **state)
{
    struct fixture *fix = *state;

    assert_string_equal(parse(fix, "ASSERTION FAILED: m_size\n")->crash_state,
                        "m_size\n");
    assert_string_equal(parse(fix, "[x][y] a.cc:259] panic: not reached\n")->crash_state,
                        "not reached\n");
    assert_string_equal(parse(fix, "/usr/include/c++/v1/vector:571: assertion __n < "
                                   "size() failed: out of bounds\n")
                            ->crash_state,
                        "out of bounds\n");
    assert_string_equal(
        parse(fix,
              "F0813 10:20:30.12 61315 d/file.cc:89] Check failed: x > 0 (-1 vs. 0)\n")
            ->crash_state,
        "x > 0 in file.cc\n");
    assert_string_equal(fix->record->crash_type, "CHECK failure");
    assert_string_equal(
        parse(fix, "[1:1:0813/1:FATAL:d/file.cc:12] Check failed: ptr.\n")->crash_state,
        "ptr in file.cc\n");
    assert_string_equal(
        parse(fix, "[1:1:0813/1:FATAL:file.cc(12)] Security DCHECK failed: a == b. \n")
            ->crash_type,
        "Security DCHECK failure");
    assert_string_equal(
        parse(fix, "#\n# Fatal error in ../../x/obj.cc, line 12\n# Check failed: a.\n#\n")
            ->crash_state,
        "a in obj.cc\n");
    assert_string_equal(
        parse(fix, "thread 'main' panicked at 'boom', src/a.rs:1:2\n")->crash_state,
        "boom\n");
    assert_string_equal(
        parse(fix, "thread 'main' (12) panicked at src/a.rs:1:2:\nboom two\nnote: run\n")
            ->crash_state,
        "boom two\n");
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
test_the_last_report_wins(void **state)
{
    struct fixture *fix = *state;
    const struct record *r = parse(
        fix, "==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x60\n"
             "READ of size 1 at 0x60 thread T0\n    #0 0x1 in first /s/a.c:1:2\n"
             "==1==ERROR: AddressSanitizer: global-buffer-overflow on address 0x70\n"
             "    #0 0x1 in second /s/a.c:1:2\n");

    assert_string_equal(r->crash_type, "Global-buffer-overflow");
    assert_string_equal(r->crash_state, "second\n");
    assert_int_equal(r->access, ACCESS_UNKNOWN);
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

static void
test_frames_without_addresses_must_follow_each_other(void **state)
{
    struct fixture *fix = *state;
    const struct record *r = parse(fix, "WARNING: ThreadSanitizer: data race (pid=1)\n"
                                        "  Write of size 4 at 0x7b by thread T1:\n"
                                        "    #0 bump /s/a.c:1:2 (x+0x1) (BuildId: 5f)\n"
                                        "#2\tNEW    cov: 6 ft: 6 /s/a.c:1:2\n"
                                        "    #1 <null> <null> (x+0x2)\n"
                                        "    #2 run /s/a.c:9:2 (x+0x3)\n");

    assert_string_equal(r->crash_type, "Data race\nWRITE 4");
    assert_string_equal(r->crash_state, "bump\nrun\n");
}

static void
test_chromium_frames_have_no_in(void **state)
{
    struct fixture *fix = *state;

    assert_string_equal(
        parse(fix, "[1/1:FATAL:a.cc(1)] Check failed: x. \n"
                   "#0 0x000000466ef1 base::debug::StackTrace::StackTrace()\n"
                   "#1 0x0000015ac58a net::Parse()\n#2 0x0000015ac58b <unknown>\n")
            ->crash_state,
        "x in a.cc\nnet::Parse\n");
}

static void
test_inlined_frames_share_the_address(void **state)
{
    struct fixture *fix = *state;
    const struct record *r =
        parse(fix, "==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x60\n"
                   "    #0 0x5 in inner /s/a.c:1:2\n    #1 0x5 in outer /s/a.c:9:2\n"
                   "    #2 0x6 in again /s/a.c:20:2\n    #3 0x6 in again /s/a.c:20:2\n");

    assert_true(r->frames[0].inlined);
    assert_false(r->frames[1].inlined);
    assert_false(r->frames[2].inlined);
}

static void
test_go_faults_and_frames(void **state)
{
    struct fixture *fix = *state;
    const struct record *r = parse(
        fix, "panic: runtime error: index out of range [3] with length 2\n\n"
             "goroutine 1 [running]:\n"
             "example.org/x/codec.(*T).next(0xc0?, {0x1, 0x2})\n\t/s/codec.go:41 +0x1d\n"
             "panic({0x1, 0x2})\n\truntime/panic.go:783 +0x132\n"
             "main.main()\n\t/s/main.go:3 +0x1\n");

    assert_string_equal(r->crash_type, "Index out of range");
    assert_string_equal(r->crash_state, "codec.(*T).next\nmain.main\n");
    assert_string_equal(r->crash_line, "/s/codec.go:41");
    assert_int_equal(r->frames[0].language, LANGUAGE_GO);
}

static void
test_jvm_javascript_and_python_exceptions(void **state)
{
    struct fixture *fix = *state;

    assert_string_equal(parse(fix,
                              "== Java Exception: java.lang.Error: x\n"
                              "\tat com.x.Y.f(Y.java:12)\n\tat com.x.Y.g(Y.java:3)\n")
                            ->crash_state,
                        "com.x.Y.f\ncom.x.Y.g\n");
    assert_string_equal(parse(fix, "==14== Uncaught Exception: Jazzer.js: x\nError: x\n"
                                   "    at check (/o/x.js:27:9)\n    at /o/y.js:1:2\n")
                            ->crash_state,
                        "check\n");
    assert_string_equal(parse(fix, " === Uncaught Python exception: ===\nValueError: x\n"
                                   "  File \"/s/a.py\", line 3, in outer\n"
                                   "  File \"/s/b.py\", line 4, in inner\n"
                                   "==1== ERROR: libFuzzer: fuzz target exited\n")
                            ->crash_state,
                        "inner\nouter\n");
    assert_int_equal(fix->record->frames[0].line, 4);
}

static void
test_glibc_says_why_it_aborts(void **state)
{
    struct fixture *fix = *state;

    parse(fix, "*** stack smashing detected ***: terminated\n");
    assert_string_equal(fix->record->crash_state, "*** stack smashing detected ***\n");
    assert_string_equal(fix->record->class_name, "StackGuard");
    parse(fix, "free(): invalid pointer\n");
    assert_string_equal(fix->record->class_name, "HeapError");
    /* a sanitizer's report behind it brings the stack, and what glibc said stays known */
    parse(fix,
          "*** buffer overflow detected ***: terminated\n"
          "==1==ERROR: AddressSanitizer: ABRT on unknown address 0x1 (pc 0x1 bp 0x1)\n"
          "    #0 0x1 in f /s/a.c:1:2\n");
    assert_string_equal(fix->record->crash_state, "f\n");
    assert_string_equal(fix->record->class_name, "SafeFunctionCheck");
}

static void
test_loader_errors_are_missing_libraries(void **state)
{
    struct fixture *fix = *state;

    parse(fix, "./x: error while loading shared libraries: libfoo.so.1: cannot open "
               "shared object "
               "file: No such file or directory\n");
    assert_string_equal(fix->record->crash_type, "Missing-library");
    assert_string_equal(fix->record->crash_state, "libfoo.so.1\n");
    assert_int_equal(fix->record->severity, SEVERITY_INFO);
    assert_string_equal(parse(fix,
                              "./x: symbol lookup error: /usr/lib/liba.so: undefined "
                              "symbol: a_open, version A_1\n")
                            ->crash_state,
                        "a_open\n");
    assert_string_equal(parse(fix, "CANNOT LINK EXECUTABLE \"x\": cannot locate symbol "
                                   "\"a_open\" referenced by \"/system/lib/liba.so\"\n")
                            ->crash_state,
                        "a_open\n");
}

static void
test_signal_word_glued_to_output_is_cut_off(void **state)
{
    struct fixture *fix = *state;

    assert_string_equal(
        parse(fix, "# Fatal error in a.cc, line 3\n# Fake error.\n#\n"
                   "#FailureMessage Object: 0x7fAddressSanitizer:DEADLYSIGNAL\n")
            ->crash_state,
        "Fake error in a.cc\n");
    assert_string_equal(
        parse(fix, "ASSERTION FAILED: xUndefinedBehaviorSanitizer:DEADLYSIGNAL\n")
            ->crash_state,
        "x\n");
}

static void
test_first_and_other_formats_are_known(void **state)
{
    struct fixture *fix = *state;

    /* without the colon, as the first releases had it */
    assert_string_equal(parse(fix, "==1== ERROR: AddressSanitizer SEGV on unknown "
                                   "address 0x000000000008 (pc 0x1)\n")
                            ->crash_type,
                        "Null-dereference");
    assert_string_equal(
        parse(fix,
              "==1==ERROR: HWAddressSanitizer: tag-mismatch on address 0x0042 at pc 0x1\n"
              "READ of size 1 at 0x0042 tags: 5e/08 (ptr/mem) in thread T0\n")
            ->crash_type,
        "Tag-mismatch\nREAD 1");
    assert_string_equal(parse(fix, "==1==ERROR: AddressSanitizer: access-violation on "
                                   "unknown address 0x10000 (pc "
                                   "0x1)\n    #0 0x7ff6 in f::g C:\\src\\x.cc:12\n"
                                   "h::i() [0x7ff6+123] (C:\\src\\y.cc:3)\n"
                                   "2   base.dylib  0x0000000104d5b1c3 j::k() + 19\n")
                            ->crash_state,
                        "f::g\nh::i\nj::k\n");
    assert_string_equal(fix->record->frames[1].file, "C:\\src\\y.cc");
    assert_string_equal(fix->record->frames[2].module, "base.dylib");
    assert_string_equal(
        parse(fix, "[1:1:ERROR:x] GPU process exited unexpectedly: 6\n")->crash_type,
        "GPU failure");
}

static void
test_long_line_is_read_where_it_matters(void **state)
{
    struct fixture *fix = *state;
    const size_t junk = 3 << 20;
    AUTO(buf_clear) struct buf text = BUF_INIT;

    for (size_t i = 0; i < junk; i++) {
        buf_addc(&text, 'A');
    }
    buf_adds(
        &text,
        " /s/x.c:3:4: runtime error: division by zero\n    #0 0x1 in f /s/x.c:3:4\n");
    assert_string_equal(parse_n(fix, text.data, text.len)->crash_type, "Divide-by-zero");
    assert_string_equal(fix->record->crash_state, "f\n");
}

static void
test_carriage_returns_end_lines(void **state)
{
    struct fixture *fix = *state;

    assert_string_equal(
        parse(fix,
              "progress 1%\rprogress 2%\r==1==ERROR: AddressSanitizer: "
              "heap-use-after-free on address 0x60\r\n    #0 0x1 in f /s/a.c:1:2\r\n")
            ->crash_state,
        "f\n");
    assert_string_equal(fix->record->frames[0].file, "/s/a.c");
}

static void
test_any_bytes_become_printable_text(void **state)
{
    static const char text[] =
        "==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x60\n"
        "    #0 0x1 in a\xff\0\x1b[1m\x05"
        "b /s/\x80.c:1:2\n";
    struct fixture *fix = *state;
    const struct record *r = parse_n(fix, text, sizeof(text) - 1);

    assert_string_equal(r->frames[0].function, "a\xef\xbf\xbd"
                                               "b");
    assert_string_equal(r->frames[0].file, "/s/\xef\xbf\xbd.c");
}

static void
test_too_many_frames_are_cut(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf text = BUF_INIT;

    buf_adds(
        &text,
        "==1==ERROR: AddressSanitizer: stack-overflow on address 0x7f (pc 0x1 bp 0x1)\n");
    for (int i = 0; i < 40000; i++) {
        buf_addf(&text, "    #%d 0x5 in f%d /s/a.c:%d:3\n", i, i, i);
    }
    assert_int_equal(parse_n(fix, text.data, text.len)->n_frames, RECORD_FRAMES_MAX);
    assert_int_equal(fix->record->frames[RECORD_FRAMES_MAX - 1].n, RECORD_FRAMES_MAX - 1);
}

/* --- deterministic fuzzing: the golden logs with bytes and lines changed --- */

enum { MUTATIONS = 24 };

static uint32_t
next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void
mutate(struct buf *text, uint32_t *seed)
{
    static const char *const tokens[] = {
        "\n",      "\r",         "(",        "[",           "<",
        " in ",    "#0 0x1 in ", "operator", "Sanitizer: ", ": runtime error: ",
        "\xff",    "::",         "'",        "+0x",         "ERROR: AddressSanitizer: ",
        "panic: ", " vs. ",      "note: "};
    size_t at = text->len == 0 ? 0 : next_random(seed) % text->len;
    size_t len = next_random(seed) % 64;

    if (text->len < 128) {
        return;
    }
    len = len < text->len - at ? len : text->len - at;
    switch (next_random(seed) % 4) {
    case 0:
        text->data[at] = (char)next_random(seed);
        break;
    case 1: /* cut out */
        memmove(text->data + at, text->data + at + len, text->len - at - len);
        buf_cut(text, text->len - len);
        break;
    case 2: /* copy over */
        memmove(text->data + next_random(seed) % (text->len - len), text->data + at, len);
        break;
    default: {
        const char *token = tokens[next_random(seed) % COUNT(tokens)];
        size_t n = strlen(token) < text->len - at ? strlen(token) : text->len - at;
        memcpy(text->data + at, token, n);
        break;
    }
    }
}

static void
parse_anything(const struct buf *text, uint32_t seed)
{
    const struct record_options options = {.ooms_and_hangs = (seed & 1) != 0,
                                           .fuzz_target = "x"};
    AUTO(record_free) struct record *record = NULL;
    AUTO(record_free) struct record *copy = NULL;
    AUTO(json_decref) json_t *object = NULL;
    struct err err = ERR_INIT;

    if (parse_report(text->data, text->len, &options, &record, &err) < 0) {
        return;
    }
    assert_int_equal(record_finish(record, &options, &err), 0);
    assert_true(strlen(record->hash_major) == RECORD_HASH_MAX - 1);
    assert_true(record->crash_state[0] != '\0');
    object = record_to_json(record);
    if (record_from_json(object, &copy, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    assert_string_equal(copy->crash_state, record->crash_state);
}

static int
fuzz_log(void *user, const char *path, const struct stat *st, struct err *err)
{
    AUTO(buf_clear) struct buf log = BUF_INIT;
    AUTO(buf_clear) struct buf text = BUF_INIT;
    uint32_t *seed = user;

    if (st == NULL || strcmp(fs_base(path), "log") != 0) {
        return 0;
    }
    assert_int_equal(fs_read(path, 1 << 20, &log, err), 0);
    for (int i = 0; i < MUTATIONS; i++) {
        buf_cut(&text, 0);
        buf_add(&text, log.data, log.len);
        for (int k = 0; k <= i; k++) {
            mutate(&text, seed);
        }
        if (text.len > 0) {
            parse_anything(&text, *seed);
        }
    }
    return 0;
}

static void
test_mutated_reports_never_break_the_parser(void **state)
{
    struct fixture *fix = *state;
    uint32_t seed = 20240229;

    assert_int_equal(fs_walk("tests/golden", fuzz_log, &seed, &fix->err), 0);
    assert_true(seed != 20240229); /* there were logs */
}

/* --- cost --- */

static int64_t
cpu_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
fill(struct buf *text, const char *head, const char *unit)
{
    buf_cut(text, 0);
    buf_adds(text, head);
    while (text->len < 1 << 20) {
        buf_adds(text, unit);
    }
}

static void
test_cost_is_linear_on_hostile_text(void **state)
{
    static const char head[] =
        "==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x60\n";
    static const struct {
        const char *head;
        const char *unit;
    } texts[] = {
        {"", "[a:b(1)"},
        {"", "A"},
        {head, "[a:b(1)\n"},
        {head, "    #0 0x1 in f /s/a.c:1:2\n"},
        {head, head},
        {"==1==ERROR: AddressSanitizer: x on address 0x1\n    #0 0x1 in ", "f("},
        {"", "x.c:1: Assertion `x' failed.\n"},
        {"# Fatal error in x, line 3\n", "# x\n"},
        /* lines that ask for a word of the whole text */
        {"SCARINESS: 10 (signal)\n",
         "x.c:1: Assertion `x' failed.\n==1==ERROR: AddressSanitizer: SEGV on unknown "
         "address 0x1\n"},
        {"x.c:1: Assertion `x' failed.\n",
         "ASSERT failed: x\n==1==ERROR: AddressSanitizer: SEGV on unknown address 0x1\n"},
        {"", "===BUG DETECTED: PySecSan: x\n"},
        {"", "#0 0x1 in f\nxSanitize\n"},
        {"", "terminate called after throwing an instance of 'x'\n"},
        {"", "Segmentation fault\n#0 0x1 in f\n"},
        {"", "Error: x\n    at f (x.js:1:2)\n"},
        {"", "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n"},
        {"BUG: KASAN: x in f at addr 1\n", "[    1.0]  f+0x1/0x2\n"},
        {"signal 11 (SIGSEGV), fault addr 0x1\n",
         "#00 pc 0001 /x (_Z1fIJN1AIiEEEEvv+1)\n"},
        {"==1==ERROR: AddressSanitizer: x on address 0x1\n",
         "1 x 0x1 _ZN1AIS_S_E1fEv + 1\n"},
    };
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf text = BUF_INIT;
    int64_t before = cpu_ms();

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct record *record = NULL;
        fill(&text, texts[i].head, texts[i].unit);
        (void)parse_report(text.data, text.len, &fix->options, &record, &fix->err);
        record_free(record);
    }
    /* 50 ms each in a release build; sanitizers and a busy machine take ten times as
     * long. What backtracks takes minutes. */
    assert_true(cpu_ms() - before < (int64_t)COUNT(texts) * 500);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_text_without_a_crash_leaves_out_alone),
        TEST(test_words_of_a_program_stand_until_a_tool_speaks),
        TEST(test_bare_stack_is_a_crash_of_two_frames_without_a_tool),
        TEST(test_shell_words_are_no_crash_within_a_sentence),
        TEST(test_abort_behind_a_sanitizers_report_adds_nothing),
        TEST(test_pysecsan_is_named_by_python_frames),
        TEST(test_first_report_of_a_kernel_counts),
        TEST(test_asan_headline_access_and_frames),
        TEST(test_asan_kinds_have_clusterfuzz_names),
        TEST(test_sizes_above_16_read_as_a_star),
        TEST(test_signal_near_null_is_a_null_dereference),
        TEST(test_signal_without_an_address_is_unknown),
        TEST(test_signal_tells_where_the_counter_was),
        TEST(test_signal_of_an_assertion_does_not_replace_it),
        TEST(test_assertions_of_all_sorts),
        TEST(test_ubsan_messages),
        TEST(test_ubsan_bad_casts_name_both_types),
        TEST(test_other_reports_beat_ubsan),
        TEST(test_the_last_report_wins),
        TEST(test_leaks_direct_beats_indirect_and_the_first_counts),
        TEST(test_libfuzzer_verdicts),
        TEST(test_hangs_and_memory_count_only_when_asked_for),
        TEST(test_frames_without_addresses_must_follow_each_other),
        TEST(test_chromium_frames_have_no_in),
        TEST(test_inlined_frames_share_the_address),
        TEST(test_go_faults_and_frames),
        TEST(test_jvm_javascript_and_python_exceptions),
        TEST(test_glibc_says_why_it_aborts),
        TEST(test_loader_errors_are_missing_libraries),
        TEST(test_signal_word_glued_to_output_is_cut_off),
        TEST(test_first_and_other_formats_are_known),
        TEST(test_long_line_is_read_where_it_matters),
        TEST(test_carriage_returns_end_lines),
        TEST(test_any_bytes_become_printable_text),
        TEST(test_too_many_frames_are_cut),
        TEST(test_mutated_reports_never_break_the_parser),
        TEST(test_cost_is_linear_on_hostile_text),
    };

    return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
