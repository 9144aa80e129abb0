#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "triage/runner/runner_private.h"

enum {
    PLACES_MAX = 4096,
    KILL_MS = 5000,
    KILL_STEP_US = 500,
    SETTLED_MS = 50, /* several ticks of the clock that folders are stamped by */
};

static const char *const roots[] = {"/tmp", "/dev/shm"};

static void
close_dir(DIR *dir)
{
    if (dir != NULL) {
        (void)closedir(dir);
    }
}
AUTO_DEFINE(DIR *, close_dir)

static bool
is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* --- folders --- */

void
room_clear(struct room *room)
{
    for (size_t i = 0; i < room->n; i++) {
        mem_free(room->places[i].path);
    }
    mem_free(room->places);
    *room = (struct room){0};
}

static int
add_place(struct room *room, const char *path, dev_t dev, struct err *err)
{
    struct stat st;

    if (lstat(path, &st) < 0) {
        return err_sys(err, "look at '%s'", path);
    }
    if (room->n == PLACES_MAX) {
        return err_set(err, -E2BIG, "more than %d files lie in a new sandbox's folders",
                       PLACES_MAX);
    }
    room->places = mem_resize(room->places, (room->n + 1) * sizeof(*room->places));
    room->places[room->n++] =
        (struct room_place){.path = mem_strdup(path),
                            .dev = st.st_dev,
                            .ino = st.st_ino,
                            .mode = st.st_mode,
                            .folder = S_ISDIR(st.st_mode) && st.st_dev == dev};
    return 0;
}

/* Everything below, mounts as what they are. The list grows while it is read. */
static int
learn_root(struct room *room, const char *root, struct err *err)
{
    struct stat st;
    size_t at = room->n;

    if (lstat(root, &st) < 0) {
        return 0; /* this sandbox has none */
    }
    int rc = add_place(room, root, st.st_dev, err);
    for (; at < room->n && rc == 0; at++) {
        AUTO(mem_free) char *path = mem_strdup(room->places[at].path);
        AUTO(close_dir) DIR *dir = room->places[at].folder ? opendir(path) : NULL;
        for (struct dirent *item; dir != NULL && rc == 0 && (item = readdir(dir));) {
            AUTO(mem_free) char *child = fs_join(path, item->d_name);
            rc = is_dots(item->d_name) ? 0 : add_place(room, child, st.st_dev, err);
        }
    }
    return rc;
}

int
room_learn(struct room *room, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < COUNT(roots) && rc == 0; i++) {
        rc = learn_root(room, roots[i], err);
    }
    return rc;
}

static bool
is_place(const struct room *room, const char *path)
{
    for (size_t i = 0; i < room->n; i++) {
        if (strcmp(room->places[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* The same folder, with the rights that it had, and none beside them. */
static bool
is_as_before(const struct room_place *place, const struct stat *st)
{
    return st->st_dev == place->dev && st->st_ino == place->ino &&
           st->st_mode == place->mode &&
           (!place->folder || llistxattr(place->path, NULL, 0) <= 0);
}

static int64_t
ms_between(const struct timespec *a, const struct timespec *b)
{
    return (int64_t)(b->tv_sec - a->tv_sec) * 1000 + (b->tv_nsec - a->tv_nsec) / 1000000;
}

/* Nobody can set the time of a folder's last change, of its entries, its rights or its
 * attributes. The kernel's clock for it stands still for some milliseconds: the time of a
 * moment ago proves nothing. */
static bool
is_untouched(const struct room_place *place, const struct stat *st)
{
    return place->settled && st->st_ino == place->ino && st->st_dev == place->dev &&
           same_time(&st->st_ctim, &place->changed);
}

static bool
empty_folder(const struct room *room, const char *path)
{
    AUTO(close_dir) DIR *dir = opendir(path);
    bool emptied = dir != NULL;

    for (struct dirent *item; emptied && (item = readdir(dir)) != NULL;) {
        AUTO(mem_free) char *child = fs_join(path, item->d_name);
        bool keep = is_dots(item->d_name) || is_place(room, child);
        emptied = keep || fs_remove(child, NULL) == 0;
    }
    return emptied;
}

/* --- SysV objects: this IPC namespace holds none but the runs' --- */

union semun { /* semctl(2) leaves it to the caller */
    int value;
    struct semid_ds *set;
    struct seminfo *info;
};

static bool
remove_objects(void)
{
    struct shmid_ds segment;
    struct msqid_ds queue;
    struct semid_ds set;
    struct seminfo seminfo;
    union semun of_info = {.info = &seminfo};
    union semun of_set = {.set = &set};
    struct msginfo msginfo;
    void *raw = &msginfo;
    int last = shmctl(0, SHM_INFO, &segment);

    for (int i = 0; i <= last; i++) {
        int id = shmctl(i, SHM_STAT, &segment);
        if (id >= 0 && shmctl(id, IPC_RMID, NULL) < 0) {
            return false;
        }
    }
    last = msgctl(0, MSG_INFO, raw);
    for (int i = 0; i <= last; i++) {
        int id = msgctl(i, MSG_STAT, &queue);
        if (id >= 0 && msgctl(id, IPC_RMID, NULL) < 0) {
            return false;
        }
    }
    last = semctl(0, 0, SEM_INFO, of_info);
    for (int i = 0; i <= last; i++) {
        int id = semctl(i, 0, SEM_STAT, of_set);
        if (id >= 0 && semctl(id, 0, IPC_RMID) < 0) {
            return false;
        }
    }
    return true;
}

static bool
tidy_place(const struct room *room, struct room_place *place)
{
    struct stat st;
    struct timespec now;

    if (lstat(place->path, &st) < 0) {
        return false;
    }
    if (is_untouched(place, &st)) {
        return true;
    }
    if (!is_as_before(place, &st) ||
        (place->folder && !empty_folder(room, place->path)) ||
        lstat(place->path, &st) < 0 || clock_gettime(CLOCK_REALTIME_COARSE, &now) < 0) {
        return false;
    }
    place->changed = st.st_ctim;
    place->settled = ms_between(&st.st_ctim, &now) > SETTLED_MS;
    return true;
}

bool
room_tidy(struct room *room)
{
    for (size_t i = 0; i < room->n; i++) {
        if (!tidy_place(room, &room->places[i])) {
            return false;
        }
    }
    return remove_objects();
}

/* --- processes --- */

bool
room_has_others(pid_t spare)
{
    char text[4096];
    AUTO(fd_close) int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : fd_read(fd, text, sizeof(text) - 1);

    if (len < 0) {
        return true; /* a kernel that does not list them */
    }
    text[len] = '\0';
    for (char *at = text; *at != '\0';) {
        char *end = at;
        long pid = strtol(at, &end, 10);
        if (end == at || (pid != spare && pid > 0)) {
            return end != at;
        }
        at = end + strspn(end, " \n");
    }
    return false;
}

bool
room_kill(void)
{
    int64_t end = clock_mono_ms() + KILL_MS;

    for (;;) {
        (void)kill(-1, SIGKILL); /* but for process 1 itself */
        pid_t pid = waitpid(-1, NULL, WNOHANG | __WALL);
        if (pid < 0 && errno == ECHILD) {
            return true;
        }
        if (pid == 0) {
            if (clock_mono_ms() >= end) {
                return false;
            }
            (void)usleep(KILL_STEP_US);
        }
    }
}
