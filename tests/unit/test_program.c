#include "tests/unit/victim.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "triage/program.h"

struct fixture {
    char *folder;
    struct err err;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    fix->folder = victim_folder();
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    (void)fs_remove(fix->folder, NULL);
    mem_free(fix->folder);
    mem_free(fix);
    return 0;
}

static void
put(const struct fixture *fix, const char *name, const struct buf *bytes)
{
    AUTO(mem_free) char *path = fs_join(fix->folder, name);

    assert_int_equal(fs_write(path, buf_str(bytes), bytes->len, 0755, NULL), 0);
}

static void
test_scan_finds_a_mark_across_two_chunks(void **state)
{
    static const char *const marks[] = {"__asan_init", "__tsan_init"};
    struct fixture *fix = *state;
    AUTO(mem_free) char *path = fs_join(fix->folder, "program");
    enum program_kind kind = PROGRAM_OTHER;

    for (size_t before = (1 << 20) - 16; before < (1 << 20) + 4; before++) {
        AUTO(buf_clear) struct buf bytes = BUF_INIT;
        bool found[2] = {false, true};
        buf_adds(&bytes, "\177ELF");
        while (bytes.len < before) {
            buf_addc(&bytes, 'x');
        }
        buf_adds(&bytes, marks[0]);
        put(fix, "program", &bytes);
        assert_int_equal(program_scan(path, marks, 2, found, &kind, &fix->err), 0);
        assert_true(found[0]);
        assert_false(found[1]);
        assert_int_equal(kind, PROGRAM_ELF);
    }
}

static void
test_scan_tells_the_kind(void **state)
{
    static const struct {
        const char *bytes;
        enum program_kind kind;
    } cases[] = {{"#!/bin/sh\n", PROGRAM_SCRIPT},
                 {"", PROGRAM_OTHER},
                 {"#", PROGRAM_OTHER},
                 {"\177EL", PROGRAM_OTHER},
                 {"\177ELF", PROGRAM_ELF}};
    struct fixture *fix = *state;
    AUTO(mem_free) char *path = fs_join(fix->folder, "program");

    for (size_t i = 0; i < COUNT(cases); i++) {
        enum program_kind kind = PROGRAM_SCRIPT;
        victim_write(fix->folder, "program", cases[i].bytes, 0755);
        assert_int_equal(program_scan(path, NULL, 0, NULL, &kind, &fix->err), 0);
        assert_int_equal(kind, cases[i].kind);
    }
}

