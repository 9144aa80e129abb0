#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "triage/parse/parse.h"
#include "triage/stack.h"

struct fixture {
    struct record *record;
    struct record_options options;
    struct strv patterns;
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
    strv_clear(&fix->patterns);
    mem_free(fix);
    return 0;
}

static void
parse(struct fixture *fix, const char *headline, const char *frames)
{
    AUTO(mem_free)
    char *text = mem_printf("==1==ERROR: AddressSanitizer: %s\n%s", headline, frames);

    record_free(fix->record);
    fix->record = NULL;
    if (parse_report(text, strlen(text), &fix->options, &fix->record, &fix->err) != 0 ||
        fix->record == NULL) {
        (void)fputs(fix->err.msg, stderr);
        abort();
    }
    assert_int_equal(stack_decide(fix->record, &fix->options, &fix->err), 0);
}

static const char *
state_of(struct fixture *fix, const char *frames)
{
    parse(fix, "heap-use-after-free on address 0x602000000011 at pc 0x1", frames);
    return fix->record->crash_state;
}

static void
assert_name(const char *function, const char *want)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;

    stack_qualified_name(function, &out);
    assert_string_equal(buf_str(&out), want);
}

static void
assert_scrubbed(const char *line, const char *want)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;

    stack_scrub(line, strlen(line), &out);
    assert_string_equal(buf_str(&out), want);
}

static void
test_qualified_name_of_cxx(void **state)
{
    (void)state;
    assert_name("main", "main");
    assert_name("ns::f(int, char const*) const", "ns::f");
    assert_name("void ns::f<std::vector<int, a<b> > >(int)", "ns::f");
    assert_name("std::vector<int, std::allocator<int> >::at(unsigned long) const",
                "std::vector::at");
    assert_name("unsigned long long f(int)", "f");
    assert_name("(anonymous namespace)::f(int)", "f");
    assert_name("a::(anonymous namespace)::T::f()", "a::T::f");
    assert_name("a::`anonymous namespace'::f", "a::f");
    assert_name("non-virtual thunk to A::f()", "A::f");
    assert_name("decltype(auto) f<int>(int)", "f");
    assert_name("auto x::y<> const", "x::y");
}

static void
test_qualified_name_of_operators(void **state)
{
    (void)state;
    assert_name("operator new(unsigned long)", "operator new");
    assert_name("operator delete[](void*)", "operator delete");
    assert_name("T::operator()(int) const", "T::operator()");
    assert_name("bool operator<(A const&, A const&)", "operator<");
    assert_name("A::operator<<(B<int>)", "A::operator<<");
    assert_name("A::operator->() const", "A::operator->");
    assert_name("A::operator bool() const", "A::operator bool");
    assert_name("A::operator[](int)", "A::operator[]");
    assert_name("my_operator(int)", "my_operator");
}

static void
test_qualified_name_unites_the_spellings_of_a_lambda(void **state)
{
    (void)state;
    assert_name("f(int)::{lambda(char)#1}::operator()(char) const",
                "f::{lambda}::operator()");
    assert_name("f(int)::$_0::operator()(char) const", "f::{lambda}::operator()");
    assert_name("f(int)::'lambda'(char)::operator()(char) const",
                "f::{lambda}::operator()");
    assert_name("f(int)::'lambda0'(char)::operator()(char) const",
                "f::{lambda}::operator()");
}

static void
test_qualified_name_drops_what_the_compiler_added(void **state)
{
    (void)state;
    assert_name("f.isra.0", "f");
    assert_name("f.part.3.constprop.1", "f");
    assert_name("f.cold", "f");
    assert_name("f(int) [clone .isra.0]", "f");
    assert_name("f [clone .cold]", "f");
    assert_name("ns::f[abi:cxx11](int)", "ns::f");
    assert_name("memcpy@plt", "memcpy");
    assert_name("a::b::h0123456789abcdef", "a::b");
    assert_name("a::b::h0123", "a::b::h0123");
    assert_name("<a::B as c::D>::e", "<a::B as c::D>::e");
    assert_name("-[Foo bar:]", "-[Foo bar:]");
}

static void
test_qualified_name_takes_any_text(void **state)
{
    (void)state;
    assert_name("((((", "((((");
    assert_name("<<<<", "<<<<");
    assert_name("f<", "f");
    assert_name("f(", "f");
    assert_name("operator", "operator");
    assert_name(" ", " ");
}

