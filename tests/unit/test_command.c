#include "tests/unit/victim.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "triage/command.h"
#include "triage/options.h"

struct fixture {
    char *folder;
    char *before; /* the working folder */
    struct command command;
    struct strv argv, out;
    struct err err;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    fix->folder = victim_folder();
    fix->before = getcwd(NULL, 0);
    (void)unsetenv("ASAN_OPTIONS");
    (void)unsetenv("UBSAN_OPTIONS");
    (void)unsetenv("LD_LIBRARY_PATH");
    *state = fix;
    return chdir(fix->folder);
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;
    int rc = chdir(fix->before);

    (void)fs_remove(fix->folder, NULL);
    command_clear(&fix->command);
    strv_clear(&fix->argv);
    strv_clear(&fix->out);
    free(fix->before);
    mem_free(fix->folder);
    mem_free(fix);
    return rc;
}

static int
take(struct fixture *fix, const char *const *words)
{
    strv_clear(&fix->argv);
    for (; *words != NULL; words++) {
        strv_add(&fix->argv, *words);
    }
    return command_from_argv(&fix->argv, &fix->command, &fix->err);
}

#define TAKE(fix, ...) take(fix, (const char *const[]){__VA_ARGS__, NULL})

/* folder/name as text that lives until the next call */
static const char *
at(const struct fixture *fix, const char *name)
{
    static char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", fix->folder, name);
    return path;
}

static const char elf[] = "\177ELF an ordinary program";
static const char elf_asan[] = "\177ELF with __asan_init";
static const char elf_libfuzzer[] =
    "\177ELF LLVMFuzzerTestOneInput __asan_init ==%lu== ERROR: libFuzzer: deadly signal";
/* AFL++'s driver: the entry points, but not libFuzzer's messages */
static const char elf_driver[] = "\177ELF LLVMFuzzerTestOneInput LLVMFuzzerRunDriver";

static void
test_from_argv_tells_the_mode(void **state)
{
    static const struct {
        const char *program, *argument;
        enum input_mode mode;
        bool asan;
    } cases[] = {{elf, "@@", INPUT_ARGUMENT, false},
                 {elf, "--in=@@", INPUT_ARGUMENT, false},
                 {elf, "-x", INPUT_STDIN, false},
                 {elf_asan, "-x", INPUT_STDIN, true},
                 {elf_libfuzzer, "-x", INPUT_LIBFUZZER, true},
                 {elf_libfuzzer, "@@", INPUT_ARGUMENT, true},
                 {elf_driver, "-x", INPUT_STDIN, false},
                 {"#!/bin/sh\n# LLVMFuzzerTestOneInput\n", "-x", INPUT_LIBFUZZER, true},
                 {"#!/bin/sh\n", "-x", INPUT_STDIN, true}};
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        victim_write(fix->folder, "t", cases[i].program, 0755);
        assert_int_equal(TAKE(fix, "./t", cases[i].argument), 0);
        assert_int_equal(fix->command.mode, cases[i].mode);
        assert_int_equal(fix->command.asan, cases[i].asan);
        assert_string_equal(fix->command.argv.v[0], at(fix, "t"));
        assert_int_equal(fix->command.timeout_ms, 25000);
        assert_int_equal(fix->command.memory_bytes, INT64_C(2560) << 20);
    }
}

