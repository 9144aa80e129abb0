#include "tests/unit/unit.h"

#include "base/mem.h"
#include "triage/place.h"

struct step {
    const char *function;
    int line, start;
    enum stack_kind stack;
};

/* The place of a crash of this type with these frames, that of the crash itself first;
 * new string. */
static char *
place_of(const char *type, enum memory_kind memory, const struct step *steps, size_t n)
{
    const struct record_options options = RECORD_OPTIONS_INIT;
    AUTO(record_free) struct record *record = mem_alloc(sizeof(*record));

    record->sanitizer = mem_strdup("address");
    record->crash_type = mem_strdup(type);
    record->memory.kind = memory;
    for (size_t i = 0; i < n; i++) {
        struct frame *frame = record_add_frame(record);
        frame->n = (int)i;
        frame->stack = steps[i].stack;
        frame->function = mem_strdup(steps[i].function);
        frame->file = mem_strdup("/src/a.c");
        frame->line = steps[i].line;
        frame->start_line = steps[i].start;
        frame->build_id = mem_strdup("1a2b3c");
        frame->has_offset = true;
        frame->offset = 0x40 + i;
    }
    assert_int_equal(record_finish(record, &options, NULL), 0);
    return STEAL(record->place);
}

#define ASSERT_PLACE(type, memory, want, ...)                                     \
    do {                                                                          \
        const struct step steps[] = {__VA_ARGS__};                                \
        AUTO(mem_free) char *place = place_of(type, memory, steps, COUNT(steps)); \
        assert_string_equal(place == NULL ? "none" : place, want);                \
    } while (0)

static void
test_lines_count_from_the_functions_first(void **state)
{
    (void)state;
    ASSERT_PLACE("Heap-buffer-overflow\nREAD 1", MEMORY_HEAP, "memory parse+12",
                 {"parse", 112, 100, STACK_CRASH}, {"load", 40, 30, STACK_CRASH});
    ASSERT_PLACE("Heap-buffer-overflow\nREAD 1", MEMORY_HEAP, "memory parse+12",
                 {"parse", 132, 120, STACK_CRASH}, {"load", 60, 50, STACK_CRASH});
}

static void
test_kinds_of_one_wrong_access_are_one(void **state)
{
    static const char *const kinds[] = {"Heap-buffer-overflow\nWRITE 4", "UNKNOWN READ",
                                        "Floating-point-exception", "Negative-size-param",
                                        "Index-out-of-bounds"};

    (void)state;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        ASSERT_PLACE(kinds[i], MEMORY_UNKNOWN, "memory parse+12",
                     {"parse", 112, 100, STACK_CRASH});
    }
    /* a pointer that is missing is another mistake on that line */
    ASSERT_PLACE("Null-dereference WRITE", MEMORY_UNKNOWN, "null parse+12",
                 {"parse", 112, 100, STACK_CRASH});
    ASSERT_PLACE("Abrt", MEMORY_UNKNOWN, "Abrt parse+12",
                 {"parse", 112, 100, STACK_CRASH});
    ASSERT_PLACE("Abrt", MEMORY_UNKNOWN, "Abrt give_up parse+12",
                 {"give_up", 19, 10, STACK_CRASH}, {"parse", 112, 100, STACK_CRASH},
                 {"load", 55, 50, STACK_CRASH});
}

static void
test_an_accessor_has_its_callers_with_it(void **state)
{
    (void)state;
    ASSERT_PLACE("Heap-buffer-overflow\nREAD 1", MEMORY_HEAP, "memory u8 header+9",
                 {"u8", 11, 10, STACK_CRASH}, {"u16", 22, 20, STACK_CRASH},
                 {"header", 39, 30, STACK_CRASH}, {"load", 55, 50, STACK_CRASH});
    ASSERT_PLACE("Heap-buffer-overflow\nREAD 1", MEMORY_HEAP, "memory u8 main+9",
                 {"u8", 11, 10, STACK_CRASH}, {"main", 39, 30, STACK_CRASH});
}

static void
test_the_objects_owner_has_no_callers_with_it(void **state)
{
    (void)state;
    ASSERT_PLACE("Heap-buffer-overflow\nREAD 1", MEMORY_HEAP, "memory put pack+3",
                 {"put", 11, 10, STACK_CRASH}, {"pack", 23, 20, STACK_CRASH},
                 {"load", 39, 30, STACK_CRASH}, {"pack", 21, 20, STACK_ALLOCATED},
                 {"load", 39, 30, STACK_ALLOCATED});
    ASSERT_PLACE("Stack-buffer-overflow\nREAD 1", MEMORY_STACK, "memory pack+3",
                 {"pack", 23, 20, STACK_CRASH}, {"load", 39, 30, STACK_CRASH},
                 {"pack", 20, 20, STACK_OBJECT});
}

static void
test_freed_memory_is_known_by_who_made_and_freed_it(void **state)
{
    (void)state;
    for (int line = 101; line < 130; line += 7) {
        ASSERT_PLACE("Heap-use-after-free\nREAD 8", MEMORY_HEAP,
                     "lifetime made node_new+4 freed node_pop+8",
                     {"show", line, 100, STACK_CRASH}, {"node_pop", 28, 20, STACK_FREED},
                     {"load", 55, 50, STACK_FREED},
                     {"node_new", 14, 10, STACK_ALLOCATED});
    }
    ASSERT_PLACE("Heap-use-after-free\nREAD 8", MEMORY_HEAP, "lifetime show+5",
                 {"show", 105, 100, STACK_CRASH});
    ASSERT_PLACE("Heap-use-after-free\nREAD 8", MEMORY_HEAP,
                 "lifetime made main+4 freed main+8", {"show", 105, 100, STACK_CRASH},
                 {"main", 18, 10, STACK_FREED}, {"main", 14, 10, STACK_ALLOCATED});
}