static void
test_scrub_replaces_what_varies(void **state)
{
    (void)state;
    assert_scrubbed("i < 1000", "i < NUMBER");
    assert_scrubbed("index 12 of 3", "index NUMBER of 3");
    assert_scrubbed("node #7:x", "node #NUMBER:x");
    assert_scrubbed("x.cc:1234", "x.cc:1234");
    assert_scrubbed("at 0x7ffe0123", "at ADDRESS");
    assert_scrubbed("0x12", "0x12");
    assert_scrubbed("/lib/x.so+0x1f", "/lib/x.so");
    assert_scrubbed("sha1024sum", "sha1024sum");
    assert_scrubbed("", "");
}

static void
test_rules_never_drop_the_users_functions(void **state)
{
    struct fixture *fix = *state;

    assert_string_equal(state_of(fix, "    #0 0x1 in free_node /s/a.c:1:2\n"
                                      "    #1 0x2 in new_session /s/a.c:2:2\n"
                                      "    #2 0x3 in assertion_parser /s/a.c:3:2\n"),
                        "free_node\nnew_session\nassertion_parser\n");
    assert_string_equal(state_of(fix, "    #0 0x1 in main_loop /s/a.c:1:2\n"
                                      "    #1 0x2 in memcpy_checked /s/a.c:2:2\n"
                                      "    #2 0x3 in malloc_table /s/a.c:3:2\n"),
                        "main_loop\nmemcpy_checked\nmalloc_table\n");
    assert_string_equal(state_of(fix, "    #0 0x1 in Table::free(int) /s/a.cc:1:2\n"
                                      "    #1 0x2 in raise_error /s/a.c:2:2\n"
                                      "    #2 0x3 in printf_table /s/a.c:3:2\n"),
                        "Table::free\nraise_error\nprintf_table\n");
}

static void
test_rules_drop_libraries_with_a_reason(void **state)
{
    struct fixture *fix = *state;

    assert_string_equal(
        state_of(fix, "    #0 0x1 in __interceptor_memcpy (/s/x+0x1)\n"
                      "    #1 0x2 in __memcpy_avx_unaligned_erms ../x/memmove-vec.S:12\n"
                      "    #2 0x3 in operator new(unsigned long) (/s/x+0x3)\n"
                      "    #3 0x4 in std::vector<int>::at(unsigned long) "
                      "/usr/include/c++/12/v.h:3\n"
                      "    #4 0x5 in (/lib/x86_64-linux-gnu/libc.so.6+0x5)\n"
                      "    #5 0x6 in mine /s/a.c:1:2\n"),
        "mine\n");
    const struct frame *f = fix->record->frames;
    assert_string_equal(f[0].rule, "the sanitizer's own code");
    assert_string_equal(
        f[1].rule,
        "a memory or string function of the C library: the bug is its caller's");
    assert_string_equal(f[2].rule, "the allocator");
    assert_string_equal(f[3].rule, "the C++ runtime and standard library");
    assert_string_equal(f[4].rule, "the C library");
    assert_true(f[5].kept);
    assert_null(f[5].rule);
}

static void
test_rules_of_library_names_need_the_lack_of_a_source(void **state)
{
    struct fixture *fix = *state;

    assert_string_equal(state_of(fix, "    #0 0x1 in strchr (/s/x+0x1)\n"
                                      "    #1 0x2 in read /s/own_io.c:7:3\n"),
                        "read\n");
}

/* A library with debug information is still the library; a folder of its name is not. */
static void
test_rules_know_glibcs_own_sources(void **state)
{
    struct fixture *fix = *state;

    assert_string_equal(
        state_of(fix, "    #0 0x1 in _IO_file_doallocate ./libio/filedoalloc.c:101:7\n"
                      "    #1 0x2 in buffered_vfprintf ../stdio-common/vfprintf.c:9:1\n"
                      "    #2 0x3 in __qsort_r stdlib/msort.c:8:1\n"
                      "    #3 0x4 in qsort ./stdlib/msort.c:8:1\n"
                      "    #4 0x5 in sort_all ./stdlib/table.c:8:1\n"
                      "    #5 0x6 in _parse /s/libio/own.c:8:1\n"),
        "sort_all\n_parse\n");
}

static void
test_state_has_three_frames(void **state)
{
    struct fixture *fix = *state;

    assert_string_equal(
        state_of(fix, "    #0 0x1 in aaa /s/a.c:1:2\n    #1 0x2 in bbb /s/a.c:1:2\n"
                      "    #2 0x3 in ccc /s/a.c:1:2\n    #3 0x4 in ddd /s/a.c:1:2\n"),
        "aaa\nbbb\nccc\n");
    assert_false(fix->record->frames[3].kept);
    assert_true(fix->record->frames[3].counts);
    assert_string_equal(fix->record->frames[3].rule, "below the three frames that count");
    assert_string_equal(fix->record->crash_line, "/s/a.c:1:2");
}

