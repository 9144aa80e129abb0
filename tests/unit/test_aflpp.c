#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/engine/engine.h"
#include "orchestrator/engine/folder.h"

extern const struct engine_ops engine_aflpp;

/* waitpid's status of exit(1), exit(0), exit(125) */
enum { EXIT_1 = 1 << 8, EXIT_0 = 0, EXIT_125 = 125 << 8 };

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
    fix->folder = fs_join(fix->root, "aflpp");
    fix->seeds = fs_join(fix->root, "seeds");
    assert_int_equal(fs_mkdirs(fix->folder, 0755, &fix->err), 0);
    assert_int_equal(fs_mkdirs(fix->seeds, 0755, &fix->err), 0);
    fix->target = (struct target){.name = mem_strdup("png"),
                                  .timeout_ms = 5000,
                                  .memory_bytes = (int64_t)2560 << 20};
    fix->target.builds[BUILD_AFL] = mem_strdup("/bin/true");
    fix->caps = (struct engine_caps){
        .usable = true, .program = mem_strdup("/bin/true"), .has = ~0U};
    fix->job = (struct engine_job){.target = &fix->target,
                                   .caps = &fix->caps,
                                   .folder = fix->folder,
                                   .seeds = fix->seeds,
                                   .state = fix->root,
                                   .number = 1,
                                   .count = 1,
                                   .cpu = -1,
                                   .for_ms = 60000};
    engine_view_begin(&fix->view);
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    engine_command_clear(&fix->command);
    engine_view_clear(&fix->view);
    engine_caps_clear(&fix->caps);
    strv_clear(&fix->target.args);
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
put(struct fixture *fix, const char *relative, const char *text)
{
    AUTO(mem_free) char *path = fs_join(fix->folder, relative);
    AUTO(mem_free) char *parent = mem_dup(path, (size_t)(fs_base(path) - path));

    assert_int_equal(fs_mkdirs(parent, 0700, &fix->err), 0);
    assert_int_equal(fs_write(path, text, strlen(text), 0600, &fix->err), 0);
}

static bool
is_there(struct fixture *fix, const char *relative)
{
    AUTO(mem_free) char *path = fs_join(fix->folder, relative);

    return fs_exists(path);
}

/* The command line behind the program, in one text. */
static char *
command_line(struct fixture *fix)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;

    engine_command_clear(&fix->command);
    fix->command = (struct engine_command){0};
    assert_int_equal(engine_aflpp.command(&fix->job, &fix->command, &fix->err), 0);
    for (size_t i = 1; i < fix->command.argv.n; i++) {
        buf_addf(&text, "%s%s", i == 1 ? "" : " ", fix->command.argv.v[i]);
    }
    return buf_steal(&text);
}

static void
assert_line(struct fixture *fix, const char *rest)
{
    AUTO(mem_free) char *line = command_line(fix);
    AUTO(mem_free) char *start = mem_printf("-i %s -o %s ", fix->seeds, fix->folder);
    AUTO(mem_free) char *wanted = mem_printf("%s%s", start, rest);

    assert_string_equal(line, wanted);
}

static void
say(struct fixture *fix, const char *text)
{
    engine_aflpp.line(&fix->job, &fix->view, text, strlen(text));
}

/* --- the command line --- */

static void
test_command_of_a_short_campaign(void **state)
{
    struct fixture *fix = *state;

    strv_add(&fix->target.args, "-a");
    strv_add(&fix->target.args, "@@");
    assert_line(fix, "-S w1 -m none -t 1000+ -p fast -- /bin/true -a @@");
    assert_int_equal(fix->command.stop_signal, SIGTERM);
    assert_true(strv_has(&fix->command.env, "AFL_NO_UI=1"));
    assert_true(strv_has(&fix->command.env, "AFL_AUTORESUME=1"));
    assert_true(strv_has(&fix->command.env, "AFL_SKIP_CPUFREQ=1"));
    assert_true(strv_has(&fix->command.env, "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1"));
    assert_true(strv_has(&fix->command.env, "AFL_HANG_TMOUT=5000"));
    assert_true(strv_has(&fix->command.env, "AFL_SYNC_TIME=1"));
    assert_true(strv_has(&fix->command.env, "AFL_NO_AFFINITY=1"));
    assert_true(strv_has(&fix->command.policy.write, fix->folder));
    assert_true(strv_has(&fix->command.policy.read, fix->seeds));
    assert_true(strv_has(&fix->command.policy.hide, fix->root));
    assert_string_equal(fix->command.policy.cwd, fix->folder);
}

