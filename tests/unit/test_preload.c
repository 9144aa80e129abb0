#include "tests/unit/victim.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "triage/preload.h"
#include "triage/program.h"

enum { DEADLINE_MS = 20000, RUNS = 20, NOBODY = 65534 };

/* What the first byte of the input asks for; it also says what it sees of the server. */
static const char source[] =
    "#include <fcntl.h>\n#include <signal.h>\n#include <stdio.h>\n#include <stdlib.h>\n"
    "#include <sys/ptrace.h>\n#include <unistd.h>\n"
    "static int starts;\n"
    "__attribute__((constructor)) static void count(void) { starts++; }\n"
    "int main(int c, char **v) {\n"
    "  char path[64]; FILE *in = fopen(v[1], \"r\"); int what = in ? fgetc(in) : -1;\n"
    "  static volatile char *heap; heap = malloc(8);\n"
    "  if (starts != 1 || getenv(\"LD_PRELOAD\")) return 90;\n"
    "  if (fcntl(198, F_GETFD) != -1 || fcntl(199, F_GETFD) != -1) return 91;\n"
    "  starts = 2; /* the next run must not see it */\n"
    "  snprintf(path, sizeof path, \"/proc/%d/mem\", getppid());\n"
    "  if (what == 'm') return open(path, O_RDWR) >= 0 ? 92 : 5;\n"
    "  if (what == 't') return ptrace(PTRACE_ATTACH, getppid(), 0, 0) == 0 ? 93 : 6;\n"
    "  if (what == 'k') { kill(getppid(), SIGKILL); return 0; }\n"
    "  if (what == 'a') abort();\n"
    "  if (what == 'o') return heap[8];\n"
    "  for (int i = 0; what == 'l' && i < 99; i++) heap = malloc(8);\n"
    "  return 7;\n"
    "}\n";

struct fixture {
    char *folder;
    char *object; /* the shared object, as a file */
    char *input;
    struct proc server;
    int control, status; /* our ends */
    int said;            /* a file: what server and runs print */
    struct err err;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));
    size_t len = 0;
    const void *bytes = preload_bytes(&len);

    fix->folder = victim_folder();
    fix->object = fs_join(fix->folder, "forkserver.so");
    fix->input = fs_join(fix->folder, "input");
    fix->server = (struct proc)PROC_INIT;
    fix->control = fix->status = -1;
    fix->said = memfd_create("said", MFD_CLOEXEC);
    assert_int_equal(fs_write(fix->object, bytes, len, 0755, &fix->err), 0);
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    fd_close(fix->control);
    fd_close(fix->status);
    fd_close(fix->said);
    proc_clear(&fix->server);
    (void)fs_remove(fix->folder, NULL);
    mem_free(fix->folder);
    mem_free(fix->object);
    mem_free(fix->input);
    mem_free(fix);
    return 0;
}

static void
put_pipe(int ours[2], int number, bool read_end)
{
    assert_int_equal(pipe2(ours, O_CLOEXEC), 0);
    assert_int_equal(dup2(ours[read_end ? 0 : 1], number), number);
    (void)close(ours[read_end ? 0 : 1]);
}

static void
start(struct fixture *fix, const char *program)
{
    static const int keep[] = {PRELOAD_CONTROL_FD, PRELOAD_STATUS_FD};
    AUTO(mem_free) char *value = preload_value(program, fix->object);
    AUTO(mem_free) char *preload = mem_printf("LD_PRELOAD=%s", value);
    char *argv[] = {(char *)(uintptr_t)program, fix->input, NULL};
    char *envp[] = {preload, NULL};
    struct proc_spec spec = PROC_SPEC_INIT;
    int control[2];
    int status[2];

    assert_non_null(value);
    put_pipe(control, PRELOAD_CONTROL_FD, true);
    put_pipe(status, PRELOAD_STATUS_FD, false);
    fix->control = control[1];
    fix->status = status[0];
    spec.argv = argv;
    spec.envp = envp;
    spec.err_fd = fix->said;
    spec.keep = keep;
    spec.n_keep = 2;
    assert_int_equal(proc_spawn(&spec, &fix->server, &fix->err), 0);
    (void)close(PRELOAD_CONTROL_FD);
    (void)close(PRELOAD_STATUS_FD);
}