static void
test_state_is_filled_from_the_free_but_not_from_the_allocation(void **state)
{
    struct fixture *fix = *state;

    assert_string_equal(state_of(fix, "    #0 0x1 in aaa /s/a.c:1:2\n"
                                      "freed by thread T0 here:\n"
                                      "    #0 0x2 in bbb /s/a.c:1:2\n"
                                      "previously allocated by thread T0 here:\n"
                                      "    #0 0x3 in ccc /s/a.c:1:2\n"),
                        "aaa\nbbb\n");
    assert_int_equal(fix->record->frames[1].stack, STACK_FREED);
    assert_int_equal(fix->record->frames[2].stack, STACK_ALLOCATED);
    assert_string_equal(fix->record->frames[2].rule,
                        "not on the stack of the crash itself");
}

static void
test_state_lines_are_cut_at_80_characters(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *frames = mem_printf("    #0 0x1 in %s\xc3\xb6\xc3\xb6 /s/a.c:1:2\n",
                              "aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbb"
                              "bbaaaaaaaaaabbbbbbbbb");

    assert_string_equal(state_of(fix, frames),
                        "aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaa"
                        "aaaaaabbbbbbbbb\xc3\xb6\n");
}

static void
test_entry_point_is_named_by_its_source(void **state)
{
    struct fixture *fix = *state;

    assert_string_equal(
        state_of(fix, "    #0 0x1 in LLVMFuzzerTestOneInput /s/my_fuzzer.cc:1:2\n"),
        "my_fuzzer.cc\n");
    assert_string_equal(
        state_of(fix, "    #0 0x1 in LLVMFuzzerTestOneInput (/s/my_fuzzer+0x1)\n"),
        "my_fuzzer\n");
    assert_string_equal(state_of(fix, "    #0 0x1 in LLVMFuzzerTestOneInput\n"), "NULL");
}

static void
test_main_counts_when_nothing_else_does(void **state)
{
    struct fixture *fix = *state;

    assert_string_equal(state_of(fix, "    #0 0x1 in main /s/tool.c:1:2\n"), "main\n");
    assert_string_equal(
        state_of(fix, "    #0 0x1 in fff /s/a.c:1:2\n    #1 0x1 in main /s/a.c:1:2\n"),
        "fff\n");
    assert_string_equal(
        state_of(fix, "    #0 0x1 in main /src/libfuzzer/afl/afl_driver.cpp:2\n"),
        "NULL");
    assert_string_equal(state_of(fix, "    #0 0x1 in fuzzer::F() (/s/x+0x1)\n"
                                      "    #1 0x2 in main (/s/x+0x2)\n"),
                        "NULL");
}

/* Without symbols only the C library has names. */
static void
test_main_and_start_are_known_by_the_library(void **state)
{
    struct fixture *fix = *state;

    assert_string_equal(state_of(fix, "    #0 0x1 (/s/tool+0x1)\n"
                                      "    #1 0x2 (/s/tool+0x2)\n"
                                      "    #2 0x3 in __libc_start_call_main a.h:1\n"
                                      "    #3 0x4 in __libc_start_main libc-start.c:1\n"
                                      "    #4 0x5 (/s/tool+0x5)\n"),
                        "/s/tool\n");
    assert_string_equal(fix->record->frames[1].rule,
                        "main: the program's frame around everything");
    assert_string_equal(fix->record->frames[4].rule,
                        "what runs before main or starts a thread");
    assert_string_equal(state_of(fix, "    #0 0x1 (/s/tool+0x1)\n"
                                      "    #1 0x3 in __libc_start_main libc-start.c:1\n"
                                      "    #2 0x5 (/s/tool+0x5)\n"),
                        "/s/tool\n");
}

static void
test_target_name_stands_where_nothing_counts(void **state)
{
    struct fixture *fix = *state;

    fix->options.fuzz_target = "my_target";
    assert_string_equal(state_of(fix, "    #0 0x1 in abort (/lib/libc.so.6+0x1)\n"),
                        "my_target\n");
    assert_string_equal(state_of(fix, "    #0 0x1 in fff /s/a.c:1:2\n"), "fff\n");
}

static void
test_recursion_counts_its_cycle_once(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf frames = BUF_INIT;

    for (int i = 0; i < 60; i++) {
        buf_addf(&frames, "    #%d 0x1 in %s /s/a.c:1:2\n", i,
                 i == 0       ? "leaf"
                 : i % 2 == 0 ? "even"
                              : "odd");
    }
    parse(fix, "stack-overflow on address 0x7ffe00000ff8 (pc 0x1 bp 0x1 sp 0x1 T0)",
          buf_str(&frames));
    assert_string_equal(fix->record->crash_state, "odd\neven\n");
    assert_int_equal(fix->record->cycle_frames, 2);
    assert_string_equal(fix->record->frames[0].rule,
                        "part of the recursion, whose cycle counts once");
}

