#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"

enum {
    SOON_MS = 10000
}; /* far more than anything here takes, far less than what would hang */

struct fixture {
    char dir[64];
    struct proc_run run;
    struct err err;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    (void)snprintf(fix->dir, sizeof(fix->dir), "/tmp/nightjar-proc.XXXXXX");
    if (mkdtemp(fix->dir) == NULL) {
        return -1;
    }
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    (void)fs_remove(fix->dir, &fix->err);
    proc_run_clear(&fix->run);
    mem_free(fix);
    return 0;
}

static int
shell(struct fixture *fix, const char *script, int64_t timeout_ms)
{
    char *argv[] = {mem_strdup("sh"), mem_strdup("-c"), mem_strdup(script), NULL};
    struct proc_spec spec = PROC_SPEC_INIT;

    proc_run_clear(&fix->run);
    memset(&fix->run, 0, sizeof(fix->run));
    spec.argv = argv;
    int rc = proc_run(&spec, timeout_ms, &fix->run, &fix->err);
    for (size_t i = 0; i < 3; i++) {
        mem_free(argv[i]);
    }
    return rc;
}

static int
spawn_sleep(struct proc *proc, struct err *err)
{
    char *argv[] = {(char[]){"sleep"}, (char[]){"60"}, NULL};
    struct proc_spec spec = PROC_SPEC_INIT;

    spec.argv = argv;
    return proc_spawn(&spec, proc, err);
}

/* Whether the process has ended within reason; a zombie counts, whoever has to reap it.
 */
static bool
ends(pid_t pid)
{
    for (int64_t end = clock_mono_ms() + SOON_MS; clock_mono_ms() < end;) {
        char path[64];
        AUTO(buf_clear) struct buf stat = BUF_INIT;
        struct err err = ERR_INIT;
        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        if (fs_read(path, 4096, &stat, &err) < 0 ||
            strstr(buf_str(&stat), ") Z ") != NULL) {
            return true;
        }
        (void)usleep(10000);
    }
    return false;
}

static void
test_run_collects_both_outputs_and_the_status(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(shell(fix, "echo one; echo two >&2; exit 3", SOON_MS), 0);
    assert_string_equal(buf_str(&fix->run.output), "one\ntwo\n");
    assert_int_equal(WEXITSTATUS(fix->run.status), 3);
    assert_false(fix->run.timed_out);
}

static void
test_status_show_names_signals(void **state)
{
    struct fixture *fix = *state;
    char text[64];

    assert_int_equal(shell(fix, "kill -SEGV $$", SOON_MS), 0);
    proc_status_show(text, sizeof(text), fix->run.status);
    assert_string_equal(text, "signal 11 (SEGV)");
    proc_status_show(text, sizeof(text), 5 << 8);
    assert_string_equal(text, "exit status 5");
}