static void
test_sanitizers_are_told_what_afl_insists_on(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *line = command_line(fix);

    for (size_t i = 0; i < fix->command.env.n; i++) {
        const char *pair = fix->command.env.v[i];
        if (strncmp(pair, "ASAN_OPTIONS=", 13) == 0) {
            assert_non_null(strstr(pair, "abort_on_error=1"));
            assert_non_null(strstr(pair, "symbolize=0"));
            return;
        }
    }
    fail_msg("no ASAN_OPTIONS for %s", line);
}

static void
test_a_processor_a_dictionary_and_cmplog(void **state)
{
    struct fixture *fix = *state;

    fix->job.cpu = 3;
    fix->target.dictionary = mem_strdup("/usr/share/dict");
    fix->target.builds[BUILD_CMPLOG] = mem_strdup("/bin/sh");
    assert_line(
        fix,
        "-S w1 -m none -t 1000+ -x /usr/share/dict -b 3 -p fast -c /bin/sh -- /bin/true");
    assert_true(strv_has(&fix->command.env, "AFL_TRY_AFFINITY=1"));
    fix->job.number = 2; /* CMPLOG on one worker only */
    assert_line(fix,
                "-S w2 -m none -t 1000+ -x /usr/share/dict -b 3 -p explore -- /bin/true");
    assert_true(strv_has(&fix->command.env, "AFL_DISABLE_TRIM=1"));
}

static void
test_an_old_afl_gets_no_option_that_it_does_not_know(void **state)
{
    struct fixture *fix = *state;

    fix->caps.has = 0;
    fix->job.cpu = 3;
    fix->target.builds[BUILD_CMPLOG] = mem_strdup("/bin/sh");
    assert_line(fix, "-S w1 -m none -t 1000+ -p fast -- /bin/true");
    assert_false(strv_has(&fix->command.env, "AFL_SYNC_TIME=1"));
}

static void
test_a_main_only_in_a_long_campaign_without_turns(void **state)
{
    struct fixture *fix = *state;

    fix->job.count = 2;
    fix->job.for_ms = 0;
    assert_line(fix, "-M w1 -m none -t 1000+ -p fast -- /bin/true");
    assert_false(strv_has(&fix->command.env, "AFL_SYNC_TIME=1"));
    fix->job.sliced = true;
    assert_line(fix, "-S w1 -m none -t 1000+ -p fast -- /bin/true");
    fix->job.sliced = false;
    fix->job.for_ms = 600000;
    assert_line(fix, "-S w1 -m none -t 1000+ -p fast -- /bin/true");
}

static void
test_the_limit_of_a_fast_target_is_kept(void **state)
{
    struct fixture *fix = *state;

    fix->target.timeout_ms = 200;
    assert_line(fix, "-S w1 -m none -t 200+ -p fast -- /bin/true");
}

static void
test_a_session_is_resumed_and_never_deleted(void **state)
{
    static const char *const leftovers[] = {"w1/queue/id:000000,orig:a",
                                            "w1/_resume/id:000000"};
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(leftovers); i++) {
        put(fix, leftovers[i], "x");
        AUTO(mem_free) char *line = command_line(fix);
        AUTO(mem_free) char *start = mem_printf("-i - -o %s -S w1 ", fix->folder);
        assert_memory_equal(line, start, strlen(start));
        AUTO(mem_free) char *path = fs_join(fix->folder, "w1");
        assert_int_equal(fs_remove(path, &fix->err), 0);
    }
}

