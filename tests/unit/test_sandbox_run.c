#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/sandbox.h"
#include "triage/sandbox/sandbox_private.h"

enum { RUN_MS = 30000 };

struct fixture {
    char *dir; /* below /tmp, all may enter */
    struct sandbox_policy policy;
    struct strv command;
    struct strv argv;
    struct proc_run run;
    struct err err;
};

static const enum sandbox_rung confined[] = {SANDBOX_BWRAP, SANDBOX_LANDLOCK};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));
    char name[] = "/tmp/nightjar-sandbox-test.XXXXXX";

    if (mkdtemp(name) == NULL || chmod(name, 0755) < 0) {
        return -1;
    }
    fix->dir = mem_strdup(name);
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    (void)fs_remove(fix->dir, &fix->err);
    mem_free(fix->dir);
    sandbox_policy_clear(&fix->policy);
    strv_clear(&fix->command);
    strv_clear(&fix->argv);
    proc_run_clear(&fix->run);
    mem_free(fix);
    return 0;
}

/* A path in the test's folder; borrowed until the next but three. */
static const char *
at(const struct fixture *fix, const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", fix->dir, name);
    return path;
}

static void
make_file(const struct fixture *fix, const char *name, const char *text, mode_t mode)
{
    struct err err = ERR_INIT;

    assert_int_equal(fs_write(at(fix, name), text, strlen(text), mode, &err), 0);
    assert_int_equal(chmod(at(fix, name), mode), 0);
}

static void
make_folder(const struct fixture *fix, const char *name)
{
    struct err err = ERR_INIT;

    assert_int_equal(fs_mkdirs(at(fix, name), 0755, &err), 0);
}

static void
add_words(struct strv *list, const char *const *words)
{
    for (; *words != NULL; words++) {
        strv_add(list, *words);
    }
}

static int
wrap(struct fixture *fix, enum sandbox_rung rung, const char *const *words)
{
    strv_clear(&fix->command);
    strv_clear(&fix->argv);
    add_words(&fix->command, words);
    return sandbox_wrap(rung, &fix->policy, &fix->command, &fix->argv, &fix->err);
}

/* Run a script in the sandbox; what it printed is in fix->run.output. */
static int
script(struct fixture *fix, enum sandbox_rung rung, const char *text)
{
    const char *const words[] = {"/bin/sh", "-c", text, NULL};
    char *const envp[] = {(char[]){"PATH=/usr/bin:/bin"}, NULL};
    struct proc_spec spec = PROC_SPEC_INIT;

    proc_run_clear(&fix->run);
    memset(&fix->run, 0, sizeof(fix->run));
    if (wrap(fix, rung, words) < 0) {
        print_message("%s\n", fix->err.msg);
        return -1;
    }
    spec.argv = fix->argv.v;
    spec.envp = envp;
    assert_int_equal(proc_run(&spec, RUN_MS, &fix->run, &fix->err), 0);
    assert_false(fix->run.timed_out);
    return fix->run.status;
}

#define OUTPUT(fix) buf_str(&(fix)->run.output)

/* --- running
 * --------------------------------------------------------------------------------------
 */

static void
test_every_rung_ends_as_its_command(void **state)
{
    struct fixture *fix = *state;
    static const enum sandbox_rung rungs[] = {SANDBOX_BWRAP, SANDBOX_LANDLOCK,
                                              SANDBOX_NONE};

    for (size_t i = 0; i < COUNT(rungs); i++) {
        int status = script(fix, rungs[i], "pwd; ls -A; echo out >f; cat f; exit 9");
        assert_int_equal(WEXITSTATUS(status), 9);
        assert_non_null(strstr(
            OUTPUT(fix), "\nout\n")); /* the folder was empty, and could be written */
        assert_int_equal(
            script(fix, rungs[i], "case $PWD in $TMPDIR*) ;; *) exit 1 ;; esac"), 0);
        status = script(fix, rungs[i], "kill -SEGV $$");
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSEGV);
        status = script(fix, rungs[i], "kill -KILL $$");
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGKILL);
        status = script(fix, rungs[i], "exit 200");
        assert_int_equal(WEXITSTATUS(status), 200);
    }
}

