#include "orchestrator/supervise/inbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/engine/folder.h"
#include "orchestrator/supervise/inbox_seen.h"
#include "triage/store.h"

enum {
    NAME_LIMIT = 240, /* leaves room for "~N" below NAME_MAX */
    CLASHES_MAX = 100,
    EVENTS_BYTES = 32 << 10,
    COPY_CHUNK = 64 << 10,
};

struct watch {
    int wd;
    char *relative;
    bool consume;
    struct timespec
        changed; /* the folder's time of change when all in it had been seen */
    struct watch *next;
};

struct inbox_source {
    struct inbox *inbox;
    const struct engine_ops *ops;
    const struct engine_job *job;
    char *folder; /* of the spool */
    struct watch *watches;
    struct inbox_source *next;
};

struct in_flight {
    struct inbox *inbox;
    uint64_t key;
    struct in_flight *next, **link;
};

struct inbox {
    struct inbox_config config;
    char *folder;
    int notify_fd;
    sd_event_source *notify_source;
    struct inbox_source *sources;
    struct in_flight *flights;
    int64_t n_flights, taken;
    struct seen_files seen;
};

/* --- towards the ledger --- */

/* A refused file will be refused again, one that the store could not take will not. */
static bool
is_final(int code)
{
    return code == 0 || code == -ENOENT || code == -EFBIG || code == -EINVAL ||
           code == -EACCES;
}

static void
flight_end(struct in_flight *flight)
{
    *flight->link = flight->next;
    if (flight->next != NULL) {
        flight->next->link = flight->link;
    }
    flight->inbox->n_flights--;
    mem_free(flight);
}

static void
on_done(void *user, const char *path, int code, bool is_new)
{
    struct in_flight *flight = user;
    struct seen_file *seen = seen_find(&flight->inbox->seen, flight->key);

    (void)is_new;
    if (seen != NULL && code == 0) {
        seen->filed = true;
    }
    if (is_final(code)) {
        (void)unlink(path);
    }
    flight_end(flight);
}

static void
send_off(struct inbox *inbox, const char *target, const char *engine, const char *path,
         uint64_t key)
{
    struct in_flight *flight = mem_alloc(sizeof(*flight));

    *flight = (struct in_flight){inbox, key, inbox->flights, &inbox->flights};
    if (flight->next != NULL) {
        flight->next->link = &flight->next;
    }
    inbox->flights = flight;
    inbox->n_flights++;
    inbox->taken++;
    inbox->config.submit(inbox->config.user, target, engine, path, on_done, flight);
}

/* --- from the engine's folder --- */

static int
copy_file(int from, const char *to)
{
    AUTO(mem_free) char *chunk = mem_alloc(COPY_CHUNK);
    AUTO(fd_close)
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int64_t left =
        (int64_t)STORE_INPUT_MAX + 1; /* one too many is refused as too large */

    if (out < 0) {
        return -errno;
    }
    while (left > 0) {
        ssize_t n = fd_read(from, chunk, COPY_CHUNK);
        if (n <= 0) {
            return (int)n;
        }
        int rc = fd_write(out, chunk, (size_t)n, NULL);
        if (rc < 0) {
            return rc;
        }
        left -= n;
    }
    return 0;
}

/* Where links cannot be made (a file system without them) the bytes are copied. */
static int
bring(int dir, const char *name, const char *to)
{
    struct stat st;

    if (linkat(dir, name, AT_FDCWD, to, 0) == 0) {
        /* a link is made of whatever stands there, also of a symbolic link itself */
        if (lstat(to, &st) < 0 || !S_ISREG(st.st_mode)) {
            (void)unlink(to);
            return -EINVAL;
        }
        if ((st.st_mode & S_IRUSR) == 0) {
            (void)chmod(to, 0600);
        }
        return 0;
    }
    if (errno == EEXIST || errno == ENOENT) {
        return -errno;
    }
    AUTO(fd_close)
    int from =
        openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (from < 0 || fstat(from, &st) < 0 || !S_ISREG(st.st_mode)) {
        return -EINVAL;
    }
    int rc = copy_file(from, to);
    if (rc < 0 && rc != -EEXIST) {
        (void)unlink(to);
    }
    return rc;
}