static void
test_scan_refuses_what_is_no_file(void **state)
{
    struct fixture *fix = *state;
    enum program_kind kind;

    assert_int_equal(program_scan("/dev/null", NULL, 0, NULL, &kind, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg, "'/dev/null' is not a regular file");
    assert_int_equal(program_scan("/nowhere/x", NULL, 0, NULL, &kind, &fix->err),
                     -ENOENT);
    assert_string_equal(fix->err.msg, "open '/nowhere/x': No such file or directory");
}

static void
test_library_folders_resolve_origin(void **state)
{
    static const char *const flags[] = {
        "gcc", "-w", "-Wl,-rpath,$ORIGIN/../lib:/usr/lib:/nowhere:relative", NULL};
    struct fixture *fix = *state;
    AUTO(mem_free) char *bin = fs_join(fix->folder, "bin");
    AUTO(mem_free) char *lib = fs_join(fix->folder, "lib");
    AUTO(strv_clear) struct strv folders = {0};

    assert_int_equal(mkdir(bin, 0755), 0);
    assert_int_equal(mkdir(lib, 0755), 0);
    AUTO(mem_free)
    char *program = victim_build(bin, "p", "int main(void) { return 0; }", flags);
    program_library_folders(program, &folders);
    assert_int_equal(folders.n, 2);
    assert_string_equal(folders.v[0], lib);
    assert_string_equal(folders.v[1], "/usr/lib");
}

/* Every byte of the head of a real program damaged in turn, and every length: nothing but
 * silence. */
static void
test_library_folders_survive_a_damaged_file(void **state)
{
    static const char *const flags[] = {"gcc", "-w", "-Wl,-rpath,/usr/lib", NULL};
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *program = victim_build(fix->folder, "p", "int main(void) { return 0; }", flags);
    AUTO(mem_free) char *damaged = fs_join(fix->folder, "damaged");
    AUTO(buf_clear) struct buf bytes = BUF_INIT;

    assert_int_equal(fs_read(program, 1 << 20, &bytes, &fix->err), 0);
    for (size_t i = 0; i < 1024; i++) {
        AUTO(strv_clear) struct strv folders = {0};
        char kept = bytes.data[i];
        bytes.data[i] = (char)(i % 3 == 0 ? 0xff : kept ^ 0x80);
        put(fix, "damaged", &bytes);
        bytes.data[i] = kept;
        program_library_folders(damaged, &folders);
        assert_in_range(folders.n, 0, 4);
    }
    for (size_t len = 0; len < 1024; len += 7) {
        AUTO(strv_clear) struct strv folders = {0};
        struct buf part = bytes;
        part.len = len;
        put(fix, "damaged", &part);
        program_library_folders(damaged, &folders);
        assert_int_equal(folders.n, 0);
    }
}

static bool
is_hex(const char *text)
{
    return text[0] != '\0' && text[strspn(text, "0123456789abcdef")] == '\0';
}

static void
test_build_id_and_compiler_are_read(void **state)
{
    AUTO(mem_free) char *self = NULL;

    (void)state;
    assert_int_equal(proc_self(&self, NULL), 0);
    AUTO(mem_free) char *build_id = program_build_id(self);
    AUTO(mem_free) char *compiler = program_compiler(self);
    assert_non_null(build_id);
    assert_int_equal(strlen(build_id), 40);
    assert_true(is_hex(build_id));
    assert_non_null(compiler);
    assert_non_null(strstr(compiler, "GCC: "));
    assert_null(program_build_id("/etc/passwd"));
    assert_null(program_compiler("/etc/passwd"));
    assert_null(program_build_id("/none"));
    assert_null(program_compiler("/none"));
}

/* Every byte of the headers, and of what they point to, may lie. */
static void
test_build_id_and_compiler_survive_a_damaged_file(void **state)
{
    AUTO(mem_free) char *self = NULL;
    AUTO(buf_clear) struct buf bytes = BUF_INIT;
    AUTO(mem_free) char *path = mem_printf("/tmp/nightjar-damaged-%d", (int)getpid());

    (void)state;
    assert_int_equal(proc_self(&self, NULL), 0);
    assert_int_equal(fs_read(self, 64 << 20, &bytes, NULL), 0);
    for (size_t at = 16; at < 1024; at += 3) {
        char saved = bytes.data[at];
        bytes.data[at] = (char)0xff;
        size_t len = at % 2 == 0 ? bytes.len : 4096;
        assert_int_equal(fs_write(path, bytes.data, len, 0644, NULL), 0);
        AUTO(mem_free) char *build_id = program_build_id(path);
        AUTO(mem_free) char *compiler = program_compiler(path);
        assert_true(build_id == NULL || is_hex(build_id));
        assert_true(compiler == NULL || compiler[0] != '\0');
        bytes.data[at] = saved;
    }
    assert_int_equal(fs_remove(path, NULL), 0);
}

static void
test_find_wants_an_executable_file(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *wanted = fs_join(fix->folder, "tool");
    AUTO(mem_free) char *path = mem_printf("/nowhere:%s", fix->folder);
    AUTO(mem_free) char *before = mem_strdup(getenv("PATH"));

    assert_int_equal(setenv("PATH", path, 1), 0);
    victim_write(fix->folder, "tool", "#!/bin/sh\n", 0644);
    AUTO(mem_free) char *none = program_find("tool");
    assert_int_equal(chmod(wanted, 0755), 0);
    AUTO(mem_free) char *found = program_find("tool");
    assert_int_equal(setenv("PATH", before == NULL ? "/usr/bin:/bin" : before, 1), 0);
    assert_null(none);
    assert_string_equal(found, wanted);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_scan_finds_a_mark_across_two_chunks),
        TEST(test_scan_tells_the_kind),
        TEST(test_scan_refuses_what_is_no_file),
        TEST(test_library_folders_resolve_origin),
        TEST(test_library_folders_survive_a_damaged_file),
        TEST(test_build_id_and_compiler_are_read),
        TEST(test_build_id_and_compiler_survive_a_damaged_file),
        TEST(test_find_wants_an_executable_file),
    };

    return cmocka_run_group_tests_name("program", tests, NULL, NULL);
}