static void
test_a_command_that_cannot_run_is_told_apart(void **state)
{
    struct fixture *fix = *state;
    const char *words[] = {at(fix, "tool"), NULL};
    char *const envp[] = {NULL};
    struct proc_spec spec = PROC_SPEC_INIT;

    make_file(fix, "tool", "\177ELFgarbage", 0755);
    strv_add(&fix->policy.read, fix->dir);
    assert_int_equal(wrap(fix, SANDBOX_LANDLOCK, words), 0);
    spec.argv = fix->argv.v;
    spec.envp = envp;
    assert_int_equal(proc_run(&spec, RUN_MS, &fix->run, &fix->err), 0);
    assert_int_equal(WEXITSTATUS(fix->run.status), 126);
    AUTO(mem_free)
    char *text =
        mem_printf("nightjar sandbox: start '%s/tool': Exec format error\n", fix->dir);
    assert_string_equal(OUTPUT(fix), text);
}

static void
test_entries_within_entries(void **state)
{
    struct fixture *fix = *state;

    make_folder(fix, "a/b/c/d");
    make_folder(fix, "a/w");
    make_file(fix, "a/seen", "seen\n", 0644);
    make_file(fix, "a/b/hidden", "hidden\n", 0644);
    make_file(fix, "a/b/c/d/deep", "deep\n", 0644);
    assert_int_equal(sandbox_mkdir(at(fix, "a/w"), &fix->err), 0);
    strv_addf(&fix->policy.read, "%s/a", fix->dir);       /* read */
    strv_addf(&fix->policy.write, "%s/a/w", fix->dir);    /* write in read */
    strv_addf(&fix->policy.hide, "%s/a/b", fix->dir);     /* hide in read */
    strv_addf(&fix->policy.read, "%s/a/b/c/d", fix->dir); /* read in hide */
    strv_addf(&fix->policy.hide, "%s/gone", fix->dir);
    AUTO(mem_free)
    char *text = mem_printf("cd %s/a\n"
                            "cat seen\n"
                            "cat b/hidden 2>&- || echo no\n"
                            "cat b/c/d/deep\n"
                            "echo x >w/new && echo written\n"
                            "echo x 2>&- >new || echo readonly\n"
                            "echo x 2>&- >b/c/d/new || echo readonly\n",
                            fix->dir);
    for (size_t i = 0; i < COUNT(confined); i++) {
        (void)script(fix, confined[i], text);
        assert_non_null(strstr(OUTPUT(fix), "seen\n"));
        assert_non_null(strstr(OUTPUT(fix), "no\ndeep\nwritten\n"));
        assert_null(strstr(OUTPUT(fix), "hidden\n"));
        assert_false(fs_exists(at(fix, "a/new")));
        assert_false(fs_exists(at(fix, "a/b/c/d/new")));
        assert_true(fs_exists(at(fix, "a/w/new")));
    }
}

static void
test_a_hidden_file_and_a_hidden_folder_by_another_name(void **state)
{
    struct fixture *fix = *state;

    make_folder(fix, "real/state");
    make_file(fix, "real/state/db", "secret\n", 0644);
    make_file(fix, "real/key", "secret\n", 0644);
    make_file(fix, "real/open", "open\n", 0644);
    assert_int_equal(symlink("real", at(fix, "link")), 0);
    strv_addf(&fix->policy.read, "%s/link", fix->dir);
    strv_addf(&fix->policy.hide, "%s/link/state", fix->dir);
    strv_addf(&fix->policy.hide, "%s/real/key", fix->dir);
    AUTO(mem_free)
    char *text = mem_printf("cd %s\n"
                            "cat link/open real/open\n"
                            "cat link/state/db real/state/db link/key real/key 2>&-\n"
                            "exit 0\n",
                            fix->dir);
    for (size_t i = 0; i < COUNT(confined); i++) {
        assert_int_equal(script(fix, confined[i], text), 0);
        assert_string_equal(OUTPUT(fix), "open\nopen\n");
    }
}