/* --- before a start --- */

static void
test_prepare_finds_where_the_count_goes_on(void **state)
{
    struct fixture *fix = *state;

    put(fix, "w1/queue/id:000000", "x");
    put(fix, "w1/fuzzer_stats",
        "start_time        : 1795458670\nrun_time          : 16\n"
        "execs_done        : 3720\n");
    assert_int_equal(engine_aflpp.prepare(&fix->job, &fix->view, &fix->err), 0);
    assert_int_equal(fix->view.base_execs, 3720);
    assert_int_equal(fix->view.base_ms, 16000);
}

static void
test_prepare_drops_the_marks_of_dead_mains(void **state)
{
    struct fixture *fix = *state;

    fix->job.count = 2;
    put(fix, "w1/is_main_node", "");
    put(fix, "w2/is_main_node", ""); /* may be alive */
    put(fix, "w3/is_main_node", ""); /* of an earlier campaign with three */
    assert_int_equal(engine_aflpp.prepare(&fix->job, &fix->view, &fix->err), 0);
    assert_false(is_there(fix, "w1/is_main_node"));
    assert_true(is_there(fix, "w2/is_main_node"));
    assert_false(is_there(fix, "w3/is_main_node"));
}

static void
test_new_seeds_reach_a_resumed_session_once(void **state)
{
    struct fixture *fix = *state;

    put(fix, "../seeds/aaaa", "1");
    assert_int_equal(engine_aflpp.prepare(&fix->job, &fix->view, &fix->err), 0);
    assert_false(is_there(fix, "hub")); /* the first session reads them itself */
    put(fix, "w1/queue/id:000000,orig:aaaa", "1");
    assert_int_equal(engine_aflpp.prepare(&fix->job, &fix->view, &fix->err), 0);
    assert_true(is_there(fix, "hub/queue/id:000000,orig:aaaa"));
    put(fix, "../seeds/bbbb", "2");
    assert_int_equal(engine_aflpp.prepare(&fix->job, &fix->view, &fix->err), 0);
    assert_int_equal(engine_aflpp.prepare(&fix->job, &fix->view, &fix->err), 0);
    assert_true(is_there(fix, "hub/queue/id:000001,orig:bbbb"));
    assert_false(is_there(fix, "hub/queue/id:000002,orig:bbbb"));
    assert_false(is_there(fix, "hub/queue/id:000002,orig:aaaa"));
}

static void
test_a_hub_that_a_target_replaced_is_left_alone(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *link = fs_join(fix->folder, "hub");
    AUTO(mem_free) char *elsewhere = fs_join(fix->root, "elsewhere");

    assert_int_equal(fs_mkdirs(elsewhere, 0755, &fix->err), 0);
    assert_int_equal(symlink(elsewhere, link), 0);
    put(fix, "../seeds/aaaa", "1");
    put(fix, "w1/queue/id:000000,orig:aaaa", "1");
    assert_int_equal(engine_aflpp.prepare(&fix->job, &fix->view, &fix->err), 0);
    assert_false(is_there(fix, "../elsewhere/queue"));
}

/* --- what it prints --- */

static void
test_lines_tell_when_it_fuzzes(void **state)
{
    struct fixture *fix = *state;

    say(fix, "\033[1;94m[*] \033[0mSpinning up the fork server...\033[0m");
    assert_false(fix->view.ready);
    assert_int_equal(fix->view.beats, 1);
    say(fix,
        "\033[1;94m[*] \033[0mFuzzing test case #3 (7 total, 1 crashes saved, map=4)...");
    assert_true(fix->view.ready);
    assert_int_equal(fix->view.corpus, 7);
}