static void
expect_start_error(struct fixture *fix, const char *program, const char *cwd, int code,
                   const char *text)
{
    char *argv[] = {mem_strdup(program), NULL};
    struct proc_spec spec = PROC_SPEC_INIT;
    struct proc proc = PROC_INIT;

    spec.argv = argv;
    spec.cwd = cwd;
    assert_int_equal(proc_spawn(&spec, &proc, &fix->err), code);
    assert_string_equal(fix->err.msg, text);
    assert_int_equal(proc.pid, 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie is left */
    assert_int_equal(errno, ECHILD);
    mem_free(argv[0]);
}

static void
test_spawn_reports_why_exec_failed(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *file = mem_printf("%s/x", fix->dir);
    AUTO(mem_free) char *denied = mem_printf("start '%s': Permission denied", file);
    AUTO(mem_free) char *format = mem_printf("start '%s': Exec format error", file);

    expect_start_error(fix, "no-such-program-1", NULL, -ENOENT,
                       "start 'no-such-program-1': No such file or directory");
    expect_start_error(fix, "true", "/nonexistent", -ENOENT,
                       "start 'true': No such file or directory");
    assert_int_equal(fs_write(file, "echo shell\n", 11, 0600, &fix->err), 0);
    expect_start_error(fix, file, NULL, -EACCES, denied);
    assert_int_equal(chmod(file, 0700), 0);
    expect_start_error(fix, file, NULL, -ENOEXEC,
                       format); /* execvp() would start a shell on it */
    expect_start_error(fix, "evil\n\033[2J", NULL, -ENOENT,
                       "start 'evil\\x0a\\x1b[2J': No such file or directory");
}

static void
test_child_has_only_the_named_descriptors(void **state)
{
    struct fixture *fix = *state;
    char *argv[] = {(char[]){"ls"}, (char[]){"/proc/self/fd"}, NULL};
    struct proc_spec spec = PROC_SPEC_INIT;
    int leak = open("/dev/null", O_RDONLY); /* without CLOEXEC, as a library might do */
    int kept = fcntl(leak, F_DUPFD_CLOEXEC, 50);

    spec.argv = argv;
    assert_int_equal(proc_run(&spec, SOON_MS, &fix->run, &fix->err), 0);
    assert_string_equal(buf_str(&fix->run.output), "0\n1\n2\n3\n"); /* 3: of ls itself */
    proc_run_clear(&fix->run);
    spec.keep = &kept;
    spec.n_keep = 1;
    assert_int_equal(proc_run(&spec, SOON_MS, &fix->run, &fix->err), 0);
    assert_string_equal(buf_str(&fix->run.output), "0\n1\n2\n3\n50\n");
    fd_close(leak);
    fd_close(kept);
    argv[0] = (char[]){"true"};
    assert_int_equal(proc_run(&spec, SOON_MS, &fix->run, &fix->err), -EBADF);
}

static void
test_child_reads_the_given_input(void **state)
{
    struct fixture *fix = *state;
    char *argv[] = {(char[]){"cat"}, NULL};
    struct proc_spec spec = PROC_SPEC_INIT;
    int ends_of_pipe[2];

    assert_int_equal(fd_pipe(ends_of_pipe, &fix->err), 0);
    assert_int_equal(fd_write(ends_of_pipe[1], "hello", 5, &fix->err), 0);
    fd_close(ends_of_pipe[1]);
    spec.argv = argv;
    spec.in_fd = ends_of_pipe[0];
    assert_int_equal(proc_run(&spec, SOON_MS, &fix->run, &fix->err), 0);
    fd_close(ends_of_pipe[0]);
    assert_string_equal(buf_str(&fix->run.output), "hello");
}

static void
test_child_starts_with_default_signals(void **state)
{
    struct fixture *fix = *state;
    sigset_t block;
    sigset_t before;
    sigset_t after;

    (void)sigemptyset(&block);
    (void)sigaddset(&block, SIGUSR1);
    (void)sigprocmask(SIG_BLOCK, &block, &before);
    (void)signal(SIGPIPE, SIG_IGN);
    int rc = shell(fix, "grep -E '^Sig(Blk|Ign)' /proc/self/status", SOON_MS);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)sigprocmask(SIG_SETMASK, &before, &after);
    assert_int_equal(rc, 0);
    assert_string_equal(buf_str(&fix->run.output),
                        "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    assert_true(sigismember(&after, SIGUSR1) == 1); /* ours are as they were */
    assert_false(sigismember(&after, SIGTERM) == 1);
}

static void
test_limits_reach_the_child(void **state)
{
    struct fixture *fix = *state;
    char *argv[] = {(char[]){"cat"}, (char[]){"/proc/self/limits"}, NULL};
    struct proc_spec spec = PROC_SPEC_INIT;
    struct rlimit files;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    spec.argv = argv;
    spec.limits.file_bytes = 12345;
    spec.limits.cpu_s = 77;
    spec.limits.address_bytes = (int64_t)1 << 40;
    spec.limits.files = INT64_MAX; /* cut to what is allowed instead of failing */
    assert_int_equal(proc_run(&spec, SOON_MS, &fix->run, &fix->err), 0);
    const char *text = buf_str(&fix->run.output);
    assert_non_null(
        strstr(text, "Max file size             12345                12345 "));
    assert_non_null(strstr(text, "Max cpu time              77                   77 "));
    assert_non_null(
        strstr(text, "Max address space         1099511627776        1099511627776 "));
    assert_non_null(strstr(text, "Max core file size        1                    1 "));
    AUTO(mem_free)
    char *open_files = mem_printf("Max open files            %-20ju %-20ju ",
                                  (uintmax_t)files.rlim_max, (uintmax_t)files.rlim_max);
    assert_non_null(strstr(text, open_files));
}

static void
test_run_kills_at_the_limit_and_keeps_what_was_printed(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(shell(fix, "echo before; sleep 60", 300), 0);
    assert_true(fix->run.timed_out);
    assert_int_equal(WTERMSIG(fix->run.status), SIGKILL);
    assert_string_equal(buf_str(&fix->run.output), "before\n");
    assert_in_range(fix->run.wall_ms, 300, SOON_MS);

    assert_int_equal(shell(fix, "exec >&- 2>&-; sleep 60", 300),
                     0); /* silent, but there */
    assert_true(fix->run.timed_out);
    assert_int_equal(shell(fix, "exec yes", 300), 0); /* prints for ever */
    assert_true(fix->run.timed_out);
}

static void
test_run_without_limit_waits(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(shell(fix, "sleep 0.05; echo done", -1), 0);
    assert_false(fix->run.timed_out);
    assert_string_equal(buf_str(&fix->run.output), "done\n");
    assert_int_equal(shell(fix, "echo done", INT64_MAX), 0);
    assert_string_equal(buf_str(&fix->run.output), "done\n");
}

static void
test_run_ends_a_background_child(void **state)
{
    struct fixture *fix = *state;
    int64_t pid = 0;

    assert_int_equal(shell(fix, "sleep 60 & printf $!", SOON_MS), 0);
    assert_false(fix->run.timed_out);
    assert_in_range(fix->run.wall_ms, 900, SOON_MS - 1);
    assert_int_equal(
        str_number("pid", buf_str(&fix->run.output), 2, INT32_MAX, &pid, &fix->err), 0);
    assert_true(ends((pid_t)pid));
}

static void
test_run_keeps_the_first_bytes_and_drops_the_rest(void **state)
{
    struct fixture *fix = *state;
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"},
                    (char[]){"head -c 1000000 /dev/zero | tr '\\0' x; exit 4"}, NULL};
    struct proc_spec spec = PROC_SPEC_INIT;

    spec.argv = argv;
    fix->run.output.max = 1000;
    assert_int_equal(proc_run(&spec, SOON_MS, &fix->run, &fix->err), 0);
    assert_int_equal(fix->run.output.len, 1000);
    assert_true(fix->run.output.truncated);
    assert_int_equal(WEXITSTATUS(fix->run.status), 4);
}

