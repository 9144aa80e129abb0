#include "tests/unit/victim.h"

#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "triage/native.h"
#include "triage/parse/parse.h"

static const char source[] =
    "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n"
    "#include <sys/prctl.h>\n"
    "__attribute__((noinline)) void store(volatile char *p) { *p = 1; }\n"
    "static inline __attribute__((always_inline)) void small(char *p) { store(p); }\n"
    "__attribute__((noinline)) void work(char *p) { small(p); puts(\"\"); }\n"
    "__attribute__((noinline)) int jump(int (*f)(void)) { return f() + 1; }\n"
    "__attribute__((noinline)) void give_up(void) { abort(); }\n"
    "int main(int c, char **v) {\n"
    "  char b[8] = \"\"; FILE *f = c > 1 ? fopen(v[1], \"r\") : stdin; fread(b, 1, 7, "
    "f);\n"
    "  printf(\"1^done,value=\\\"6\\\"\\n\"); fflush(stdout);\n"
    "  switch (b[0]) {\n"
    "  case 'w': work((char *)0x41414141); break;\n"
    "  case 'a': give_up();\n"
    "  case 'h': { char *volatile q = malloc(5000), *volatile r = malloc(9); free(q); "
    "free(q); *r = 1; }\n"
    "  case 'j': return jump((int (*)(void))0x4242424242);\n"
    "  case 'n': return jump((int (*)(void))0);\n"
    "  case 'e': if (getenv(\"WANTED\") && !strcmp(getenv(\"WANTED\"), \"a b'c\") && "
    "!getenv(\"LINES\")) give_up(); break;\n"
    "  case 't': { char s[999] = \"\"; FILE *p = fopen(\"/proc/self/status\", \"r\");\n"
    "     fread(s, 1, 998, p); if (strstr(s, \"TracerPid:\\t0\")) give_up(); break; }\n"
    "  }\n  return 0;\n}\n";

static char *the_folder, *plain, *sanitized, *scratch, *gdb;
static enum sandbox_rung rung;
static struct symbolizer *symbolizer;

struct fixture {
    struct command command;
    struct record_options options;
    struct replay_config config;
    struct replay_run run;
    struct err err;
};

static int
build(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    the_folder = victim_folder();
    plain = victim_build(the_folder, "plain", source, VICTIM_PLAIN);
    sanitized = victim_build(the_folder, "sanitized", source, VICTIM_CLANG_ASAN);
    gdb = native_debugger();
    if (gdb == NULL) {
        fail_msg("there is no gdb: scripts/bootstrap run");
    }
    if (sandbox_choose(SANDBOX_AUTO, &rung, NULL, &err) < 0 ||
        replay_scratch(&scratch, &err) < 0 ||
        symbolizer_new(NULL, NULL, &symbolizer, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    return 0;
}

static int
unbuild(void **state)
{
    (void)state;
    symbolizer_free(symbolizer);
    (void)fs_remove(the_folder, NULL);
    (void)fs_remove(scratch, NULL);
    mem_free(the_folder);
    mem_free(plain);
    mem_free(sanitized);
    mem_free(scratch);
    mem_free(gdb);
    return 0;
}

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    fix->options = (struct record_options)RECORD_OPTIONS_INIT;
    fix->config = (struct replay_config){.rung = rung,
                                         .command = &fix->command,
                                         .options = &fix->options,
                                         .symbolizer = symbolizer,
                                         .scratch = scratch,
                                         .debugger = gdb};
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    command_clear(&fix->command);
    replay_run_clear(&fix->run);
    mem_free(fix);
    return 0;
}

static void
run_program(struct fixture *fix, const char *program, const char *argument,
            const char *input)
{
    AUTO(strv_clear) struct strv argv = {0};

    strv_add(&argv, program);
    if (argument != NULL) {
        strv_add(&argv, argument);
    }
    command_clear(&fix->command);
    if (command_from_argv(&argv, &fix->command, &fix->err) < 0) {
        fail_msg("%s", fix->err.msg);
    }
    strv_add(&fix->command.env, "WANTED=a b'c");
    replay_run_clear(&fix->run);
    if (replay_once(&fix->config, input, strlen(input), &fix->run, &fix->err) < 0) {
        fail_msg("%s", fix->err.msg);
    }
    assert_int_equal(fix->run.outcome, REPLAY_CRASH);
}

static void
run(struct fixture *fix, const char *argument, const char *input)
{
    run_program(fix, plain, argument, input);
}

static void
assert_store(const struct record *record)
{
    assert_string_equal(record->sanitizer, "none");
    assert_string_equal(record->crash_type, "UNKNOWN WRITE");
    assert_string_equal(record->crash_address, "0x000041414141");
    assert_string_equal(record->crash_state, "store\nsmall\nwork\n");
    assert_string_equal(record->class_name, "DestAv");
    assert_non_null(strstr(record->crash_line, "/plain.c:6"));
    assert_true(record->frames[1].inlined);
    assert_true(record->n_registers >= 16);
    assert_string_equal(record->instruction, "mov byte ptr [rdi], 0x01");
    assert_int_equal(record->access_bytes, 1);
}

static void
test_signal_gets_its_stack(void **state)
{
    struct fixture *fix = *state;

    run(fix, "@@", "w");
    assert_store(fix->run.record);
    assert_non_null(strstr(buf_str(&fix->run.report),
                           "\nnightjar: killed by SIGSEGV at address 0x000041414141, "
                           "executing 'mov byte ptr [rdi], 0x01'\nnightjar: signal 11, "
                           "code 1, address 0x41414141, bytes c60701"));
}

/* What the target prints is no answer of gdb's. */
static void
test_standard_input_works_and_output_is_not_believed(void **state)
{
    struct fixture *fix = *state;

    run(fix, NULL, "w");
    assert_store(fix->run.record);
}

static void
test_names_are_gdbs_without_a_symbolizer(void **state)
{
    struct fixture *fix = *state;
    char with[RECORD_HASH_MAX];

    run(fix, "@@", "w");
    memcpy(with, fix->run.record->hash_major, sizeof(with));
    fix->config.symbolizer = NULL;
    run(fix, "@@", "w");
    assert_string_equal(fix->run.record->hash_major, with);
    assert_store(fix->run.record);
}

static void
test_abort_gets_its_caller(void **state)
{
    struct fixture *fix = *state;

    run(fix, "@@", "a");
    assert_string_equal(fix->run.record->crash_type, "Abrt");
    assert_string_equal(fix->run.record->crash_state, "give_up\n");
    assert_null(fix->run.record->instruction);
}

/* `parse` and `triage` give one crash one signature. */
static void
assert_reads_back(struct fixture *fix)
{
    AUTO(record_free) struct record *read = NULL;
    const struct record *record = fix->run.record;

    assert_int_equal(parse_report(buf_str(&fix->run.report), fix->run.report.len,
                                  &fix->options, &read, &fix->err),
                     0);
    assert_int_equal(record_finish(read, &fix->options, &fix->err), 0);
    assert_string_equal(read->crash_type, record->crash_type);
    assert_string_equal(read->crash_state, record->crash_state);
    assert_string_equal(read->hash_major, record->hash_major);
    assert_string_equal(read->hash_minor, record->hash_minor);
    assert_string_equal(read->class_name, record->class_name);
    assert_string_equal(read->message, record->message);
    assert_int_equal(read->n_frames, record->n_frames);
    assert_int_equal(read->n_registers, record->n_registers);
    assert_int_equal(read->frames[1].inlined, record->frames[1].inlined);
}

static void
test_report_reads_back_as_the_record(void **state)
{
    static const char *const inputs[] = {"w", "a", "h"};
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(inputs); i++) {
        run(fix, "@@", inputs[i]);
        assert_reads_back(fix);
    }
}