static void
test_seeds_that_crash_are_noted_with_their_queue_file(void **state)
{
    struct fixture *fix = *state;

    say(fix, "[*] Attempting dry run with 'id:000000,time:0,execs:0,orig:bad'...");
    say(fix, "[!] WARNING: Test case 'id:000000,time:0,execs:0,orig:bad' results in a "
             "crash, skipping");
    say(fix, "[*] Attempting dry run with 'id:000001,time:0,execs:0,orig:good'...");
    say(fix, "[*] Attempting dry run with 'id:000002,time:0,execs:0,orig:worse'...");
    say(fix, "[!] WARNING: Test case 'x' results in a crash, skipping");
    assert_int_equal(fix->view.bad_seeds.n, 2);
    assert_string_equal(fix->view.bad_seeds.v[0],
                        "w1/queue/id:000000,time:0,execs:0,orig:bad");
    assert_string_equal(fix->view.bad_seeds.v[1],
                        "w1/queue/id:000002,time:0,execs:0,orig:worse");
}

static void
test_hostile_seed_names_lead_nowhere(void **state)
{
    struct fixture *fix = *state;

    say(fix, "[*] Attempting dry run with '../../etc/passwd'...");
    say(fix, "results in a crash");
    say(fix, "[*] Attempting dry run with '");
    say(fix, "results in a crash");
    assert_int_equal(fix->view.bad_seeds.n, 0);
    for (int i = 0; i < 3 * ENGINE_BAD_SEEDS_MAX; i++) {
        say(fix, "[*] Attempting dry run with 'id:1'...");
        say(fix, "results in a crash");
    }
    assert_int_equal(fix->view.bad_seeds.n, ENGINE_BAD_SEEDS_MAX);
}

/* --- what it writes --- */

static void
test_plot_data_counts(void **state)
{
    struct fixture *fix = *state;

    put(fix, "w1/plot_data",
        "# relative_time, cycles_done, cur_item, corpus_count, pending_total, "
        "pending_favs, map_size, "
        "saved_crashes, saved_hangs, max_depth, execs_per_sec, total_execs, edges_found\n"
        "61, 1, 6, 7, 0, 0, 64.29%, 1, 0, 2, 170.27, 11068, 9\n"
        "66, 1, 6, 8, 0, 0, 64.29%, 1, 0, 2, 176.63, 11905, 12\n");
    engine_aflpp.poll(&fix->job, &fix->view);
    assert_int_equal(fix->view.execs, 11905);
    assert_true(fix->view.ready);
    assert_int_equal(fix->view.edges, 12);
    assert_int_equal(fix->view.corpus, 8);
    assert_int_equal((int)fix->view.execs_per_sec, 176);
}

static void
test_plot_data_without_a_row_or_cut_short_says_nothing(void **state)
{
    static const char *const texts[] = {
        "", "# relative_time\n", "61, 1, 6, 7", "garbage\n",
        "1,2,3,4,5,6,7,8,9,10,11,99999999999999999999,1\n"};
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(texts); i++) {
        put(fix, "w1/plot_data", texts[i]);
        engine_aflpp.poll(&fix->job, &fix->view);
        assert_int_equal(fix->view.execs, -1);
    }
}

static void
test_names_of_new_queue_files_count_in_the_first_minute(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *old = fs_join(fix->folder, "w1/queue/id:000001,time:90000,execs:99999,op:x");
    const struct timeval times[2] = {{1000, 0}, {1000, 0}};

    fix->view.base_execs = 3720;
    fix->view.base_ms = 16000;
    put(fix, "w1/queue/id:000000,time:0,execs:0,orig:a", "x");
    put(fix, "w1/queue/id:000001,time:90000,execs:99999,op:x", "of the session before");
    assert_int_equal(utimes(old, times), 0);
    put(fix, "w1/queue/id:000002,src:000001,time:18000,execs:4720,op:havoc,+cov", "x");
    engine_aflpp.poll(&fix->job, &fix->view);
    assert_int_equal(fix->view.execs, 4720);
    assert_int_equal((int)fix->view.execs_per_sec, 500);
    assert_int_equal(fix->view.corpus, 3);
}