static void
on_alarm(int sig)
{
    (void)sig;
}

static void
test_signals_do_not_disturb_waiting(void **state)
{
    struct fixture *fix = *state;
    struct sigaction action = {.sa_handler =
                                   on_alarm}; /* no SA_RESTART: every call gets EINTR */
    const struct itimerval often = {{0, 2000}, {0, 2000}};
    const struct itimerval never = {{0, 0}, {0, 0}};
    struct proc proc = PROC_INIT;
    int status = -1;

    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    (void)setitimer(ITIMER_REAL, &often, NULL);
    int ran = shell(fix, "sleep 0.2; echo out", SOON_MS);
    int spawned = spawn_sleep(&proc, &fix->err);
    int waited = proc_wait(&proc, 100, &status, &fix->err);
    proc_clear(&proc);
    (void)setitimer(ITIMER_REAL, &never, NULL);
    (void)signal(SIGALRM, SIG_DFL);
    assert_int_equal(ran, 0);
    assert_string_equal(buf_str(&fix->run.output), "out\n");
    assert_int_equal(spawned, 0);
    assert_int_equal(waited, -ETIMEDOUT);
}

static void
test_wait_at_its_limit_leaves_the_process_alone(void **state)
{
    struct fixture *fix = *state;
    AUTO(proc_clear) struct proc proc = PROC_INIT;
    int status = -1;

    assert_int_equal(spawn_sleep(&proc, &fix->err), 0);
    for (int64_t ms = 0; ms < 30;
         ms++) { /* at some of them one millisecond too much has passed */
        assert_int_equal(proc_wait(&proc, ms, &status, &fix->err), -ETIMEDOUT);
    }
    assert_string_equal(fix->err.msg, "still running after 29 ms");
    assert_int_equal(kill(proc.pid, 0), 0);
    proc_kill(&proc, SIGTERM);
    assert_int_equal(proc_wait(&proc, -1, &status, &fix->err), 0);
    assert_int_equal(WTERMSIG(status), SIGTERM);
    assert_int_equal(proc.pid, 0);
    assert_int_equal(proc.pidfd, -1);
}

