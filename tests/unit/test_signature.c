#include "tests/unit/unit.h"

#include "base/mem.h"
#include "triage/parse/parse.h"
#include "triage/signature.h"

struct fixture {
    struct record *record;
    struct err err;
    char first[RECORD_HASH_MAX];
    char first_minor[RECORD_HASH_MAX];
};

static int
setup(void **state)
{
    *state = mem_alloc(sizeof(struct fixture));
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

static const char *
sign(struct fixture *fix, const char *text)
{
    const struct record_options options = RECORD_OPTIONS_INIT;

    record_free(fix->record);
    fix->record = NULL;
    assert_int_equal(parse_report(text, strlen(text), &options, &fix->record, &fix->err),
                     0);
    assert_int_equal(record_finish(fix->record, &options, &fix->err), 0);
    return fix->record->hash_major;
}

static void
sign_first(struct fixture *fix, const char *text)
{
    memcpy(fix->first, sign(fix, text), sizeof(fix->first));
    memcpy(fix->first_minor, fix->record->hash_minor, sizeof(fix->first_minor));
}

#define UAF   "==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x60\n"
#define STACK "    #0 0x1 in aaa /s/a.c:1:2\n    #1 0x2 in bbb /s/b.c:2:3\n"

static void
assert_kind(const char *crash_type, const char *want)
{
    AUTO(mem_free) char *kind = signature_kind(crash_type);

    assert_string_equal(kind, want);
}

static void
test_kind_leaves_out_what_varies(void **state)
{
    (void)state;
    assert_kind("Heap-buffer-overflow\nREAD 4", "Heap-buffer-overflow READ");
    assert_kind("Heap-buffer-overflow\nWRITE {*}", "Heap-buffer-overflow WRITE");
    assert_kind("UNKNOWN READ", "UNKNOWN");
    assert_kind("UNKNOWN", "UNKNOWN");
    assert_kind("Null-dereference WRITE", "Null-dereference");
    assert_kind("Data race\nWRITE 4", "Data race");
    assert_kind("Index out of range", "Index out of range");
}

static void
test_direction_and_address_of_a_wild_access_do_not_move_it(void **state)
{
    struct fixture *fix = *state;

    sign_first(
        fix, "==1==ERROR: AddressSanitizer: SEGV on unknown address 0x41414141 (pc 0x1)\n"
             "==1==The signal is caused by a READ memory access.\n" STACK);
    assert_string_equal(
        sign(fix, "==2==ERROR: AddressSanitizer: SEGV on unknown address (pc 0x5)\n"
                  "==2==The signal is caused by a WRITE memory access.\n" STACK),
        fix->first);
    assert_string_equal(
        fix->record->grouping.v[0],
        "kind of crash: UNKNOWN (whether it read or wrote is left out: that of a "
        "wild access varies from run to run)");
}

static void
test_lines_and_addresses_move_only_the_minor_hash(void **state)
{
    struct fixture *fix = *state;

    sign_first(fix, UAF STACK);
    assert_string_equal(sign(fix, UAF "    #0 0x11 in aaa /s/a.c:21:2\n"
                                      "    #1 0x12 in bbb /s/b.c:22:3\n"),
                        fix->first);
    assert_string_not_equal(fix->record->hash_minor, fix->first_minor);
    assert_string_equal(sign(fix, UAF "    #0 0x91 in aaa /other/dir/a.c:1:2\n"
                                      "    #1 0x92 in bbb /other/dir/b.c:2:3\n"),
                        fix->first);
    assert_string_equal(fix->record->hash_minor, fix->first_minor);
}

static void
test_kind_frames_and_order_move_the_major_hash(void **state)
{
    struct fixture *fix = *state;

    sign_first(fix, UAF STACK);
    assert_string_not_equal(
        sign(fix, "==1==ERROR: AddressSanitizer: heap-buffer-overflow on address "
                  "0x60\n" STACK),
        fix->first);
    assert_string_not_equal(sign(fix, UAF "    #0 0x1 in aaa /s/a.c:1:2\n"), fix->first);
    assert_string_not_equal(sign(fix, UAF "    #0 0x2 in bbb /s/b.c:2:3\n"
                                          "    #1 0x1 in aaa /s/a.c:1:2\n"),
                            fix->first);
}

static void
test_compilers_spellings_are_one(void **state)
{
    struct fixture *fix = *state;

    sign_first(fix, UAF "    #0 0x1 in char ns::get<char>(int) /s/a.c:1:2\n"
                        "    #1 0x2 in f(int)::$_0::operator()(int) const /s/a.c:1:2\n");
    assert_string_equal(
        sign(fix, UAF "    #0 0x1 in ns::get<char>(int) [clone .isra.0] /s/a.c:1\n"
                      "    #1 0x2 in f(int)::{lambda(int)#1}::operator()(int) const "
                      "/s/a.c:1\n"),
        fix->first);
}

static void
test_library_frames_and_allocation_stacks_do_not_count(void **state)
{
    struct fixture *fix = *state;
    const char *three = "    #0 0x1 in aaa /s/a.c:1:2\n    #1 0x2 in bbb /s/b.c:2:3\n"
                        "    #2 0x2 in ccc /s/b.c:2:3\n";
    AUTO(mem_free) char *plain = mem_printf(UAF "%s", three);
    AUTO(mem_free)
    char *more = mem_printf(UAF "    #0 0x1 in __interceptor_strlen (/s/x+0x1)\n"
                                "    #1 0x1 in aaa /s/a.c:1:2\n"
                                "    #2 0x2 in bbb /s/b.c:2:3\n"
                                "    #3 0x2 in ccc /s/b.c:2:3\n"
                                "freed by thread T0 here:\n"
                                "    #0 0x2 in zzz /s/b.c:2:3\n");

    sign_first(fix, plain);
    assert_string_equal(sign(fix, more), fix->first);
}

static void
test_numbers_in_an_assertion_do_not_count(void **state)
{
    struct fixture *fix = *state;

    sign_first(fix,
               "thread 'main' panicked at 'len is 3 but the index is 7', a.rs:1:2\n");
    assert_string_equal(
        sign(fix,
             "thread 'main' panicked at 'len is 12 but the index is 1234', a.rs:1:2\n"),
        fix->first);
    assert_string_equal(
        fix->record->grouping.v[1],
        "the message, its numbers left out: len is 12 but the index is 1234");
}

static void
add_recursion(struct buf *text, int depth, int first)
{
    static const char *const names[] = {"ping", "pong", "pang"};

    buf_adds(
        text,
        "==1==ERROR: AddressSanitizer: stack-overflow on address 0x7f (pc 0x1 bp 0x1)\n");
    for (int i = 0; i < depth; i++) {
        buf_addf(text, "    #%d 0x%d in %s /s/a.c:%d:2\n", i, i % 3,
                 names[(i + first) % 3], i % 3);
    }
}

static void
test_recursion_is_one_wherever_it_ends(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf one = BUF_INIT;
    AUTO(buf_clear) struct buf other = BUF_INIT;

    add_recursion(&one, 200, 0);
    add_recursion(&other, 157, 2);
    sign_first(fix, buf_str(&one));
    assert_string_equal(sign(fix, buf_str(&other)), fix->first);
    assert_string_equal(fix->record->grouping.v[1],
                        "a recursion of 3 functions, by their names: pang, ping, pong");
}

static void
add_nested(struct buf *text, int depth, const char *names[2])
{
    buf_adds(text, "==1==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x60\n"
                   "READ of size 1 at 0x60 thread T0\n"
                   "    #0 0x1 in leaf /s/a.c:1:2\n");
    for (int i = 1; i <= depth; i++) {
        buf_addf(text, "    #%d 0x%d in %s /s/a.c:%d:2\n", i, i, names[i % 2], i);
    }
    buf_addf(text, "    #%d 0x1 in value /s/a.c:9:2\n    #%d 0x1 in load /s/a.c:5:1\n",
             depth + 1, depth + 2);
}

static void
test_depth_and_way_of_a_recursion_above_do_not_count(void **state)
{
    struct fixture *fix = *state;
    static const char *ways[][2] = {
        {"value", "list"}, {"list", "value"}, {"value", "value"}};
    AUTO(buf_clear) struct buf flat = BUF_INIT;

    add_nested(&flat, 0, ways[0]);
    sign_first(fix, buf_str(&flat));
    for (size_t i = 0; i < COUNT(ways); i++) {
        for (int depth = 2; depth < 12; depth += 2) {
            AUTO(buf_clear) struct buf text = BUF_INIT;
            add_nested(&text, depth, ways[i]);
            (void)sign(fix, buf_str(&text));
            /* called by `list`, it is another path, but depth adds nothing to it */
            assert_int_equal(strcmp(fix->record->hash_major, fix->first) == 0, i != 0);
        }
    }
}

static void
test_recursion_without_a_fixed_cycle_is_one(void **state)
{
    struct fixture *fix = *state;

    for (unsigned seed = 1; seed < 6; seed++) {
        AUTO(buf_clear) struct buf text = BUF_INIT;
        unsigned random = seed * 2654435761U;
        buf_adds(&text, "==1==ERROR: AddressSanitizer: stack-overflow on address 0x7f "
                        "(pc 0x1 bp 0x1)\n");
        for (int i = 0; i < 240; i++) {
            random = random * 1103515245U + 12345U;
            buf_addf(&text, "    #%d 0x1 in %s /s/a.c:1:2\n", i,
                     (random >> 16) % 3 == 0 ? "odd" : "even");
        }
        (void)sign(fix, buf_str(&text));
        assert_string_equal(fix->record->grouping.v[1],
                            "a recursion of 2 functions, by their names: even, odd");
        if (seed == 1) {
            memcpy(fix->first, fix->record->hash_major, sizeof(fix->first));
        }
        assert_string_equal(fix->record->hash_major, fix->first);
    }
}

static void
test_grouping_says_what_counted(void **state)
{
    struct fixture *fix = *state;

    (void)sign(fix, UAF "    #0 0x1 in free (/s/x+0x1)\n    #1 0x1 in aaa /s/a.c:1:2\n"
                        "    #2 0x2 in bbb /s/b.c:2:3\n");
    assert_int_equal(fix->record->grouping.n, 4);
    assert_string_equal(fix->record->grouping.v[0], "kind of crash: Heap-use-after-free");
    assert_string_equal(fix->record->grouping.v[1], "2 frames of the stack: aaa, bbb");
    assert_string_equal(fix->record->grouping.v[2],
                        "1 frame above or between them is left out by a rule");
    assert_string_equal(fix->record->grouping.v[3], "by default is a security problem");
    (void)sign(fix, UAF);
    assert_string_equal(
        fix->record->grouping.v[1],
        "no frame and no message: all crashes of this kind without one fall together");
}

static void
test_hash_is_the_one_of_this_version(void **state)
{
    struct fixture *fix = *state;

    /* a change here is a change of the key: raise SIGNATURE_VERSION */
    assert_int_equal(SIGNATURE_VERSION, 2);
    assert_string_equal(sign(fix, UAF STACK), "57c943179be61ed5b9ff8d8d10f253d09438a3c2");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_kind_leaves_out_what_varies),
        TEST(test_direction_and_address_of_a_wild_access_do_not_move_it),
        TEST(test_lines_and_addresses_move_only_the_minor_hash),
        TEST(test_kind_frames_and_order_move_the_major_hash),
        TEST(test_compilers_spellings_are_one),
        TEST(test_library_frames_and_allocation_stacks_do_not_count),
        TEST(test_numbers_in_an_assertion_do_not_count),
        TEST(test_recursion_is_one_wherever_it_ends),
        TEST(test_depth_and_way_of_a_recursion_above_do_not_count),
        TEST(test_recursion_without_a_fixed_cycle_is_one),
        TEST(test_grouping_says_what_counted),
        TEST(test_hash_is_the_one_of_this_version),
    };

    return cmocka_run_group_tests_name("signature", tests, NULL, NULL);
}