static void
test_recursion_of_eleven_is_no_cycle(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf frames = BUF_INIT;

    for (int i = 0; i < 100; i++) {
        buf_addf(&frames, "    #%d 0x1 in f%c /s/a.c:1:2\n", i, 'a' + i % 11);
    }
    parse(fix, "stack-overflow on address 0x7ffe00000ff8 (pc 0x1 bp 0x1 sp 0x1 T0)",
          buf_str(&frames));
    assert_string_equal(fix->record->crash_state, "fa\nfb\nfc\n");
    assert_int_equal(fix->record->cycle_frames, 0);
}

static void
test_user_patterns_match_from_the_start(void **state)
{
    struct fixture *fix = *state;
    const char *frames = "    #0 0x1 in Outer::inner(Helper) /s/a.cc:1:2\n"
                         "    #1 0x2 in Helper::run() /s/b.cc:1:2\n"
                         "    #2 0x3 in top() /s/c.cc:1:2\n";

    strv_add(&fix->patterns, "Helper");
    fix->options.ignore_frames = &fix->patterns;
    assert_string_equal(state_of(fix, frames), "Outer::inner\ntop\n");
    assert_string_equal(fix->record->frames[1].rule, "matches --ignore-frame");
    strv_add(&fix->patterns, ".*/s/c\\.cc");
    assert_string_equal(state_of(fix, frames), "Outer::inner\n");
}

static void
test_user_pattern_that_runs_away_does_not_match(void **state)
{
    struct fixture *fix = *state;

    strv_add(&fix->patterns, "(a+)+$");
    fix->options.ignore_frames = &fix->patterns;
    assert_string_equal(
        state_of(fix, "    #0 0x1 in aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab /s/a.c:1:2\n"),
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\n");
}

static void
test_user_pattern_that_is_wrong_is_named(void **state)
{
    struct fixture *fix = *state;

    strv_add(&fix->patterns, "a(b");
    assert_int_equal(stack_check_patterns(&fix->patterns, &fix->err), -EINVAL);
    assert_string_equal(
        fix->err.msg,
        "ignore pattern 'a(b': missing closing parenthesis at character 4; it is a "
        "Perl regular expression, a backslash makes '(' an ordinary character");
}

static void
test_frame_key_of_bare_and_named_frames(void **state)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;
    char function[] = "LLVMFuzzerTestOneInput";
    char module[] = "/a/b/lib.so";
    char file[] = "/s/fuzz.cc";
    const struct frame bare = {.module = module, .offset = 0x12, .has_offset = true};
    const struct frame entry = {.function = function, .file = file};

    (void)state;
    stack_frame_key(&bare, &out);
    buf_addc(&out, ' ');
    stack_frame_key(&entry, &out);
    assert_string_equal(buf_str(&out), "lib.so+0x12 fuzz.cc");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_qualified_name_of_cxx),
        TEST(test_qualified_name_of_operators),
        TEST(test_qualified_name_unites_the_spellings_of_a_lambda),
        TEST(test_qualified_name_drops_what_the_compiler_added),
        TEST(test_qualified_name_takes_any_text),
        TEST(test_scrub_replaces_what_varies),
        TEST(test_rules_never_drop_the_users_functions),
        TEST(test_rules_drop_libraries_with_a_reason),
        TEST(test_rules_of_library_names_need_the_lack_of_a_source),
        TEST(test_rules_know_glibcs_own_sources),
        TEST(test_state_has_three_frames),
        TEST(test_state_is_filled_from_the_free_but_not_from_the_allocation),
        TEST(test_state_lines_are_cut_at_80_characters),
        TEST(test_entry_point_is_named_by_its_source),
        TEST(test_main_counts_when_nothing_else_does),
        TEST(test_main_and_start_are_known_by_the_library),
        TEST(test_target_name_stands_where_nothing_counts),
        TEST(test_recursion_counts_its_cycle_once),
        TEST(test_recursion_of_eleven_is_no_cycle),
        TEST(test_user_patterns_match_from_the_start),
        TEST(test_user_pattern_that_runs_away_does_not_match),
        TEST(test_user_pattern_that_is_wrong_is_named),
        TEST(test_frame_key_of_bare_and_named_frames),
    };

    return cmocka_run_group_tests_name("stack", tests, NULL, NULL);
}