static void
test_clear_kills_the_group_and_is_idempotent(void **state)
{
    struct fixture *fix = *state;
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, (char[]){"sleep 60 & echo $!; wait"},
                    NULL};
    struct proc_spec spec = PROC_SPEC_INIT;
    struct proc proc = PROC_INIT;
    int ends_of_pipe[2];
    AUTO(buf_clear) struct buf line = BUF_INIT;
    int64_t pid = 0;

    assert_int_equal(fd_pipe(ends_of_pipe, &fix->err), 0);
    spec.argv = argv;
    spec.out_fd = ends_of_pipe[1];
    assert_int_equal(proc_spawn(&spec, &proc, &fix->err), 0);
    while (strchr(buf_str(&line), '\n') == NULL) {
        assert_int_equal(fd_read_some(ends_of_pipe[0], &line, 100, &fix->err), 1);
    }
    buf_cut(&line, line.len - 1);
    assert_int_equal(str_number("pid", buf_str(&line), 2, INT32_MAX, &pid, &fix->err), 0);
    proc_clear(&proc);
    proc_clear(&proc);
    assert_true(ends((pid_t)pid));
    fd_close(ends_of_pipe[0]);
    fd_close(ends_of_pipe[1]);
}

static void
test_several_end_at_a_time(void **state)
{
    struct fixture *fix = *state;
    char *argv[] = {(char[]){"sleep"}, (char[]){"60"}, NULL};
    struct proc_spec spec = PROC_SPEC_INIT;
    struct proc proc[2] = {PROC_INIT, PROC_INIT};
    int status = 0;

    proc_end(&proc[0]);
    spec.argv = argv;
    for (size_t i = 0; i < COUNT(proc); i++) {
        assert_int_equal(proc_spawn(&spec, &proc[i], &fix->err), 0);
    }
    for (size_t i = 0; i < COUNT(proc); i++) {
        proc_end(&proc[i]);
        proc_end(&proc[i]);
    }
    assert_int_equal(proc_wait(&proc[0], 20000, &status, &fix->err), 0);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    proc_clear(&proc[1]);
    assert_int_equal(proc[1].pid, 0);
}

/* In a process of its own: start a sleeper, say its number, die by SIGKILL. */
static void __attribute__((noreturn)) be_killed_parent(bool outlive, int report)
{
    char *argv[] = {(char[]){"sleep"}, (char[]){"60"}, NULL};
    struct proc_spec spec = PROC_SPEC_INIT;
    struct proc proc = PROC_INIT;
    struct err err = ERR_INIT;

    spec.argv = argv;
    spec.outlive = outlive;
    if (proc_spawn(&spec, &proc, &err) == 0) {
        (void)!write(report, &proc.pid, sizeof(proc.pid));
    }
    (void)raise(SIGKILL);
    _exit(1);
}

