#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/sandbox/sandbox_private.h"

enum { UID_MAX_OURS = INT32_MAX, ID_MAP_MAX = 64 << 10 };

static uid_t chosen_uid; /* 0: none */

int
sandbox_set_uid(uid_t uid, struct err *err)
{
    if (uid == 0 || uid > UID_MAX_OURS) {
        return err_set(
            err, -EINVAL,
            "uid %u cannot be the sandbox's: choose one from 1 to %d that nobody uses",
            (unsigned)uid, UID_MAX_OURS);
    }
    chosen_uid = uid;
    return 0;
}

uid_t
sandbox_uid(void)
{
    const char *text = getenv("NIGHTJAR_SANDBOX_UID");
    int64_t number = 0;

    if (chosen_uid != 0) {
        return chosen_uid;
    }
    if (text == NULL || str_number("uid", text, 1, UID_MAX_OURS, &number, NULL) < 0) {
        return SANDBOX_UID;
    }
    return (uid_t)number;
}

/* How many ids a user namespace's map has, whether `id` is one, and what the first is
 * outside. */
struct id_map {
    uint64_t count;
    uint64_t first_outside;
    bool has;
};

static struct id_map
read_map(const char *path, uint64_t id)
{
    struct id_map map = {0, 0, false};
    AUTO(buf_clear) struct buf text = BUF_INIT;
    char *save = NULL;

    if (fs_read(path, ID_MAP_MAX, &text, NULL) < 0 || text.len == 0) {
        return (struct id_map){UINT32_MAX, 0,
                               true}; /* a kernel without user namespaces */
    }
    for (char *line = strtok_r(text.data, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char *at = line;
        uint64_t inside = strtoull(at, &at, 10);
        uint64_t outside = strtoull(at, &at, 10);
        uint64_t count = strtoull(at, &at, 10);
        map.first_outside = map.count == 0 ? outside : map.first_outside;
        map.count += count;
        map.has = map.has || (id >= inside && id - inside < count);
    }
    return map;
}

static bool
has_capabilities(uint32_t wanted)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

    memset(data, 0, sizeof(data));
    return syscall(SYS_capget, &header, data) == 0 &&
           (data[0].effective & wanted) == wanted;
}

int
sandbox_identity(struct sandbox_identity *out, struct err *err)
{
    const uint32_t needed = 1U << CAP_SETUID | 1U << CAP_SETGID | 1U << CAP_KILL;
    struct sandbox_identity who = {false, false, geteuid(), getegid()};
    uid_t uid = sandbox_uid();

    if (who.uid != 0) {
        *out = who;
        return 0;
    }
    struct id_map map = read_map("/proc/self/uid_map", uid);
    if (map.count == 1 && map.first_outside != 0) {
        who.alone = true;
        *out = who;
        return 0;
    }
    if (!map.has || !read_map("/proc/self/gid_map", uid).has) {
        return err_set(err, -EPERM,
                       "root cannot become uid %u, which this user namespace does not "
                       "have: name one that it has in "
                       "NIGHTJAR_SANDBOX_UID, or run nightjar as an ordinary user",
                       (unsigned)uid);
    }
    if (!has_capabilities(needed)) {
        return err_set(
            err, -EPERM,
            "root without CAP_SETUID, CAP_SETGID and CAP_KILL cannot drop its uid: run "
            "nightjar as an "
            "ordinary user (docker run --user 1000), or give it these (--cap-add)");
    }
    who = (struct sandbox_identity){true, false, uid, (gid_t)uid};
    *out = who;
    return 0;
}

void
sandbox_owner(uid_t *uid, gid_t *gid)
{
    struct sandbox_identity who = {false, false, geteuid(), getegid()};

    (void)sandbox_identity(&who, NULL);
    *uid = who.uid;
    *gid = who.gid;
}

int
sandbox_mkdir(const char *path, struct err *err)
{
    struct stat st;
    uid_t uid;
    gid_t gid;
    int rc = fs_mkdirs(path, 0700, err);

    if (rc < 0) {
        return rc;
    }
    AUTO(mem_free) char *name = str_name_dup(path);
    /* a sandboxed program may have made the folder above its own: never through a link */
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        return err_sys(err, "open folder '%s'", name);
    }
    sandbox_owner(&uid, &gid);
    if ((st.st_uid != uid || st.st_gid != gid) && geteuid() == 0 &&
        fchown(fd, uid, gid) < 0) {
        return err_sys(err, "give folder '%s' to uid %u", name, (unsigned)uid);
    }
    return 0;
}

/* By mode bits: with no supplementary groups, and without access lists. */
static bool
mode_allows(const struct sandbox_identity *who, const struct stat *st, int want)
{
    unsigned bits = st->st_mode;

    if (st->st_uid == who->uid) {
        bits >>= 6;
    } else if (st->st_gid == who->gid) {
        bits >>= 3;
    }
    return ((unsigned)want & bits & 7U) == (unsigned)want;
}

/* What mode bits deny an access list may allow: ask as that user, in a process of its
 * own. */
static bool
truly_allows(const struct sandbox_identity *who, const char *path, int want)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        /* relative to the folder: what lies above it is asked for by itself */
        int fd = open(path, O_PATH | O_CLOEXEC);
        if (fd < 0 || drop_root(who) < 0) {
            _exit(1);
        }
        _exit(syscall(SYS_faccessat2, fd, "", want, AT_EACCESS | AT_EMPTY_PATH) == 0 ? 0
                                                                                     : 1);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return pid > 0 && status == 0;
}

static int
refuse(const struct sandbox_identity *who, const char *path, int want, struct err *err)
{
    AUTO(mem_free) char *name = str_name_dup(path);
    AUTO(buf_clear) struct buf shell = BUF_INIT;

    str_shell(&shell, path);
    if ((want & W_OK) != 0) {
        return err_set(err, -EACCES,
                       "'%s' cannot be written by uid %u, which root becomes in the "
                       "sandbox: chown -R %u %s",
                       name, (unsigned)who->uid, (unsigned)who->uid, buf_str(&shell));
    }
    return err_set(err, -EACCES,
                   "'%s' cannot be %s by uid %u, which root becomes in the sandbox: "
                   "chmod o+%s %s, or move it, or run "
                   "nightjar as the user who owns it",
                   name, want == X_OK ? "entered" : "read", (unsigned)who->uid,
                   want == X_OK ? "x" : "rX", buf_str(&shell));
}

static int
reach_one(const struct sandbox_identity *who, const char *path, int want, struct err *err)
{
    struct stat st;

    if (stat(path, &st) < 0) {
        AUTO(mem_free) char *name = str_name_dup(path);
        return err_sys(err, "'%s'", name);
    }
    if (mode_allows(who, &st, want) || truly_allows(who, path, want)) {
        return 0;
    }
    return refuse(who, path, want, err);
}

int
sandbox_reach(const struct sandbox_identity *who, const char *path, int want,
              bool all_the_way, struct err *err)
{
    if (!who->drop) {
        return 0; /* the system call that follows will tell */
    }
    AUTO(mem_free) char *above = mem_strdup(path);
    for (char *at = above + 1; all_the_way && (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        int rc = reach_one(who, above, X_OK, err);
        if (rc < 0) {
            return rc;
        }
        *at = '/';
    }
    return reach_one(who, path, want, err);
}
