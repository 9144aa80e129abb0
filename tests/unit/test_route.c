#include "tests/unit/victim.h"

#include <string.h>

#include "base/str.h"
#include "triage/route.h"

/* What each build does is decided when it is compiled. */
static const char source[] =
    "#include <stdio.h>\n#include <stdlib.h>\n"
    "__attribute__((noinline)) void overflow(int n)\n"
    "{ volatile char *p = malloc(8); p[n] = 1; free((void *)p); }\n"
    "__attribute__((noinline)) void shipped(volatile int *p) { *p = 1; }\n"
    "int main(int c, char **v) { char k = 0; FILE *f = fopen(v[1], \"r\"); fread(&k, 1, "
    "1, f);\n"
    "  if (k == 'b') overflow(8);\n" /* seen by a sanitizer only */
    "#ifndef CAREFUL\n"
    "  if (k == 'p' || k == 'b' + WORSE) shipped(0);\n"
    "#endif\n"
    "  return 0; }\n";

static char *the_folder, *asan, *plain, *worse, *scratch;
static enum sandbox_rung rung;

struct fixture {
    struct command command;
    struct record_options options;
    struct replay_config config;
    struct build_list others;
    struct buf input;
    struct route_result result;
    struct err err;
};

static int
build(void **state)
{
    static const char *const careful[] = {"clang-14",           "-g",        "-O1", "-w",
                                          "-fsanitize=address", "-DCAREFUL", NULL};
    static const char *const as_it_is[] = {"gcc", "-g", "-O1", "-w", "-DWORSE=1", NULL};
    static const char *const bad[] = {"gcc", "-g", "-O1", "-w", "-DWORSE=0", NULL};
    struct err err = ERR_INIT;

    (void)state;
    the_folder = victim_folder();
    asan = victim_build(the_folder, "asan", source, careful);
    plain = victim_build(the_folder, "plain", source, as_it_is);
    worse = victim_build(the_folder, "worse", source, bad);
    if (sandbox_choose(SANDBOX_AUTO, &rung, NULL, &err) < 0 ||
        replay_scratch(&scratch, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    return 0;
}

static int
unbuild(void **state)
{
    (void)state;
    (void)fs_remove(the_folder, NULL);
    (void)fs_remove(scratch, NULL);
    mem_free(the_folder);
    mem_free(asan);
    mem_free(plain);
    mem_free(worse);
    mem_free(scratch);
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
                                         .scratch = scratch};
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    command_clear(&fix->command);
    build_list_clear(&fix->others);
    buf_clear(&fix->input);
    route_result_clear(&fix->result);
    mem_free(fix);
    return 0;
}

static void
command_for(struct fixture *fix, const char *program, struct command *out)
{
    AUTO(strv_clear) struct strv argv = {0};

    strv_add(&argv, program);
    strv_add(&argv, "@@");
    if (command_from_argv(&argv, out, &fix->err) < 0) {
        fail_msg("%s", fix->err.msg);
    }
}

static void
add(struct fixture *fix, const char *kind, const char *program)
{
    AUTO(command_clear) struct command command = {0};

    command_for(fix, program, &command);
    build_list_add(&fix->others, kind, &command);
}

static void
run(struct fixture *fix, const char *input, int runs)
{
    command_for(fix, asan, &fix->command);
    buf_adds(&fix->input, input);
    const struct route_plan plan = {"sanitizer", &fix->others, &fix->input, runs};
    if (route(&fix->config, &plan, &fix->result, &fix->err) < 0) {
        fail_msg("%s", fix->err.msg);
    }
}

static void
assert_replay(const struct fixture *fix, size_t i, const char *kind,
              enum replay_outcome outcome, int k, int n)
{
    const struct route_replay *replay = &fix->result.replays[i];

    assert_true(i < fix->result.n_replays);
    assert_string_equal(replay->kind, kind);
    assert_int_equal(replay->outcome, outcome);
    assert_int_equal(replay->k, k);
    assert_int_equal(replay->n, n);
}

static void
test_sanitizer_build_comes_first(void **state)
{
    struct fixture *fix = *state;

    add(fix, "afl", plain);
    run(fix, "b", 1);
    const struct record *record = fix->result.shown.best.record;
    assert_string_equal(record->sanitizer, "address");
    assert_string_equal(record->build, "sanitizer");
    assert_int_equal(record->shipped_n, 0);
    assert_int_equal(fix->result.n_replays, 1);
    assert_string_equal(fix->result.replays[0].major, record->hash_major);
}

static void
test_clean_there_another_build_is_tried(void **state)
{
    struct fixture *fix = *state;

    add(fix, "afl", plain);
    run(fix, "p", 1);
    const struct record *record = fix->result.shown.best.record;
    assert_int_equal(fix->result.shown.best.outcome, REPLAY_CRASH);
    assert_string_equal(record->build, "afl");
    assert_replay(fix, 0, "sanitizer", REPLAY_CLEAN, 1, 1);
    assert_replay(fix, 1, "afl", REPLAY_CRASH, 1, 1);
}

static void
test_clean_everywhere_is_clean(void **state)
{
    struct fixture *fix = *state;

    add(fix, "afl", plain);
    add(fix, "release", plain);
    run(fix, "x", 1);
    assert_int_equal(fix->result.shown.best.outcome, REPLAY_CLEAN);
    assert_null(fix->result.shown.best.record);
    assert_int_equal(fix->result.n_replays, 3);
}

static void
test_what_is_shipped_is_run_too(void **state)
{
    struct fixture *fix = *state;

    add(fix, "release", worse);
    run(fix, "b", 3);
    const struct record *record = fix->result.shown.best.record;
    assert_string_equal(record->build, "sanitizer");
    assert_int_equal(record->shipped_k, 3);
    assert_int_equal(record->shipped_n, 3);
    assert_replay(fix, 1, "release", REPLAY_CRASH, 3, 3);
    assert_string_equal(fix->result.replays[1].major, "");
}

static void
test_what_is_shipped_may_bear_it(void **state)
{
    struct fixture *fix = *state;

    add(fix, "release", plain);
    run(fix, "b", 2);
    assert_int_equal(fix->result.shown.best.record->shipped_k, 0);
    assert_int_equal(fix->result.shown.best.record->shipped_n, 2);
    assert_replay(fix, 1, "release", REPLAY_CLEAN, 2, 2);
}

/* Found on what is shipped alone: it is not run again. */
static void
test_shown_by_what_is_shipped(void **state)
{
    struct fixture *fix = *state;

    add(fix, "release", plain);
    run(fix, "p", 1);
    assert_string_equal(fix->result.shown.best.record->build, "release");
    assert_int_equal(fix->result.shown.best.record->shipped_k, 1);
    assert_int_equal(fix->result.n_replays, 2);
}

/* A build that is gone says nothing of the bug. */
static void
test_missing_release_build_is_no_evidence(void **state)
{
    struct fixture *fix = *state;

    add(fix, "release", plain);
    mem_free(fix->others.v[0].command.argv.v[0]);
    fix->others.v[0].command.argv.v[0] = mem_strdup("/nowhere/program");
    run(fix, "b", 1);
    assert_int_equal(fix->result.shown.best.outcome, REPLAY_CRASH);
    assert_int_equal(fix->result.shown.best.record->shipped_n, 0);
    assert_int_equal(fix->result.replays[1].outcome, REPLAY_BROKEN);
}

/* A bug of before: whether it crashes there, however. */
static void
test_release_build_alone(void **state)
{
    struct fixture *fix = *state;
    const struct route_plan plan = {.input = &fix->input, .runs = 3};

    command_for(fix, worse, &fix->command);
    buf_adds(&fix->input, "b");
    if (route_release(&fix->config, &plan, &fix->result, &fix->err) < 0) {
        fail_msg("%s", fix->err.msg);
    }
    assert_int_equal(fix->result.n_replays, 1);
    assert_replay(fix, 0, "release", REPLAY_CRASH, 3, 3);
    assert_null(fix->result.shown.best.record);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_sanitizer_build_comes_first),
        TEST(test_clean_there_another_build_is_tried),
        TEST(test_clean_everywhere_is_clean),
        TEST(test_what_is_shipped_is_run_too),
        TEST(test_what_is_shipped_may_bear_it),
        TEST(test_shown_by_what_is_shipped),
        TEST(test_missing_release_build_is_no_evidence),
        TEST(test_release_build_alone),
    };

    return cmocka_run_group_tests(tests, build, unbuild);
}