static void
test_landlock_cannot_hide_in_what_is_writable(void **state)
{
    struct fixture *fix = *state;
    static const char *const words[] = {"/bin/true", NULL};
    AUTO(mem_free)
    char *text = mem_printf(
        "'%s/w' shall be writable, but a folder in it shall be hidden, which Landlock "
        "cannot do: choose a folder outside",
        fix->dir);

    make_folder(fix, "w/state");
    assert_int_equal(sandbox_mkdir(at(fix, "w"), &fix->err), 0);
    strv_addf(&fix->policy.write, "%s/w", fix->dir);
    strv_addf(&fix->policy.hide, "%s/w/state", fix->dir);
    assert_int_equal(wrap(fix, SANDBOX_LANDLOCK, words), -EINVAL);
    assert_string_equal(fix->err.msg, text);
    assert_int_equal(script(fix, SANDBOX_BWRAP, "exit 0"), 0);
}

static void
test_cwd_is_one_of_the_writable_folders(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(sandbox_mkdir(at(fix, "w/x"), &fix->err), 0);
    assert_int_equal(sandbox_mkdir(at(fix, "w"), &fix->err), 0);
    strv_addf(&fix->policy.write, "%s/w", fix->dir);
    AUTO(mem_free) char *cwd = mem_printf("%s/w/x", fix->dir);
    AUTO(mem_free) char *line = mem_printf("%s\n", cwd);
    fix->policy.cwd = cwd;
    for (size_t i = 0; i < COUNT(confined); i++) {
        assert_int_equal(script(fix, confined[i], "pwd; touch here"), 0);
        assert_string_equal(OUTPUT(fix), line);
        assert_true(fs_exists(at(fix, "w/x/here")));
        assert_int_equal(unlink(at(fix, "w/x/here")), 0);
    }
}

static void
test_limits_hold_for_the_command(void **state)
{
    struct fixture *fix = *state;
    static const char *const words[] = {"/bin/cat", "/proc/self/limits", NULL};
    char *const envp[] = {NULL};

    for (size_t i = 0; i < COUNT(confined); i++) {
        struct proc_spec spec = PROC_SPEC_INIT;
        assert_int_equal(wrap(fix, confined[i], words), 0);
        spec.argv = fix->argv.v;
        spec.envp = envp;
        spec.limits.cpu_s = 77;
        spec.limits.address_bytes =
            (int64_t)1 << 28; /* less than this program itself has, with a sanitizer */
        proc_run_clear(&fix->run);
        assert_int_equal(proc_run(&spec, RUN_MS, &fix->run, &fix->err), 0);
        assert_non_null(strstr(OUTPUT(fix), "Max cpu time              77 "));
        assert_non_null(strstr(OUTPUT(fix), "Max address space         268435456 "));
    }
}

static void
test_a_run_at_its_limit_leaves_nothing(void **state)
{
    struct fixture *fix = *state;
    static const enum sandbox_rung rungs[] = {SANDBOX_BWRAP, SANDBOX_LANDLOCK,
                                              SANDBOX_NONE};
    /* a number that no other test, of another checkout say, sleeps for */
    AUTO(mem_free) char *rest = mem_printf("sleep 4321.%d", (int)getpid());
    AUTO(mem_free)
    char *script = mem_printf("setsid %s & echo before; %s", rest, rest);
    const char *const words[] = {"/bin/sh", "-c", script, NULL};
    char *const envp[] = {(char[]){"PATH=/usr/bin:/bin"}, NULL};

    for (size_t i = 0; i < COUNT(rungs); i++) {
        struct proc_spec spec = PROC_SPEC_INIT;
        assert_int_equal(wrap(fix, rungs[i], words), 0);
        spec.argv = fix->argv.v;
        spec.envp = envp;
        proc_run_clear(&fix->run);
        assert_int_equal(proc_run(&spec, 500, &fix->run, &fix->err), 0);
        assert_true(fix->run.timed_out);
        assert_string_equal(OUTPUT(fix), "before\n");
        assert_int_equal(waitpid(-1, NULL, WNOHANG),
                         -1); /* nothing of it is left to reap */
        assert_int_equal(errno, ECHILD);
        char *const find[] = {(char[]){"pgrep"}, (char[]){"-fx"}, rest, NULL};
        spec.argv = find;
        spec.envp = NULL;
        proc_run_clear(&fix->run);
        assert_int_equal(proc_run(&spec, RUN_MS, &fix->run, &fix->err), 0);
        assert_string_equal(OUTPUT(fix), "");
    }
}

