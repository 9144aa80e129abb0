#include "tests/unit/parse_fixture.h"

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_text_without_a_crash_leaves_out_alone),
        TEST(test_words_of_a_program_stand_until_a_tool_speaks),
        TEST(test_bare_stack_is_a_crash_of_two_frames_without_a_tool),
        TEST(test_shell_words_are_no_crash_within_a_sentence),
        TEST(test_first_report_of_a_kernel_counts),
        TEST(test_assertions_of_all_sorts),
        TEST(test_the_last_report_wins),
        TEST(test_frames_without_addresses_must_follow_each_other),
        TEST(test_chromium_frames_have_no_in),
        TEST(test_inlined_frames_share_the_address),
        TEST(test_go_faults_and_frames),
        TEST(test_jvm_javascript_and_python_exceptions),
        TEST(test_glibc_says_why_it_aborts),
        TEST(test_loader_errors_are_missing_libraries),
        TEST(test_signal_word_glued_to_output_is_cut_off),
        TEST(test_first_and_other_formats_are_known),
    };

    return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
