/*
 * A user namespace for what root starts, in which every id means what it means outside.
 * It is there for its counters: since Linux 5.14 RLIMIT_NPROC counts the processes of a
 * uid within one user namespace (and, against root's own limit, in those above), so a
 * fork bomb in one sandbox takes no process from others that dropped to the same uid.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "triage/sandbox/sandbox_private.h"

enum { MAP_MAX = 4096 }; /* bytes: a page is what the kernel takes at most */

/* Map the ids that this process has, onto themselves. `name`: uid_map or gid_map. */
static int
map_ids(pid_t pid, const char *name)
{
    AUTO(mem_free) char *own = mem_printf("/proc/self/%s", name);
    AUTO(mem_free) char *path = mem_printf("/proc/%d/%s", pid, name);
    AUTO(buf_clear) struct buf text = BUF_INIT;
    AUTO(buf_clear) struct buf map = BUF_INIT;
    char *save = NULL;

    if (fs_read(own, MAP_MAX, &text, NULL) < 0 || text.len == 0) {
        return -ENOTSUP;
    }
    for (char *line = strtok_r(text.data, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char *at = line;
        unsigned long long inside = strtoull(at, &at, 10);
        (void)strtoull(at, &at, 10);
        buf_addf(&map, "%llu %llu %llu\n", inside, inside, strtoull(at, &at, 10));
    }
    AUTO(fd_close) int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd_write(fd, map.data, map.len, NULL);
}

pid_t
users_fork(void)
{
    int ends[2] = {-1, -1};
    char go = 0;

    if (fd_pipe(ends, NULL) < 0) {
        return -1;
    }
    AUTO(fd_close) int wait_fd = ends[0];
    AUTO(fd_close) int go_fd = ends[1];
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0L, 0L, 0L, 0L);
    if (pid == 0) { /* nobody, until the maps are there */
        fd_close(FD_STEAL(go_fd));
        if (fd_read(wait_fd, &go, 1) != 1) {
            _exit(SANDBOX_EXIT);
        }
        return 0;
    }
    if (pid > 0 && map_ids(pid, "uid_map") == 0 && map_ids(pid, "gid_map") == 0 &&
        write(go_fd, &go, 1) == 1) {
        return pid;
    }
    fd_close(FD_STEAL(go_fd));
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    return fork();
}
