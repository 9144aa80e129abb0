#include "tests/unit/unit.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "orchestrator/target.h"
#include "tests/unit/programs.h"

static char folder[] = "/tmp/nightjar-test-probe.XXXXXX";

static int
setup(void **state)
{
    *state = mem_alloc(sizeof(struct err));
    return 0;
}

static int
teardown(void **state)
{
    mem_free(*state);
    return 0;
}

/* One binary of each kind that there is, once for all tests. */
static int
build_all(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    program_sources(folder);
    program_sh(
        folder,
        "export AFL_QUIET=1\n"
        "clang-14 -fsanitize=fuzzer,address in.c -o libfuzzer-asan\n"
        "clang-14 -fsanitize=fuzzer,undefined in.c -o libfuzzer-ubsan\n"
        "clang-14 -fsanitize=fuzzer,memory in.c -o libfuzzer-msan\n"
        "clang-14 -fsanitize=fuzzer in.c -o libfuzzer\n"
        "clang-14 -fsanitize=fuzzer -fprofile-instr-generate -fcoverage-mapping in.c -o "
        "libfuzzer-coverage\n"
        "clang-14 -fprofile-instr-generate -fcoverage-mapping cmd.c -o coverage\n"
        "clang-14 -fsanitize=address,undefined in.c main.c -o asan-ubsan\n"
        "clang-14 -fsanitize=address cmd.c -o asan\n"
        "clang-14 -fsanitize=undefined cmd.c -o ubsan\n"
        "clang-14 -fsanitize=memory cmd.c -o msan\n"
        "clang-14 -fsanitize=thread cmd.c -o tsan\n"
        "gcc -fsanitize=address,undefined cmd.c -o gcc-asan-ubsan\n"
        "gcc -fsanitize=address -static-libasan cmd.c -o gcc-static-asan\n"
        "gcc cmd.c -o plain\n"
        "gcc -static-pie cmd.c -o static-pie\n"
        "gcc -static cmd.c -o static\n"
        "gcc -shared -fPIC in.c -o library\n"
        "gcc -c cmd.c -o object\n"
        "afl-clang-fast -fsanitize=fuzzer in.c -o afl-driver\n"
        "afl-clang-fast cmd.c -o afl\n"
        "AFL_USE_ASAN=1 afl-clang-fast cmd.c -o afl-asan\n"
        "AFL_LLVM_CMPLOG=1 afl-clang-fast -fsanitize=fuzzer in.c -o cmplog-driver\n"
        "AFL_LLVM_CMPLOG=1 AFL_USE_ASAN=1 afl-clang-fast cmd.c -o cmplog-asan\n"
        "for f in *-* afl asan ubsan msan tsan coverage plain; do\n"
        "  strip -o $f.stripped $f; done\n");
    return 0;
}

static int
remove_all(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    return fs_remove(folder, &err);
}

/* What a probe found, as words in a fixed order. */
static const char *
describe(const struct probe *probe)
{
    static char words[200];
    const struct {
        bool on;
        const char *word;
    } parts[] = {
        {probe->executable, "runs"},  {probe->script, "script"},
        {probe->fuzz_entry, "entry"}, {probe->libfuzzer, "lf"},
        {probe->afl, "afl"},          {probe->cmplog, "cmplog"},
        {probe->asan, "asan"},        {probe->ubsan, "ubsan"},
        {probe->msan, "msan"},        {probe->tsan, "tsan"},
        {probe->coverage, "cov"},
    };

    words[0] = '\0';
    for (size_t i = 0; i < COUNT(parts); i++) {
        if (parts[i].on) {
            size_t len = strlen(words);
            (void)snprintf(words + len, sizeof(words) - len, "%s%s", len > 0 ? " " : "",
                           parts[i].word);
        }
    }
    return words;
}

static const char *
probe_file(const char *name, struct err *err)
{
    AUTO(mem_free) char *path = fs_join(folder, name);
    struct probe probe;

    assert_int_equal(target_probe(path, &probe, err), 0);
    return describe(&probe);
}

struct expected {
    const char *name, *marks;
};

static void
assert_all(const struct expected *cases, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        AUTO(mem_free) char *want = mem_printf("%s: %s", cases[i].name, cases[i].marks);
        AUTO(mem_free)
        char *got = mem_printf("%s: %s", cases[i].name, probe_file(cases[i].name, err));
        assert_string_equal(got, want);
    }
}

