/*
 * The limit that a replay of crashes is measured against: start a program once for each
 * file of a folder by posix_spawn(), N at a time, its outputs to /dev/null, and nothing
 * else. No shell, no timeout, no sandbox, no look at what it prints.
 *
 *   starts [-j N] FOLDER -- PROGRAM [ARGUMENT | @@]...
 *
 * @@ becomes the file's path. The environment is passed on. Prints "MS STARTS CRASHES":
 * wall time, files, and how many of them ended by a signal or with a status other than 0.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FILES_MAX = 1 << 20, ARGUMENTS_MAX = 256 };

static void __attribute__((noreturn)) fail(const char *what)
{
    (void)fprintf(stderr, "starts: %s: %s\n", what, strerrordesc_np(errno));
    exit(2);
}

static double
now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static size_t
list_files(const char *folder, char **files)
{
    DIR *dir = opendir(folder);
    size_t n = 0;

    if (dir == NULL) {
        fail(folder);
    }
    for (struct dirent *item; n < FILES_MAX && (item = readdir(dir)) != NULL;) {
        if (item->d_name[0] != '.' &&
            asprintf(&files[n], "%s/%s", folder, item->d_name) > 0) {
            n++;
        }
    }
    (void)closedir(dir);
    return n;
}

static void
start(char *const *command, char *file, const posix_spawn_file_actions_t *actions)
{
    char *argv[ARGUMENTS_MAX + 1];
    size_t n = 0;
    pid_t pid;

    for (; command[n] != NULL && n < ARGUMENTS_MAX; n++) {
        argv[n] = strcmp(command[n], "@@") == 0 ? file : command[n];
    }
    argv[n] = NULL;
    errno = posix_spawn(&pid, argv[0], actions, NULL, argv, environ);
    if (errno != 0) {
        fail(argv[0]);
    }
}

static size_t
reap_one(void)
{
    int status = 0;

    if (wait(&status) < 0) {
        fail("wait");
    }
    return status != 0;
}

int
main(int argc, char **argv)
{
    static char *files[FILES_MAX];
    posix_spawn_file_actions_t actions;
    cpu_set_t set;
    size_t crashes = 0;
    size_t running = 0;
    size_t at_a_time =
        sched_getaffinity(0, sizeof(set), &set) < 0 ? 1 : (size_t)CPU_COUNT(&set);
    int first = 1;

    if (argc > 3 && strcmp(argv[1], "-j") == 0) {
        at_a_time = strtoul(argv[2], NULL, 10);
        first = 3;
    }
    if (argc < first + 3 || strcmp(argv[first + 1], "--") != 0 || at_a_time == 0) {
        (void)fputs("usage: starts [-j N] FOLDER -- PROGRAM [ARGUMENT | @@]...\n",
                    stderr);
        return 2;
    }
    size_t n = list_files(argv[first], files);
    (void)posix_spawn_file_actions_init(&actions);
    for (int fd = 0; fd < 3; fd++) {
        (void)posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    }
    double begin = now_ms();
    for (size_t i = 0; i < n; i++) {
        if (running == at_a_time) {
            crashes += reap_one();
            running--;
        }
        start(argv + first + 2, files[i], &actions);
        running++;
    }
    for (; running > 0; running--) {
        crashes += reap_one();
    }
    (void)printf("%.0f %zu %zu\n", now_ms() - begin, n, crashes);
    return 0;
}