/* AddressSanitizer prints no stack of the one, and leaves jump() out of the other. */
static void
test_jump_to_nowhere_gets_its_caller(void **state)
{
    static const char *const inputs[] = {"j", "n"};
    static const char *const classes[] = {"SegFaultOnPc", "SegFaultOnPcNearNull"};
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(inputs); i++) {
        run_program(fix, sanitized, "@@", inputs[i]);
        const struct record *record = fix->run.record;
        assert_string_equal(record->sanitizer, "address");
        assert_string_equal(record->crash_state, "jump\n");
        assert_string_equal(record->class_name, classes[i]);
        assert_non_null(strstr(buf_str(&fix->run.report), "AddressSanitizer: SEGV"));
        assert_reads_back(fix);
    }
}

static void
test_environment_is_the_same(void **state)
{
    struct fixture *fix = *state;

    run(fix, "@@", "e");
    assert_string_equal(fix->run.record->crash_state, "give_up\n");
}

/* A crash that does not like to be watched stays what it was. */
static void
test_what_gdb_does_not_see_is_said(void **state)
{
    struct fixture *fix = *state;

    run(fix, "@@", "t");
    assert_string_equal(fix->run.record->crash_type, "Abrt");
    assert_string_equal(fix->run.record->message,
                        "killed by SIGABRT; it printed no report; under gdb it did not "
                        "happen again");
    assert_int_equal(fix->run.record->n_frames, 0);
}

static void
test_without_gdb_a_signal_stays_bare(void **state)
{
    struct fixture *fix = *state;

    fix->config.debugger = NULL;
    run(fix, "@@", "w");
    assert_string_equal(fix->run.record->crash_type, "UNKNOWN");
    assert_int_equal(fix->run.record->n_frames, 0);
    fix->config.debugger = "/nowhere/gdb";
    run(fix, "@@", "w");
    assert_int_equal(fix->run.record->n_frames, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_signal_gets_its_stack),
        TEST(test_standard_input_works_and_output_is_not_believed),
        TEST(test_names_are_gdbs_without_a_symbolizer),
        TEST(test_abort_gets_its_caller),
        TEST(test_report_reads_back_as_the_record),
        TEST(test_jump_to_nowhere_gets_its_caller),
        TEST(test_environment_is_the_same),
        TEST(test_what_gdb_does_not_see_is_said),
        TEST(test_without_gdb_a_signal_stays_bare),
    };

    return cmocka_run_group_tests(tests, build, unbuild);
}