/* The next word of the server; false at its end. */
static bool
hear(const struct fixture *fix, uint32_t *word)
{
    return read(fix->status, word, sizeof(*word)) == (ssize_t)sizeof(*word);
}

/* waitpid's status of a run, -1 when the server is gone. */
static int
run(const struct fixture *fix, const char *input)
{
    uint32_t word = 0;
    uint32_t pid = 0;

    assert_int_equal(fs_write(fix->input, input, 1, 0644, NULL), 0);
    if (write(fix->control, &word, sizeof(word)) != (ssize_t)sizeof(word) ||
        !hear(fix, &pid) || !hear(fix, &word)) {
        return -1;
    }
    assert_int_not_equal(pid, 0);
    return (int)word;
}

static void
expect_runs(struct fixture *fix, const char *program)
{
    uint32_t hello = 1;

    start(fix, program);
    assert_true(hear(fix, &hello));
    assert_int_equal(hello, 0);
    for (int i = 0; i < RUNS; i++) {
        assert_int_equal(run(fix, "x"), 7 << 8);
        assert_int_equal(WTERMSIG(run(fix, "a")), SIGABRT);
    }
}

static void
test_server_forks_before_main(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *program = victim_build(fix->folder, "p", source, VICTIM_PLAIN);

    expect_runs(fix, program);
}

/* A report from its first line to its last, and nothing of what the server did to be
 * ready for it. */
static void
expect_report(struct fixture *fix)
{
    AUTO(buf_clear) struct buf said = BUF_INIT;

    assert_int_equal(ftruncate(fix->said, 0), 0);
    assert_int_equal(lseek(fix->said, 0, SEEK_SET), 0);
    assert_int_equal(run(fix, "o"), 1 << 8);
    assert_int_equal(lseek(fix->said, 0, SEEK_SET), 0);
    while (fd_read_some(fix->said, &said, 1 << 20, &fix->err) > 0) {
    }
    assert_int_equal(strspn(buf_str(&said), "="), 65);
    assert_non_null(
        strstr(buf_str(&said), "ERROR: AddressSanitizer: heap-buffer-overflow"));
    assert_non_null(strstr(buf_str(&said), "SUMMARY: AddressSanitizer"));
    assert_non_null(strstr(buf_str(&said), "ABORTING\n"));
    assert_true(said.len < 8 << 10);
}

static void
test_server_in_clang_asan(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *program = victim_build(fix->folder, "p", source, VICTIM_CLANG_ASAN);

    expect_runs(fix, program);
    expect_report(fix);
    assert_int_equal(run(fix, "l"), 1 << 8); /* LeakSanitizer wants to trace the child */
}

static void
test_server_stands_behind_libasan(void **state)
{
    static const char *const flags[] = {"gcc", "-w", "-fsanitize=address", NULL};
    struct fixture *fix = *state;
    AUTO(mem_free) char *program = victim_build(fix->folder, "p", source, flags);

    expect_runs(fix, program);
    expect_report(fix);
    assert_int_equal(run(fix, "l"), 1 << 8); /* LeakSanitizer wants to trace the child */
}

