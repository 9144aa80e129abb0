/* What a sandbox leaves behind where no namespace takes it along: processes, SysV
 * segments, folders. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/sandbox/sandbox_private.h"

enum {
    KILL_MS = 2500,   /* below what proc.c grants a guarded process */
    KILL_STEP_MS = 5, /* between two looks */
    FREEZE_FROM = 16, /* processes; so many may be a fork bomb */
    FREEZE_PASSES = 50,
    FRESH_S = 60, /* a folder so young may not be locked yet by its maker */
};

static const char work_prefix[] = "nightjar-box.";

static void
close_dir(DIR *dir)
{
    if (dir != NULL) {
        (void)closedir(dir);
    }
}
AUTO_DEFINE(DIR *, close_dir)

/* Without a look at what is there, so that a fork bomb is listed in linear time. */
static void
pids_push(struct pids *pids, pid_t pid)
{
    if (pids->n >= SANDBOX_PIDS_MAX) {
        return;
    }
    if ((pids->n & (pids->n + 1)) == 0) {
        pids->v = mem_resize(pids->v, 2 * (pids->n + 1) * sizeof(*pids->v));
    }
    pids->v[pids->n++] = pid;
}

void
pids_add(struct pids *pids, pid_t pid)
{
    if (!pids_has(pids, pid)) {
        pids_push(pids, pid);
    }
}

bool
pids_has(const struct pids *pids, pid_t pid)
{
    for (size_t i = pids->n; i > 0; i--) {
        if (pids->v[i - 1] == pid) {
            return true;
        }
    }
    return false;
}

void
pids_clear(struct pids *pids)
{
    mem_free(pids->v);
    pids->v = NULL;
    pids->n = 0;
}

/* --- processes
 * ----------------------------------------------------------------------------------- */

/* Whether the kernel lists them. */
static bool
lists_children(void)
{
    static int known = -1;

    if (known < 0) {
        known = access("/proc/thread-self/children", R_OK) == 0;
    }
    return known == 1;
}

/* The children that one thread has started (proc(5), CONFIG_PROC_CHILDREN). */
static void
add_children(const char *task, struct pids *out)
{
    AUTO(mem_free) char *path = mem_printf("%s/children", task);
    AUTO(buf_clear) struct buf text = BUF_INIT;
    char *save = NULL;

    if (fs_read(path, 1 << 20, &text, NULL) < 0 || text.data == NULL) {
        return;
    }
    for (char *word = strtok_r(text.data, " \n", &save); word != NULL;
         word = strtok_r(NULL, " \n", &save)) {
        pids_push(out, (pid_t)strtol(word, NULL, 10));
    }
}

pid_t
tree_parent(pid_t pid)
{
    AUTO(mem_free) char *path = mem_printf("/proc/%d/stat", (int)pid);
    AUTO(buf_clear) struct buf text = BUF_INIT;

    if (fs_read(path, 1 << 16, &text, NULL) < 0) {
        return 0;
    }
    const char *at = strrchr(buf_str(&text), ')'); /* a name may hold anything before */
    return at == NULL || strlen(at) < 4 ? 0 : (pid_t)strtol(at + 4, NULL, 10);
}

void
tree_scan(pid_t pid, struct pids *out)
{
    AUTO(close_dir) DIR *dir = opendir("/proc");

    for (struct dirent *item; dir != NULL && (item = readdir(dir)) != NULL;) {
        pid_t other = (pid_t)strtol(item->d_name, NULL, 10);
        if (other > 0 && tree_parent(other) == pid) {
            pids_push(out, other);
        }
    }
}

/* Returns the number of threads. */
static size_t
add_children_of(pid_t pid, struct pids *out)
{
    AUTO(mem_free) char *path = mem_printf("/proc/%d/task", (int)pid);
    AUTO(close_dir) DIR *dir = opendir(path);
    size_t threads = 0;

    for (struct dirent *item; dir != NULL && (item = readdir(dir)) != NULL;) {
        if (item->d_name[0] != '.') {
            AUTO(mem_free) char *task = fs_join(path, item->d_name);
            add_children(task, out);
            threads++;
        }
    }
    if (!lists_children()) {
        tree_scan(pid, out);
    }
    return threads;
}

size_t
tree_collect(pid_t root, struct pids *out)
{
    size_t first = out->n;
    size_t threads = 0;

    (void)add_children_of(root, out);
    for (size_t i = first; i < out->n; i++) {
        threads += add_children_of(out->v[i], out);
    }
    return threads;
}

pid_t
tree_first_child(pid_t pid)
{
    AUTO(pids_clear) struct pids children = {NULL, 0};

    (void)add_children_of(pid, &children);
    return children.n == 0 ? 0 : children.v[0];
}

/* Reap whatever has ended; false when this process has no child left. */
static bool
reap_ended(struct pids *dead)
{
    for (;;) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        if (pid > 0 && dead != NULL) {
            pids_add(dead, pid);
        }
        if (pid <= 0) {
            return pid == 0 || errno != ECHILD;
        }
    }
}

/* Stop all of many before the first is killed: else those that fork are always one step
 * ahead. */
static void
freeze(void)
{
    size_t before = 0;

    for (int i = 0; i < FREEZE_PASSES; i++) {
        AUTO(pids_clear) struct pids tree = {NULL, 0};
        (void)tree_collect(getpid(), &tree);
        if (tree.n < FREEZE_FROM || tree.n == before) {
            return;
        }
        before = tree.n;
        for (size_t k = 0; k < tree.n; k++) {
            (void)kill(tree.v[k], SIGSTOP);
        }
    }
}

