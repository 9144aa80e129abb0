#include "tests/unit/victim.h"

#include <errno.h>
#include <string.h>

#include "triage/trial.h"

/* Overflows for '!', uses after free for '?', takes 30 s for 'z'. */
static const char source[] =
    "#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n"
    "__attribute__((noinline)) void wanted(int n)\n"
    "{ volatile char *p = malloc(8); p[n] = 1; free((void *)p); }\n"
    "__attribute__((noinline)) void decoy(int n)\n"
    "{ volatile char *p = malloc(8); free((void *)p); p[n] = 1; }\n"
    "int main(void) { static char b[99]; if (read(0, b, 98) < 1) return 0;\n"
    "  if (b[0] == 'z') sleep(30);\n"
    "  if (strchr(b, '!')) wanted(8); if (strchr(b, '?')) decoy(3); return 0; }\n";

static char *the_folder, *program, *scratch;
static enum sandbox_rung rung;

enum { LANES_MAX = 3, LIST = 6 };

struct fixture {
    struct command command;
    struct record_options options;
    struct replay_config replay;
    struct runner *runners[LANES_MAX];
    struct keep keep;
    struct verdicts *verdicts;
    struct trial *trial;
    struct buf list[LIST];
    int64_t execs;
    bool give_way;
    struct err err;
};

static int
build(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    the_folder = victim_folder();
    program = victim_build(the_folder, "victim", source, VICTIM_CLANG_ASAN);
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
    mem_free(program);
    mem_free(scratch);
    return 0;
}

static bool
go_on(void *user)
{
    const struct fixture *fix = user;

    return !fix->give_way;
}

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));
    AUTO(strv_clear) struct strv argv = {0};
    AUTO(replay_run_clear) struct replay_run run = {0};

    strv_add(&argv, program);
    if (command_from_argv(&argv, &fix->command, &fix->err) < 0) {
        fail_msg("%s", fix->err.msg);
    }
    fix->command.timeout_ms = 60000;
    fix->options = (struct record_options)RECORD_OPTIONS_INIT;
    fix->replay = (struct replay_config){.rung = rung,
                                         .command = &fix->command,
                                         .options = &fix->options,
                                         .scratch = scratch};
    assert_int_equal(replay_once(&fix->replay, "!", 1, &run, &fix->err), 0);
    keep_of(run.record, KEEP_MAJOR, &fix->keep);
    assert_int_equal(verdicts_open(NULL, "", &fix->verdicts, &fix->err), 0);
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    trial_free(fix->trial);
    for (size_t i = 0; i < LANES_MAX; i++) {
        runner_free(fix->runners[i]);
    }
    for (size_t i = 0; i < LIST; i++) {
        buf_clear(&fix->list[i]);
    }
    verdicts_free(fix->verdicts);
    keep_clear(&fix->keep);
    command_clear(&fix->command);
    mem_free(fix);
    return 0;
}

/* With so many lanes where the sandbox takes them, with one where it does not. */
static void
begin(struct fixture *fix, size_t lanes)
{
    const struct runner_config runner = {NULL, scratch};
    bool lasting = rung == SANDBOX_BWRAP;
    struct trial_config config = {.replay = &fix->replay,
                                  .lanes = lasting ? lanes : 1,
                                  .keep = &fix->keep,
                                  .loud = true,
                                  .acceptance = {2, 2},
                                  .verdicts = fix->verdicts,
                                  .go_on = go_on,
                                  .user = fix};

    for (size_t i = 0; i < lanes && lasting; i++) {
        assert_int_equal(runner_new(&runner, &fix->runners[i], &fix->err), 0);
        config.runners = fix->runners;
    }
    trial_new(&config, &fix->trial);
}

static size_t
ask(struct fixture *fix, const char *const words[], size_t n)
{
    size_t shown = 99;

    for (size_t i = 0; i < n; i++) {
        buf_clear(&fix->list[i]);
        buf_adds(&fix->list[i], words[i]);
    }
    if (trial_test(fix->trial, fix->list, n, &shown, &fix->execs, &fix->err) < 0) {
        fail_msg("%s", fix->err.msg);
    }
    return shown;
}

