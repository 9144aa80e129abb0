#include "tests/unit/victim.h"

#include <elf.h>
#include <string.h>

#include "triage/symbol_table.h"

/* outer() has an alias for its own library; hidden() is called by nobody else. */
static const char source[] =
    "__attribute__((noinline)) int __inner_name(int n) { return n * 3; }\n"
    "int outer(int n) __attribute__((alias(\"__inner_name\")));\n"
    "static __attribute__((noinline, used)) int hidden(int n) { return n - 7; }\n"
    "int table[9];\n";

static char *the_folder;
static char *the_library;
static char *the_stripped;

static int
build(void **state)
{
    static const char *const flags[] = {"gcc", "-shared", "-fPIC", "-w", NULL};
    static const char *const stripped[] = {"gcc", "-shared", "-fPIC", "-w", "-s", NULL};

    (void)state;
    the_folder = victim_folder();
    the_library = victim_build(the_folder, "libthree.so", source, flags);
    the_stripped = victim_build(the_folder, "libbare.so", source, stripped);
    return the_library == NULL || the_stripped == NULL ? -1 : 0;
}

static int
unbuild(void **state)
{
    (void)state;
    (void)fs_remove(the_folder, NULL);
    mem_free(the_folder);
    mem_free(the_library);
    mem_free(the_stripped);
    return 0;
}

/* The address of a function by nm(1). */
static uint64_t
address_of(const char *function)
{
    AUTO(proc_run_clear) struct proc_run run = {.output.max = 1 << 16};
    struct proc_spec spec = PROC_SPEC_INIT;
    AUTO(mem_free) char *wanted = mem_printf(" %s\n", function);
    char *argv[] = {(char[]){"/usr/bin/nm"}, the_library, NULL};

    spec.argv = argv;
    assert_int_equal(proc_run(&spec, 20000, &run, NULL), 0);
    const char *at = strstr(buf_str(&run.output), wanted);
    assert_non_null(at);
    while (at > run.output.data && at[-1] != '\n') {
        at--;
    }
    return strtoull(at, NULL, 16);
}

static void
test_a_function_is_found_anywhere_in_it(void **state)
{
    AUTO(symbol_table_free) struct symbol_table *table = symbol_table_read(the_library);
    uint64_t at = address_of("hidden");

    (void)state;
    assert_non_null(table);
    assert_string_equal(symbol_table_find(table, at), "hidden");
    assert_string_equal(symbol_table_find(table, at + 1), "hidden");
    assert_null(symbol_table_find(table, address_of("table")));
    assert_null(symbol_table_find(table, 1));
    assert_null(symbol_table_find(table, UINT64_MAX));
}

static void
test_the_name_for_callers_is_preferred(void **state)
{
    AUTO(symbol_table_free) struct symbol_table *table = symbol_table_read(the_library);

    (void)state;
    assert_string_equal(symbol_table_find(table, address_of("outer")), "outer");
}

static void
test_what_is_stripped_has_what_others_call(void **state)
{
    AUTO(symbol_table_free) struct symbol_table *table = symbol_table_read(the_stripped);

    (void)state;
    assert_non_null(table);
    assert_string_equal(symbol_table_find(table, address_of("outer")), "outer");
    assert_null(symbol_table_find(table, address_of("hidden")));
}

static void
test_what_is_no_library_has_none(void **state)
{
    AUTO(mem_free) char *text = fs_join(the_folder, "text");

    victim_write(the_folder, "text", "\177ELF no more", 0644);
    (void)state;
    assert_null(symbol_table_read(text));
    assert_null(symbol_table_read("/nowhere/at/all"));
    assert_null(symbol_table_read(the_folder));
}

/* Every byte of the head and of the sections' heads, each set to two values. */
static void
test_damage_is_survived(void **state)
{
    AUTO(buf_clear) struct buf elf = BUF_INIT;
    AUTO(mem_free) char *path = fs_join(the_folder, "damaged.so");
    Elf64_Ehdr head;

    (void)state;
    assert_int_equal(fs_read(the_library, 1 << 20, &elf, NULL), 0);
    memcpy(&head, elf.data, sizeof(head));
    for (size_t i = 0; i < elf.len; i += i == sizeof(head) ? head.e_shoff - i : 1) {
        char was = elf.data[i];
        static const char values[] = {'\xff', '\x7f'};
        for (size_t k = 0; k < sizeof(values); k++) {
            elf.data[i] = values[k];
            assert_int_equal(fs_write(path, elf.data, elf.len, 0644, NULL), 0);
            struct symbol_table *table = symbol_table_read(path);
            for (uint64_t at = 0; table != NULL && at < 0x4000; at += 0x100) {
                const char *name = symbol_table_find(table, at);
                assert_true(name == NULL || strlen(name) < elf.len);
            }
            symbol_table_free(table);
        }
        elf.data[i] = was;
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_function_is_found_anywhere_in_it),
        cmocka_unit_test(test_the_name_for_callers_is_preferred),
        cmocka_unit_test(test_what_is_stripped_has_what_others_call),
        cmocka_unit_test(test_what_is_no_library_has_none),
        cmocka_unit_test(test_damage_is_survived)};

    return cmocka_run_group_tests(tests, build, unbuild);
}