bool
tree_kill(struct pids *dead)
{
    int64_t end = clock_mono_ms() + KILL_MS;

    freeze();
    while (reap_ended(dead)) {
        AUTO(pids_clear) struct pids tree = {NULL, 0};
        (void)tree_collect(getpid(), &tree);
        for (size_t i = 0; i < tree.n; i++) {
            (void)kill(tree.v[i], SIGKILL);
        }
        if (clock_mono_ms() >= end) {
            return false;
        }
        (void)usleep(KILL_STEP_MS * 1000);
    }
    return true;
}

/* --- SysV segments
 * ------------------------------------------------------------------------------- */

static bool
is_ours(const struct shmid_ds *segment, const struct pids *dead, uid_t uid)
{
    bool known = pids_has(dead, segment->shm_cpid);
    bool of_uid = uid != (uid_t)-1 && segment->shm_perm.cuid == uid;

    return known || (of_uid && kill(segment->shm_cpid, 0) < 0 && errno == ESRCH);
}

void
shm_sweep(const struct pids *dead, uid_t uid, int64_t since)
{
    struct shmid_ds segment;
    int last = shmctl(0, SHM_INFO, &segment); /* the highest index in use, shmctl(2) */

    for (int index = 0; index <= last; index++) {
        int id = shmctl(index, SHM_STAT, &segment);
        /* a second of slack: the kernel counts whole seconds */
        if (id >= 0 && segment.shm_nattch == 0 &&
            (int64_t)segment.shm_ctime * 1000 >= since - 1000 &&
            is_ours(&segment, dead, uid)) {
            (void)shmctl(id, IPC_RMID, NULL);
        }
    }
}

/* --- work folders
 * -------------------------------------------------------------------------------- */

int
work_make(const char *tmp, const struct sandbox_identity *who, char **path, int *lock_fd,
          struct err *err)
{
    AUTO(mem_free) char *work = mem_printf("%s/%sXXXXXX", tmp, work_prefix);

    if (mkdtemp(work) == NULL) {
        return err_sys(err, "make a work folder in '%s'", tmp);
    }
    AUTO(fd_close) int fd = open(work, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 ||
        (who->drop && fchown(fd, who->uid, who->gid) < 0)) {
        return err_sys(err, "set up the work folder '%s'", work);
    }
    *path = STEAL(work);
    *lock_fd = FD_STEAL(fd);
    return 0;
}

/* Remove it if it is one, and nobody holds its lock. */
static void
sweep_one(const char *path)
{
    struct stat st;
    uid_t uid;
    gid_t gid;
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    sandbox_owner(&uid, &gid);
    if (fd >= 0 && fstat(fd, &st) == 0 && (st.st_uid == uid || st.st_uid == geteuid()) &&
        st.st_mtime * 1000 < clock_wall_ms() - (int64_t)FRESH_S * 1000 &&
        flock(fd, LOCK_EX | LOCK_NB) == 0) {
        (void)fs_remove(path, NULL);
    }
}

void
work_sweep(const char *tmp)
{
    AUTO(close_dir) DIR *dir = opendir(tmp);

    for (struct dirent *item; dir != NULL && (item = readdir(dir)) != NULL;) {
        if (str_starts(item->d_name, work_prefix)) {
            AUTO(mem_free) char *path = fs_join(tmp, item->d_name);
            sweep_one(path);
        }
    }
}

static void
close_fts(FTS *fts)
{
    if (fts != NULL) {
        (void)fts_close(fts);
    }
}
AUTO_DEFINE(FTS *, close_fts)

int64_t
work_bytes(const char *path, int64_t most)
{
    AUTO(mem_free) char *root = mem_strdup(path);
    char *roots[] = {root, NULL};
    AUTO(close_fts)
    FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    int64_t bytes = 0;

    for (FTSENT *entry;
         fts != NULL && bytes <= most && (entry = fts_read(fts)) != NULL;) {
        if (entry->fts_info == FTS_F || entry->fts_info == FTS_D ||
            entry->fts_info == FTS_DEFAULT) {
            bytes += entry->fts_statp->st_blocks * 512;
        }
    }
    return bytes;
}

/* --- for the supervisor
 * -------------------------------------------------------------------------- */

/* Kill what descends from pid, then pid. Its descendants become our children and are met
 * again. */
static void
kill_tree(pid_t pid)
{
    AUTO(pids_clear) struct pids tree = {NULL, 0};

    (void)tree_collect(pid, &tree);
    (void)kill(pid, SIGKILL);
    for (size_t i = 0; i < tree.n; i++) {
        (void)kill(tree.v[i], SIGKILL);
    }
}

int
sandbox_reap_orphans(sandbox_mine *mine, void *user)
{
    AUTO(pids_clear) struct pids dead = {NULL, 0};
    int64_t end = clock_mono_ms() + KILL_MS;

    while (clock_mono_ms() < end) {
        AUTO(pids_clear) struct pids children = {NULL, 0};
        size_t strangers = 0;
        (void)add_children_of(getpid(), &children);
        for (size_t i = 0; i < children.n; i++) {
            if (mine(user, children.v[i])) {
                continue;
            }
            strangers++;
            kill_tree(children.v[i]);
            if (waitpid(children.v[i], NULL, WNOHANG) == children.v[i]) {
                pids_add(&dead, children.v[i]);
            }
        }
        if (strangers == 0) {
            break;
        }
        (void)usleep(1000);
    }
    if (dead.n > 0) {
        shm_sweep(&dead, (uid_t)-1, 0);
        work_sweep(sandbox_tmp());
    }
    return (int)dead.n;
}