static void
test_every_kind_of_build_is_known(void **state)
{
    static const struct expected cases[] = {
        {"libfuzzer", "runs entry lf"},
        {"libfuzzer-asan", "runs entry lf asan"},
        {"libfuzzer-ubsan", "runs entry lf ubsan"},
        {"libfuzzer-msan", "runs entry lf msan"},
        {"libfuzzer-coverage", "runs entry lf cov"},
        {"coverage", "runs cov"},
        {"asan-ubsan", "runs entry asan ubsan"},
        {"asan", "runs asan"},
        {"ubsan", "runs ubsan"},
        {"msan", "runs msan"},
        {"tsan", "runs tsan"},
        {"gcc-asan-ubsan", "runs asan ubsan"},
        {"gcc-static-asan", "runs asan"},
        {"plain", "runs"},
        {"static", "runs"},
        {"static-pie", "runs"},
        {"afl", "runs afl"},
        {"afl-driver", "runs entry afl"},
        {"afl-asan", "runs afl asan"},
        {"cmplog-driver", "runs entry afl cmplog"},
        {"cmplog-asan", "runs afl cmplog asan"},
    };

    assert_all(cases, COUNT(cases), *state);
}

static void
test_stripped_builds_are_known_too(void **state)
{
    static const struct expected cases[] = {
        {"libfuzzer-asan.stripped", "runs entry lf asan"},
        {"libfuzzer-ubsan.stripped", "runs entry lf ubsan"},
        {"libfuzzer-msan.stripped", "runs entry lf msan"},
        {"libfuzzer-coverage.stripped", "runs entry lf cov"},
        {"coverage.stripped", "runs cov"},
        {"asan-ubsan.stripped", "runs asan ubsan"},
        {"asan.stripped", "runs asan"},
        {"ubsan.stripped", "runs ubsan"},
        {"msan.stripped", "runs msan"},
        {"tsan.stripped", "runs tsan"},
        {"gcc-asan-ubsan.stripped", "runs asan ubsan"},
        {"gcc-static-asan.stripped", "runs asan"},
        {"plain.stripped", "runs"},
        {"afl.stripped", "runs afl"},
        {"afl-driver.stripped", "runs entry afl"},
        {"afl-asan.stripped", "runs afl asan"},
        {"cmplog-driver.stripped", "runs entry afl cmplog"},
        {"cmplog-asan.stripped", "runs afl cmplog asan"},
    };

    assert_all(cases, COUNT(cases), *state);
}

static void
test_kind_follows_the_engine(void **state)
{
    static const struct {
        const char *name;
        enum build_kind kind;
    } cases[] = {
        {"libfuzzer-asan", BUILD_LIBFUZZER},
        {"libfuzzer-coverage", BUILD_COVERAGE},
        {"coverage", BUILD_COVERAGE},
        {"asan-ubsan", BUILD_SANITIZER},
        {"ubsan", BUILD_SANITIZER},
        {"tsan", BUILD_SANITIZER},
        {"afl-driver", BUILD_AFL},
        {"afl-asan", BUILD_AFL},
        {"cmplog-driver", BUILD_CMPLOG},
        {"cmplog-asan", BUILD_CMPLOG},
        {"gcc-static-asan", BUILD_SANITIZER},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(mem_free) char *path = fs_join(folder, cases[i].name);
        struct probe probe;
        enum build_kind kind = BUILD_KINDS;
        assert_int_equal(target_probe(path, &probe, *state), 0);
        assert_int_equal(target_build_kind(&probe, &kind, *state), 0);
        assert_string_equal(build_kind_name(kind), build_kind_name(cases[i].kind));
    }
}

static void
write_as(const char *name, const void *data, size_t len, mode_t mode)
{
    AUTO(mem_free) char *path = fs_join(folder, name);
    struct err err = ERR_INIT;

    assert_int_equal(fs_write(path, data, len, mode, &err), 0);
}

static const char *
flaw_of(const char *name, struct err *err)
{
    AUTO(mem_free) char *path = fs_join(folder, name);
    struct probe probe;
    enum build_kind kind;

    assert_int_equal(target_probe(path, &probe, err), 0);
    assert_int_equal(probe.executable, probe.flaw == NULL);
    assert_int_equal(target_build_kind(&probe, &kind, err), -ENOEXEC);
    return err->msg;
}

static void
test_what_cannot_be_run_is_said(void **state)
{
    struct err *err = *state;
    Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB},
        .e_type = ET_EXEC,
        .e_machine = EM_S390};

    write_as("text", "hello", 5, 0755);
    write_as("empty", "", 0, 0755);
    write_as("short", "\177E", 2, 0755);
    write_as("magic", ELFMAG, SELFMAG, 0755);
    write_as("foreign", &header, sizeof(header), 0755);
    header.e_ident[EI_DATA] = ELFDATA2MSB;
    write_as("big", &header, sizeof(header), 0755);
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_machine = EM_X86_64;
    write_as("no-segments", &header, sizeof(header), 0755);
    assert_string_equal(
        flaw_of("plain", err),
        "it has neither AFL++, libFuzzer, a sanitizer nor coverage in it");
    assert_string_equal(flaw_of("library", err), "it is a shared library, not a program");
    assert_string_equal(flaw_of("object", err),
                        "it is an object file or a core dump, not a program");
    assert_string_equal(flaw_of("text", err),
                        "it is neither an ELF program nor a script");
    assert_string_equal(flaw_of("empty", err),
                        "it is neither an ELF program nor a script");
    assert_string_equal(flaw_of("short", err),
                        "it is neither an ELF program nor a script");
    assert_string_equal(flaw_of("magic", err), "its ELF headers are damaged");
    assert_string_equal(flaw_of("foreign", err),
                        "it was built for another kind of machine");
    assert_string_equal(flaw_of("big", err), "it was built for another kind of machine");
