#include "orchestrator/corpus/queues.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/engine/folder.h"

enum {
    QUEUES_MAX = 256,
    GROWN_PERCENT = 110, /* of what the last prune left */
    COUNT_MAX = 32,      /* bytes of a number in a file */
};

struct queue {
    char *folder; /* below the engine's */
    int lock;
};

struct pruning {
    char *root; /* STATE/fuzz/TARGET/ENGINE */
    struct queue queues[QUEUES_MAX];
    size_t n;
    bool busy;
    struct cover *cover;
    const char *folder; /* that is visited */
    struct strv chosen; /* paths that stay, sorted */
    struct queues_sum *sum;
    struct err *err;
};

static void
pruning_clear(struct pruning *pruning)
{
    for (size_t i = 0; i < pruning->n; i++) {
        mem_free(pruning->queues[i].folder);
        fd_close(pruning->queues[i].lock);
    }
    cover_close(pruning->cover);
    strv_clear(&pruning->chosen);
    mem_free(pruning->root);
}
AUTO_DEFINE_CLEAR(struct pruning, pruning_clear)

int
queues_lock(const char *state, const char *target, bool prune, int *fd, struct err *err)
{
    AUTO(mem_free) char *path = mem_printf("%s/fuzz/%s/lock", state, target);
    AUTO(fd_close)
    int lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (lock < 0) {
        return err_sys(err, "open '%s'", path);
    }
    if (flock(lock, (prune ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0) {
        return err_set(err, -EBUSY, "the inputs of %s are %s", target,
                       prune ? "in use" : "being pruned");
    }
    *fd = FD_STEAL(lock);
    return 0;
}

/* "w1/queue": afl-fuzz holds a lock on w1 for as long as it runs. */
static void
lock_queue(void *user, const char *folder, bool consume)
{
    struct pruning *pruning = user;
    AUTO(mem_free) char *above = mem_strdup(folder);
    AUTO(fd_close) int inputs = -1;
    AUTO(fd_close) int lock = -1;
    char *slash = strrchr(above, '/');

    (void)consume;
    *(slash == NULL ? above : slash) = '\0';
    if (pruning->n == QUEUES_MAX ||
        folder_open(pruning->root, folder, &inputs, NULL) < 0 ||
        folder_open(pruning->root, above, &lock, NULL) < 0) {
        return;
    }
    if (flock(lock, LOCK_EX | LOCK_NB) < 0) {
        pruning->busy = true;
        return;
    }
    pruning->queues[pruning->n++] =
        (struct queue){.folder = mem_strdup(folder), .lock = FD_STEAL(lock)};
}

static int
visit_all(struct pruning *pruning, folder_visit *visit)
{
    int rc = 0;

    for (size_t i = 0; i < pruning->n && rc == 0; i++) {
        pruning->folder = pruning->queues[i].folder;
        rc = folder_list(pruning->root, pruning->folder, visit, pruning, pruning->err);
    }
    return rc;
}

/* Of a regular input; false for whatever else lies there. */
static bool
is_input(int dir, const char *name, struct stat *st)
{
    return name[0] != '.' && fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(st->st_mode);
}

static int
count_input(void *user, int dir, const char *name, unsigned char type)
{
    struct pruning *pruning = user;
    struct stat st;

    (void)type;
    if (is_input(dir, name, &st)) {
        pruning->sum->inputs++;
        pruning->sum->bytes += st.st_size;
    }
    return 0;
}

static int
offer_input(void *user, int dir, const char *name, unsigned char type)
{
    struct pruning *pruning = user;
    struct stat st;

    (void)type;
    if (!is_input(dir, name, &st)) {
        return 0;
    }
    AUTO(mem_free)
    char *path = mem_printf("%s/%s/%s", pruning->root, pruning->folder, name);
    return cover_add(pruning->cover, path, &st, pruning->err);
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool
stays(const struct pruning *pruning, const char *path)
{
    const struct strv *chosen = &pruning->chosen;

    return chosen->n == 0 ||
           bsearch(&path, chosen->v, chosen->n, sizeof(char *), by_name) != NULL;
}

/* What ran to its end, and which others make superfluous. */
static int
remove_others(struct pruning *pruning)
{
    const size_t skip = strlen(pruning->root) + 1;
    struct measured input;
    size_t at = 0;
    int64_t from = 0;
    uint32_t alone;

    while (cover_next(pruning->cover, &at, &input, &alone)) {
        strv_add(&pruning->chosen, input.path);
    }
    if (pruning->chosen.n > 0) {
        qsort(pruning->chosen.v, pruning->chosen.n, sizeof(char *), by_name);
    }
    while (cover_each(pruning->cover, &from, &input)) {
        if (input.kind != MEASURE_TRACE || stays(pruning, input.path)) {
            continue;
        }
        AUTO(mem_free) char *folder = mem_strdup(input.path + skip);
        *strrchr(folder, '/') = '\0';
        int rc = folder_unlink(pruning->root, folder, fs_base(input.path), pruning->err);
        if (rc < 0) {
            return rc;
        }
        pruning->sum->removed++;
        pruning->sum->freed += input.st.st_size;
    }
    return 0;
}

static int64_t
left_before(const char *path)
{
    AUTO(buf_clear) struct buf text = BUF_INIT;
    int64_t n = 0;

    if (fs_read(path, COUNT_MAX, &text, NULL) < 0 ||
        str_number("number", buf_str(&text), 0, INT64_MAX, &n, NULL) < 0) {
        return 0;
    }
    return n;
}

static int
prune(struct pruning *pruning, const struct cover_config *config, struct err *err)
{
    struct cover_sum sum;
    int rc = cover_open(config, &pruning->cover, err);

    rc = rc < 0 ? rc : visit_all(pruning, offer_input);
    rc = rc < 0 ? rc : cover_solve(pruning->cover, &sum, err);
    return rc < 0 ? rc : remove_others(pruning);
}

int
queues_prune(const char *state, const char *target, const struct engine_ops *ops,
             const struct cover_config *config, struct queues_sum *out, struct err *err)
{
    struct queues_sum sum = {0};
    AUTO(pruning_clear)
    struct pruning pruning = {.root =
                                  mem_printf("%s/fuzz/%s/%s", state, target, ops->name),
                              .sum = &sum,
                              .err = err};
    AUTO(mem_free) char *spool = mem_printf("%s.traces", pruning.root);
    AUTO(mem_free) char *left = mem_printf("%s.pruned", pruning.root);
    AUTO(fd_close) int lock = -1;
    struct cover_config own = *config;

    own.spool = spool;
    own.what = pruning.root;
    int rc = queues_lock(state, target, true, &lock, err);
    if (rc < 0) {
        return rc;
    }
    ops->inputs(pruning.root, lock_queue, &pruning);
    if (pruning.busy) {
        return err_set(err, -EBUSY, "%s works on %s", ops->title, target);
    }
    rc = visit_all(&pruning, count_input);
    if (rc == 0 && sum.inputs * 100 > left_before(left) * GROWN_PERCENT) {
        rc = prune(&pruning, &own, err);
        if (rc == 0 && ops->pruned != NULL) {
            ops->pruned(pruning.root);
        }
        AUTO(mem_free)
        char *text = mem_printf("%lld", (long long)(sum.inputs - sum.removed));
        rc = rc < 0 ? rc : fs_write(left, text, strlen(text), 0600, err);
        (void)unlink(spool);
    }
    if (rc == 0) {
        *out = sum;
    }
    return rc;
}