static void
test_stats_count_unless_they_are_of_the_session_before(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *text = mem_printf(
        "start_time        : 1795458670\nlast_update       : %lld\n"
        "execs_done        : 5000\ncorpus_count      : 70\nedges_found       : 33\n"
        "stability         : 98.76%%\ntotal_edges       : 512\n",
        (long long)clock_wall_ms() / 1000);

    put(fix, "w1/fuzzer_stats",
        "start_time : 1795458670\nlast_update : 1795458687\n"
        "execs_done : 7777\n");
    fix->view.begun_ms = (int64_t)1795458700 * 1000;
    engine_aflpp.poll(&fix->job, &fix->view);
    assert_int_equal(fix->view.execs, -1);
    assert_true(fix->view.stability < 0);
    fix->view.begun_ms = clock_wall_ms();
    put(fix, "w1/fuzzer_stats", text);
    engine_aflpp.poll(&fix->job, &fix->view);
    assert_int_equal(fix->view.execs, 5000);
    assert_int_equal(fix->view.corpus, 70);
    assert_int_equal(fix->view.edges, 33);
    assert_int_equal(fix->view.edges_known, 512);
    assert_true(fix->view.stability > 0.98759 && fix->view.stability < 0.98761);
}

static void
test_a_stability_that_cannot_be_is_not_believed(void **state)
{
    static const struct {
        const char *said;
        double stability;
    } rows[] = {{"100.00%", 1}, {"0.00%", 0}, {"101.00%", -1}, {"-3%", -1},   {"nan", -1},
                {"99", 0.99},   {"", -1},     {"50.999%", -1}, {"1e9%", 0.01}};
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(mem_free)
        char *text = mem_printf("start_time : 1795458670\nlast_update : %lld\n"
                                "execs_done : 5\nstability : %s\n",
                                (long long)clock_wall_ms() / 1000, rows[i].said);
        put(fix, "w1/fuzzer_stats", text);
        fix->view.stability = -1;
        engine_aflpp.poll(&fix->job, &fix->view);
        double off = fix->view.stability - rows[i].stability;
        if (off < -1e-9 || off > 1e-9) {
            fail_msg("%s: %f", rows[i].said, fix->view.stability);
        }
    }
}

static void
test_hostile_files_are_not_read(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *real = fs_join(fix->root, "real");
    AUTO(mem_free) char *link = fs_join(fix->folder, "w1/plot_data");
    AUTO(mem_free) char *fifo = fs_join(fix->folder, "w1/fuzzer_stats");
    static const char row[] = "61, 1, 6, 7, 0, 0, 64.29%, 1, 0, 2, 170.27, 11068, 9\n";

    put(fix, "w1/x", "");
    assert_int_equal(fs_write(real, row, strlen(row), 0600, &fix->err), 0);
    assert_int_equal(symlink(real, link), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    engine_aflpp.poll(&fix->job, &fix->view); /* neither follows nor blocks */
    assert_int_equal(fix->view.execs, -1);
}

/* --- its end --- */

static void
test_ends_have_reasons_in_words(void **state)
{
    static const struct {
        const char *text;
        int status;
        enum engine_end end;
        const char *reason;
    } cases[] = {
        {"", EXIT_0, ENGINE_END_DONE, ""},
        {"[-] PROGRAM ABORT : No instrumentation detected", EXIT_1, ENGINE_END_HOPELESS,
         "no instrumentation: build the target with afl-clang-fast"},
        {"[-] PROGRAM ABORT : Fork server handshake failed", EXIT_1, ENGINE_END_BROKEN,
         "fork server: the target ended before it answered; does it run by itself?"},
        {"\033[1;91mPROGRAM ABORT : \033[0mUnable to request new process from fork "
         "server (OOM?)",
         EXIT_1, ENGINE_END_BROKEN,
         "fork server: the target's process died, perhaps for want of memory"},
        {"PROGRAM ABORT : We need at least one valid input seed that does not crash!",
         EXIT_1, ENGINE_END_HOPELESS, "all seeds crash or time out, even a minimal one"},
        {"\033[1;91m[-] PROGRAM ABORT : \033[0mSome\033[2J news", EXIT_1,
         ENGINE_END_BROKEN, "Some news"},
        {"nightjar sandbox: bwrap: No permissions to create new namespace", EXIT_125,
         ENGINE_END_BROKEN, "bwrap: No permissions to create new namespace"},
        {"", EXIT_125, ENGINE_END_BROKEN, "the sandbox could not be made"},
        {"", SIGKILL, ENGINE_END_BROKEN,
         "ended with signal 9 (KILL): killed, perhaps for want of memory"},
        {"", EXIT_1, ENGINE_END_BROKEN, "ended with exit status 1"},
    };
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        char reason[ENGINE_REASON_MAX] = "";
        engine_view_begin(&fix->view);
        say(fix, cases[i].text);
        assert_int_equal(engine_aflpp.classify(&fix->view, cases[i].status, reason),
                         cases[i].end);
        assert_string_equal(reason, cases[i].reason);
    }
}

