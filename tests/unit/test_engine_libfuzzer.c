#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/engine/engine.h"

extern const struct engine_ops engine_libfuzzer;

enum {
    EXIT_0 = 0,
    EXIT_1 = 1 << 8,
    EXIT_70 = 70 << 8,
    EXIT_71 = 71 << 8,
    EXIT_72 = 72 << 8,
    EXIT_77 = 77 << 8,
    EXIT_127 = 127 << 8
};

struct fixture {
    char root[64];
    char *folder, *seeds;
    struct target target;
    struct engine_caps caps;
    struct engine_job job;
    struct engine_view view;
    struct engine_command command;
    struct err err;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    *state = fix;
    (void)snprintf(fix->root, sizeof(fix->root), "/tmp/nightjar-unit-XXXXXX");
    assert_non_null(mkdtemp(fix->root));
    fix->folder = fs_join(fix->root, "libfuzzer");
    fix->seeds = fs_join(fix->root, "seeds");
    assert_int_equal(fs_mkdirs(fix->folder, 0755, &fix->err), 0);
    assert_int_equal(fs_mkdirs(fix->seeds, 0755, &fix->err), 0);
    fix->target = (struct target){.name = mem_strdup("png"),
                                  .timeout_ms = 2500,
                                  .memory_bytes = (int64_t)2560 << 20};
    fix->target.builds[BUILD_LIBFUZZER] = mem_strdup("/bin/true");
    fix->job = (struct engine_job){.target = &fix->target,
                                   .caps = &fix->caps,
                                   .folder = fix->folder,
                                   .seeds = fix->seeds,
                                   .state = fix->root,
                                   .number = 1,
                                   .count = 1,
                                   .cpu = -1};
    engine_view_begin(&fix->view);
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    engine_command_clear(&fix->command);
    engine_view_clear(&fix->view);
    strv_clear(&fix->target.libfuzzer);
    for (int i = 0; i < BUILD_KINDS; i++) {
        mem_free(fix->target.builds[i]);
    }
    mem_free(fix->target.dictionary);
    mem_free(fix->target.name);
    (void)fs_remove(fix->root, NULL);
    mem_free(fix->folder);
    mem_free(fix->seeds);
    mem_free(fix);
    return 0;
}

static void
put(struct fixture *fix, const char *relative, const void *data, size_t len)
{
    AUTO(mem_free) char *path = fs_join(fix->root, relative);
    AUTO(mem_free) char *parent = mem_dup(path, (size_t)(fs_base(path) - path));

    assert_int_equal(fs_mkdirs(parent, 0700, &fix->err), 0);
    assert_int_equal(fs_write(path, data, len, 0600, &fix->err), 0);
}

static bool
is_there(struct fixture *fix, const char *relative)
{
    AUTO(mem_free) char *path = fs_join(fix->root, relative);

    return fs_exists(path);
}

static void
say(struct fixture *fix, const char *text)
{
    engine_libfuzzer.line(&fix->job, &fix->view, text, strlen(text));
}

static void
make_command(struct fixture *fix)
{
    engine_command_clear(&fix->command);
    fix->command = (struct engine_command){0};
    assert_int_equal(engine_libfuzzer.command(&fix->job, &fix->command, &fix->err), 0);
}

/* --- the command line --- */

static void
test_command_without_fork_mode(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *artifacts = mem_printf("-artifact_prefix=%s/artifacts-1/", fix->folder);
    AUTO(mem_free) char *corpus = fs_join(fix->folder, "corpus");
    const char *wanted[] = {
        "/bin/true",        artifacts,    "-reload=1",          "-print_final_stats=1",
        "-close_fd_mask=3", "-timeout=3", "-rss_limit_mb=2560", corpus,
        fix->seeds};

    make_command(fix);
    assert_int_equal(fix->command.argv.n, COUNT(wanted));
    for (size_t i = 0; i < COUNT(wanted); i++) {
        assert_string_equal(fix->command.argv.v[i], wanted[i]);
    }
    assert_int_equal(fix->command.stop_signal, SIGTERM);
    assert_true(strv_has(&fix->command.policy.write, fix->folder));
    assert_true(strv_has(&fix->command.policy.hide, fix->root));
}

