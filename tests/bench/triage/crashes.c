/*
 * Make many different crashing inputs from a few: mutate, run, keep what crashes.
 *
 *   crashes OUT N FOLDER... -- PROGRAM [ARGUMENT | @@]...
 *
 * Writes N files to OUT, each of other bytes. The files of the FOLDERs are where it
 * begins; what crashed is mutated further, the folders' own files half of the time. The
 * same folders and program give the same files. A run that takes longer than a second, or
 * than BUSY_MS of processor time, is dropped: a few of those would be all that a bench of
 * starts measures. A crash is an end by a signal or with status 77
 * (ASAN_OPTIONS=exitcode=77).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    INPUT_MAX = 64 << 10,
    POOL_MAX = 1 << 16,
    ARGUMENTS_MAX = 256,
    MUTATIONS_MAX = 6,
    TRIES_FOR_EACH = 500, /* runs for each wanted crash before it gives up */
    STATUS_CRASH = 77,
    BUSY_MS = 50,
};

struct input {
    unsigned char *data;
    size_t len;
    uint64_t hash;
};

static struct input pool[POOL_MAX];
static size_t n_pool, n_seeds;
static uint64_t state = 88172645463325252ULL;
static char path[4096];

static void __attribute__((noreturn)) fail(const char *what)
{
    (void)fprintf(stderr, "crashes: %s: %s\n", what, strerrordesc_np(errno));
    exit(2);
}

static size_t
below(size_t n) /* xorshift64 (Marsaglia, 2003) */
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return n == 0 ? 0 : (size_t)(state % n);
}

static uint64_t
hash_of(const unsigned char *data, size_t len) /* FNV-1a */
{
    uint64_t hash = 14695981039346656037ULL;

    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ data[i]) * 1099511628211ULL;
    }
    return hash;
}

static int
add(const unsigned char *data, size_t len)
{
    uint64_t hash = hash_of(data, len);

    for (size_t i = 0; i < n_pool; i++) {
        if (pool[i].hash == hash) {
            return 0;
        }
    }
    if (n_pool == POOL_MAX) {
        return 0;
    }
    unsigned char *copy = malloc(len + 1);
    if (copy == NULL) {
        fail("memory");
    }
    memcpy(copy, data, len);
    pool[n_pool++] = (struct input){copy, len, hash};
    return 1;
}

static void
add_file(const char *name)
{
    static unsigned char data[INPUT_MAX];
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, data, sizeof(data));

    if (len > 0) {
        (void)add(data, (size_t)len);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
}

static void
add_folder(const char *folder)
{
    struct dirent **items = NULL;
    int n = scandir(folder, &items, NULL, alphasort);

    for (int i = 0; i < n; i++) {
        if (items[i]->d_name[0] != '.') {
            char name[4096];
            (void)snprintf(name, sizeof(name), "%s/%s", folder, items[i]->d_name);
            add_file(name);
        }
        free(items[i]);
    }
    free(items);
}

static size_t
mutate_once(unsigned char *data, size_t len)
{
    static const unsigned char odd[] = {0, 1, 0x7f, 0x80, 0xff, 0x10, 0x40};
    size_t at = below(len);
    size_t n = 1 + below(len - at < 32 ? len - at : 32);

    switch (below(6)) {
    case 0:
        data[at] ^= (unsigned char)(1U << below(8));
        return len;
    case 1:
        data[at] = odd[below(sizeof(odd))];
        return len;
    case 2:
        data[at] = (unsigned char)below(256);
        return len;
    case 3: /* four bytes, as a large or a small number */
        for (size_t i = at; i < at + 4 && i < len; i++) {
            data[i] = odd[below(sizeof(odd))];
        }
        return len;
    case 4: /* leave a piece out */
        n = n < len ? n : len - 1;
        n = at + n > len ? len - at : n;
        memmove(data + at, data + at + n, len - at - n);
        return len - n;
    default: /* a piece of it twice */
        if (len + n > INPUT_MAX) {
            return len;
        }
        memmove(data + at + n, data + at, len - at);
        return len + n;
    }
}

static void
write_file(const char *name, const unsigned char *data, size_t len)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0 || write(fd, data, len) != (ssize_t)len || close(fd) < 0) {
        fail(name);
    }
}

static long
busy_ms(const struct rusage *usage)
{
    return (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000 +
           (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1000;
}

static int
crashes(char *const *command)
{
    char *argv[ARGUMENTS_MAX + 1];
    posix_spawn_file_actions_t actions;
    const struct timespec second = {1, 0};
    struct rusage usage = {0};
    sigset_t child;
    size_t n = 0;
    int status = 0;
    pid_t pid;

    for (; command[n] != NULL && n < ARGUMENTS_MAX; n++) {
        argv[n] = strcmp(command[n], "@@") == 0 ? path : command[n];
    }
    argv[n] = NULL;
    (void)posix_spawn_file_actions_init(&actions);
    for (int fd = 0; fd < 3; fd++) {
        (void)posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    }
    errno = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
    if (errno != 0) {
        fail(argv[0]);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    int late = sigtimedwait(&child, NULL, &second) < 0;
    if (late) {
        (void)kill(pid, SIGKILL);
    }
    (void)wait4(pid, &status, 0, &usage);
    return !late && busy_ms(&usage) < BUSY_MS &&
           (WIFSIGNALED(status) || WEXITSTATUS(status) == STATUS_CRASH);
}

/* One try; the pool grows when it crashes. */
static void
try(char *const *command)
{
    static unsigned char data[INPUT_MAX];
    size_t from = below(2) == 0 ? below(n_seeds) : below(n_pool);
    size_t len = pool[from].len;

    memcpy(data, pool[from].data, len);
    for (size_t i = 1 + below(MUTATIONS_MAX); i > 0 && len > 0; i--) {
        len = mutate_once(data, len);
    }
    write_file(path, data, len);
    if (crashes(command)) {
        (void)add(data, len);
    }
}

int
main(int argc, char **argv)
{
    size_t wanted = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    sigset_t child;
    int i = 3;

    for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
        add_folder(argv[i]);
    }
    if (i + 1 >= argc || wanted == 0 || n_pool == 0) {
        (void)fputs("usage: crashes OUT N FOLDER... -- PROGRAM [ARGUMENT | @@]...\n",
                    stderr);
        return 2;
    }
    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &child, NULL);
    (void)mkdir(argv[1], 0755);
    (void)snprintf(path, sizeof(path), "%s/.input", argv[1]);
    n_seeds = n_pool;
    for (size_t tries = wanted * TRIES_FOR_EACH; tries > 0 && n_pool - n_seeds < wanted;
         tries--) {
        try(argv + i + 1);
    }
    (void)unlink(path);
    for (size_t k = n_seeds; k < n_pool; k++) {
        char name[4096];
        (void)snprintf(name, sizeof(name), "%s/%05zu", argv[1], k - n_seeds);
        write_file(name, pool[k].data, pool[k].len);
    }
    (void)printf("%zu\n", n_pool - n_seeds);
    return n_pool - n_seeds == wanted ? 0 : 1;
}