static void
test_when_all_seeds_crash_minimal_ones_are_tried_once(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *minimal = engine_minimal_seeds(&fix->job);

    put(fix, "w1/queue/id:000000,orig:bad", "x");
    put(fix, "w1/is_main_node", "");
    say(fix,
        "[-] PROGRAM ABORT : We need at least one valid input seed that does not crash!");
    assert_int_equal(engine_aflpp.repair(&fix->job, &fix->view, &fix->err), 1);
    assert_false(is_there(fix, "w1"));
    fix->job.repaired = true;
    AUTO(mem_free) char *line = command_line(fix);
    AUTO(mem_free) char *start = mem_printf("-i %s -o ", minimal);
    assert_memory_equal(line, start, strlen(start));
    assert_true(strv_has(&fix->command.policy.read, minimal));
    assert_int_equal(engine_aflpp.repair(&fix->job, &fix->view, &fix->err), 0);
}

static void
test_repair_leaves_other_failures_alone(void **state)
{
    struct fixture *fix = *state;

    put(fix, "w1/queue/id:000000,orig:good", "x");
    say(fix, "[-] PROGRAM ABORT : No instrumentation detected");
    assert_int_equal(engine_aflpp.repair(&fix->job, &fix->view, &fix->err), 0);
    assert_true(is_there(fix, "w1/queue/id:000000,orig:good"));
}

static void
test_the_tail_is_bounded(void **state)
{
    struct fixture *fix = *state;

    for (int i = 0; i < 10000; i++) {
        say(fix, "PROGRAM ABORT : a line that is repeated for ever and ever");
    }
    assert_true(fix->view.tail.len <= (size_t)2 * ENGINE_TAIL_MAX);
}

/* --- its finds --- */

static void
add_folder(void *user, const char *relative, bool consume)
{
    strv_addf(user, "%s%s", relative, consume ? " (consumed)" : "");
}

static void
test_find_folders_of_this_and_earlier_sessions(void **state)
{
    struct fixture *fix = *state;
    AUTO(strv_clear) struct strv found = {0};

    fix->job.count = 2;
    put(fix, "w1/crashes/x", "");
    put(fix, "w1/hangs/x", "");
    put(fix, "w1/crashes.2026-11-23-18:36:41/x", "");
    put(fix, "w2/crashes/x", ""); /* another worker's */
    put(fix, "w3/crashes/x", ""); /* nobody's any more */
    put(fix, "other/crashes/x", "");
    engine_aflpp.find_folders(&fix->job, add_folder, &found);
    assert_int_equal(found.n, 4);
    assert_true(strv_has(&found, "w1/crashes"));
    assert_true(strv_has(&found, "w1/hangs"));
    assert_true(strv_has(&found, "w1/crashes.2026-11-23-18:36:41 (consumed)"));
    assert_true(strv_has(&found, "w3/crashes"));
    assert_true(engine_aflpp.is_find("id:000000,sig:06"));
    assert_false(engine_aflpp.is_find("README.txt"));
}