static void
test_where_memory_was_made_is_left_when_its_free_is_unknown(void **state)
{
    (void)state;
    for (int line = 101; line < 130; line += 7) {
        ASSERT_PLACE("Heap-use-after-free\nREAD 8", MEMORY_HEAP,
                     "lifetime made node_new+4", {"show", line, 100, STACK_CRASH},
                     {"node_pop", 0, 0, STACK_FREED},
                     {"node_new", 14, 10, STACK_ALLOCATED});
        /* a pointer into it, wherever it is freed */
        ASSERT_PLACE("Invalid-free", MEMORY_HEAP, "Invalid-free made node_new+4",
                     {"drop", line, 100, STACK_CRASH},
                     {"node_new", 14, 10, STACK_ALLOCATED});
    }
    ASSERT_PLACE("Invalid-free", MEMORY_STACK, "Invalid-free drop+5",
                 {"drop", 105, 100, STACK_CRASH});
}

static void
test_a_line_that_an_optimizer_took_leaves_the_instruction(void **state)
{
    (void)state;
    ASSERT_PLACE("Heap-buffer-overflow\nREAD 1", MEMORY_HEAP, "memory word?1a2b3c+0x40",
                 {"word", 0, 10, STACK_CRASH}, {"verse", 39, 30, STACK_CRASH});
    ASSERT_PLACE("Heap-buffer-overflow\nREAD 1", MEMORY_HEAP,
                 "memory u8 word?1a2b3c+0x41", {"u8", 11, 10, STACK_CRASH},
                 {"word", 0, 10, STACK_CRASH}, {"verse", 39, 30, STACK_CRASH});
    ASSERT_PLACE("Heap-use-after-free\nREAD 8", MEMORY_HEAP,
                 "lifetime made node_new+4 freed node_pop?1a2b3c+0x41",
                 {"show", 105, 100, STACK_CRASH}, {"node_pop", 0, 20, STACK_FREED},
                 {"node_new", 14, 10, STACK_ALLOCATED});
}

/* The place of an abort behind these words, made by this input; new string. */
static char *
place_of_words(const char *words, const char *input)
{
    const struct record_options options = {.input = input, .input_len = strlen(input)};
    AUTO(record_free) struct record *record = mem_alloc(sizeof(*record));

    record->sanitizer = mem_strdup("address");
    record->crash_type = mem_strdup("Abrt");
    record->last_words = mem_strdup(words);
    struct frame *frame = record_add_frame(record);
    frame->function = mem_strdup("give_up");
    frame->file = mem_strdup("/src/a.c");
    frame->line = 19;
    frame->start_line = 10;
    assert_int_equal(record_finish(record, &options, NULL), 0);
    return STEAL(record->place);
}

static void
test_last_words_of_an_abort_count_without_data(void **state)
{
    static const struct {
        const char *words, *input, *want;
    } rows[] = {{"/home/a/x.c:12: Check failed: n <= 10 (-12 vs. 0x1f) in 'alpha'", "",
                 "Abrt give_up+9 says x.c:0: Check failed: n <= 0 (0 vs. 0) in ''"},
                {"fatal: package zwlp is there already", "..zwlp..",
                 "Abrt give_up+9 says fatal: package * is there already"},
                {"fatal: package zwlp is there already", "",
                 "Abrt give_up+9 says fatal: package zwlp is there already"},
                {"done with 3 of 7", "", "Abrt give_up+9"}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(mem_free) char *place = place_of_words(rows[i].words, rows[i].input);
        assert_string_equal(place, rows[i].want);
    }
}

static void
test_a_sampled_hang_has_two_functions_and_no_line(void **state)
{
    const struct record_options options = RECORD_OPTIONS_INIT;
    static const char *const names[] = {"step", "scan", "run", "main"};
    AUTO(record_free) struct record *record = record_timeout(1000);

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct frame *frame = record_add_frame(record);
        frame->function = mem_strdup(names[i]);
        frame->file = mem_strdup("/src/a.c");
        frame->line = 12;
        frame->start_line = 10;
    }
    record->samples = 10;
    assert_int_equal(record_finish(record, &options, NULL), 0);
    assert_string_equal(record->place, "Timeout in step of scan");
}

static void
test_there_is_none_without_lines(void **state)
{
    (void)state;
    ASSERT_PLACE("Heap-buffer-overflow\nREAD 1", MEMORY_HEAP, "none",
                 {"parse", 112, 0, STACK_CRASH});
    ASSERT_PLACE("Timeout", MEMORY_UNKNOWN, "none", {"parse", 112, 100, STACK_CRASH});
    ASSERT_PLACE("Out-of-memory", MEMORY_UNKNOWN, "none",
                 {"parse", 112, 100, STACK_CRASH});
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_count_from_the_functions_first),
        cmocka_unit_test(test_kinds_of_one_wrong_access_are_one),
        cmocka_unit_test(test_an_accessor_has_its_callers_with_it),
        cmocka_unit_test(test_the_objects_owner_has_no_callers_with_it),
        cmocka_unit_test(test_freed_memory_is_known_by_who_made_and_freed_it),
        cmocka_unit_test(test_where_memory_was_made_is_left_when_its_free_is_unknown),
        cmocka_unit_test(test_a_line_that_an_optimizer_took_leaves_the_instruction),
        cmocka_unit_test(test_last_words_of_an_abort_count_without_data),
        cmocka_unit_test(test_a_sampled_hang_has_two_functions_and_no_line),
        cmocka_unit_test(test_there_is_none_without_lines),
    };

    return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
