#include "orchestrator/corpus/leftovers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/engine/folder.h"
#include "orchestrator/target.h"
#include "triage/upkeep.h"

const char *
leftover_name(enum leftover kind)
{
    static const char *const names[LEFTOVER_KINDS] = {[LEFTOVER_HANGS] = "hangs",
                                                      [LEFTOVER_CRASHES] = "crashes",
                                                      [LEFTOVER_LOGS] = "logs"};

    return names[kind];
}

struct sweep {
    struct store *store;
    const struct leftovers_policy *policy;
    struct leftovers *out;
    const char *root;   /* STATE/fuzz/TARGET/ENGINE */
    const char *folder; /* below it */
    enum leftover kind; /* of what is in the folder that is visited */
    int64_t now;
    struct err *err;
};

static bool
is_old(const struct sweep *sweep, const struct stat *st)
{
    int64_t written = clock_file_ms(&st->st_mtim);

    return written <= sweep->now - sweep->policy->keep_ms[sweep->kind];
}

/* Whether these bytes are in the ledger: 1; 0 also when the file cannot be read. */
static int
is_filed(const struct sweep *sweep, int dir, const char *name)
{
    AUTO(buf_clear) struct buf bytes = {.max = STORE_INPUT_MAX};
    AUTO(fd_close)
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    char sha256[HASH_HEX_MAX];
    bool known = false;
    int rc = fd < 0 ? 0 : 1;

    while (rc > 0 && !bytes.truncated) {
        rc = fd_read_some(fd, &bytes, SIZE_MAX, NULL);
    }
    if (fd < 0 || rc < 0 || bytes.truncated) {
        return 0;
    }
    hash_sha256(buf_str(&bytes), bytes.len, sha256);
    rc = store_knows(sweep->store, sha256, &known, sweep->err);
    return rc < 0 ? rc : known;
}

static int
drop_file(struct sweep *sweep, int dir, const char *name)
{
    struct stat st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
        !is_old(sweep, &st)) {
        return 0;
    }
    int rc = sweep->kind == LEFTOVER_LOGS ? 1 : is_filed(sweep, dir, name);
    if (rc <= 0) {
        return rc;
    }
    if (!sweep->policy->dry_run && unlinkat(dir, name, 0) < 0) {
        return 0; /* gone, or not ours to remove */
    }
    sweep->out->files[sweep->kind]++;
    sweep->out->bytes[sweep->kind] += (int64_t)st.st_blocks * 512;
    return 0;
}

static int
visit_find(void *user, int dir, const char *name, unsigned char type)
{
    (void)type;
    return drop_file(user, dir, name);
}

/* A folder that is no folder, or has gone, holds nothing. */
static int
list(struct sweep *sweep, const char *folder, folder_visit *visit)
{
    struct err why = ERR_INIT;
    int rc = folder_list(sweep->root, folder, visit, sweep, &why);

    if (rc == -ENOENT || rc == -ENOTDIR || rc == -ELOOP) {
        return 0;
    }
    return rc < 0 && why.code != 0 ? err_set(sweep->err, rc, "%s", why.msg) : rc;
}

/* AFL++ moves an earlier run's folders to hangs.2026-11-27-13:42:05. */
static int
visit_instance(void *user, int dir, const char *name, unsigned char type)
{
    struct sweep *sweep = user;
    bool hangs = str_starts(name, "hangs");

    (void)dir;
    if (type != DT_DIR || (!hangs && !str_starts(name, "crashes"))) {
        return 0;
    }
    AUTO(mem_free) char *folder = mem_printf("%s/%s", sweep->folder, name);
    sweep->kind = hangs ? LEFTOVER_HANGS : LEFTOVER_CRASHES;
    return list(sweep, folder, visit_find);
}

static int
visit_engine(void *user, int dir, const char *name, unsigned char type)
{
    struct sweep *sweep = user;

    (void)dir;
    if (type != DT_DIR) {
        return 0;
    }
    sweep->folder = name;
    return list(sweep, name, visit_instance);
}

/* Worker's logs lie beside their folders, where no worker writes. */
static int
visit_target(void *user, int dir, const char *name, unsigned char type)
{
    struct sweep *sweep = user;

    if (type == DT_REG && str_ends(name, ".log")) {
        sweep->kind = LEFTOVER_LOGS;
        return drop_file(sweep, dir, name);
    }
    if (type != DT_DIR || strcmp(name, "seeds") == 0) {
        return 0;
    }
    AUTO(mem_free) char *engine = fs_join(sweep->root, name);
    struct sweep below = *sweep;
    below.root = engine;
    return list(&below, "", visit_engine);
}

int
leftovers_drop(struct store *store, const char *target,
               const struct leftovers_policy *policy, struct leftovers *out,
               struct err *err)
{
    AUTO(mem_free) char *root = mem_printf("%s/fuzz/%s", store_folder(store), target);
    struct sweep sweep = {.store = store,
                          .policy = policy,
                          .out = out,
                          .root = root,
                          .now = clock_wall_ms(),
                          .err = err};

    if (!target_name_valid(target)) {
        return err_set(err, -EINVAL, "that is no target's name");
    }
    return list(&sweep, "", visit_target);
}

static int
visit_fuzz(void *user, int dir, const char *name, unsigned char type)
{
    (void)dir;
    if (type == DT_DIR && target_name_valid(name)) {
        strv_add(user, name);
    }
    return 0;
}

int
leftovers_targets(const struct store *store, struct strv *out, struct err *err)
{
    int rc = folder_list(store_folder(store), "fuzz", visit_fuzz, out, err);

    return rc == -ENOENT ? 0 : rc;
}