/* --- the engine that is installed here --- */

static void
test_probe_names_version_and_abilities(void **state)
{
    struct fixture *fix = *state;
    AUTO(engine_caps_clear) struct engine_caps caps = {0};
    int rc = engine_aflpp.probe(&caps, &fix->err);

    if (rc == -ENOENT) {
        skip();
    }
    assert_int_equal(rc, 0);
    assert_true(caps.usable);
    assert_true(caps.version[0] >= '2' && caps.version[0] <= '9');
    assert_int_not_equal(caps.has, 0);
}

static void
test_probe_without_afl_says_how_to_get_it(void **state)
{
    struct fixture *fix = *state;
    AUTO(engine_caps_clear) struct engine_caps caps = {0};
    AUTO(mem_free) char *path = mem_strdup(getenv("PATH"));

    assert_int_equal(setenv("PATH", "/nonexistent", 1), 0);
    assert_int_equal(engine_aflpp.probe(&caps, &fix->err), -ENOENT);
    assert_int_equal(setenv("PATH", path == NULL ? "/usr/bin" : path, 1), 0);
    assert_string_equal(
        fix->err.msg,
        "AFL++ is not installed (no afl-fuzz in PATH): apt-get install afl++");
    assert_false(caps.usable);
}

/* --- what engines share --- */

static void
test_numbers_in_a_fixed_form(void **state)
{
    static const struct {
        const char *text, *key;
        int64_t value;
    } cases[] = {{"execs_done        : 3720", "execs_done", 3720},
                 {"#8192\tNEW cov: 40", " cov: ", 40},
                 {"cov: x", "cov: ", -7},
                 {"cov: ", "cov: ", -7},
                 {"cov: -5", "cov: ", -7},
                 {"cov: 999999999999999", "cov: ", 999999999999999},
                 {"cov: 9999999999999999", "cov: ", -7},
                 {"nothing", "cov: ", -7}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(engine_number(cases[i].text, cases[i].key, -7), cases[i].value);
    }
}

static void
test_plain_text_has_no_control_sequences(void **state)
{
    static const struct {
        const char *text, *plain;
    } cases[] = {{"\033[1;91m[-]\033[0m x", "[-] x"},
                 {"\033(Bx\033)0y", "xy"},
                 {"\033[", ""},
                 {"\033", ""},
                 {"\016)B\rx", ")Bx"},
                 {"\033[1;2;3", ""}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(buf_clear) struct buf out = BUF_INIT;
        engine_plain(&out, cases[i].text, strlen(cases[i].text));
        assert_string_equal(buf_str(&out), cases[i].plain);
    }
}