static void
test_signals_reach_the_command(void **state)
{
    struct fixture *fix = *state;
    static const enum sandbox_rung rungs[] = {SANDBOX_BWRAP, SANDBOX_LANDLOCK,
                                              SANDBOX_NONE};
    const char *const words[] = {
        "/bin/sh", "-c", "trap 'exit 42' TERM; echo ready; while :; do sleep 0.01; done",
        NULL};
    char *const envp[] = {(char[]){"PATH=/usr/bin:/bin"}, NULL};

    for (size_t i = 0; i < COUNT(rungs); i++) {
        struct proc_spec spec = PROC_SPEC_INIT;
        AUTO(proc_clear) struct proc proc = PROC_INIT;
        AUTO(buf_clear) struct buf line = BUF_INIT;
        int ends[2];
        int status = 0;
        assert_int_equal(fd_pipe(ends, &fix->err), 0);
        assert_int_equal(wrap(fix, rungs[i], words), 0);
        spec.argv = fix->argv.v;
        spec.envp = envp;
        spec.out_fd = ends[1];
        assert_int_equal(proc_spawn(&spec, &proc, &fix->err), 0);
        fd_close(ends[1]);
        assert_int_equal(fd_read_some(ends[0], &line, 100, &fix->err), 1);
        proc_kill(&proc, SIGTERM);
        assert_int_equal(proc_wait(&proc, RUN_MS, &status, &fix->err), 0);
        assert_int_equal(status, 42 << 8);
        assert_int_equal(fd_read_some(ends[0], &line, 100, &fix->err),
                         0); /* nobody keeps the pipe open */
        fd_close(ends[0]);
    }
}

/* The kernel counts processes by uid, which all sandboxes of root share. */
static void
test_neighbours_are_not_counted(void **state)
{
    struct fixture *fix = *state;
    static const char crowd[] = "i=0\n"
                                "while [ $i -lt 100 ]; do sleep 60 & i=$((i + 1)); done\n"
                                "echo there\n"
                                "wait\n";
    const char *const words[] = {"/bin/sh", "-c", crowd, NULL};
    char *const envp[] = {(char[]){"PATH=/usr/bin:/bin"}, NULL};
    struct proc_spec spec = PROC_SPEC_INIT;
    AUTO(proc_clear) struct proc proc = PROC_INIT;
    AUTO(buf_clear) struct buf line = BUF_INIT;
    int ends[2];

    assert_int_equal(fd_pipe(ends, &fix->err), 0);
    AUTO(fd_close) int from = ends[0];
    assert_int_equal(wrap(fix, SANDBOX_BWRAP, words), 0);
    spec.argv = fix->argv.v;
    spec.envp = envp;
    spec.out_fd = ends[1];
    assert_int_equal(proc_spawn(&spec, &proc, &fix->err), 0);
    fd_close(ends[1]);
    assert_int_equal(fd_read_some(from, &line, 100, &fix->err), 1);
    assert_string_equal(buf_str(&line), "there\n");
    fix->policy.processes = 8;
    assert_int_equal(script(fix, SANDBOX_BWRAP, "sleep 0 & sleep 0 & wait; echo fine"),
                     0);
    assert_string_equal(OUTPUT(fix), "fine\n");
}

/* What a process under a filter alone, without Landlock, finds denied: 0, or the number
 * of the first surprise. */
static int
under_filter(const struct plan *plan, const struct pids *guarded, const char *file)
{
    struct err err = ERR_INIT;
    pid_t parent = getppid();

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        seccomp_confine(plan, guarded, &err) < 0) {
        return 1;
    }
    if (kill(parent, 0) == 0 || kill(-1, 0) == 0 || kill(-parent, 0) == 0) {
        return 2;
    }
    if (kill(getpid(), 0) < 0 || raise(0) != 0) {
        return 3;
    }
    if (open(file, O_RDONLY | O_TRUNC) >= 0 || truncate(file, 0) == 0 ||
        chmod(file, 0600) == 0 ||
        syscall(452 /* fchmodat2 */, AT_FDCWD, file, 0600, 0) == 0) {
        return 4;
    }
    if (open(file, O_WRONLY | O_APPEND) < 0 || open(file, O_RDONLY) < 0) {
        return 5;
    }
    if (socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || unshare(CLONE_NEWUSER) == 0) {
        return 6;
    }
    int ends[2];
    return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 ? 0 : 7;
}

