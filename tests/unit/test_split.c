#include "tests/unit/unit.h"

#include <string.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/mem.h"
#include "triage/parse/split.h"

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

/* The parts, each as its first line, separated by '|'. */
static void
assert_parts(const char *text, const char *wanted)
{
    struct split_part parts[SPLIT_MAX];
    AUTO(buf_clear) struct buf out = BUF_INIT;
    size_t n = split_reports(text, strlen(text), parts);
    size_t covered = 0;

    for (size_t i = 0; i < n; i++) {
        assert_int_equal(parts[i].from, covered);
        covered += parts[i].len;
        buf_adds(&out, i == 0 ? "" : "|");
        buf_add(&out, text + parts[i].from, strcspn(text + parts[i].from, "\n"));
    }
    assert_int_equal(covered, strlen(text));
    assert_string_equal(buf_str(&out), wanted);
}

#define ASAN(pid, kind)                                                    \
    "==" #pid "==ERROR: AddressSanitizer: " kind " on address 0x1 at pc\n" \
    "    #0 0x1 in f a.c:1\n"                                              \
    "SUMMARY: AddressSanitizer: " kind " a.c:1 in f\n"                     \
    "Shadow bytes around the buggy address:\n"                             \
    "=>0x0c047fff8000: fa fa\n"                                            \
    "==" #pid "==ABORTING\n"

static void
test_one_report_is_one_part(void **state)
{
    (void)state;
    assert_parts("", "");
    assert_parts("no report at all\n", "no report at all");
    assert_parts("before\n" ASAN(1, "heap-use-after-free") "after\n", "before");
}

static void
test_each_process_has_its_part(void **state)
{
    (void)state;
    assert_parts("first\n" ASAN(1, "heap-use-after-free") "second: x == y failed\n" ASAN(
                     2, "heap-buffer-overflow") "third\n" ASAN(3, "double-free"),
                 "first|second: x == y failed|third");
    /* a report that was cut off ends where another process begins */
    assert_parts("==1==ERROR: AddressSanitizer: heap-use-after-free\n    #0 0x1 in f\n"
                 "==2==ERROR: AddressSanitizer: heap-use-after-free\n",
                 "==1==ERROR: AddressSanitizer: heap-use-after-free|"
                 "==2==ERROR: AddressSanitizer: heap-use-after-free");
}

static void
test_several_reports_of_one_process_are_several(void **state)
{
    (void)state;
    assert_parts("WARNING: ThreadSanitizer: data race (pid=7)\n"
                 "  Write of size 4 at 0x1 by thread T1:\n"
                 "SUMMARY: ThreadSanitizer: data race a.c:1 in f\n"
                 "==================\n"
                 "WARNING: ThreadSanitizer: data race (pid=7)\n"
                 "SUMMARY: ThreadSanitizer: data race b.c:1 in g\n",
                 "WARNING: ThreadSanitizer: data race (pid=7)|==================");
    assert_parts("a.c:1:2: runtime error: division by zero\n"
                 "b.c:3:4: runtime error: shift exponent 40 is too large\n",
                 "a.c:1:2: runtime error: division by zero|"
                 "b.c:3:4: runtime error: shift exponent 40 is too large");
}

static void
test_what_one_crash_prints_stays_together(void **state)
{
    static const char together[] =
        "a.c:1:2: runtime error: load of null pointer\n"
        "SUMMARY: UndefinedBehaviorSanitizer: undefined-behavior a.c:1:2\n"
        "AddressSanitizer:DEADLYSIGNAL\n"
        "==5==ERROR: AddressSanitizer: SEGV on unknown address 0x0\n"
        "SUMMARY: AddressSanitizer: SEGV a.c:1 in f\n";

    (void)state;
    assert_parts(together, "a.c:1:2: runtime error: load of null pointer");
    assert_parts(
        ASAN(9, "heap-use-after-free") "==9== ERROR: libFuzzer: deadly signal\n"
                                       "SUMMARY: libFuzzer: deadly signal\n",
        "==9==ERROR: AddressSanitizer: heap-use-after-free on address 0x1 at pc");
    assert_parts("panic: runtime error: index out of range [recovered]\n"
                 "\tpanic: runtime error: index out of range\n",
                 "panic: runtime error: index out of range [recovered]");
    assert_parts(
        "{\"a\":\"==1==ERROR: AddressSanitizer: x\nSUMMARY: AddressSanitizer: x\n"
        "==2==ERROR: AddressSanitizer: y\"}",
        "{\"a\":\"==1==ERROR: AddressSanitizer: x");
}

static void
test_parts_are_bounded_and_linear(void **state)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;
    struct split_part parts[SPLIT_MAX];

    (void)state;
    for (int i = 0; i < 5000; i++) {
        buf_addf(&text, "a.c:%d:2: runtime error: division by zero\n", i);
    }
    assert_int_equal(split_reports(text.data, text.len, parts), SPLIT_MAX);
    assert_int_equal(parts[SPLIT_MAX - 1].from + parts[SPLIT_MAX - 1].len, text.len);
    AUTO(mem_free) char *same = mem_alloc(8 << 20);
    memset(same, '=', 8 << 20);
    assert_int_equal(split_reports(same, 8 << 20, parts), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_report_is_one_part),
        TEST(test_each_process_has_its_part),
        TEST(test_several_reports_of_one_process_are_several),
        TEST(test_what_one_crash_prints_stays_together),
        TEST(test_parts_are_bounded_and_linear),
    };

    return cmocka_run_group_tests_name("split", tests, NULL, NULL);
}