static void
test_from_argv_says_what_is_wrong(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(command_from_argv(&fix->argv, &fix->command, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg,
                        "no command: write it behind --, e.g. -- ./target @@");
    assert_int_equal(TAKE(fix, "./none"), -ENOENT);
    assert_string_equal(fix->err.msg, "there is no program './none': check the path");
    assert_int_equal(TAKE(fix, "none-such-program"), -ENOENT);
    assert_string_equal(
        fix->err.msg, "there is no program 'none-such-program' in PATH: write its path");
    victim_write(fix->folder, "here", elf, 0755);
    assert_int_equal(TAKE(fix, "here"), -ENOENT);
    assert_string_equal(
        fix->err.msg,
        "there is no program 'here' in PATH: write ./here for the file here");
    assert_int_equal(TAKE(fix, "./"), -ENOEXEC);
    assert_string_equal(fix->err.msg,
                        "'./' is not a file that can be run: name the program in it");
    assert_int_equal(TAKE(fix, "/dev/null"), -ENOEXEC);
    victim_write(fix->folder, "plain", elf, 0644);
    assert_int_equal(TAKE(fix, "./plain"), -ENOEXEC);
    assert_string_equal(
        fix->err.msg,
        "'./plain' is not executable: chmod +x it, or name its interpreter");
    victim_write(fix->folder, "text", "hello\n", 0755);
    assert_int_equal(TAKE(fix, "./text"), -ENOEXEC);
    assert_non_null(
        strstr(fix->err.msg,
               "/text' is neither an ELF program nor a script that begins with #!"));
    assert_int_equal(fix->command.argv.n, 0);
}

static void
test_from_argv_looks_into_path(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(TAKE(fix, "sh", "-c", "cat"), 0);
    assert_int_equal(fix->command.argv.v[0][0], '/');
    assert_int_equal(fix->command.mode, INPUT_STDIN);
}

/* The target runs in a folder of its own: what words name on disk must be found from
 * there. */
static void
test_from_argv_makes_files_absolute(void **state)
{
    struct fixture *fix = *state;

    victim_write(fix->folder, "t", elf, 0755);
    victim_write(fix->folder, "rules", "x", 0644);
    victim_write(fix->folder, "conf.ini", "x", 0644);
    assert_int_equal(mkdir(at(fix, "convert"), 0755), 0);
    assert_int_equal(mkdir(at(fix, "data.d"), 0755), 0);
    assert_int_equal(TAKE(fix, "./t", "rules", "--conf=conf.ini", "convert", "data.d",
                          "-x", "--none=here", "@@"),
                     0);
    assert_string_equal(fix->command.argv.v[1], at(fix, "rules"));
    AUTO(mem_free) char *conf = mem_printf("--conf=%s/conf.ini", fix->folder);
    assert_string_equal(fix->command.argv.v[2], conf);
    assert_string_equal(fix->command.argv.v[3], "convert");
    assert_string_equal(fix->command.argv.v[4], at(fix, "data.d"));
    assert_string_equal(fix->command.argv.v[5], "-x");
    assert_string_equal(fix->command.argv.v[6], "--none=here");
}

static void
test_from_argv_takes_the_environment(void **state)
{
    struct fixture *fix = *state;

    victim_write(fix->folder, "t", elf_asan, 0755);
    victim_write(fix->folder, "known.txt", "leak:x", 0644);
    assert_int_equal(mkdir(at(fix, "lib"), 0755), 0);
    (void)setenv("ASAN_OPTIONS", "detect_leaks=0:suppressions=known.txt", 1);
    (void)setenv("LD_LIBRARY_PATH", "lib:/tmp:/nowhere", 1);
    assert_int_equal(TAKE(fix, "./t"), 0);
    AUTO(mem_free)
    char *asan = mem_printf("detect_leaks=0:suppressions=%s/known.txt", fix->folder);
    AUTO(mem_free) char *lib = mem_printf("%s/lib:/tmp", fix->folder);
    assert_string_equal(options_variable(&fix->command.env, "ASAN_OPTIONS"), asan);
    assert_string_equal(options_variable(&fix->command.env, "LD_LIBRARY_PATH"), lib);
    /* /tmp is everybody's: it is not shown */
    assert_int_equal(fix->command.read.n, 2);
    assert_string_equal(fix->command.read.v[0], at(fix, "known.txt"));
    assert_string_equal(fix->command.read.v[1], at(fix, "lib"));
}

static void
test_libfuzzer_flags_become_limits(void **state)
{
    struct fixture *fix = *state;

    victim_write(fix->folder, "t", elf_libfuzzer, 0755);
    assert_int_equal(mkdir(at(fix, "corpus.d"), 0755), 0);
    assert_int_equal(TAKE(fix, "./t", "-timeout=3", "-rss_limit_mb=64", "-fork=2",
                          "-detect_leaks=0", "corpus.d"),
                     0);
    assert_int_equal(fix->command.timeout_ms, 3000);
    assert_int_equal(fix->command.memory_bytes, 64 << 20);
    command_arguments(&fix->command, "/in", &fix->out);
    assert_int_equal(fix->out.n, 5);
    assert_string_equal(fix->out.v[1], "-timeout=3");
    assert_string_equal(fix->out.v[2], "-rss_limit_mb=64");
    assert_string_equal(fix->out.v[3], "-detect_leaks=0");
    assert_string_equal(fix->out.v[4], "/in");
    /* its own limit has the better report */
    AUTO(strv_clear) struct strv env = {0};
    command_environment(&fix->command, false, &env);
    assert_null(strstr(options_variable(&env, "ASAN_OPTIONS"), "hard_rss_limit_mb"));
}

static void
test_libfuzzer_leaves_a_targets_own_arguments(void **state)
{
    struct fixture *fix = *state;

    victim_write(fix->folder, "t", elf_libfuzzer, 0755);
    assert_int_equal(TAKE(fix, "./t", "-ignore_remaining_args=1", "own", "-runs=9"), 0);
    command_arguments(&fix->command, "/in", &fix->out);
    assert_int_equal(fix->out.n, 7);
    assert_string_equal(fix->out.v[3], "/in");
    assert_string_equal(fix->out.v[4], "-ignore_remaining_args=1");
    assert_string_equal(fix->out.v[5], "own");
    assert_string_equal(fix->out.v[6], "-runs=9");
}

static void
test_arguments_put_the_input_everywhere(void **state)
{
    struct fixture *fix = *state;

    victim_write(fix->folder, "t@@", elf, 0755);
    assert_int_equal(TAKE(fix, "./t@@", "-a", "@@", "--in=@@,@@", "@"), 0);
    command_arguments(&fix->command, "/x y", &fix->out);
    assert_string_equal(fix->out.v[0], at(fix, "t@@"));
    assert_string_equal(fix->out.v[2], "/x y");
    assert_string_equal(fix->out.v[3], "--in=/x y,/x y");
    assert_string_equal(fix->out.v[4], "@");
}

static void
test_environment_is_an_allow_list(void **state)
{
    struct fixture *fix = *state;

    (void)setenv("NIGHTJAR_SECRET", "x", 1);
    victim_write(fix->folder, "t", elf_asan, 0755);
    assert_int_equal(TAKE(fix, "./t"), 0);
    strv_add(&fix->command.env, "TZ=Europe/Paris");
    strv_add(&fix->command.env, "ASAN_OPTIONS=redzone=16");
    strv_add(&fix->command.env, "damaged");
    command_environment(&fix->command, false, &fix->out);
    assert_null(options_variable(&fix->out, "NIGHTJAR_SECRET"));
    assert_false(strv_has(&fix->out, "damaged"));
    assert_string_equal(options_variable(&fix->out, "HOME"), "/nonexistent");
    assert_string_equal(options_variable(&fix->out, "TZ"), "Europe/Paris");
    const char *asan = options_variable(&fix->out, "ASAN_OPTIONS");
    assert_non_null(strstr(asan, "redzone=16"));
    assert_null(strstr(asan, "redzone=64"));
    assert_non_null(strstr(asan, "hard_rss_limit_mb=2560"));
}

static void
test_shell_line_is_one_for_people(void **state)
{
    struct fixture *fix = *state;

    victim_write(fix->folder, "t", elf_asan, 0755);
    assert_int_equal(TAKE(fix, "./t", "it's"), 0);
    strv_add(&fix->command.env, "WORDS=a b");
    AUTO(mem_free) char *line = command_shell(&fix->command, "/in put");
    AUTO(mem_free) char *end = mem_printf(" %s/t 'it'\\''s' < '/in put'", fix->folder);
    assert_null(strstr(line, "symbolize"));
    assert_non_null(strstr(line, "WORDS='a b' "));
    assert_non_null(strstr(line, "ASAN_OPTIONS=handle_abort=1:"));
    assert_non_null(strstr(line, ":redzone=64:"));
    assert_null(strstr(line, "exitcode"));
    assert_in_range(strlen(line), 100, 600);
    assert_null(strstr(line, "TSAN_OPTIONS"));
    assert_string_equal(line + strlen(line) - strlen(end), end);
}

static void
test_json_round_trips_any_bytes(void **state)
{
    struct fixture *fix = *state;
    AUTO(command_clear) struct command again = {0};

    victim_write(fix->folder, "t", elf_asan, 0755);
    assert_int_equal(TAKE(fix, "./t", "\xff\x01\\x", "@@"), 0);
    strv_add(&fix->command.env, "A=\xc3(");
    strv_add(&fix->command.read, "/some where\n");
    fix->command.timeout_ms = 1234;
    AUTO(json_decref) json_t *object = command_to_json(&fix->command);
    AUTO(mem_free) char *line = json_line(object);
    AUTO(json_decref) json_t *read = NULL;
    assert_int_equal(json_parse(line, strlen(line), &read, &fix->err), 0);
    assert_int_equal(command_from_json(read, &again, &fix->err), 0);
    assert_int_equal(again.argv.n, 3);
    assert_string_equal(again.argv.v[1], "\xff\x01\\x");
    assert_string_equal(again.env.v[0], "A=\xc3(");
    assert_string_equal(again.read.v[0], "/some where\n");
    assert_int_equal(again.timeout_ms, 1234);
    assert_int_equal(again.memory_bytes, INT64_C(2560) << 20);
    assert_int_equal(again.mode, INPUT_ARGUMENT);
    assert_true(again.asan);
}

static void
test_from_json_names_the_field(void **state)
{
#define REST "\"timeout_ms\":1,\"memory_bytes\":0}"
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"[]", "command: not an object"},
        {"{}", "command: 'argv' is not a list of at most 4096 texts"},
        {"{\"argv\":[1]}", "command: argv[0] is not a text of at most 131072 bytes"},
        {"{\"argv\":[\"/t\"],\"env\":[],\"read\":[]," REST,
         "command: 'mode' is '', not argument, stdin or libfuzzer"},
        {"{\"argv\":[\"/t\"],\"env\":[\"X\"],\"read\":[],\"mode\":\"stdin\"," REST,
         "command: env[0] is not NAME=value"},
        {"{\"argv\":[\"t\"],\"env\":[],\"read\":[],\"mode\":\"stdin\"," REST,
         "command: argv[0] is not an absolute path"},
        {"{\"argv\":[],\"env\":[],\"read\":[],\"mode\":\"stdin\"," REST,
         "command: argv[0] is not an absolute path"},
        {"{\"argv\":[\"/"
         "t\"],\"env\":[],\"read\":[],\"mode\":\"stdin\",\"timeout_ms\":-1}",
         "command: 'timeout_ms' is not a number from 0 to 86400000"},
        {"{\"argv\":[\"/t\"],\"env\":[],\"read\":[],\"mode\":\"stdin\",\"timeout_ms\":0,"
         "\"memory_bytes\":0}",
         "command: 'timeout_ms' is 0; every run needs a limit"},
        {"{\"argv\":[\"/t\\\\q\"]}",
         "command: argv[0]: '/t\\q': a backslash stands before neither \\ nor xNN"},
    };
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(json_decref) json_t *object = NULL;
        assert_int_equal(json_parse(cases[i].text, strlen(cases[i].text), &object, NULL),
                         0);
        assert_int_equal(command_from_json(object, &fix->command, &fix->err), -EINVAL);
        assert_string_equal(fix->err.msg, cases[i].message);
        assert_int_equal(fix->command.argv.n, 0);
    }