static void
test_the_filter_makes_up_for_an_old_landlock(void **state)
{
    struct fixture *fix = *state;
    const struct plan plan = {.rung = SANDBOX_LANDLOCK, .abi = 2};
    AUTO(pids_clear) struct pids guarded = {NULL, 0};
    int status = -1;

    make_file(fix, "file", "x", 0644);
    pids_add(&guarded, getpid());
    AUTO(mem_free) char *file = mem_strdup(at(fix, "file"));
    pid_t pid = fork();
    if (pid == 0) {
        _exit(under_filter(&plan, &guarded, file));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* --- choosing
 * -------------------------------------------------------------------------------------
 */

static void
test_choose_finds_bubblewrap_and_none_is_nobodys_choice(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf why = BUF_INIT;
    enum sandbox_rung rung = SANDBOX_NONE;

    assert_int_equal(sandbox_choose(SANDBOX_AUTO, &rung, &why, &fix->err), 0);
    assert_int_not_equal(rung, SANDBOX_NONE);
    assert_int_equal(rung == SANDBOX_BWRAP, why.len == 0);
    assert_int_equal(sandbox_choose(SANDBOX_LANDLOCK, &rung, &why, &fix->err), 0);
    assert_int_equal(rung, SANDBOX_LANDLOCK);
    assert_int_equal(sandbox_choose(SANDBOX_NONE, &rung, NULL, &fix->err), 0);
    assert_int_equal(rung, SANDBOX_NONE);
}

static void
test_choose_says_what_is_missing(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *before = mem_strdup(getenv("PATH"));
    AUTO(buf_clear) struct buf why = BUF_INIT;
    enum sandbox_rung rung = SANDBOX_NONE;

    assert_int_equal(setenv("PATH", "/nonexistent", 1), 0);
    int chosen = sandbox_choose(SANDBOX_AUTO, &rung, &why, &fix->err);
    enum sandbox_rung untouched = SANDBOX_NONE;
    int named = sandbox_choose(SANDBOX_BWRAP, &untouched, NULL, &fix->err);
    assert_int_equal(setenv("PATH", before, 1), 0);
    assert_int_equal(chosen, 0);
    assert_int_equal(rung, SANDBOX_LANDLOCK);
    assert_string_equal(buf_str(&why),
                        "bwrap: bubblewrap is not installed (apt install bubblewrap)");
    assert_int_equal(named, -ENOTSUP);
    assert_int_equal(untouched, SANDBOX_NONE);
    assert_string_equal(
        fix->err.msg,
        "no sandbox works here: bwrap: bubblewrap is not installed (apt install "
        "bubblewrap); cure one of "
        "these, or say --sandbox none if you trust the targets and their inputs");
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_rung_ends_as_its_command),
        TEST(test_a_command_that_cannot_run_is_told_apart),
        TEST(test_entries_within_entries),
        TEST(test_a_hidden_file_and_a_hidden_folder_by_another_name),
        TEST(test_landlock_cannot_hide_in_what_is_writable),
        TEST(test_cwd_is_one_of_the_writable_folders),
        TEST(test_limits_hold_for_the_command),
        TEST(test_a_run_at_its_limit_leaves_nothing),
        TEST(test_signals_reach_the_command),
        TEST(test_neighbours_are_not_counted),
        TEST(test_the_filter_makes_up_for_an_old_landlock),
        TEST(test_choose_finds_bubblewrap_and_none_is_nobodys_choice),
        TEST(test_choose_says_what_is_missing),
    };

    if (argc > 1 && strcmp(argv[1], SANDBOX_VERB) == 0) {
        return sandbox_init_main(argc - 1,
                                 argv + 1); /* as nightjar itself within a sandbox */
    }
    return cmocka_run_group_tests_name("sandbox_run", tests, NULL, NULL);
}