static void
test_flags_of_the_options_file_come_last_but_cannot_take_over(void **state)
{
    struct fixture *fix = *state;
    static const char *const flags[] = {
        "-max_len=64", "-fork=4", "-jobs=9",         "-runs=1", "-artifact_prefix=/etc/",
        "-merge=1",    "/etc",    "-close_fd_mask=0"};

    for (size_t i = 0; i < COUNT(flags); i++) {
        strv_add(&fix->target.libfuzzer, flags[i]);
    }
    make_command(fix);
    size_t n = fix->command.argv.n;
    assert_string_equal(fix->command.argv.v[n - 4], "-max_len=64");
    assert_string_equal(fix->command.argv.v[n - 3], "-close_fd_mask=0");
    assert_string_equal(fix->command.argv.v[n - 1], fix->seeds);
    assert_int_equal(n, 11);
}

static void
test_a_second_worker_looks_at_values_and_has_artifacts_of_its_own(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *artifacts = mem_printf("-artifact_prefix=%s/artifacts-2/", fix->folder);

    fix->job.number = 2;
    make_command(fix);
    assert_true(strv_has(&fix->command.argv, "-use_value_profile=1"));
    assert_true(strv_has(&fix->command.argv, artifacts));
}

static void
test_prepare_makes_its_folders(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(engine_libfuzzer.prepare(&fix->job, &fix->view, &fix->err), 0);
    assert_true(is_there(fix, "libfuzzer/corpus"));
    assert_true(is_there(fix, "libfuzzer/artifacts-1"));
}

/* --- what it prints --- */

static void
test_status_lines(void **state)
{
    struct fixture *fix = *state;

    say(fix, "INFO: Seed: 3389013735");
    assert_int_equal(fix->view.execs, -1);
    say(fix, "INFO: Loaded 1 modules   (2061 inline 8-bit counters): 2061 [0x5, 0x6), ");
    assert_int_equal(fix->view.edges_known, 2061);
    say(fix, "#2\tpulse  cov: 4 ft: 5 corp: 1/1b exec/s: 1 rss: 28Mb");
    assert_false(fix->view.ready);
    say(fix, "#15\tINITED cov: 675 ft: 1300 corp: 13/13642b exec/s: 200 rss: 40Mb");
    assert_true(fix->view.ready);
    assert_int_equal(fix->view.execs, 15);
    assert_int_equal(fix->view.edges, 675);
    assert_int_equal(fix->view.corpus, 13);
    assert_int_equal((int)fix->view.execs_per_sec, 200);
    assert_int_equal(fix->view.beats, 2);
    say(fix, "#8192\tNEW    cov: 680 ft: 1310 corp: 14/14Kb lim: 6 exec/s: 4096 rss: "
             "34Mb L: 5/6 MS: 1 "
             "CopyPart-");
    assert_int_equal(fix->view.execs, 8192);
    assert_int_equal(fix->view.corpus, 14);
    say(fix,
        "#9000\tRELOAD cov: 690 ft: 1330 corp: 17/15Kb lim: 6 exec/s: 4096 rss: 34Mb");
    assert_int_equal(fix->view.reloaded, 3);
    say(fix,
        "#9001\tNEW    cov: 691 ft: 1331 corp: 18/15Kb lim: 6 exec/s: 4096 rss: 34Mb");
    assert_int_equal(fix->view.reloaded, 3);
}

static void
test_lines_that_only_look_alike_are_no_news(void **state)
{
    struct fixture *fix = *state;
    static const char *const lines[] = {"#",
                                        "#x NEW",
                                        "#5 without a speed",
                                        "    #0 0x55 in main",
                                        "#99999999999999999999\tNEW cov: 1 exec/s: 1",
                                        ""};

    for (size_t i = 0; i < COUNT(lines); i++) {
        say(fix, lines[i]);
    }
    assert_int_equal(fix->view.execs, -1);
    assert_int_equal(fix->view.beats, 0);
}

static void
test_counts_never_go_back(void **state)
{
    struct fixture *fix = *state;

    say(fix, "#100\tNEW    cov: 7 ft: 9 corp: 2/3b exec/s: 50 rss: 30Mb");
    say(fix, "#50\tNEW    cov: 7 ft: 9 corp: 2/3b exec/s: 50 rss: 30Mb");
    say(fix, "stat::number_of_executed_units: 99");
    assert_int_equal(fix->view.execs, 100);
    say(fix, "stat::number_of_executed_units: 123");
    assert_int_equal(fix->view.execs, 123);
}

