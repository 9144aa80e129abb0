/* Into an engine: the place, the link, and its time. */
#include "orchestrator/supervise/exchange_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/engine/folder.h"

enum {
    NUDGE_MS = 1200, /* until the second has changed in which a folder was listed */
    FRESH_MS = 2000, /* what is linked bears a time a little ahead */
    INLET_LIFE_MS = 180000, /* of a full inlet, so that all instances have read it */
};

/* The folder in which the inlet's path ends, made below one that a target may have
 * filled: no link is followed. `name` receives its last part, borrowed. */
static int
open_inlet(const struct side *to, const char *path, int *fd, const char **name)
{
    AUTO(mem_free) char *folders = mem_strdup(path);
    AUTO(fd_close) int at = -1;
    char *slash = NULL;
    int rc = folder_open(to->folder, "", &at, NULL);

    *name = fs_base(path);
    for (char *part = folders; rc == 0 && (slash = strchr(part, '/')) != NULL;
         part = slash + 1) {
        *slash = '\0';
        (void)mkdirat(at, part, 0755);
        int next = openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        rc = next < 0 ? -errno : 0;
        fd_close(at);
        at = next;
    }
    if (rc == 0) {
        *fd = FD_STEAL(at);
    }
    return rc;
}

/*
 * libFuzzer looks at a file only if its time is not before that of the folder when it was
 * listed last (FuzzerIO.cpp), in whole seconds: an old file that is linked would never be
 * seen. So it bears a time that is a little ahead, before it appears.
 */
static int
freshen(int fd)
{
    int64_t ms = clock_wall_ms() + FRESH_MS;
    const struct timespec times[2] = {
        {.tv_nsec = UTIME_OMIT}, {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}};

    return futimens(fd, times);
}

static int
copy_into(const struct offer *offer, int folder, const char *name)
{
    AUTO(fd_close)
    int out =
        openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

    if (out < 0) {
        return -errno;
    }
    int rc = fd_write(out, buf_str(offer->bytes), offer->bytes->len, NULL);
    (void)freshen(out);
    if (rc < 0) {
        (void)unlinkat(folder, name, 0);
    }
    return rc;
}

static int
link_into(const struct offer *offer, int folder, const char *name)
{
    struct stat st;

    if (offer->fd < 0) {
        return copy_into(offer, folder, name);
    }
    if (freshen(offer->fd) < 0 || linkat(offer->dir, offer->name, folder, name, 0) < 0) {
        return errno == EEXIST ? -EEXIST : copy_into(offer, folder, name);
    }
    /* the name may stand for another file by now */
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        st.st_ino == offer->st.st_ino && st.st_dev == offer->st.st_dev) {
        return 0;
    }
    (void)unlinkat(folder, name, 0);
    return copy_into(offer, folder, name);
}

/* A full inlet gives way to the next; the one before it is removed then. */
bool
exchange_has_room(const struct side *to, struct route *route, int64_t now)
{
    int64_t room = to->ops->inlet_room;

    if (route->n >= EXCHANGE_ROUTE_FILES || route->bytes >= EXCHANGE_ROUTE_BYTES) {
        return false;
    }
    if (room == 0 || route->n % room != 0 || route->n == route->turned) {
        return true;
    }
    if (now - route->inlet_ms < INLET_LIFE_MS) {
        return false;
    }
    if (route->n / room >= 2) {
        AUTO(mem_free)
        char *old = mem_printf("%s/%s%s-%lld-%lld", to->folder, ENGINE_INLET_PREFIX,
                               route->source, (long long)to->session,
                               (long long)(route->n / room - 2));
        (void)fs_remove(old, NULL);
    }
    route->turned = route->n;
    return true;
}

void
exchange_give(struct side *to, struct route *route, const struct offer *offer)
{
    int64_t room = to->ops->inlet_room;
    int64_t inlet = room == 0 ? 0 : route->n / room;
    int64_t now = clock_mono_ms();
    AUTO(mem_free)
    char *peer = mem_printf("%s-%lld-%lld", route->source, (long long)to->session,
                            (long long)inlet);
    AUTO(mem_free)
    char *path =
        to->ops->inlet(peer, room == 0 ? route->n : route->n % room, offer->sha256);
    AUTO(fd_close) int folder = -1;
    const char *name = NULL;
    int rc = open_inlet(to, path, &folder, &name);

    rc = rc < 0 ? rc : link_into(offer, folder, name);
    if (rc < 0) {
        return; /* there since an earlier campaign, or the disk is full */
    }
    if (route->n == 0 || route->n == route->turned) {
        route->inlet_ms = now;
    }
    route->n++;
    route->bytes += (int64_t)offer->bytes->len;
    route->fresh = now - route->offered_ms > CREDIT_MS ? 1 : route->fresh + 1;
    route->offered_ms = now;
    if (to->nudge_fd < 0) {
        to->nudge_fd = FD_STEAL(folder);
        to->nudge_ms = now + NUDGE_MS;
    }
    route->offered++;
}

/* A folder that was listed within the same second as it changed is not listed again
 * before it changes in another one. */
void
exchange_nudge(struct side *side, int64_t now)
{
    if (side->nudge_fd >= 0 && now >= side->nudge_ms) {
        (void)futimens(side->nudge_fd, NULL);
        fd_close(side->nudge_fd);
        side->nudge_fd = -1;
    }
}
