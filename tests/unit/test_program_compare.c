#include "tests/unit/unit.h"

#include <stdlib.h>

#include "orchestrator/gate/program_compare.h"
#include "tests/unit/programs.h"

static char folder[] = "/tmp/nightjar-test-compare.XXXXXX";

static char *
path_of(const char *name)
{
    return mem_printf("%s/%s", folder, name);
}

static bool
same(const char *a, const char *b)
{
    AUTO(mem_free) char *left = path_of(a);
    AUTO(mem_free) char *right = path_of(b);

    return program_same(left, right);
}

static int
setup_all(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    program_sources(folder);
    program_sh(folder,
               "mkdir -p elsewhere lib1 lib2\n"
               "gcc -g cmd.c -o plain\n"
               "{ echo '/* a line more */'; cat cmd.c; } >elsewhere/cmd.c\n"
               "(cd elsewhere && gcc -g cmd.c "
               "-Wl,--build-id=0x0123456789012345678901234567890123456789 -o ../moved)\n"
               "sed 's/y/z/' cmd.c >other.c && gcc -g other.c -o other\n"
               "gcc cmd.c -o bare\n"
               "gcc -shared -fPIC in.c -o lib1/libin.so\n"
               "sed 's/== 3/== 4/' in.c >in2.c\n"
               "gcc -shared -fPIC in2.c -o lib2/libin.so\n"
               "for i in 1 2; do gcc main.c -Llib$i -lin -Wl,-rpath,'$ORIGIN' "
               "-o lib$i/main; done\n"
               "head -c 300 plain >cut\n");
    return 0;
}

static int
remove_all(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    return fs_remove(folder, &err);
}

static void
test_place_build_id_and_debug_information_do_not_count(void **state)
{
    (void)state;
    assert_true(same("plain", "plain"));
    assert_true(same("plain", "moved"));
}

static void
test_code_and_data_count(void **state)
{
    (void)state;
    assert_false(same("plain", "other"));
}

static void
test_a_library_beside_it_counts(void **state)
{
    (void)state;
    assert_true(same("lib1/main", "lib1/main"));
    assert_false(same("lib1/main", "lib2/main"));
}

static void
test_what_is_no_whole_program_is_compared_byte_by_byte(void **state)
{
    (void)state;
    assert_true(same("cmd.c", "cmd.c"));
    assert_false(same("cmd.c", "other.c"));
    assert_false(same("plain", "cut"));
    assert_true(same("cut", "cut"));
    assert_false(same("plain", "nothing"));
}

static void
test_debug_information_names_the_sources(void **state)
{
    AUTO(mem_free) char *plain = path_of("plain");
    AUTO(mem_free) char *bare = path_of("bare");
    AUTO(mem_free) char *cut = path_of("cut");

    (void)state;
    assert_int_equal(program_has_source(plain, "cmd.c"), SOURCE_PRESENT);
    assert_int_equal(program_has_source(plain, "md.c"), SOURCE_ABSENT);
    assert_int_equal(program_has_source(plain, "other.c"), SOURCE_ABSENT);
    assert_int_equal(program_has_source(bare, "cmd.c"), SOURCE_UNKNOWN);
    assert_int_equal(program_has_source(cut, "cmd.c"), SOURCE_UNKNOWN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_place_build_id_and_debug_information_do_not_count),
        cmocka_unit_test(test_code_and_data_count),
        cmocka_unit_test(test_a_library_beside_it_counts),
        cmocka_unit_test(test_what_is_no_whole_program_is_compared_byte_by_byte),
        cmocka_unit_test(test_debug_information_names_the_sources),
    };

    return cmocka_run_group_tests(tests, setup_all, remove_all);
}