#ifdef __x86_64__
    assert_string_equal(flaw_of("no-segments", err), "its ELF headers are damaged");
#endif
    AUTO(mem_free) char *asan = fs_join(folder, "asan");
    assert_int_equal(chmod(asan, 0644), 0);
    assert_string_equal(flaw_of("asan", err), "it is not executable: chmod +x it");
    assert_int_equal(chmod(asan, 0755), 0);
}

static void
test_unreadable_files_are_failures(void **state)
{
    struct err *err = *state;
    AUTO(mem_free) char *none = fs_join(folder, "none");
    AUTO(mem_free) char *want = mem_printf("open '%s': No such file or directory", none);
    struct probe probe = {.flaw = "untouched"};

    assert_int_equal(target_probe(none, &probe, err), -ENOENT);
    assert_string_equal(err->msg, want);
    assert_int_equal(target_probe("/dev/null", &probe, err), -EINVAL);
    assert_string_equal(err->msg, "'/dev/null' is not a regular file");
    assert_string_equal(probe.flaw, "untouched");
}

static void
test_scripts_with_the_entry_in_a_comment_are_targets(void **state)
{
    static const char jazzer[] =
        "#!/bin/bash\n# LLVMFuzzerTestOneInput for fuzzer detection.\n";
    static const char tool[] = "#!/bin/sh\necho hello\n";
    struct err *err = *state;

    write_as("jazzer", jazzer, sizeof(jazzer) - 1, 0755);
    write_as("tool", tool, sizeof(tool) - 1, 0755);
    assert_string_equal(probe_file("jazzer", err), "runs script entry lf");
    assert_string_equal(probe_file("tool", err), "runs script");
    assert_string_equal(
        flaw_of("tool", err),
        "it has neither AFL++, libFuzzer, a sanitizer nor coverage in it");
}

/* A text without its NUL. */
static void
put_text(void *to, const char *text)
{
    memcpy(to, text, strlen(text));
}

/* A string across the border of two steps of the scan must be seen. */
static void
test_scan_sees_strings_across_steps(void **state)
{
    struct err *err = *state;
    size_t len = (2 << 20) + 100;
    AUTO(mem_free) char *bytes = mem_alloc(len);

    for (size_t shift = 0; shift < 24; shift++) {
        memset(bytes, 'x', len);
        /* an ELF file without anything: only the scan is left */
        put_text(bytes, ELFMAG);
        put_text(bytes + (1 << 20) - shift, "LLVMFuzzerTestOneInput");
        write_as("across", bytes, len, 0755);
        assert_string_equal(probe_file("across", err), "entry");
    }
}

/* Damage every header byte of a real program, and cut it everywhere: nothing may crash or
 * hang. */
static void
test_damaged_programs_do_no_harm(void **state)
{
    struct err *err = *state;
    AUTO(buf_clear) struct buf bytes = BUF_INIT;
    AUTO(mem_free) char *path = fs_join(folder, "afl");
    unsigned seed = 7;

    assert_int_equal(fs_read(path, 64 << 20, &bytes, err), 0);
    Elf64_Ehdr header;
    memcpy(&header, bytes.data, sizeof(header));
    for (int i = 0; i < 400; i++) {
        AUTO(mem_free) unsigned char *copy = mem_dup(bytes.data, bytes.len);
        size_t len = bytes.len;
        for (int k = 0; k < 4; k++) {
            size_t tables = (size_t)header.e_shnum * sizeof(Elf64_Shdr);
            size_t where = rand_r(&seed) % 2 == 0
                               ? (size_t)rand_r(&seed) % 0x400
                               : header.e_shoff + (size_t)rand_r(&seed) % tables;
            copy[where] = rand_r(&seed) % 3 == 0 ? 0xff : (unsigned char)rand_r(&seed);
        }
        if (i % 4 == 0) {
            len = (size_t)rand_r(&seed) % len;
        }
        put_text(copy, ELFMAG);
        write_as("damaged", copy, len, 0755);
        (void)probe_file("damaged", err);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_kind_of_build_is_known),
        TEST(test_stripped_builds_are_known_too),
        TEST(test_kind_follows_the_engine),
        TEST(test_what_cannot_be_run_is_said),
        TEST(test_unreadable_files_are_failures),
        TEST(test_scripts_with_the_entry_in_a_comment_are_targets),
        TEST(test_scan_sees_strings_across_steps),
        TEST(test_damaged_programs_do_no_harm),
    };

    return cmocka_run_group_tests_name("probe", tests, build_all, remove_all);
}
