/*
 * A fork server for programs that have none: a shared object that the loader puts before
 * libc in a fuzz target (LD_PRELOAD). It takes the place of __libc_start_main, so that
 * the loader's work, the sanitizer's start and all constructors are done once; then it
 * waits just before main() and forks a child for each input. A start of an ASan build
 * costs 5 ms, a fork of it a tenth.
 *
 * It speaks the protocol of AFL++'s fork server (docs of afl-compiler-rt): hello on
 * descriptor 199; for each run four bytes come on 198, the child's pid goes out, then its
 * status as waitpid() has it. A build with AFL++'s own server, which starts in a
 * constructor of the program and would be within reach of its children, finds the
 * descriptors gone, and starts none: every build is served from here.
 *
 * Threat: a child is the target, and hostile. It has neither of the descriptors, and the
 * server is not dumpable, so that a child of the same uid can neither trace it nor open
 * its memory or descriptors in /proc; it can only kill it, which ends the server and
 * nothing else.
 *
 * No hello is said, and the program ends at once, where a fork would lie: when there is
 * a second thread already (ThreadSanitizer's, for one).
 *
 * Uses nothing but libc; compiled apart from the program and embedded in it
 * (triage/preload.h).
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* as in triage/preload.h */
#define BIND "nightjar"
enum { CONTROL_FD = 198, STATUS_FD = 199, EXIT_UNFIT = 96 };

typedef int main_function(int argc, char **argv, char **envp);
typedef int start_function(main_function *main, int argc, char **argv, void (*init)(void),
                           void (*fini)(void), void (*rtld_fini)(void), void *stack_end);

static main_function *target_main;
static int control_fd = -1, status_fd = -1;

__attribute__((visibility("default"))) start_function __libc_start_main;

static bool
say(uint32_t word)
{
    ssize_t n;

    do {
        n = write(status_fd, &word, sizeof(word));
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(word);
}

static bool
hear(uint32_t *word)
{
    ssize_t n;

    do {
        n = read(control_fd, word, sizeof(*word));
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(*word);
}

/* Whether this is the process's only thread; no when /proc does not tell. */
static bool
is_alone(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int n = 0;

    if (tasks == NULL) {
        return false;
    }
    for (struct dirent *entry = readdir(tasks); entry != NULL; entry = readdir(tasks)) {
        n += entry->d_name[0] != '.' ? 1 : 0;
    }
    (void)closedir(tasks);
    return n == 1;
}

/* The status of a child, however often others of its group are stopped. */
static uint32_t
wait_for(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return (uint32_t)status;
}

/* Returns in each child; the server itself never does. */
static void
serve(void)
{
    uint32_t word;

    while (hear(&word)) {
        pid_t pid = fork();
        if (pid == 0) {
            (void)close(control_fd);
            (void)close(status_fd);
            (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
            return;
        }
        if (pid < 0 || !say((uint32_t)pid) || !say(wait_for(pid))) {
            break;
        }
    }
    _exit(0);
}

/* Before any constructor of the program. */
static void __attribute__((constructor)) take_descriptors(void)
{
    control_fd = fcntl(CONTROL_FD, F_DUPFD_CLOEXEC, STATUS_FD + 1);
    status_fd = fcntl(STATUS_FD, F_DUPFD_CLOEXEC, STATUS_FD + 1);
    (void)close(CONTROL_FD);
    (void)close(STATUS_FD);
}

/* A sanitizer reads the process's memory map when it first names an address, in its
 * report: a third of what a crash costs. Asked here for one, it knows the map in every
 * child. What is loaded later makes it look again. */
static void
name_an_address(void)
{
    typedef void name_function(void *pc, const char *format, char *out, size_t size);
    void *symbol = dlsym(RTLD_DEFAULT, "__sanitizer_symbolize_pc");
    name_function *name;
    void *pc;
    char text[64];

    if (symbol != NULL) {
        memcpy(&name, &symbol, sizeof(name));
        memcpy(&pc, &target_main, sizeof(pc));
        name(pc, "%M", text, sizeof(text));
    }
}

/* AddressSanitizer keeps what it prints for a callback, in a buffer of 64 kB whose unused
 * rest it clears (strncpy) at each of the twenty pieces of a report: a seventh of what a
 * crash costs. With blanks in it, said to nobody, there is no rest to clear. A program
 * that asks for the text (__asan_set_error_report_callback) gets those, where it is
 * forked. */
static void
fill_message_buffer(void)
{
    typedef void say_function(const char *text);
    enum { BUFFER = 64 << 10, PIECE = 8 << 10 };
    void *symbol = dlsym(RTLD_DEFAULT, "__sanitizer_report_error_summary");
    say_function *say_text;

    if (symbol == NULL || dlsym(RTLD_DEFAULT, "__asan_init") == NULL) {
        return;
    }
    memcpy(&say_text, &symbol, sizeof(say_text));
    int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int error_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STATUS_FD + 1);
    char *text = calloc(1, PIECE);
    if (text == NULL || error_fd < 0 || dup2(null_fd, STDERR_FILENO) < 0) {
        _exit(EXIT_UNFIT);
    }
    memset(text, ' ', PIECE - 1);
    for (int left = BUFFER; left > 0; left -= PIECE) {
        say_text(text);
    }
    if (dup2(error_fd, STDERR_FILENO) < 0) {
        _exit(EXIT_UNFIT);
    }
    free(text);
    (void)close(error_fd);
    (void)close(null_fd);
}

/* The target's environment is the one that it would have without us. */
static void __attribute__((noinline)) prepare(void)
{
    const char *bind = getenv("LD_BIND_NOW");

    (void)unsetenv("LD_PRELOAD");
    if (bind != NULL && strcmp(bind, BIND) == 0) {
        (void)unsetenv("LD_BIND_NOW");
    }
    if (control_fd >= 0 && status_fd >= 0) {
        if (!is_alone()) {
            _exit(EXIT_UNFIT);
        }
        name_an_address();
        fill_message_buffer();
        (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        if (!say(0)) {
            _exit(EXIT_UNFIT);
        }
        serve();
    }
}

/* Its stack, too: this call, and that at the end of __libc_start_main, have to be jumps,
 * which a compiler that optimizes makes of them, so that no frame of ours stands in a
 * report. */
static int
begin(int argc, char **argv, char **envp)
{
    prepare();
    return target_main(argc, argv, envp);
}

int /* NOLINTNEXTLINE(readability-function-size): the parameters are libc's */
__libc_start_main(main_function *main, int argc, char **argv, void (*init)(void),
                  void (*fini)(void), void (*rtld_fini)(void), void *stack_end)
{
    start_function *start;
    void *symbol = dlsym(RTLD_NEXT, "__libc_start_main");

    if (symbol == NULL) {
        _exit(EXIT_UNFIT);
    }
    memcpy(&start, &symbol, sizeof(start)); /* ISO C has no other way */
    target_main = main;
    return start(begin, argc, argv, init, fini, rtld_fini, stack_end);
}
