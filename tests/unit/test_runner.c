#include "tests/unit/victim.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "triage/runner.h"
#include "triage/sandbox.h"

/* The first byte of the input says what to do; exit status 0: nothing of it succeeded,
 * and nothing of an earlier run is to be seen. */
static const char source[] =
    "#define _GNU_SOURCE\n#include <dirent.h>\n#include <errno.h>\n#include "
    "<fcntl.h>\n#include <signal.h>\n"
    "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <sys/ipc.h>\n"
    "#include <sys/msg.h>\n#include <sys/ptrace.h>\n#include <sys/resource.h>\n"
    "#include <sys/sem.h>\n#include <sys/shm.h>\n#include <sys/stat.h>\n"
    "#include <unistd.h>\n"
    "static int files(const char *d) { DIR *s = opendir(d); int n = 0;\n"
    "  for (struct dirent *e; s && (e = readdir(s));) n += e->d_name[0] != '.';\n"
    "  return n; }\n"
    "static void touch(const char *p) { close(open(p, O_CREAT | O_WRONLY, 0600)); }\n"
    "static int processes(void) { DIR *s = opendir(\"/proc\"); int n = 0;\n"
    "  for (struct dirent *e; (e = readdir(s));) n += atoi(e->d_name) > 0;\n"
    "  return n; }\n"
    "int main(int c, char **v) {\n"
    "  char b[16] = \"\"; int fd = c > 1 ? open(v[1], O_RDONLY) : 0; read(fd, b, 15);\n"
    "  char path[64]; struct rlimit low = {4, 4}; int gone = 0, n;\n"
    "  switch (b[0]) {\n"
    "  case 'e': return b[1];\n"
    "  case 's': raise(b[1] - '0'); return 90;\n"
    "  case 'l': /* leave what can be left */\n"
    "    touch(\"/tmp/poison\"); touch(\"here\"); touch(\"/dev/shm/poison\");\n"
    "    mkdir(\"/tmp/deep\", 0700); touch(\"/tmp/deep/file\"); chmod(\"/tmp/deep\", "
    "0);\n"
    "    shmget(7, 4096, IPC_CREAT | 0600); msgget(7, IPC_CREAT | 0600);\n"
    "    semget(7, 1, IPC_CREAT | 0600); return 0;\n"
    "  case 'q': /* look for it */\n"
    "    if (!access(\"/tmp/poison\", F_OK)) return 1;\n"
    "    if (files(\".\") != 1) return 2;\n"
    "    if (files(\"/dev/shm\") != 0) return 3;\n"
    "    if (shmget(7, 0, 0) >= 0 || msgget(7, 0) >= 0 || semget(7, 0, 0) >= 0) return "
    "4;\n"
    "    if (!access(\"/tmp/deep\", F_OK)) return 5;\n"
    "    if (processes() > 3) return 6;\n"
    "    if (fcntl(1, F_GETFL) & O_NONBLOCK) return 7;\n"
    "    getrlimit(RLIMIT_NOFILE, &low); if (low.rlim_cur < 100) return 8;\n"
    "    if (getpriority(PRIO_PROCESS, 0) > 0) return 9;\n"
    "    return 0;\n"
    "  case 'd': /* a descendant that survives */\n"
    "    if (fork() == 0) { setsid(); if (fork() == 0) for (;;) pause(); _exit(0); }\n"
    "    usleep(20000); return 0;\n"
    "  case 'h': /* descendants that fork and end, again and again */\n"
    "    if (fork() == 0) { for (;;) { setsid(); if (fork()) _exit(0); usleep(300); } }\n"
    "    usleep(5000); return 0;\n"
    "  case 'b': for (;;) { if (fork() == 0) for (;;) pause(); usleep(100); }\n"
    "  case 'k': kill(1, SIGKILL); kill(1, SIGSTOP); kill(1, SIGTERM); return 0;\n"
    "  case 'K': kill(getppid(), SIGKILL); usleep(10000); return 5;\n"
    "  case 'S': kill(getppid(), SIGSTOP); return 0;\n"
    "  case 'a': kill(-1, SIGKILL); return 6;\n"
    "  case 't': n = getppid();\n"
    "    for (int pid = 1; pid <= n; pid += n - 1 > 0 ? n - 1 : 1) {\n"
    "      snprintf(path, sizeof path, \"/proc/%d/mem\", pid);\n"
    "      if (open(path, O_RDWR) >= 0) return 10;\n"
    "      snprintf(path, sizeof path, \"/proc/%d/fd/3\", pid);\n"
    "      if (open(path, O_RDWR) >= 0) return 11;\n"
    "      if (ptrace(PTRACE_ATTACH, pid, 0, 0) == 0) return 12;\n"
    "      if (prlimit(pid, RLIMIT_NOFILE, &low, 0) == 0) return 13;\n"
    "      if (setpriority(PRIO_PROCESS, pid, 19) == 0) return 14;\n"
    "    }\n"
    "    return 0;\n"
    "  case 'w': for (int i = 3; i < 1024; i++) gone += write(i, b, 15) > 0;\n"
    "    return gone;\n"
    "  case 'f': fcntl(1, F_SETFL, O_NONBLOCK); fcntl(1, F_SETPIPE_SZ, 4096);\n"
    "    fcntl(0, F_SETFL, O_NONBLOCK | O_APPEND); return 0;\n"
    "  case 'm': chmod(\"/tmp\", 0700); return 0;\n"
    "  case 'r': rename(\".\", \"/tmp/other\"); rmdir(\"/tmp/work\"); return 0;\n"
    "  case 'o': for (;;) puts(\"on and on\");\n"
    "  case 'p': printf(\"one %s\\n\", b + 1); fflush(stdout); return 0;\n"
    "  case 'L': printf(\"%s %s\\n\", getppid() == 1 ? \"start\" : \"fork\", b + 1); "
    "return 0;\n"
    "  case 'x': for (;;) ;\n"
    "  }\n  return 91;\n}\n";

