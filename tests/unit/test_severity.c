#include "tests/unit/unit.h"

#include "base/mem.h"
#include "triage/parse/parse.h"
#include "triage/severity.h"
#include "triage/severity_rules.h"

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
parse(struct fixture *fix, const char *text)
{
    record_free(fix->record);
    fix->record = NULL;
    assert_int_equal(
        parse_report(text, strlen(text), &fix->options, &fix->record, &fix->err), 0);
    assert_int_equal(record_finish(fix->record, &fix->options, &fix->err), 0);
    return fix->record;
}

static const struct record *
parse_asan(struct fixture *fix, const char *kind, const char *access)
{
    AUTO(mem_free)
    char *text = mem_printf("==1==ERROR: AddressSanitizer: %s on address 0x602000000014 "
                            "at pc 0x1\n%s of size 1 "
                            "at 0x602000000014 thread T0\n    #0 0x1 in f /s/a.c:1:2\n",
                            kind, access);

    return parse(fix, text);
}

static void
assert_verdict(const struct record *r, enum severity severity, const char *class_name,
               const char *cwe, bool security)
{
    assert_string_equal(severity_name(r->severity), severity_name(severity));
    assert_string_equal(r->class_name, class_name);
    assert_string_equal(r->cwe, cwe);
    assert_int_equal(r->security, security);
}

static void
test_write_beats_read(void **state)
{
    struct fixture *fix = *state;

    assert_verdict(parse_asan(fix, "heap-buffer-overflow", "READ"), SEVERITY_MEDIUM,
                   "heap-buffer-overflow(read)", "CWE-125", true);
    assert_string_equal(fix->record->exploitability, "NOT_EXPLOITABLE");
    assert_verdict(parse_asan(fix, "heap-buffer-overflow", "WRITE"), SEVERITY_HIGH,
                   "heap-buffer-overflow(write)", "CWE-122", true);
    assert_string_equal(fix->record->exploitability, "EXPLOITABLE");
    assert_verdict(parse_asan(fix, "stack-buffer-overflow", "WRITE"), SEVERITY_HIGH,
                   "stack-buffer-overflow(write)", "CWE-121", true);
    assert_int_equal(fix->record->reasons.n, 3);
    assert_string_equal(fix->record->reasons.v[0],
                        "stack memory outside of a variable was accessed");
    assert_string_equal(fix->record->reasons.v[1],
                        "it writes, which damages memory: worse than reading");
    assert_string_equal(fix->record->reasons.v[2],
                        "this kind of crash is held for a security problem");
}

static void
test_kinds_that_clusterfuzz_does_not_rate(void **state)
{
    struct fixture *fix = *state;

    assert_verdict(parse_asan(fix, "global-buffer-overflow", "WRITE"), SEVERITY_HIGH,
                   "global-buffer-overflow(write)", "CWE-787", true);
    assert_verdict(parse_asan(fix, "stack-use-after-return", "READ"), SEVERITY_HIGH,
                   "stack-use-after-return(read)", "CWE-562", true);
    assert_verdict(
        parse(fix, "==1==ERROR: AddressSanitizer: attempting free on address which was "
                   "not malloc()-ed: 0x62 in thread T0\n"),
        SEVERITY_HIGH, "bad-free", "CWE-590", true);
    assert_verdict(
        parse(fix, "==1==ERROR: AddressSanitizer: negative-size-param: (size=-1)\n"),
        SEVERITY_MEDIUM, "negative-size-param", "CWE-195", true);
}

static void
test_near_null_is_low_and_a_wild_jump_critical(void **state)
{
    struct fixture *fix = *state;

    assert_verdict(
        parse(fix,
              "==1==ERROR: AddressSanitizer: SEGV on unknown address 0x000000000010 (pc "
              "0x55 bp 0x1)\n==1==The signal is caused by a READ memory access.\n"),
        SEVERITY_LOW, "SourceAvNearNull", "CWE-476", false);
    /* between ClusterFuzz's bound, a page, and CASR's, 64 KiB */
    assert_verdict(
        parse(fix,
              "==1==ERROR: AddressSanitizer: SEGV on unknown address 0x000000002000 (pc "
              "0x55 bp 0x1)\n==1==The signal is caused by a WRITE memory access.\n"),
        SEVERITY_LOW, "DestAvNearNull", "CWE-119", true);
    assert_verdict(
        parse(fix,
              "==1==ERROR: AddressSanitizer: SEGV on unknown address 0x414141414141 (pc "
              "0x414141414141 bp 0x1)\n==1==The signal is caused by a READ memory "
              "access.\n"),
        SEVERITY_CRITICAL, "SegFaultOnPc", "CWE-119", true);
    assert_true(fix->record->severity_score > 9.3);
    assert_verdict(
        parse(fix,
              "==1==ERROR: AddressSanitizer: SEGV on unknown address 0x000000000000 (pc "
              "0x000000000000 bp 0x1)\n"),
        SEVERITY_MEDIUM, "SegFaultOnPcNearNull", "CWE-476", true);
}

