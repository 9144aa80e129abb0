#include "tests/unit/unit.h"

#include <math.h>

#include "base/mem.h"
#include "triage/similar.h"

/* One letter a frame, named by it; in lower case: dropped by a rule. */
static struct record *
stack_of(const char *letters)
{
    struct record *record = mem_alloc(sizeof(*record));

    for (int i = 0; letters[i] != '\0'; i++) {
        struct frame *frame = record_add_frame(record);
        frame->n = i;
        frame->function = mem_dup(&letters[i], 1);
        frame->counts = letters[i] < 'a';
    }
    return record;
}

static void
assert_similar(const char *one, const char *other, double score, size_t shared)
{
    AUTO(record_free) struct record *a = stack_of(one);
    AUTO(record_free) struct record *b = stack_of(other);
    struct similar there = similar_records(a, b);
    struct similar back = similar_records(b, a);

    if (fabs(there.score - score) > 0.0001 || there.shared != shared) {
        fail_msg("%s, %s: %f of %zu, not %f of %zu", one, other, there.score,
                 there.shared, score, shared);
    }
    assert_true(fabs(there.score - back.score) < 1e-12);
    assert_int_equal(there.shared, back.shared);
}

/*
 * By hand, e^-0.04 = 0.960789, e^-0.08 = 0.923116, e^-0.12 = 0.886920, e^-0.13 =
 * 0.878095: two frames in all are 1.883906, three 2.770826.
 */
static void
test_similar_records_gives_the_values_of_the_formula(void **state)
{
    (void)state;
    assert_similar("ABC", "ABC", 1.0, 3);
    assert_similar("ABC", "XYZ", 0.0, 0);
    assert_similar("ABC", "ABX", 1.883906 / 2.770826, 2);
    assert_similar("ABC", "XBC", (0.923116 + 0.886920) / 2.770826, 2);
    /* B and C one place lower: i = 1, 2 and j = 2, 3 */
    assert_similar("BC", "ABC", (0.960789 + 0.923116) * 0.878095 / 1.883906, 2);
    /* a stack that ends early is like the longer one's top */
    assert_similar("AB", "ABCDEF", 1.0, 2);
    /* order counts: either A or B can be paired, one place apart */
    assert_similar("AB", "BA", 0.960789 * 0.878095 / 1.883906, 1);
}

static void
test_similar_records_leaves_out_what_a_rule_drops(void **state)
{
    (void)state;
    assert_similar("xABCy", "AzBC", 1.0, 3);
    assert_similar("abc", "abc", 0.0, 0);
    assert_similar("", "ABC", 0.0, 0);
}

static void
test_similar_records_looks_at_the_crash_alone(void **state)
{
    AUTO(record_free) struct record *a = stack_of("ABC");
    AUTO(record_free) struct record *b = stack_of("XYZABC");

    (void)state;
    for (size_t i = 3; i < b->n_frames; i++) {
        b->frames[i].stack = STACK_FREED;
    }
    struct similar similar = similar_records(a, b);
    assert_int_equal(similar.frames_b, 3);
    assert_true(similar.score < 1e-12);
}

static void
test_similar_records_bounds_what_it_compares(void **state)
{
    AUTO(record_free) struct record *deep = mem_alloc(sizeof(*deep));

    (void)state;
    for (int i = 0; i < RECORD_FRAMES_MAX; i++) {
        struct frame *frame = record_add_frame(deep);
        frame->function = mem_printf("f%d", i);
        frame->counts = true;
    }
    struct similar similar = similar_records(deep, deep);
    assert_int_equal(similar.frames_a, SIMILAR_FRAMES_MAX);
    assert_int_equal(similar.shared, SIMILAR_FRAMES_MAX);
    assert_true(fabs(similar.score - 1.0) < 1e-9);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_similar_records_gives_the_values_of_the_formula),
        cmocka_unit_test(test_similar_records_leaves_out_what_a_rule_drops),
        cmocka_unit_test(test_similar_records_looks_at_the_crash_alone),
        cmocka_unit_test(test_similar_records_bounds_what_it_compares),
    };

    return cmocka_run_group_tests_name("similar", tests, NULL, NULL);
}
