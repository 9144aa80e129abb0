#include "tests/unit/victim.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "triage/native_core.h"

enum { PAGE = 4096, START = 0x400000 };

struct fixture {
    char *folder, *core, *program;
    struct err err;
};

/* A program's first page with a build id of one byte, repeated. */
static void
put_page(unsigned char page[PAGE], int id)
{
    static const unsigned char head[] = {4, 0, 0, 0, 20,  0,   0,   0,
                                         3, 0, 0, 0, 'G', 'N', 'U', 0};

    memset(page, 0, PAGE);
    memcpy(page + 712, head, sizeof(head));
    memset(page + 712 + sizeof(head), id, 20);
}

static void
write_file(struct fixture *fix, const char *path, const void *data, size_t len)
{
    assert_int_equal(fs_write(path, data, len, 0644, &fix->err), 0);
}

/* A core that holds one page. */
static void
put_core(struct fixture *fix, uint64_t address, int id)
{
    unsigned char bytes[2 * PAGE] = {0};
    Elf64_Ehdr head = {.e_type = ET_CORE,
                       .e_phoff = sizeof(head),
                       .e_phnum = 1,
                       .e_phentsize = sizeof(Elf64_Phdr)};
    const Elf64_Phdr segment = {
        .p_type = PT_LOAD, .p_vaddr = address, .p_offset = PAGE, .p_filesz = PAGE};

    memcpy(head.e_ident, ELFMAG, SELFMAG);
    head.e_ident[EI_CLASS] = ELFCLASS64;
    memcpy(bytes, &head, sizeof(head));
    memcpy(bytes + sizeof(head), &segment, sizeof(segment));
    put_page(bytes + PAGE, id);
    write_file(fix, fix->core, bytes, sizeof(bytes));
}

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));
    unsigned char page[PAGE];

    fix->folder = victim_folder();
    fix->core = fs_join(fix->folder, "core");
    fix->program = fs_join(fix->folder, "program");
    put_page(page, 1);
    write_file(fix, fix->program, page, sizeof(page));
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    (void)fs_remove(fix->folder, NULL);
    mem_free(fix->folder);
    mem_free(fix->core);
    mem_free(fix->program);
    mem_free(fix);
    return 0;
}

static int
check(struct fixture *fix, const char *mapped)
{
    return native_core_check(fix->core, fix->program, mapped, START, &fix->err);
}

static void
test_check_compares_build_ids(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *message = mem_printf("it is of another build of '%s': the build ids differ; "
                               "name the program that made it",
                               fix->program);

    put_core(fix, START, 1);
    assert_int_equal(check(fix, "/elsewhere/program"), 0);
    assert_int_equal(check(fix, "/elsewhere/copy"), 0);
    put_core(fix, START, 2);
    assert_int_equal(check(fix, "/elsewhere/program"), -ENODATA);
    assert_string_equal(fix->err.msg, message);
}

static void
test_check_compares_names(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *message = mem_printf("it is a core of '/x/other', not of '%s'", fix->program);

    put_core(fix, START, 2);
    assert_int_equal(check(fix, "/x/other"), -ENODATA);
    assert_string_equal(fix->err.msg, message);
}

static void
test_check_says_nothing_of_what_it_does_not_know(void **state)
{
    static const char damaged[100] = "\177ELF\2";
    struct fixture *fix = *state;

    put_core(fix, START + PAGE, 2); /* the page is not in it */
    assert_int_equal(check(fix, "/x/program"), 0);
    put_core(fix, START, 2);
    assert_int_equal(check(fix, NULL), 0);
    write_file(fix, fix->core, damaged, sizeof(damaged));
    assert_int_equal(check(fix, "/x/program"), 0);
    write_file(fix, fix->core, "", 0);
    assert_int_equal(check(fix, "/x/program"), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_check_compares_build_ids),
        TEST(test_check_compares_names),
        TEST(test_check_says_nothing_of_what_it_does_not_know),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