static char *the_folder, *program, *scratch;

struct fixture {
    struct runner *runner;
    struct command command;
    struct limit limit;
    struct limit_run run;
    bool fresh;
    struct err err;
};

static int
build(void **state)
{
    enum sandbox_rung rung = SANDBOX_BWRAP;
    struct err err = ERR_INIT;

    (void)state;
    if (sandbox_choose(rung, &rung, NULL, &err) < 0) {
        print_message("1..0 # skip %s\n", err.msg);
        exit(0);
    }
    the_folder = victim_folder();
    program = victim_build(the_folder, "victim", source, VICTIM_PLAIN);
    scratch = fs_join(the_folder, "scratch");
    return fs_mkdirs(scratch, 0711, &err);
}

static int
unbuild(void **state)
{
    (void)state;
    (void)fs_remove(the_folder, NULL);
    mem_free(the_folder);
    mem_free(program);
    mem_free(scratch);
    return 0;
}

static void
use(struct fixture *fix, const char *argument)
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
}

static int
setup(void **state)
{
    const struct runner_config config = {.scratch = scratch};
    struct fixture *fix = mem_alloc(sizeof(*fix));

    fix->limit =
        (struct limit){.wall_ms = 20000, .grace_ms = 100, .output_bytes = 64 << 10};
    assert_int_equal(runner_new(&config, &fix->runner, &fix->err), 0);
    use(fix, "@@");
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    runner_free(fix->runner);
    command_clear(&fix->command);
    limit_run_clear(&fix->run);
    mem_free(fix);
    return 0;
}

static int
once(struct fixture *fix, const char *text)
{
    const struct runner_input input = {
        .data = text, .len = strlen(text), .fresh = fix->fresh};

    limit_run_clear(&fix->run);
    fix->run = (struct limit_run){0};
    return runner_run(fix->runner, &fix->command, &fix->limit, &input, &fix->run,
                      &fix->err);
}

static void
expect_exit(struct fixture *fix, const char *text, int code)
{
    if (once(fix, text) < 0) {
        fail_msg("'%s': %s", text, fix->err.msg);
    }
    if (!WIFEXITED(fix->run.status) || WEXITSTATUS(fix->run.status) != code) {
        fail_msg("'%s': status %x, not exit %d: %s", text, (unsigned)fix->run.status,
                 code, buf_str(&fix->run.output));
    }
}

/* Twice forked, then each once more as a process start. */
static void
expect_all(struct fixture *fix, const char *text, int code)
{
    static const bool ways[] = {false, false, true};

    for (size_t i = 0; i < COUNT(ways); i++) {
        fix->fresh = ways[i];
        expect_exit(fix, text, code);
        fix->fresh = ways[(i + 1) % COUNT(ways)];
        expect_exit(fix, "q", 0);
    }
}

static void
test_status_and_output_are_the_runs(void **state)
{
    struct fixture *fix = *state;

    for (int i = 0; i < 3; i++) {
        fix->fresh = i == 2;
        expect_exit(fix, "e\x07", 7);
        assert_int_equal(fix->run.output.len, 0);
        assert_int_equal(once(fix, "s6"), 0);
        assert_int_equal(WTERMSIG(fix->run.status), SIGABRT);
        expect_exit(fix, "pA", 0);
        assert_string_equal(buf_str(&fix->run.output), "one A\n");
        expect_exit(fix, "pB", 0);
        assert_string_equal(buf_str(&fix->run.output), "one B\n");
    }
}

/* A fork is no witness of a leak: where one follows the other it is not tried. */
static void
test_inputs_that_leak_are_started_at_once(void **state)
{
    struct fixture *fix = *state;
    static const struct {
        const char *input, *output;
    } runs[] = {{"Lx", "fork x\n"},
                {"LLeakSanitizer", "start LeakSanitizer\n"},
                {"Lx", "fork x\n"},
                {"LLeakSanitizer", "start LeakSanitizer\n"},
                {"LLeakSanitizer", "start LeakSanitizer\n"},
                {"LLeakSanitizer", "start LeakSanitizer\n"},
                {"Lx", "start x\n"},
                {"Lx", "fork x\n"}};

    for (size_t i = 0; i < COUNT(runs); i++) {
        expect_exit(fix, runs[i].input, 0);
        assert_string_equal(buf_str(&fix->run.output), runs[i].output);
    }
}