static void
test_patience_grows_with_the_gap_to_the_next_line(void **state)
{
    struct fixture *fix = *state;

    say(fix, "#1024\tpulse  cov: 7 ft: 9 corp: 2/3b exec/s: 1024 rss: 30Mb");
    assert_int_equal(fix->view.patience_ms, 75000 + 4 * 1000);
    say(fix, "#1048576\tpulse  cov: 7 ft: 9 corp: 2/3b exec/s: 1024 rss: 30Mb");
    assert_int_equal(fix->view.patience_ms, 75000 + 4 * 1024 * 1000);
    say(fix, "#1073741824\tpulse  cov: 7 ft: 9 corp: 2/3b exec/s: 10 rss: 30Mb");
    assert_int_equal(fix->view.patience_ms, 6 * 3600 * 1000);
}

static void
test_finds_have_a_key(void **state)
{
    struct fixture *fix = *state;

    say(fix, "SUMMARY: AddressSanitizer: heap-buffer-overflow (/t+0x119ad5)");
    uint64_t first = fix->view.find_key;
    say(fix, "artifact_prefix='/x/'; Test unit written to /x/crash-54a2");
    assert_true(fix->view.found);
    assert_int_not_equal(first, 0);
    say(fix, "SUMMARY: AddressSanitizer: heap-buffer-overflow (/t+0x119ad9)");
    assert_int_not_equal(fix->view.find_key, first);
    say(fix, "SUMMARY: AddressSanitizer: heap-buffer-overflow (/t+0x119ad5)");
    assert_int_equal(fix->view.find_key, first);
}

/* --- its end --- */

static void
test_ends(void **state)
{
    static const struct {
        const char *text;
        int status;
        enum engine_end end;
        const char *reason;
    } cases[] = {
        {"", EXIT_0, ENGINE_END_DONE, ""},
        {"==1== libFuzzer: run interrupted; exiting", EXIT_72, ENGINE_END_DONE, ""},
        {"Test unit written to ./crash-a", EXIT_1, ENGINE_END_FOUND, NULL},
        {"", EXIT_77, ENGINE_END_FOUND, NULL},
        {"", EXIT_70, ENGINE_END_FOUND, NULL},
        {"", EXIT_71, ENGINE_END_FOUND, NULL},
        {"ERROR: The required directory \"x\" does not exist", EXIT_1, ENGINE_END_BROKEN,
         "The required directory \"x\" does not exist"},
        {"t: error while loading shared libraries: libpng16.so: cannot open", EXIT_127,
         ENGINE_END_HOPELESS, "a shared library of the target is missing"},
        {"ParseDictionaryFile: error in line 3", EXIT_1, ENGINE_END_HOPELESS,
         "the dictionary is malformed"},
        {"", EXIT_127, ENGINE_END_BROKEN,
         "the program or one of its libraries is not there"},
        {"", SIGKILL, ENGINE_END_BROKEN,
         "ended with signal 9 (KILL): killed, perhaps for want of memory"},
    };
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        char reason[ENGINE_REASON_MAX] = "";
        engine_view_clear(&fix->view);
        engine_view_begin(&fix->view);
        say(fix, cases[i].text);
        assert_int_equal(engine_libfuzzer.classify(&fix->view, cases[i].status, reason),
                         cases[i].end);
        if (cases[i].reason != NULL) {
            assert_string_equal(reason, cases[i].reason);
        }
    }
}

/* A crash before INITED, with this artifact. */
static void
crash_early(struct fixture *fix, const void *data, size_t len)
{
    put(fix, "libfuzzer/artifacts-1/crash-54a2", data, len);
    say(fix, "artifact_prefix='/x/'; Test unit written to /x/crash-54a2");
}

static void
make_first(struct fixture *fix)
{
    AUTO(mem_free) char *first = fs_join(fix->seeds, ENGINE_SEEDS_FIRST);

    assert_int_equal(fs_mkdirs(first, 0755, &fix->err), 0);
}

static void
test_seeds_that_go_first_are_named_first_and_not_sorted_by_size(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *first = fs_join(fix->seeds, ENGINE_SEEDS_FIRST);

    make_first(fix);
    assert_int_equal(engine_libfuzzer.command(&fix->job, &fix->command, &fix->err), 0);
    size_t n = fix->command.argv.n;
    assert_true(strv_has(&fix->command.argv, "-prefer_small=0"));
    assert_true(strv_has(&fix->command.argv, "-shuffle=0"));
    assert_string_equal(fix->command.argv.v[n - 2], first);
    assert_string_equal(fix->command.argv.v[n - 1], fix->seeds);
}