static void
test_hangs_leaks_and_aborts_are_low(void **state)
{
    struct fixture *fix = *state;

    fix->options.ooms_and_hangs = true;
    assert_verdict(parse(fix, "==1== ERROR: libFuzzer: timeout after 5 seconds\n"),
                   SEVERITY_LOW, "timeout", "CWE-834", false);
    assert_verdict(parse(fix, "==1== ERROR: libFuzzer: out-of-memory (used: 1Mb)\n"),
                   SEVERITY_LOW, "out-of-memory", "CWE-789", false);
    assert_verdict(parse(fix, "Direct leak of 3 byte(s) in 1 object(s)\n"), SEVERITY_LOW,
                   "memory-leaks", "CWE-401", false);
    assert_verdict(
        parse(fix,
              "==1==ERROR: AddressSanitizer: ABRT on unknown address 0x5 (pc 0x1)\n"),
        SEVERITY_LOW, "AbortSignal", "CWE-617", false);
    assert_verdict(parse(fix, "==1== ERROR: libFuzzer: fuzz target exited\n"),
                   SEVERITY_INFO, "fuzz target exited", "CWE-382", false);
}

static void
test_options_decide_for_asserts_and_checks(void **state)
{
    struct fixture *fix = *state;
    const char *assertion = "x: a.c:1: f: Assertion `x' failed.\n";
    const char *check = "[1:1:1/1:FATAL:a.cc(1)] Check failed: x. \n";
    char first[RECORD_HASH_MAX];

    assert_true(parse(fix, assertion)->security);
    memcpy(first, fix->record->hash_major, sizeof(first));
    assert_false(parse(fix, check)->security);
    fix->options.asserts_are_security = false;
    fix->options.checks_are_security = true;
    assert_false(parse(fix, assertion)->security);
    /* an option must not move a bug */
    assert_string_equal(fix->record->hash_major, first);
    assert_true(parse(fix, check)->security);
}

static void
test_raised_signals_are_no_security_problem(void **state)
{
    struct fixture *fix = *state;
    const char *text =
        "==1==ERROR: AddressSanitizer: SEGV on unknown address 0x5668a000177a5 (pc 0x7f "
        "bp 0x1)\n    #0 0x7f in gsignal /s/raise.c:56\n    #1 0x8 in f /s/a.c:1:2\n";

    assert_false(parse(fix, text)->security);
    assert_string_equal(fix->record->crash_type, "UNKNOWN");
}

static void
test_markers_in_the_text_have_the_last_word(void **state)
{
    struct fixture *fix = *state;

    assert_false(
        parse(fix, "==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x60\n"
                   "MiraclePtr Status: PROTECTED\n")
            ->security);
    assert_int_equal(fix->record->severity, SEVERITY_LOW);
    assert_true(
        parse(fix, "==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x60\n"
                   "MiraclePtr Status: NOT PROTECTED\n")
            ->security);
    assert_true(
        parse(fix, "== Java Exception: com.x.FuzzerSecurityIssueHigh: x\n")->security);
    assert_int_equal(fix->record->severity, SEVERITY_HIGH);
    assert_false(parse(fix, "== Java Exception: java.lang.Error: x\n")->security);
}

static void
test_unknown_kind_is_a_medium_security_problem(void **state)
{
    struct fixture *fix = *state;

    assert_verdict(
        parse(fix, "==1==ERROR: AddressSanitizer: brand-new-kind on address 0x60\n"),
        SEVERITY_MEDIUM, "Undefined", "CWE-119", true);
    assert_string_equal(fix->record->exploitability, "UNDEFINED");
    assert_string_equal(fix->record->reasons.v[0], "a kind of crash without a rule");
}

static void
test_words_are_found_or_refused(void **state)
{
    (void)state;
    assert_string_equal(severity_find_class("SourceAv"), "SourceAv");
    assert_null(severity_find_class("SourceAv "));
    assert_string_equal(severity_find_exploitability("EXPLOITABLE"), "EXPLOITABLE");
    assert_null(severity_find_exploitability("exploitable"));
    assert_string_equal(severity_find_cwe("CWE-787"), "CWE-787");
    assert_string_equal(severity_find_cwe("CWE-125"), "CWE-125");
    assert_null(severity_find_cwe("CWE-1"));
}

static void
test_every_rule_is_sound(void **state)
{
    static const char *const kinds[] = {"Heap-buffer-overflow\nREAD 4",
                                        "UNKNOWN READ",
                                        "Null-dereference WRITE",
                                        "Data race\nWRITE 4",
                                        "Data race on vptr",
                                        "Makeslice: len out of range"};

    (void)state;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        const struct severity_rule *rule = severity_rules_find(kinds[i]);
        assert_non_null(rule->type);
        assert_memory_equal(rule->type, kinds[i], strlen(rule->type));
        assert_non_null(severity_find_class(rule->class_name));
    }
    assert_null(severity_rules_find("Nonsense")->type);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_write_beats_read),
        TEST(test_kinds_that_clusterfuzz_does_not_rate),
        TEST(test_near_null_is_low_and_a_wild_jump_critical),
        TEST(test_hangs_leaks_and_aborts_are_low),
        TEST(test_options_decide_for_asserts_and_checks),
        TEST(test_raised_signals_are_no_security_problem),
        TEST(test_markers_in_the_text_have_the_last_word),
        TEST(test_unknown_kind_is_a_medium_security_problem),
        TEST(test_words_are_found_or_refused),
        TEST(test_every_rule_is_sound),
    };

    return cmocka_run_group_tests_name("severity", tests, NULL, NULL);
}