static void
test_engines_are_found_by_name(void **state)
{
    struct fixture *fix = *state;
    const struct engine_ops *ops = NULL;

    assert_int_equal(engine_find("aflpp", &ops, &fix->err), 0);
    assert_ptr_equal(ops, &engine_aflpp);
    assert_int_equal(engine_find("honggfuzz", &ops, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg,
                        "there is no engine 'honggfuzz'; there are: aflpp libfuzzer");
}

static void
test_folders_do_not_follow_links_or_leave(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf out = BUF_INIT;
    AUTO(mem_free) char *link = fs_join(fix->folder, "link");

    put(fix, "a/b/file", "0123456789");
    assert_int_equal(symlink("/etc", link), 0);
    assert_int_equal(folder_read_tail(fix->folder, "a/b/file", 4, &out, &fix->err), 0);
    assert_string_equal(buf_str(&out), "6789");
    assert_int_equal(folder_read_tail(fix->folder, "link/passwd", 4, &out, &fix->err),
                     -ENOTDIR);
    assert_int_equal(folder_read_tail(fix->folder, "../seeds/x", 4, &out, &fix->err),
                     -EINVAL);
    assert_int_equal(folder_read_tail(fix->folder, "a/b", 4, &out, &fix->err), -EINVAL);
    assert_int_equal(folder_read_tail(fix->folder, "nothing", 4, &out, &fix->err),
                     -ENOENT);
}

static void
test_input_tells_finds_from_imports_by_name(void **state)
{
    static const struct {
        const char *name;
        enum engine_input what;
    } rows[] = {
        {"id:000000,time:0,execs:0,orig:seed", ENGINE_INPUT_OTHER},
        {"id:000001,src:000000,time:5,execs:9,op:havoc,rep:2,+cov", ENGINE_INPUT_OWN},
        {"id:000002,sync:w2,src:000004,+cov", ENGINE_INPUT_OTHER},
        {"id:000003,sync:hub,src:000000", ENGINE_INPUT_OTHER},
        {"id:000004,sync:from-libfuzzer-7-0,src:000001", ENGINE_INPUT_TAKEN},
        {"id:000005,time:0,execs:0,orig:id:000001,src:000000,op:havoc", ENGINE_INPUT_OWN},
        {"id:000006,time:0,execs:0,orig:id:000005,time:0,execs:0,orig:id:000001,src:"
         "000000",
         ENGINE_INPUT_OWN},
        {"id:000007,time:0,execs:0,orig:id:000004,sync:from-libfuzzer-7-0,src:000001",
         ENGINE_INPUT_OTHER},
        {"id:000008,time:0,execs:0,orig:id:000000,time:0,execs:0,orig:seed",
         ENGINE_INPUT_OTHER},
        {".state", ENGINE_INPUT_OTHER},
        {"", ENGINE_INPUT_OTHER},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *peer = "";
        assert_int_equal(engine_aflpp.input(rows[i].name, &peer), rows[i].what);
        assert_string_equal(
            peer, rows[i].what == ENGINE_INPUT_TAKEN ? "libfuzzer-7-0,src:000001" : "");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_command_of_a_short_campaign),
        TEST(test_sanitizers_are_told_what_afl_insists_on),
        TEST(test_a_processor_a_dictionary_and_cmplog),
        TEST(test_an_old_afl_gets_no_option_that_it_does_not_know),
        TEST(test_a_main_only_in_a_long_campaign_without_turns),
        TEST(test_the_limit_of_a_fast_target_is_kept),
        TEST(test_a_session_is_resumed_and_never_deleted),
        TEST(test_prepare_finds_where_the_count_goes_on),
        TEST(test_prepare_drops_the_marks_of_dead_mains),
        TEST(test_new_seeds_reach_a_resumed_session_once),
        TEST(test_a_hub_that_a_target_replaced_is_left_alone),
        TEST(test_lines_tell_when_it_fuzzes),
        TEST(test_seeds_that_crash_are_noted_with_their_queue_file),
        TEST(test_hostile_seed_names_lead_nowhere),
        TEST(test_plot_data_counts),
        TEST(test_plot_data_without_a_row_or_cut_short_says_nothing),
        TEST(test_names_of_new_queue_files_count_in_the_first_minute),
        TEST(test_stats_count_unless_they_are_of_the_session_before),
        TEST(test_a_stability_that_cannot_be_is_not_believed),
        TEST(test_hostile_files_are_not_read),
        TEST(test_ends_have_reasons_in_words),
        TEST(test_when_all_seeds_crash_minimal_ones_are_tried_once),
        TEST(test_repair_leaves_other_failures_alone),
        TEST(test_the_tail_is_bounded),
        TEST(test_find_folders_of_this_and_earlier_sessions),
        TEST(test_probe_names_version_and_abilities),
        TEST(test_probe_without_afl_says_how_to_get_it),
        TEST(test_numbers_in_a_fixed_form),
        TEST(test_plain_text_has_no_control_sequences),
        TEST(test_engines_are_found_by_name),
        TEST(test_folders_do_not_follow_links_or_leave),
        TEST(test_input_tells_finds_from_imports_by_name),
    };

    return cmocka_run_group_tests_name("aflpp", tests, NULL, NULL);
}
