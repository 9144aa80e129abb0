#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "triage/glance.h"

enum { EXIT_77 = 77 << 8 };

/* An ASan report of that kind, address and frame offset, behind some words. */
static bool
look(const char *words, const char *kind, const char *address, const char *offset,
     const char *size, struct glance *out)
{
    AUTO(limit_run_clear) struct limit_run run = {.status = EXIT_77};

    buf_addf(&run.output,
             "%s\n==%d==ERROR: AddressSanitizer: %s on address %s at pc 0x55 bp 0x7f\n"
             "READ of size %s at %s thread T0\n    #0 0x5512 (/bin/t+%s) (BuildId: 12)\n"
             "    #1 0x5512 (/bin/t+0x99)\n\nSUMMARY: AddressSanitizer: %s\n",
             words, (int)strlen(words), kind, address, size, address, offset, words);
    return glance_of(&run, true, out);
}

static bool
same(const struct glance *a, const struct glance *b)
{
    return a->high == b->high && a->low == b->low;
}

static void
test_only_what_makes_a_record_counts(void **state)
{
    struct glance first;
    struct glance other;

    (void)state;
    assert_true(look("a", "heap-overflow", "0x602000000010", "0x123", "4", &first));
    assert_true(look("tag: 17", "heap-overflow", "0x603000000099", "0x123", "4", &other));
    assert_true(same(&first, &other));
    assert_true(look("a", "heap-overflow", "0x602000000010", "0x124", "4", &other));
    assert_false(same(&first, &other));
    assert_true(look("a", "heap-overflow", "0x602000000010", "0x123", "8", &other));
    assert_false(same(&first, &other));
    assert_true(look("a", "use-after-free", "0x602000000010", "0x123", "4", &other));
    assert_false(same(&first, &other));
    assert_true(look("a", "heap-overflow", "0x000000000010", "0x123", "4", &other));
    assert_false(same(&first, &other)); /* near null */
}

static void
test_the_announcement_of_a_signal_is_no_report_of_its_own(void **state)
{
    static const char announced[] = "AddressSanitizer:DEADLYSIGNAL\n=====";
    struct glance first;
    struct glance other;

    (void)state;
    assert_true(look(announced, "SEGV", "0x602000000010", "0x123", "4", &first));
    assert_true(look("a", "SEGV", "0x603000000099", "0x123", "4", &other));
    assert_true(same(&first, &other));
    assert_false(
        look("DEADLYSIGNAL\n=====", "SEGV", "0x602000000010", "0x1", "4", &other));
    assert_false(look("UndefinedBehaviorSanitizer:DEADLYSIGNAL\n\nAddressSanitizer:"
                      "DEADLYSIGNAL\n=====",
                      "SEGV", "0x602000000010", "0x1", "4", &other));
}

static void
test_what_rests_on_more_has_no_key(void **state)
{
    struct glance key;
    AUTO(limit_run_clear) struct limit_run run = {.status = 11};

    (void)state;
    assert_false(look("Assertion failed", "SEGV", "0x602000000010", "0x1", "4", &key));
    assert_false(look("a", "ABRT", "0x602000000010", "0x1", "4", &key));
    assert_false(glance_of(&run, true, &key)); /* a bare signal */
    run.status = 0;
    run.hit = LIMIT_TIME;
    assert_false(glance_of(&run, true, &key));
}

static void
test_a_quiet_run_is_not_what_is_loud(void **state)
{
    struct glance first;
    struct glance other;
    AUTO(limit_run_clear) struct limit_run run = {.status = 0};

    (void)state;
    assert_true(glance_of(&run, true, &first));
    buf_adds(&run.output, "some words of the program");
    assert_true(glance_of(&run, true, &other));
    assert_true(same(&first, &other));
    assert_false(glance_of(&run, false, &other));
    run.status = EXIT_77;
    assert_true(glance_of(&run, true, &other));
    assert_false(same(&first, &other));
    buf_adds(&run.output, "a.c:3: runtime error: odd");
    assert_false(glance_of(&run, true, &other));
}

static void
test_verdicts_are_remembered_up_to_a_limit(void **state)
{
    static struct glances glances;

    (void)state;
    for (uint64_t i = 0; i < GLANCES_MAX + 9; i++) {
        const struct glance key = {1, i};
        assert_int_equal(glances_find(&glances, &key), -1);
        glances_add(&glances, &key, i % 2 == 0);
    }
    const struct glance even = {1, 2};
    const struct glance odd = {1, 3};
    const struct glance beyond = {1, GLANCES_MAX};
    assert_int_equal(glances_find(&glances, &even), 1);
    assert_int_equal(glances_find(&glances, &odd), 0);
    assert_int_equal(glances_find(&glances, &beyond), -1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_what_makes_a_record_counts),
        cmocka_unit_test(test_the_announcement_of_a_signal_is_no_report_of_its_own),
        cmocka_unit_test(test_what_rests_on_more_has_no_key),
        cmocka_unit_test(test_a_quiet_run_is_not_what_is_loud),
        cmocka_unit_test(test_verdicts_are_remembered_up_to_a_limit),
    };

    return cmocka_run_group_tests_name("glance", tests, NULL, NULL);
}
