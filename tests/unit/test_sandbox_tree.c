#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "triage/sandbox/sandbox_private.h"

enum { RUN_MS = 30000 };

struct fixture {
    char dir[64];
    struct err err;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    (void)snprintf(fix->dir, sizeof(fix->dir), "/tmp/nightjar-tree-test.XXXXXX");
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
    mem_free(fix);
    return 0;
}

static bool
is_mine(void *user, pid_t pid)
{
    return pid == *(pid_t *)user;
}

/* A child that makes a segment, leaves a stopped grandchild, and dies. */
static void
leave_an_orphan(void)
{
    struct err err = ERR_INIT;
    int ends[2];
    char byte = 0;

    assert_int_equal(fd_pipe(ends, &err), 0);
    pid_t pid = fork();

    if (pid == 0) {
        (void)shmget(IPC_PRIVATE, 4711, IPC_CREAT | 0600);
        if (fork() == 0) {
            (void)setsid();
            (void)!write(ends[1], &byte, 1);
            (void)raise(SIGSTOP);
            _exit(0);
        }
        _exit(0);
    }
    assert_int_equal(fd_read(ends[0], &byte, 1), 1);
    fd_close(ends[0]);
    fd_close(ends[1]);
}

static bool
has_segment(void)
{
    struct shmid_ds segment;
    int last = shmctl(0, SHM_INFO, &segment);

    for (int i = 0; i <= last; i++) {
        if (shmctl(i, SHM_STAT, &segment) >= 0 && segment.shm_segsz == 4711) {
            return true;
        }
    }
    return false;
}

static void
test_reap_orphans_spares_ones_own(void **state)
{
    struct fixture *fix = *state;
    struct proc_spec spec = PROC_SPEC_INIT;
    AUTO(proc_clear) struct proc mine = PROC_INIT;
    char *const argv[] = {(char[]){"sleep"}, (char[]){"60"}, NULL};

    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    spec.argv = argv;
    assert_int_equal(proc_spawn(&spec, &mine, &fix->err), 0);
    leave_an_orphan();
    int reaped = 0;
    for (int64_t end = clock_mono_ms() + RUN_MS; reaped < 2 && clock_mono_ms() < end;) {
        reaped += sandbox_reap_orphans(is_mine, &mine.pid);
    }
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0), 0);
    assert_int_equal(reaped, 2);
    assert_false(has_segment());
    assert_int_equal(kill(mine.pid, 0), 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), 0); /* there is one child, and it runs */
    assert_int_equal(sandbox_reap_orphans(is_mine, &mine.pid), 0);
}

static void
test_children_are_found_without_the_kernels_list(void **state)
{
    struct fixture *fix = *state;
    struct proc_spec spec = PROC_SPEC_INIT;
    AUTO(proc_clear) struct proc proc = PROC_INIT;
    AUTO(pids_clear) struct pids found = {NULL, 0};
    char *const argv[] = {(char[]){"sleep"}, (char[]){"60"}, NULL};

    spec.argv = argv;
    assert_int_equal(proc_spawn(&spec, &proc, &fix->err), 0);
    tree_scan(getpid(), &found);
    assert_int_equal(found.n, 1);
    assert_int_equal(found.v[0], proc.pid);
    assert_int_equal(tree_first_child(getpid()), proc.pid);
    assert_int_equal(tree_parent(proc.pid), getpid());
}

static void
test_work_sweep_removes_only_what_nobody_holds(void **state)
{
    struct fixture *fix = *state;
    const struct timespec old[2] = {{1, 0}, {1, 0}};
    struct sandbox_identity who;
    AUTO(mem_free) char *held = NULL;
    AUTO(mem_free) char *dropped = NULL;
    AUTO(mem_free) char *fresh = NULL;
    AUTO(fd_close) int held_fd = -1;
    int fd = -1;

    assert_int_equal(sandbox_identity(&who, &fix->err), 0);
    assert_int_equal(work_make(fix->dir, &who, &held, &held_fd, &fix->err), 0);
    assert_int_equal(work_make(fix->dir, &who, &dropped, &fd, &fix->err), 0);
    fd_close(fd);
    assert_int_equal(work_make(fix->dir, &who, &fresh, &fd, &fix->err), 0);
    fd_close(fd);
    assert_int_equal(utimensat(AT_FDCWD, held, old, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, dropped, old, 0), 0);
    work_sweep(fix->dir);
    assert_true(fs_exists(held));
    assert_false(fs_exists(dropped));
    assert_true(fs_exists(fresh));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_reap_orphans_spares_ones_own),
        TEST(test_children_are_found_without_the_kernels_list),
        TEST(test_work_sweep_removes_only_what_nobody_holds),
    };

    return cmocka_run_group_tests_name("sandbox_tree", tests, NULL, NULL);
}
