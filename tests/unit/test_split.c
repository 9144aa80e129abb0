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

struct parts {
    struct split_part v[8];
    size_t n; /* of all */
};

static void
keep(struct parts *parts, struct split_part part)
{
    if (parts->n < COUNT(parts->v)) {
        parts->v[parts->n] = part;
    }
    parts->n++;
}

static struct parts
split(const char *text, size_t len)
{
    struct splitter splitter = {0};
    struct parts parts = {0};

    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t stop = end == NULL ? len : (size_t)(end - text);
        size_t next = end == NULL ? len : stop + 1;
        struct split_part part = {0};
        if (split_line(&splitter, text + at, stop - at, (int64_t)at, (int64_t)next,
                       &part)) {
            keep(&parts, part);
        }
        at = next;
    }
    keep(&parts, split_end(&splitter, (int64_t)len));
    return parts;
}

/* The parts, each as its first line, separated by '|'. */
static void
assert_parts(const char *text, const char *wanted)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;
    struct parts parts = split(text, strlen(text));
    int64_t covered = 0;

    for (size_t i = 0; i < parts.n; i++) {
        const char *at = text + parts.v[i].from;
        assert_int_equal(parts.v[i].from, covered);
        covered += parts.v[i].len;
        buf_adds(&out, i == 0 ? "" : "|");
        buf_add(&out, at, strcspn(at, "\n"));
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
}

static void
test_panics_and_exceptions_are_reports(void **state)
{
    (void)state;
    assert_parts("thread 'main' panicked at a.rs:1:2:\nfirst\nnote: run with\n"
                 "thread 'main' panicked at b.rs:1:2:\nsecond\n"
                 "==7== ERROR: libFuzzer: deadly signal\nSUMMARY: libFuzzer: deadly "
                 "signal\n",
                 "thread 'main' panicked at a.rs:1:2:|thread 'main' panicked at "
                 "b.rs:1:2:");
    assert_parts("panic: one\n\ngoroutine 1 [running]:\n"
                 "fatal error: all goroutines are asleep - deadlock!\n",
                 "panic: one|fatal error: all goroutines are asleep - deadlock!");
    assert_parts("Traceback (most recent call last):\n  File \"a.py\"\nKeyError: 1\n\n"
                 "During handling of the above exception, another exception occurred:\n\n"
                 "Traceback (most recent call last):\n  File \"a.py\"\nValueError\n"
                 "Traceback (most recent call last):\n  File \"b.py\"\nTypeError\n",
                 "Traceback (most recent call last):|Traceback (most recent call last):");
}

/* A worker reads head and tail of a long text: what stands between reports would push the
 * report out of both. */
static void
test_what_lies_far_from_a_report_is_left_out(void **state)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;

    (void)state;
    for (int i = 0; i < 1 << 16; i++) {
        buf_addf(&text, "test %d passed, and so it goes on and on\n", i);
    }
    AUTO(mem_free) char *chatter = mem_dup(text.data, text.len);
    int64_t before = (int64_t)text.len;
    buf_adds(&text, ASAN(1, "heap-use-after-free"));
    int64_t behind = (int64_t)text.len;
    buf_adds(&text, chatter);
    buf_adds(&text, ASAN(2, "heap-use-after-free"));
    struct parts parts = split(text.data, text.len);
    assert_int_equal(parts.n, 2);
    assert_int_equal(parts.v[0].from, before - SPLIT_CONTEXT_MAX);
    assert_int_equal(parts.v[0].from + parts.v[0].len, behind);
    assert_true(parts.v[1].from > behind && parts.v[1].len < 2 * SPLIT_CONTEXT_MAX);
    assert_int_equal(parts.v[1].from + parts.v[1].len, text.len);
}

static void
test_any_number_of_parts_in_linear_time(void **state)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;

    (void)state;
    for (int i = 0; i < 50000; i++) {
        buf_addf(&text, "a.c:%d:2: runtime error: division by zero\n", i);
    }
    assert_int_equal(split(text.data, text.len).n, 50000);
    AUTO(mem_free) char *same = mem_alloc(8 << 20);
    memset(same, '=', 8 << 20);
    assert_int_equal(split(same, 8 << 20).n, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_report_is_one_part),
        TEST(test_each_process_has_its_part),
        TEST(test_several_reports_of_one_process_are_several),
        TEST(test_what_one_crash_prints_stays_together),
        TEST(test_panics_and_exceptions_are_reports),
        TEST(test_what_lies_far_from_a_report_is_left_out),
        TEST(test_any_number_of_parts_in_linear_time),
    };

    return cmocka_run_group_tests_name("split", tests, NULL, NULL);
}
