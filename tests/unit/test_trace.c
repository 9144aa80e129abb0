#include "tests/unit/unit.h"

#include "base/mem.h"
#include "triage/parse/parse.h"
#include "triage/trace.h"

/* A heap overflow with this stack: names from the top, parted by blanks. */
static struct record *
record_of_stack(const char *names)
{
    const struct record_options options = RECORD_OPTIONS_INIT;
    AUTO(buf_clear) struct buf text = BUF_INIT;
    struct record *record = NULL;
    int n = 0;

    buf_adds(&text,
             "==1==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x60\n");
    while (*names != '\0') {
        int len = (int)strcspn(names, " ");
        buf_addf(&text, "    #%d 0x%d in %.*s /s/a.c:%d:2\n", n, n, len, names, n + 1);
        names += len + (names[len] == ' ');
        n++;
    }
    assert_int_equal(parse_report(buf_str(&text), text.len, &options, &record, NULL), 0);
    assert_int_equal(record_finish(record, &options, NULL), 0);
    return record;
}

static void
assert_trace(const char *stack, const char *want)
{
    AUTO(record_free) struct record *record = record_of_stack(stack);
    AUTO(trace_clear) struct trace trace;
    AUTO(buf_clear) struct buf got = BUF_INIT;

    trace_init(&trace, record, STACK_CRASH);
    for (size_t i = 0; i < trace.n; i++) {
        buf_addf(&got, "%s%s", i == 0 ? "" : " ", trace.steps[i].name);
    }
    assert_string_equal(buf_str(&got), want);
}

static void
test_recursion_is_taken_out_wherever_it_stands(void **state)
{
    (void)state;
    assert_trace("leaf walk load", "leaf walk load");
    assert_trace("leaf walk walk walk load", "leaf walk load");
    assert_trace("walk walk walk load", "walk load");
    assert_trace("leaf value list value list value load", "leaf value load");
    assert_trace("leaf list value map value list value load", "leaf list value load");
    assert_trace("a b c d e f g h i j a b c d e f g h i j load",
                 "a b c d e f g h i j load");
    assert_trace("a b a c a b c load", "a b c load");
    assert_trace("inner a a inner outer", "inner outer");
}

static void
test_dropped_frames_are_no_steps_and_main_is_one(void **state)
{
    (void)state;
    assert_trace("__asan_memcpy leaf main", "leaf main");
    assert_trace("free_node assertion_parser main", "free_node assertion_parser main");
}

static void
test_names_of_the_whole_stack_are_counted(void **state)
{
    AUTO(record_free)
    struct record *record = record_of_stack("leaf value list value list value load");
    AUTO(trace_clear) struct trace trace;

    (void)state;
    trace_init(&trace, record, STACK_CRASH);
    assert_int_equal(trace.frames, 7);
    assert_int_equal(trace.n_all, 4);
    assert_string_equal(trace.all[1].name, "value");
    assert_int_equal(trace.all[1].times, 3);
    assert_string_equal(trace.all[2].name, "list");
    assert_int_equal(trace.all[2].times, 2);
}

static void
test_another_stack_is_empty(void **state)
{
    AUTO(record_free) struct record *record = record_of_stack("leaf load");
    AUTO(trace_clear) struct trace trace;

    (void)state;
    trace_init(&trace, record, STACK_FREED);
    assert_int_equal(trace.n, 0);
    assert_int_equal(trace.n_all, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recursion_is_taken_out_wherever_it_stands),
        cmocka_unit_test(test_dropped_frames_are_no_steps_and_main_is_one),
        cmocka_unit_test(test_names_of_the_whole_stack_are_counted),
        cmocka_unit_test(test_another_stack_is_empty),
    };

    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