static pid_t
sleeper_of_a_killed_parent(bool outlive)
{
    struct err err = ERR_INIT;
    int report[2];
    pid_t pid = 0;

    assert_int_equal(fd_pipe(report, &err), 0);
    pid_t parent = fork();
    assert_true(parent >= 0);
    if (parent == 0) {
        be_killed_parent(outlive, report[1]);
    }
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    assert_int_equal(fd_read(report[0], &pid, sizeof(pid)), sizeof(pid));
    fd_close(report[0]);
    fd_close(report[1]);
    return pid;
}

static void
test_child_dies_with_its_parent_unless_told_otherwise(void **state)
{
    (void)state;
    assert_true(ends(sleeper_of_a_killed_parent(false)));
    pid_t pid = sleeper_of_a_killed_parent(true);
    (void)usleep(50000); /* what must not happen has time to happen */
    assert_int_equal(kill(pid, SIGKILL), 0);
}

static void
read_ids(const char *text, long ids[3])
{
    char *at = NULL;

    ids[0] = strtol(text, &at, 10);
    ids[1] = strtol(at, &at, 10);
    ids[2] = strtol(at, &at, 10);
    assert_string_equal(at, "\n");
}

static void
test_child_has_its_own_session_unless_told_otherwise(void **state)
{
    struct fixture *fix = *state;
    char *argv[] = {(char[]){"cut"}, (char[]){"-d "}, (char[]){"-f1,5,6"},
                    (char[]){"/proc/self/stat"}, NULL};
    struct proc_spec spec = PROC_SPEC_INIT;
    long ids[3]; /* process, group, session */

    spec.argv = argv;
    assert_int_equal(proc_run(&spec, SOON_MS, &fix->run, &fix->err), 0);
    read_ids(buf_str(&fix->run.output), ids);
    assert_int_equal(ids[1], ids[0]);
    assert_int_equal(ids[2], ids[0]);
    proc_run_clear(&fix->run);
    spec.same_group = true;
    assert_int_equal(proc_run(&spec, SOON_MS, &fix->run, &fix->err), 0);
    read_ids(buf_str(&fix->run.output), ids);
    assert_int_equal(ids[1], getpgrp());
    assert_int_equal(ids[2], getsid(0));
}

/* The verb of the tests: tells what it sees, then waits for the signal to end, and says
 * so. */
static int
verb_run(const struct proc_spec *spec)
{
    sigset_t wanted;
    sigset_t blocked;
    int high = open("/dev/null", O_RDONLY);

    (void)sigprocmask(SIG_SETMASK, NULL, &blocked);
    (void)dprintf(1, "%s %s next=%d blocked=%d\n", spec->argv[2], spec->envp[0], high,
                  sigismember(&blocked, SIGTERM));
    if (strcmp(spec->argv[2], "wait") != 0) {
        return 7;
    }
    (void)sigemptyset(&wanted);
    (void)sigaddset(&wanted, PROC_END_SIGNAL);
    (void)sigwaitinfo(&wanted, NULL);
    (void)dprintf(1, "ended\n");
    return 0;
}

static void
test_verb_runs_in_the_child_without_exec(void **state)
{
    struct fixture *fix = *state;
    char *argv[] = {(char[]){PROC_SELF}, (char[]){"inner"}, (char[]){"go"}, NULL};
    char *envp[] = {(char[]){"A=1"}, NULL};
    struct proc_spec spec = PROC_SPEC_INIT;
    int leak = open("/dev/null", O_RDONLY);
    int kept = fcntl(leak, F_DUPFD_CLOEXEC, 40);

    proc_set_verb("inner", verb_run);
    spec.argv = argv;
    spec.envp = envp;
    spec.keep = &kept;
    spec.n_keep = 1;
    assert_int_equal(proc_run(&spec, SOON_MS, &fix->run, &fix->err), 0);
    assert_string_equal(buf_str(&fix->run.output), "go A=1 next=3 blocked=1\n");
    assert_int_equal(WEXITSTATUS(fix->run.status), 7);
    proc_set_verb(NULL, NULL);
    fd_close(leak);
    fd_close(kept);
}