/* "w1/crashes.DATE" and "id:000000,sig:06" become "w1,crashes,id:000000,sig:06": AFL++
 * renames a session's folder, and the ledger should know its files again. */
static char *
spool_path(const struct inbox_source *source, const char *relative, const char *name,
           int clash)
{
    size_t len = strcspn(relative, ".");
    AUTO(mem_free) char *flat = mem_printf("%.*s,%s", (int)len, relative, name);
    char suffix[16] = "";

    for (char *c = flat; *c != '\0'; c++) {
        if (*c == '/') {
            *c = ',';
        }
    }
    if (clash > 0) {
        (void)snprintf(suffix, sizeof(suffix), "~%d", clash);
    }
    return mem_printf("%s/%.*s%s", source->folder, NAME_LIMIT, flat, suffix);
}

/* Link or copy under a name that is free; NULL when it cannot be had. */
static char *
spool(const struct inbox_source *source, const char *relative, int dir, const char *name)
{
    for (int clash = 0; clash < CLASHES_MAX; clash++) {
        AUTO(mem_free) char *path = spool_path(source, relative, name, clash);
        int rc = bring(dir, name, path);
        if (rc == 0) {
            return STEAL(path);
        }
        if (rc != -EEXIST) {
            AUTO(mem_free) char *shown = str_name_dup(name);
            log_line(rc == -ENOENT ? LOG_DEBUG : LOG_WARN, "inbox", "name=%s msg=\"%s\"",
                     shown, strerror(-rc));
            return NULL;
        }
    }
    return NULL;
}

static bool
is_settled(const struct stat *st)
{
    int64_t changed = clock_file_ms(&st->st_mtim);
    int64_t age = clock_wall_ms() - changed;

    return age >= INBOX_SETTLED_MS || age < -INBOX_SETTLED_MS; /* or its clock is wrong */
}

enum taken { TAKEN, TAKEN_BEFORE, TAKEN_LATER, TAKEN_NEVER };

static enum taken
take(struct inbox_source *source, const char *relative, int dir, const char *name,
     bool settled)
{
    struct inbox *inbox = source->inbox;
    struct stat st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode)) {
        return TAKEN_NEVER;
    }
    uint64_t key = seen_key(&st);
    const struct seen_file *seen = seen_find(&inbox->seen, key);
    if (seen != NULL) {
        return seen->filed ? TAKEN_BEFORE : TAKEN_LATER;
    }
    if ((!settled && !is_settled(&st)) || inbox->n_flights >= INBOX_IN_FLIGHT_MAX) {
        return TAKEN_LATER;
    }
    AUTO(mem_free) char *path = spool(source, relative, dir, name);
    if (path == NULL) {
        return TAKEN_LATER;
    }
    seen_add(&inbox->seen, key);
    send_off(inbox, source->job->target->name, source->ops->name, path, key);
    return TAKEN;
}

struct look {
    struct inbox_source *source;
    struct watch *watch;
    unsigned flags;
    int64_t taken;
    bool pending; /* something must be looked at again */
};

static int
look_at_file(void *user, int dir, const char *name, unsigned char type)
{
    struct look *look = user;

    (void)type;
    if (!look->source->ops->is_find(name)) {
        return 0;
    }
    switch (take(look->source, look->watch->relative, dir, name,
                 (look->flags & INBOX_SETTLED) != 0)) {
    case TAKEN:
        look->taken++;
        look->pending = true; /* until it is filed */
        break;
    case TAKEN_BEFORE:
        if (look->watch->consume && (look->flags & INBOX_TIDY) != 0) {
            (void)unlinkat(dir, name, 0);
        }
        break;
    case TAKEN_LATER:
        look->pending = true;
        break;
    case TAKEN_NEVER:
        break;
    }
    return 0;
}

/* --- watching --- */