static void
test_the_first_that_shows_it_is_the_answer(void **state)
{
    struct fixture *fix = *state;
    static const char *const words[] = {"a", "b", "c!", "d", "e!", "f"};
    static const char *const none[] = {"g", "h", "i"};

    begin(fix, LANES_MAX);
    assert_int_equal(ask(fix, words, COUNT(words)), 2);
    assert_int_equal(ask(fix, none, COUNT(none)), COUNT(none));
    assert_true(fix->execs >= 7);
    /* what is known costs nothing */
    int64_t before = trial_counts(fix->trial)->runs;
    assert_int_equal(ask(fix, none, COUNT(none)), COUNT(none));
    assert_int_equal(trial_counts(fix->trial)->runs, before);
    assert_int_equal(trial_counts(fix->trial)->recalled, COUNT(none));
}

static void
test_only_what_is_new_is_judged(void **state)
{
    struct fixture *fix = *state;
    static const char *const words[] = {"a", "bb", "ccc", "dddd", "eeeee", "f!"};

    begin(fix, 1);
    assert_int_equal(ask(fix, words, COUNT(words)), 5);
    assert_int_equal(trial_counts(fix->trial)->runs, 7);
    assert_int_equal(trial_counts(fix->trial)->judged, 2);
}

static void
test_another_crash_is_kept_aside_once(void **state)
{
    struct fixture *fix = *state;
    static const char *const words[] = {"a?", "b?", "c", "d!"};
    struct trial_found *found = NULL;

    begin(fix, 1);
    assert_int_equal(ask(fix, words, COUNT(words)), 3);
    size_t n = trial_take_found(fix->trial, &found);
    assert_int_equal(n, 1);
    assert_string_equal(buf_str(&found[0].bytes), "a?");
    assert_string_equal(found[0].record->crash_type, "Heap-use-after-free\nWRITE 1");
    trial_found_free(found, n);
    assert_int_equal(trial_take_found(fix->trial, &found), 0);
}

/* Behind the first that shows it one takes 30 s: nobody waits for it. */
static void
test_what_does_not_matter_is_cancelled(void **state)
{
    struct fixture *fix = *state;
    static const char *const words[] = {"a!", "z"};
    static const char *const next[] = {"b", "c", "d", "e!"};

    if (rung != SANDBOX_BWRAP) {
        skip();
    }
    begin(fix, 2);
    assert_int_equal(ask(fix, words, COUNT(words)), 0);
    assert_int_equal(ask(fix, next, COUNT(next)), 3);
    trial_stop(fix->trial);
}

static void
test_it_gives_way_at_once(void **state)
{
    struct fixture *fix = *state;
    size_t shown = 0;

    begin(fix, 1);
    fix->give_way = true;
    buf_adds(&fix->list[0], "z");
    assert_int_equal(trial_test(fix->trial, fix->list, 1, &shown, &fix->execs, &fix->err),
                     -ECANCELED);
}

/* By hand: the binomial's tails. */
static void
test_acceptance_bounds_what_is_lost(void **state)
{
    (void)state;
    assert_int_equal(trial_acceptance(2, 2).need, 2);
    assert_int_equal(trial_acceptance(2, 2).of, 2);
    assert_int_equal(trial_acceptance(20, 20).of, 2);
    /* p = 16/22: of 4 runs fewer than 2 show it in 6.5 %, of 5 in 2.2 % */
    assert_int_equal(trial_acceptance(15, 20).need, 2);
    assert_int_equal(trial_acceptance(15, 20).of, 5);
    /* p = 11/22: 7 runs: 1/128 + 7/128 = 6.3 %, 8: 9/256 = 3.5 %, of which 2 must show it
     */
    assert_int_equal(trial_acceptance(10, 20).need, 2);
    assert_int_equal(trial_acceptance(10, 20).of, 8);
    struct acceptance rare = trial_acceptance(1, 20);
    assert_int_equal(rare.need, 2);
    assert_int_equal(rare.of, TRIAL_RUNS_MAX);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_first_that_shows_it_is_the_answer),
        TEST(test_only_what_is_new_is_judged),
        TEST(test_another_crash_is_kept_aside_once),
        TEST(test_what_does_not_matter_is_cancelled),
        TEST(test_it_gives_way_at_once),
        TEST(test_acceptance_bounds_what_is_lost),
    };

    return cmocka_run_group_tests_name("trial", tests, build, unbuild);
}