static void
test_standard_input_begins_anew(void **state)
{
    struct fixture *fix = *state;

    use(fix, NULL);
    for (int i = 0; i < 3; i++) {
        fix->fresh = i == 2;
        expect_exit(fix, "plong one", 0);
        assert_string_equal(buf_str(&fix->run.output), "one long one\n");
        expect_exit(fix, "pB", 0);
        assert_string_equal(buf_str(&fix->run.output), "one B\n");
    }
    expect_all(fix, "f", 0);
}

static void
test_nothing_is_left_for_the_next(void **state)
{
    static const char *const hostile[] = {"l", "d", "h", "f", "m", "r"};

    for (size_t i = 0; i < COUNT(hostile); i++) {
        expect_all(*state, hostile[i], 0);
    }
}

static void
test_the_keepers_are_out_of_reach(void **state)
{
    struct fixture *fix = *state;

    expect_all(fix, "t", 0);
    expect_all(fix, "w", 0);
    expect_all(fix, "k", 0);
}

static void
test_a_killed_server_is_no_result(void **state)
{
    struct fixture *fix = *state;

    /* the run that killed it is made again by a process start, whose parent is process 1
     */
    for (int i = 0; i < 5; i++) {
        expect_exit(fix, "K", 5);
        expect_exit(fix, "q", 0);
    }
    assert_int_equal(once(fix, "a"), 0); /* it does not kill itself */
    expect_exit(fix, "q", 0);
}

static void
test_limits_end_a_run_and_no_more(void **state)
{
    struct fixture *fix = *state;

    fix->limit.wall_ms = 300;
    for (int i = 0; i < 3; i++) {
        fix->fresh = i == 2;
        assert_int_equal(once(fix, "x"), 0);
        assert_int_equal(fix->run.hit, LIMIT_TIME);
        assert_int_equal(once(fix, "o"), 0);
        assert_int_equal(fix->run.hit, LIMIT_TIME);
        assert_true(fix->run.output.len > 1000 && fix->run.output.len < 66 << 10);
    }
    fix->limit.wall_ms = 20000;
    expect_exit(fix, "q", 0);
}

static void
test_a_fork_bomb_is_told_by_the_sandbox(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(once(fix, "b"), 0);
    assert_int_equal(WEXITSTATUS(fix->run.status), SANDBOX_EXIT);
    assert_non_null(strstr(buf_str(&fix->run.output),
                           "nightjar sandbox: the command had too many processes"));
    expect_exit(fix, "q", 0);
}

static void
test_a_sandbox_that_was_killed_is_made_anew(void **state)
{
    struct fixture *fix = *state;

    for (int i = 0; i < 3; i++) {
        AUTO(mem_free)
        char *path = mem_printf("/proc/self/task/%d/children", (int)getpid());
        AUTO(buf_clear) struct buf text = BUF_INIT;
        expect_exit(fix, "e\x07", 7);
        AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_int_equal(fd_read_all(fd, &text, &fix->err), 0);
        for (char *at = text.data; at != NULL && *at != '\0';) {
            long pid = strtol(at, &at, 10);
            (void)(pid > 0 && kill((pid_t)pid, SIGKILL));
            at += strspn(at, " \n");
        }
        expect_exit(fix, "e\x08", 8);
    }
}

static void
test_commands_have_sandboxes_of_their_own(void **state)
{
    struct fixture *fix = *state;
    char argument[] = "A@@";

    for (int i = 0; i < 2 * RUNNER_SANDBOXES_MAX + 2; i++) {
        argument[0] = (char)('A' + i % (RUNNER_SANDBOXES_MAX + 1));
        use(fix, argument);
        expect_exit(fix, "e\x01", 91); /* there is no such file */
        use(fix, "@@");
        expect_exit(fix, "e\x01", 1);
    }
}

static void
test_what_cannot_run_is_an_error(void **state)
{
    struct fixture *fix = *state;

    mem_free(fix->command.argv.v[0]);
    fix->command.argv.v[0] = mem_strdup("/nonexistent/program");
    assert_int_equal(once(fix, "q"), -ENOENT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_status_and_output_are_the_runs),
        TEST(test_inputs_that_leak_are_started_at_once),
        TEST(test_standard_input_begins_anew),
        TEST(test_nothing_is_left_for_the_next),
        TEST(test_the_keepers_are_out_of_reach),
        TEST(test_a_killed_server_is_no_result),
        TEST(test_limits_end_a_run_and_no_more),
        TEST(test_a_fork_bomb_is_told_by_the_sandbox),
        TEST(test_a_sandbox_that_was_killed_is_made_anew),
        TEST(test_commands_have_sandboxes_of_their_own),
        TEST(test_what_cannot_run_is_an_error),
    };

    return cmocka_run_group_tests_name("runner", tests, build, unbuild);
}