static void
test_server_cannot_be_taken_over_by_a_child(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *program = victim_build(fix->folder, "p", source, VICTIM_PLAIN);
    uint32_t hello = 1;

    /* root may trace anybody: what is tested is the sandbox's uid */
    if (geteuid() == 0) {
        assert_int_equal(chmod(fix->folder, 0777), 0);
        assert_int_equal(setresgid(NOBODY, NOBODY, 0), 0);
        assert_int_equal(setresuid(NOBODY, NOBODY, 0), 0);
        start(fix, program);
        assert_int_equal(setresuid(0, 0, 0), 0);
        assert_int_equal(setresgid(0, 0, 0), 0);
        assert_int_equal(prctl(PR_SET_DUMPABLE, 1), 0); /* for LeakSanitizer */
    } else {
        start(fix, program);
    }
    bool heard = hear(fix, &hello);
    int memory = run(fix, "m");
    int trace = run(fix, "t");
    int killed = run(fix, "k");
    int after = run(fix, "x");
    assert_true(heard);
    assert_int_equal(memory, 5 << 8);
    assert_int_equal(trace, 6 << 8);
    assert_int_equal(killed, -1);
    assert_int_equal(after, -1);
}

static void
test_server_says_nothing_beside_threads(void **state)
{
    static const char threads[] =
        "#include <pthread.h>\n#include <unistd.h>\n"
        "static void *wait(void *unused) { pause(); return unused; }\n"
        "__attribute__((constructor)) static void more(void) {\n"
        "  pthread_t thread; pthread_create(&thread, 0, wait, 0);\n}\n"
        "int main(void) { return 0; }\n";
    struct fixture *fix = *state;
    AUTO(mem_free) char *program = victim_build(fix->folder, "p", threads, VICTIM_PLAIN);
    uint32_t hello = 1;
    int status = 0;

    start(fix, program);
    assert_false(hear(fix, &hello));
    assert_int_equal(proc_wait(&fix->server, DEADLINE_MS, &status, &fix->err), 0);
    assert_int_equal(status, 96 << 8);
}

/* Preloaded without descriptors it is a plain start. */
static void
test_program_runs_as_ever_without_descriptors(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *program = victim_build(fix->folder, "p", source, VICTIM_PLAIN);
    AUTO(mem_free) char *preload = mem_printf("LD_PRELOAD=%s", fix->object);
    AUTO(proc_run_clear) struct proc_run run = {.output.max = 4096};
    char *argv[] = {program, fix->input, NULL};
    char *envp[] = {preload, NULL};
    struct proc_spec spec = PROC_SPEC_INIT;

    spec.argv = argv;
    spec.envp = envp;
    assert_int_equal(proc_run(&spec, DEADLINE_MS, &run, &fix->err), 0);
    assert_int_equal(run.status, 7 << 8);
}

static void
test_value_wants_a_program_that_the_loader_starts(void **state)
{
    static const char *const fixed[] = {"gcc", "-w", "-static", NULL};
    struct fixture *fix = *state;
    AUTO(mem_free) char *program = victim_build(fix->folder, "p", source, VICTIM_PLAIN);
    AUTO(mem_free) char *alone = victim_build(fix->folder, "s", source, fixed);
    AUTO(mem_free) char *script = fs_join(fix->folder, "script");
    AUTO(mem_free) char *plain = preload_value(program, "/so");

    assert_string_equal(plain, "/so");
    victim_write(fix->folder, "script", "#!/bin/sh\n", 0755);
    assert_null(preload_value(alone, "/so"));
    assert_null(preload_value(script, "/so"));
    assert_null(preload_value("/nowhere", "/so"));
    assert_null(preload_value(program, "/a b/so"));
    assert_null(preload_value(program, "/a:b/so"));
    assert_int_equal(chmod(program, 04755), 0);
    assert_null(preload_value(program, "/so"));
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_server_forks_before_main),
        WITH_SERVER(test_server_in_clang_asan),
        WITH_SERVER(test_server_stands_behind_libasan),
        WITH_SERVER(test_server_cannot_be_taken_over_by_a_child),
        WITH_SERVER(test_server_says_nothing_beside_threads),
        WITH_SERVER(test_program_runs_as_ever_without_descriptors),
        WITH_SERVER(test_value_wants_a_program_that_the_loader_starts),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("preload", tests, NULL, NULL);
}