static struct watch *
watch_of(struct inbox_source *source, const char *relative, bool consume)
{
    for (struct watch *w = source->watches; w != NULL; w = w->next) {
        if (strcmp(w->relative, relative) == 0) {
            return w;
        }
    }
    struct watch *watch = mem_alloc(sizeof(*watch));
    *watch = (struct watch){-1, mem_strdup(relative), consume, {0}, source->watches};
    source->watches = watch;
    return watch;
}

/* A folder whose engine has stopped and that holds nothing any more would stay for ever.
 */
static void
drop_folder(struct inbox_source *source, struct watch *watch)
{
    const char *name = fs_base(watch->relative);
    AUTO(mem_free)
    char *parent = mem_dup(watch->relative, (size_t)(name - watch->relative));
    AUTO(fd_close) int dir = -1;

    if (folder_open(source->job->folder, parent, &dir, NULL) < 0 ||
        unlinkat(dir, name, AT_REMOVEDIR) < 0) {
        return;
    }
    for (struct watch **at = &source->watches; *at != NULL; at = &(*at)->next) {
        if (*at == watch) {
            *at = watch->next;
            mem_free(watch->relative);
            mem_free(watch);
            return;
        }
    }
}

/* Changes within the resolution of the folder's time, and a little more, could hide
 * behind it. */
static bool
is_quiet(const struct stat *st)
{
    int64_t age = clock_wall_ms() / 1000 - (int64_t)st->st_mtim.tv_sec;

    return age > 2;
}

/* By its descriptor, so that no link is followed; the same folder gives the same number
 * again. */
static void
listen_to(struct inbox *inbox, struct watch *watch, int fd)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    watch->wd = inotify_add_watch(inbox->notify_fd, path,
                                  IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR);
}

static void
look_at_folder(void *user, const char *relative, bool consume)
{
    struct look *look = user;
    struct inbox_source *source = look->source;
    AUTO(fd_close) int fd = -1;
    struct stat st;

    if (folder_open(source->job->folder, relative, &fd, NULL) < 0 || fstat(fd, &st) < 0) {
        return;
    }
    look->watch = watch_of(source, relative, consume);
    look->pending = false;
    listen_to(source->inbox, look->watch, fd);
    bool tidy = consume && (look->flags & INBOX_TIDY) != 0;
    if (!tidy && memcmp(&st.st_mtim, &look->watch->changed, sizeof(st.st_mtim)) == 0) {
        return; /* all that is in it has been seen */
    }
    (void)folder_list(source->job->folder, relative, look_at_file, look, NULL);
    bool done = !look->pending && is_quiet(&st);
    look->watch->changed = done ? st.st_mtim : (struct timespec){0};
    if (tidy && !look->pending) {
        drop_folder(source, look->watch);
    }
}

int64_t
inbox_look(struct inbox_source *source, unsigned flags)
{
    struct look look = {.source = source, .flags = flags};

    source->ops->find_folders(source->job, look_at_folder, &look);
    return look.taken;
}

void
inbox_take(struct inbox_source *source, const char *relative)
{
    AUTO(fd_close) int dir = -1;
    const char *name = fs_base(relative);
    AUTO(mem_free) char *folder = mem_dup(relative, (size_t)(name - relative));

    if (folder_open(source->job->folder, folder, &dir, NULL) == 0) {
        if (str_ends(folder, "/")) {
            folder[strlen(folder) - 1] = '\0';
        }
        (void)take(source, folder, dir, name, true);
    }
}

static void
take_named(struct inbox *inbox, int wd, const char *name)
{
    for (struct inbox_source *s = inbox->sources; s != NULL; s = s->next) {
        for (struct watch *w = s->watches; w != NULL; w = w->next) {
            AUTO(fd_close) int dir = -1;
            if (w->wd == wd && s->ops->is_find(name) &&
                folder_open(s->job->folder, w->relative, &dir, NULL) == 0) {
                (void)take(s, w->relative, dir, name, true);
                return;
            }
        }
    }
}

/* What does not reach us here (an overflow, a folder that was renamed) the next rescan
 * finds. */
