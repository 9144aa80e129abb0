#include "tests/unit/unit.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "triage/explain.h"
#include "triage/parse/parse.h"

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

static struct record *
parsed(const char *text, size_t len)
{
    const struct record_options options = RECORD_OPTIONS_INIT;
    struct record *record = NULL;
    struct err err = ERR_INIT;

    if (parse_report(text, len, &options, &record, &err) < 0 ||
        record_finish(record, &options, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    return record;
}

/* Of a golden report, which really came from a program that crashed. */
static void
assert_told(const char *name, const char *wanted)
{
    AUTO(mem_free) char *path = mem_printf("tests/golden/%s/log", name);
    AUTO(buf_clear) struct buf text = BUF_INIT;
    AUTO(buf_clear) struct buf said = BUF_INIT;

    assert_int_equal(fs_read(path, 1 << 20, &text, NULL), 0);
    AUTO(record_free) struct record *record = parsed(buf_str(&text), text.len);
    explain_what(record, &said);
    assert_string_equal(buf_str(&said), wanted);
}

static void
test_heap_overflow_names_block_and_allocation(void **state)
{
    (void)state;
    assert_told("asan/heap-read",
                "read_at() reads 1 byte right behind the end of a 10-byte "
                "heap block, which heap_read() allocated at memory.c:46.");
}

static void
test_use_after_free_names_who_freed(void **state)
{
    (void)state;
    assert_told(
        "asan/use-after-free",
        "read_at() reads 1 byte, 5 bytes into a 32-byte heap block that release() had "
        "freed before at memory.c:145; use_after_free() had allocated it at "
        "memory.c:151.");
}

/* What a library did for it is said: whose bug it is stays the caller's. */
static void
test_library_function_is_named(void **state)
{
    static const char copy[] =
        "==1==ERROR: AddressSanitizer: stack-buffer-overflow on address 0x7f01 at pc "
        "0x1\n"
        "WRITE of size 11 at 0x7f01 thread T0\n"
        "    #0 0x1 in __asan_memcpy (/bin/tool+0x1)\n"
        "    #1 0x2 in check_bar /src/bar.c:540:11\n"
        "    #2 0x3 in main /src/bar.c:600:7\n\n"
        "Address 0x7f01 is located in stack of thread T0 at offset 112 in frame\n"
        "    #0 0x4 in check_bar /src/bar.c:523\n\n"
        "  This frame has 1 object(s):\n"
        "    [32, 112) 'msg' (line 524) <== Memory access at offset 112 overflows this "
        "variable\n";
    static const char freed[] =
        "==1==ERROR: AddressSanitizer: SEGV on unknown address 0x5f0000000010 (pc 0x1)\n"
        "The signal is caused by a READ memory access.\n"
        "    #0 0x1 in __asan::Allocator::Deallocate(void*) (/bin/tool+0x1)\n"
        "    #1 0x2 in __interceptor_free (/bin/tool+0x2)\n"
        "    #2 0x3 in release_all /src/list.c:12:3\n"
        "    #3 0x4 in main /src/list.c:20:3\n";
    AUTO(record_free) struct record *wild = parsed(freed, sizeof(freed) - 1);
    AUTO(record_free) struct record *far = parsed(copy, sizeof(copy) - 1);
    AUTO(buf_clear) struct buf said = BUF_INIT;

    (void)state;
    explain_what(far, &said);
    assert_string_equal(buf_str(&said),
                        "check_bar() writes 11 bytes through memcpy() right behind the "
                        "end of the local variable 'msg' of 80 bytes (line 524).");
    buf_clear(&said);
    explain_what(wild, &said);
    assert_string_equal(buf_str(&said), "release_all() frees a pointer that leads "
                                        "nowhere: it was never set, or damaged.");
    assert_non_null(strstr(explain_fix(wild), "before any path that frees it"));
}

/* An index below zero is cured by another check than one that is too large. */
static void
test_below_the_start_is_another_fix(void **state)
{
    static const char *const sides[] = {"to the left of", "to the right of"};
    static const char *const fixes[] = {"is not negative", "number of elements"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        AUTO(mem_free)
        char *text = mem_printf(
            "==1==ERROR: AddressSanitizer: global-buffer-overflow on address 0x55 at pc "
            "0x1\nREAD of size 1 at 0x55 thread T0\n"
            "    #0 0x1 in set_key /src/key.c:9:3\n    #1 0x2 in main /src/key.c:20:3\n\n"
            "0x55 is located 36 bytes %s global variable 'table' defined in "
            "'/src/key.c:3:5' (0x80) of size 13\n",
            sides[i]);
        AUTO(record_free) struct record *record = parsed(text, strlen(text));
        assert_non_null(strstr(explain_fix(record), fixes[i]));
    }
}

static void
test_double_free_names_both(void **state)
{
    (void)state;
    assert_told(
        "asan/double-free",
        "release() frees a 32-byte heap block a second time: release() had freed it "
        "before at memory.c:145; double_free() had allocated it at memory.c:170.");
}

static void
test_stack_and_global_name_the_variable(void **state)
{
    (void)state;
    assert_told(
        "asan/stack-write",
        "write_at() writes 1 byte, 1 byte behind the end of the local variable "
        "'local' of 8 bytes (line 97), which belongs to stack_write() at memory.c:96.");
    assert_told("asan/global-write",
                "write_at() writes 1 byte, 1 byte behind the end of the global variable "
                "'global_table' of 16 bytes (memory.c:17:13).");
}

static void
test_a_wrapper_of_the_allocator_names_its_caller(void **state)
{
    AUTO(buf_clear) struct buf said = BUF_INIT;
    static const char text[] =
        "==1==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602000000013\n"
        "READ of size 1 at 0x602000000013 thread T0\n"
        "    #0 0x5 in get /s/a.c:3:4\n"
        "0x602000000013 is located 3 bytes after 16-byte region [0x602000000000,0x6)\n"
        "allocated by thread T0 here:\n"
        "    #0 0x6 in __interceptor_malloc (/s/x+0x1)\n"
        "    #1 0x7 in checkmalloc /s/m.c:7:4\n"
        "    #2 0x8 in add /s/a.c:9:4\n";

    (void)state;
    AUTO(record_free) struct record *record = parsed(text, sizeof(text) - 1);
    explain_what(record, &said);
    assert_string_equal(
        buf_str(&said),
        "get() reads 1 byte, 3 bytes behind the end of a 16-byte heap block, which "
        "checkmalloc() allocated at m.c:7 for add() at a.c:9.");
}

static void
test_null_is_told_from_wild(void **state)
{
    AUTO(buf_clear) struct buf said = BUF_INIT;
    static const char wild[] =
        "==1==ERROR: AddressSanitizer: SEGV on unknown address 0x600000001234 (pc 0x5 bp "
        "0x7 sp 0x7 T0)\n==1==The signal is caused by a WRITE memory access.\n"
        "    #0 0x5 in put /s/a.c:3:4\n";

    (void)state;
    assert_told("asan/null-read",
                "read_at() reads from 0x000000000008: a null pointer was used, plus "
                "the offset of a member or index.");
    AUTO(record_free) struct record *record = parsed(wild, sizeof(wild) - 1);
    explain_what(record, &said);
    assert_string_equal(buf_str(&said),
                        "put() writes to 0x600000001234, where "
                        "nothing is mapped: a pointer or an index is wild.");
}

static void
test_recursion_names_its_circle(void **state)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;
    AUTO(buf_clear) struct buf said = BUF_INIT;

    (void)state;
    buf_adds(&text,
             "==1==ERROR: AddressSanitizer: stack-overflow on address 0x7ffd0 (pc 0x5 "
             "bp 0x7 sp 0x7 T0)\n");
    for (int i = 0; i < 40; i += 2) {
        buf_addf(&text, "    #%d 0x5 in even /s/a.c:3:4\n    #%d 0x6 in odd /s/a.c:7:4\n",
                 i, i + 1);
    }
    AUTO(record_free) struct record *record = parsed(buf_str(&text), text.len);
    explain_what(record, &said);
    assert_string_equal(
        buf_str(&said),
        "even() used up the stack: even() was called by odd() in a circle.");
    assert_string_equal(explain_fix(record),
                        "Limit the depth of the recursion, or make it a loop.");
}

static void
test_anything_else_has_the_programs_own_words(void **state)
{
    AUTO(buf_clear) struct buf said = BUF_INIT;
    static const char text[] = "/s/a.c:3:4: runtime error: division by zero\n"
                               "    #0 0x5 in half /s/a.c:3:4\n";

    (void)state;
    AUTO(record_free) struct record *record = parsed(text, sizeof(text) - 1);
    explain_what(record, &said);
    assert_string_equal(
        buf_str(&said),
        "In half(): division by zero. The report says: /s/a.c:3:4: runtime "
        "error: division by zero");
}

static void
test_without_a_stack_it_is_the_program(void **state)
{
    AUTO(buf_clear) struct buf said = BUF_INIT;
    AUTO(record_free) struct record *record = record_from_signal(11);

    (void)state;
    assert_null(explain_frame(record));
    explain_what(record, &said);
    assert_string_equal(buf_str(&said),
                        "the program accesses an address that the report does not tell, "
                        "where nothing is mapped: a pointer or an index is wild.");
}

static void
test_every_kind_has_a_cure(void **state)
{
    static const char other[] =
        "Make the program refuse this input with an error instead of "
        "going on.";
    static const char *const kinds[] = {"Heap-buffer-overflow\nREAD 1",
                                        "Stack-buffer-underflow\nREAD 1",
                                        "Global-buffer-overflow",
                                        "Heap-use-after-free\nWRITE 8",
                                        "Heap-double-free",
                                        "Invalid-free",
                                        "Use-of-uninitialized-value",
                                        "Null-dereference READ",
                                        "UNKNOWN WRITE",
                                        "Integer-overflow",
                                        "Direct-leak",
                                        "Timeout",
                                        "Out-of-memory",
                                        "Data race\nWRITE 4",
                                        "ASSERT",
                                        "CHECK failure",
                                        "Abrt",
                                        "Bad-cast"};
    struct record record = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        AUTO(mem_free) char *type = mem_strdup(kinds[i]);
        record.crash_type = type;
        if (strcmp(explain_fix(&record), other) == 0) {
            fail_msg("%s has no cure", kinds[i]);
        }
    }
    AUTO(mem_free) char *unknown = mem_strdup("Something new");
    record.crash_type = unknown;
    assert_string_equal(explain_fix(&record), other);
    record.class_name = "harness";
    assert_string_equal(explain_fix(&record),
                        "Repair the harness, in which it happened: the "
                        "code under test did nothing wrong.");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_heap_overflow_names_block_and_allocation),
        TEST(test_use_after_free_names_who_freed),
        TEST(test_library_function_is_named),
        TEST(test_below_the_start_is_another_fix),
        TEST(test_double_free_names_both),
        TEST(test_stack_and_global_name_the_variable),
        TEST(test_a_wrapper_of_the_allocator_names_its_caller),
        TEST(test_null_is_told_from_wild),
        TEST(test_recursion_names_its_circle),
        TEST(test_anything_else_has_the_programs_own_words),
        TEST(test_without_a_stack_it_is_the_program),
        TEST(test_every_kind_has_a_cure),
    };

    return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