#undef REST
}

static void
test_options_are_added_to_the_commands_own(void **state)
{
    AUTO(command_clear) struct command command = {.timeout_ms = 1000};

    (void)state;
    strv_add(&command.argv, "/bin/true");
    command_add_options(&command, NULL);
    assert_int_equal(command.env.n, 0);
    command_add_options(&command, "ASAN_OPTIONS=redzone=256");
    command_add_options(&command, "ASAN_OPTIONS=redzone=16");
    assert_int_equal(command.env.n, 1);
    assert_string_equal(command.env.v[0], "ASAN_OPTIONS=redzone=256:redzone=16");
    AUTO(mem_free) char *line = command_shell(&command, "in");
    assert_non_null(strstr(line, ":redzone=16"));
    assert_null(strstr(line, "redzone=256"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_options_are_added_to_the_commands_own),
        TEST(test_from_argv_tells_the_mode),
        TEST(test_from_argv_says_what_is_wrong),
        TEST(test_from_argv_looks_into_path),
        TEST(test_from_argv_makes_files_absolute),
        TEST(test_from_argv_takes_the_environment),
        TEST(test_libfuzzer_flags_become_limits),
        TEST(test_libfuzzer_leaves_a_targets_own_arguments),
        TEST(test_arguments_put_the_input_everywhere),
        TEST(test_environment_is_an_allow_list),
        TEST(test_shell_line_is_one_for_people),
        TEST(test_json_round_trips_any_bytes),
        TEST(test_from_json_names_the_field),
    };

    return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