static int
on_notify(sd_event_source *source, int fd, uint32_t revents, void *user)
{
    struct inbox *inbox = user;
    _Alignas(struct inotify_event) char events[EVENTS_BYTES];

    (void)source;
    (void)revents;
    ssize_t len = read(fd, events, sizeof(events));
    for (ssize_t at = 0; at < len;) {
        const struct inotify_event *event = (const void *)(events + at);
        if (event->len > 0) {
            take_named(inbox, event->wd, event->name);
        }
        at += (ssize_t)(sizeof(*event) + event->len);
    }
    return 0;
}

/* --- life --- */

int
inbox_new(const struct inbox_config *config, struct inbox **out, struct err *err)
{
    AUTO(inbox_free) struct inbox *inbox = mem_alloc(sizeof(*inbox));

    inbox->config = *config;
    inbox->folder = mem_strdup(config->folder);
    inbox->notify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (inbox->notify_fd < 0) {
        return err_sys(err, "inotify (see /proc/sys/fs/inotify/max_user_instances)");
    }
    int rc = fs_mkdirs(inbox->folder, 0700, err);
    if (rc < 0) {
        return rc;
    }
    rc = sd_event_add_io(config->event, &inbox->notify_source, inbox->notify_fd, EPOLLIN,
                         on_notify, inbox);
    if (rc < 0) {
        return err_set(err, rc, "event loop: %s", strerror(-rc));
    }
    *out = STEAL(inbox);
    return 0;
}

static void
source_free(struct inbox_source *source)
{
    while (source->watches != NULL) {
        struct watch *watch = source->watches;
        source->watches = watch->next;
        mem_free(watch->relative);
        mem_free(watch);
    }
    mem_free(source->folder);
    mem_free(source);
}

void
inbox_free(struct inbox *inbox)
{
    if (inbox == NULL) {
        return;
    }
    while (inbox->flights != NULL) {
        flight_end(inbox->flights);
    }
    while (inbox->sources != NULL) {
        struct inbox_source *source = inbox->sources;
        inbox->sources = source->next;
        source_free(source);
    }
    (void)sd_event_source_disable_unref(inbox->notify_source);
    fd_close(inbox->notify_fd);
    seen_clear(&inbox->seen);
    mem_free(inbox->folder);
    mem_free(inbox);
}

struct recovery {
    struct inbox *inbox;
    const char *target, *engine, *folder;
    int64_t n;
};

static int
recover_file(void *user, int dir, const char *name, unsigned char type)
{
    struct recovery *recovery = user;
    struct stat st;

    (void)type;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)) {
        AUTO(mem_free) char *path = fs_join(recovery->folder, name);
        /* the original, where it still stands, is the same file on disk */
        seen_add(&recovery->inbox->seen, seen_key(&st));
        send_off(recovery->inbox, recovery->target, recovery->engine, path,
                 seen_key(&st));
        recovery->n++;
    }
    return 0;
}

int64_t
inbox_recover(struct inbox *inbox, const char *target, const char *engine)
{
    AUTO(mem_free) char *folder = mem_printf("%s/%s/%s", inbox->folder, target, engine);
    struct recovery recovery = {inbox, target, engine, folder, 0};

    (void)folder_list(folder, "", recover_file, &recovery, NULL);
    return recovery.n;
}

struct inbox_source *
inbox_add(struct inbox *inbox, const struct engine_ops *ops, const struct engine_job *job)
{
    struct inbox_source *source = mem_alloc(sizeof(*source));

    source->inbox = inbox;
    source->ops = ops;
    source->job = job;
    source->folder = mem_printf("%s/%s/%s", inbox->folder, job->target->name, ops->name);
    source->next = inbox->sources;
    inbox->sources = source;
    if (fs_mkdirs(source->folder, 0700, NULL) < 0) {
        log_line(LOG_WARN, "inbox", "folder=%s msg=\"cannot be made\"", source->folder);
    }
    return source;
}

int64_t
inbox_in_flight(const struct inbox *inbox)
{
    return inbox->n_flights;
}

int64_t
inbox_taken(const struct inbox *inbox)
{
    return inbox->taken;
}