static void
test_a_seed_that_crashes_is_taken_out(void **state)
{
    struct fixture *fix = *state;

    put(fix, "libfuzzer/corpus/aa", "boom", 4);
    put(fix, "libfuzzer/corpus/bb", "bang", 4);
    put(fix, "libfuzzer/corpus/cc", "boom and more", 13);
    put(fix, "seeds/dd", "boom", 4);
    make_first(fix);
    put(fix, "seeds/~first/dd", "boom", 4);
    crash_early(fix, "boom", 4);
    assert_int_equal(engine_libfuzzer.repair(&fix->job, &fix->view, &fix->err), 1);
    assert_false(is_there(fix, "libfuzzer/corpus/aa"));
    assert_false(is_there(fix, "seeds/~first/dd"));
    assert_true(is_there(fix, "libfuzzer/corpus/bb"));
    assert_true(is_there(fix, "libfuzzer/corpus/cc"));
    assert_false(is_there(fix, "seeds/dd"));
    assert_true(is_there(fix, "libfuzzer/artifacts-1/crash-54a2"));
}

static void
test_a_seed_that_was_cut_is_taken_out_too(void **state)
{
    struct fixture *fix = *state;

    strv_add(&fix->target.libfuzzer, "-max_len=4");
    put(fix, "seeds/long", "boom and more", 13);
    put(fix, "seeds/other", "bang and more", 13);
    crash_early(fix, "boom", 4);
    assert_int_equal(engine_libfuzzer.repair(&fix->job, &fix->view, &fix->err), 1);
    assert_false(is_there(fix, "seeds/long"));
    assert_true(is_there(fix, "seeds/other"));
}

static void
test_repair_changes_nothing_for_a_crash_while_fuzzing(void **state)
{
    struct fixture *fix = *state;

    put(fix, "libfuzzer/corpus/aa", "boom", 4);
    say(fix, "#15\tINITED cov: 675 ft: 1300 corp: 13/13642b exec/s: 200 rss: 40Mb");
    crash_early(fix, "boom", 4);
    assert_int_equal(engine_libfuzzer.repair(&fix->job, &fix->view, &fix->err), 0);
    assert_true(is_there(fix, "libfuzzer/corpus/aa"));
}

static void
test_repair_cannot_help_against_the_empty_input(void **state)
{
    struct fixture *fix = *state;

    put(fix, "libfuzzer/corpus/aa", "", 0);
    crash_early(fix, "", 0);
    assert_int_equal(engine_libfuzzer.repair(&fix->job, &fix->view, &fix->err), 0);
    assert_true(is_there(fix, "libfuzzer/corpus/aa"));
}

static void
test_repair_does_not_use_artifacts_of_earlier_runs(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *path = fs_join(fix->root, "libfuzzer/artifacts-1/crash-54a2");
    const struct timeval times[2] = {{1000, 0}, {1000, 0}};

    put(fix, "libfuzzer/corpus/aa", "boom", 4);
    crash_early(fix, "boom", 4);
    assert_int_equal(utimes(path, times), 0);
    assert_int_equal(engine_libfuzzer.repair(&fix->job, &fix->view, &fix->err), 0);
    assert_true(is_there(fix, "libfuzzer/corpus/aa"));
}

static void
test_finds_by_name(void **state)
{
    (void)state;
    assert_true(engine_libfuzzer.is_find("crash-54a2"));
    assert_true(engine_libfuzzer.is_find("leak-54a2"));
    assert_true(engine_libfuzzer.is_find("timeout-54a2"));
    assert_true(engine_libfuzzer.is_find("oom-54a2"));
    assert_false(engine_libfuzzer.is_find("slow-unit-54a2"));
    assert_false(engine_libfuzzer.is_find(".crash-54a2"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_command_without_fork_mode),
        TEST(test_flags_of_the_options_file_come_last_but_cannot_take_over),
        TEST(test_a_second_worker_looks_at_values_and_has_artifacts_of_its_own),
        TEST(test_prepare_makes_its_folders),
        TEST(test_status_lines),
        TEST(test_lines_that_only_look_alike_are_no_news),
        TEST(test_counts_never_go_back),
        TEST(test_patience_grows_with_the_gap_to_the_next_line),
        TEST(test_finds_have_a_key),
        TEST(test_ends),
        TEST(test_seeds_that_go_first_are_named_first_and_not_sorted_by_size),
        TEST(test_a_seed_that_crashes_is_taken_out),
        TEST(test_a_seed_that_was_cut_is_taken_out_too),
        TEST(test_repair_changes_nothing_for_a_crash_while_fuzzing),
        TEST(test_repair_cannot_help_against_the_empty_input),
        TEST(test_repair_does_not_use_artifacts_of_earlier_runs),
        TEST(test_finds_by_name),
    };

    return cmocka_run_group_tests_name("engine_libfuzzer", tests, NULL, NULL);
}