static void
test_verb_is_asked_to_end(void **state)
{
    struct fixture *fix = *state;
    char *argv[] = {(char[]){PROC_SELF}, (char[]){"inner"}, (char[]){"wait"}, NULL};
    char *envp[] = {(char[]){"A=1"}, NULL};
    struct proc_spec spec = PROC_SPEC_INIT;

    proc_set_verb("inner", verb_run);
    spec.argv = argv;
    spec.envp = envp;
    assert_int_equal(proc_run(&spec, 200, &fix->run, &fix->err), 0);
    proc_set_verb(NULL, NULL);
    assert_true(fix->run.timed_out);
    assert_string_equal(buf_str(&fix->run.output), "wait A=1 next=3 blocked=1\nended\n");
}

static void
test_self_names_the_file_that_runs(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *self = NULL;
    struct stat by_name;
    struct stat running;

    assert_int_equal(proc_self(&self, &fix->err), 0);
    assert_int_equal(stat(self, &by_name), 0);
    assert_int_equal(stat(PROC_SELF, &running), 0);
    assert_int_equal(by_name.st_ino, running.st_ino);
}

/* This program's other life, see main(): its file is gone. */
static int
self_removed(const char *path)
{
    AUTO(mem_free) char *self = NULL;
    struct err err = ERR_INIT;

    (void)unlink(path);
    int rc = proc_self(&self, &err);
    (void)printf("%s", err.msg);
    return rc == -ENOENT && self == NULL ? 0 : 1;
}

static void
test_self_says_when_the_file_was_removed(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *copy = mem_printf("%s/copy", fix->dir);
    AUTO(mem_free)
    char *script = mem_printf("cp /proc/$PPID/exe %s && exec %s --self-removed %s", copy,
                              copy, copy);
    AUTO(mem_free)
    char *text = mem_printf(
        "'%s' was replaced or removed while it ran: start nightjar again", copy);

    assert_int_equal(shell(fix, script, SOON_MS), 0);
    assert_string_equal(buf_str(&fix->run.output), text);
    assert_int_equal(fix->run.status, 0);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_run_collects_both_outputs_and_the_status),
        TEST(test_status_show_names_signals),
        TEST(test_spawn_reports_why_exec_failed),
        TEST(test_child_has_only_the_named_descriptors),
        TEST(test_child_reads_the_given_input),
        TEST(test_child_starts_with_default_signals),
        TEST(test_limits_reach_the_child),
        TEST(test_run_kills_at_the_limit_and_keeps_what_was_printed),
        TEST(test_run_without_limit_waits),
        TEST(test_run_ends_a_background_child),
        TEST(test_run_keeps_the_first_bytes_and_drops_the_rest),
        TEST(test_signals_do_not_disturb_waiting),
        TEST(test_wait_at_its_limit_leaves_the_process_alone),
        TEST(test_clear_kills_the_group_and_is_idempotent),
        TEST(test_several_end_at_a_time),
        TEST(test_child_dies_with_its_parent_unless_told_otherwise),
        TEST(test_child_has_its_own_session_unless_told_otherwise),
        TEST(test_verb_runs_in_the_child_without_exec),
        TEST(test_verb_is_asked_to_end),
        TEST(test_self_names_the_file_that_runs),
        TEST(test_self_says_when_the_file_was_removed),
    };

    if (argc == 3 && strcmp(argv[1], "--self-removed") == 0) {
        return self_removed(argv[2]);
    }
    return cmocka_run_group_tests_name("proc", tests, NULL, NULL);
}
