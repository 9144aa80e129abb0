/*
 * The limit that a merge is measured against: AFL++'s fork server on every file of a
 * folder once, as many servers at a time as cores, and nothing else: no sandbox, no
 * timeout, no look at the map but its clearing.
 *
 *   runs FOLDER -- PROGRAM [ARGUMENT | @@]...
 *
 * @@ is a file that is written for each run. Prints "MS RUNS".
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    FILES_MAX = 1 << 20,
    INPUT_MAX = 1 << 20,
    MAP_MAX = 8 << 20,
    CONTROL = 198,
    STATUS = 199
};

static void __attribute__((noreturn)) fail(const char *what)
{
    (void)fprintf(stderr, "runs: %s: %s\n", what, strerrordesc_np(errno));
    exit(2);
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

static void __attribute__((noreturn))
become_server(char **command, char *input, const int down[2], const int up[2])
{
    int null_fd = open("/dev/null", O_RDWR);

    for (char **word = command; *word != NULL; word++) {
        if (strcmp(*word, "@@") == 0) {
            *word = input;
        }
    }
    if (dup2(null_fd, 0) < 0 || dup2(null_fd, 1) < 0 || dup2(null_fd, 2) < 0 ||
        dup2(down[0], CONTROL) < 0 || dup2(up[1], STATUS) < 0 || close(down[1]) < 0 ||
        close(up[0]) < 0) {
        _exit(2);
    }
    (void)execv(command[0], command);
    _exit(2);
}

static void
copy(const char *from, const char *to)
{
    static char bytes[INPUT_MAX];
    int in = open(from, O_RDONLY);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t n = in < 0 ? -1 : read(in, bytes, sizeof(bytes));

    if (n < 0 || out < 0 || write(out, bytes, (size_t)n) != n) {
        fail(from);
    }
    (void)close(in);
    (void)close(out);
}

/* Every step-th file from the first on. */
static int
run_files(char **files, size_t n, size_t first, size_t step, char **command)
{
    char input[64];
    char id_text[16];
    int down[2];
    int up[2];
    int word = 0;
    int id = shmget(IPC_PRIVATE, MAP_MAX, IPC_CREAT | 0600);
    void *map = shmat(id, NULL, 0);

    (void)snprintf(input, sizeof(input), "input.%zu", first);
    (void)snprintf(id_text, sizeof(id_text), "%d", id);
    (void)setenv("__AFL_SHM_ID", id_text, 1);
    (void)setenv("AFL_MAP_SIZE", "8388608", 1);
    (void)setenv("LD_BIND_NOW", "1", 1);
    if (map == (void *)-1 || pipe(down) < 0 || pipe(up) < 0) {
        fail("prepare");
    }
    pid_t server = fork();
    if (server == 0) {
        become_server(command, input, down, up);
    }
    (void)close(up[1]);
    (void)shmctl(id, IPC_RMID, NULL);
    if (read(up[0], &word, sizeof(word)) != sizeof(word)) {
        fail("the target has no fork server");
    }
    size_t size = ((((unsigned int)word & 0x00fffffe) >> 1) + 64) / 64 * 64;
    for (size_t i = first; i < n; i += step) {
        memset(map, 0, size);
        copy(files[i], input);
        word = 0;
        if (write(down[1], &word, sizeof(word)) != sizeof(word) ||
            read(up[0], &word, sizeof(word)) != sizeof(word) ||
            read(up[0], &word, sizeof(word)) != sizeof(word)) {
            fail("the fork server has gone");
        }
    }
    (void)close(down[1]);
    (void)waitpid(server, NULL, 0);
    return 0;
}

int
main(int argc, char **argv)
{
    static char *files[FILES_MAX];
    struct timespec begin;
    struct timespec end;
    cpu_set_t set;

    if (argc < 4 || sched_getaffinity(0, sizeof(set), &set) < 0) {
        return 2;
    }
    size_t n = list_files(argv[1], files);
    size_t jobs = (size_t)CPU_COUNT(&set);
    int bad = 0;
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    for (size_t i = 0; i < jobs; i++) {
        if (fork() == 0) {
            _exit(run_files(files, n, i, jobs, argv + 3));
        }
    }
    for (int status; wait(&status) > 0;) {
        bad |= status;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    (void)printf("%.0f %zu\n",
                 (double)(end.tv_sec - begin.tv_sec) * 1e3 +
                     (double)(end.tv_nsec - begin.tv_nsec) / 1e6,
                 n);
    return bad == 0 ? 0 : 1;
}
