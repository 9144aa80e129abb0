/*
 * LD_PRELOAD: kill -9 of the process that was started with it, just before the KILL_AT-th
 * of its calls that change the file system or give something to another process. Without
 * KILL_AT it counts them, and writes the number to the file KILL_COUNT at the end. What
 * the process forks is left alone.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static pid_t owner;
static long at, calls;

static void
step(void)
{
    if (getpid() == owner && ++calls == at) {
        (void)kill(owner, SIGKILL);
    }
}

__attribute__((constructor)) static void
begin(void)
{
    const char *text = getenv("KILL_AT");

    owner = getpid();
    at = text == NULL ? 0 : strtol(text, NULL, 10);
}

__attribute__((destructor)) static void
end(void)
{
    const char *path = getenv("KILL_COUNT");
    FILE *file = path == NULL || getpid() != owner ? NULL : fopen(path, "w");

    if (file != NULL) {
        (void)fprintf(file, "%ld\n", calls);
        (void)fclose(file);
    }
}

#define WRAP(type, name, parameters, arguments)                               \
    type name parameters                                                      \
    {                                                                         \
        static type(*real) parameters;                                        \
        if (real == NULL) {                                                   \
            real = __extension__(type(*) parameters) dlsym(RTLD_NEXT, #name); \
        }                                                                     \
        step();                                                               \
        return real arguments;                                                \
    }

WRAP(int, link, (const char *from, const char *to), (from, to))
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(int, rename, (const char *from, const char *to), (from, to))
WRAP(int, renameat2, (int a, const char *from, int b, const char *to, unsigned flags),
     (a, from, b, to, flags))
WRAP(int, unlink, (const char *path), (path))
WRAP(int, unlinkat, (int dir, const char *path, int flags), (dir, path, flags))
WRAP(int, rmdir, (const char *path), (path))
WRAP(int, fsync, (int fd), (fd))
WRAP(ssize_t, write, (int fd, const void *data, size_t len), (fd, data, len))
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags),
     (fd, message, flags))
