#include "orchestrator/corpus/gather.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/corpus/library.h"
#include "orchestrator/engine/engine.h"

static void
note_seed(void *user, const char *sha256, const char *path)
{
    (void)path;
    strv_add(user, sha256);
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
drop_stale(void *user, const char *path, const struct stat *st, struct err *err)
{
    const struct strv *seeds = user; /* that there are, sorted */
    const char *name = fs_base(path);

    (void)st;
    (void)err;
    if (seeds->n == 0 ||
        bsearch(&name, seeds->v, seeds->n, sizeof(char *), by_name) == NULL) {
        (void)unlink(path);
    }
    return 0;
}

/* They stay among the others, too: who resumes a session looks there alone. */
static int
link_first(const struct target *target, const char *folder, const char *first,
           struct err *err)
{
    int rc = fs_mkdirs(first, 0755, err);

    (void)chmod(first, 0755); /* whatever the umask is: a worker has another uid */
    for (size_t i = 0; i < target->first.n && rc == 0; i++) {
        AUTO(mem_free) char *from = fs_join(folder, target->first.v[i]);
        AUTO(mem_free) char *to = fs_join(first, target->first.v[i]);
        if (link(from, to) < 0 && errno != ENOENT) {
            rc = err_sys(err, "link '%s'", to);
        }
    }
    return rc;
}

int
gather_seeds(const char *state, struct target *target, const char *folder,
             struct err *err)
{
    AUTO(mem_free) char *corpus = library_inputs_path(state, target->name);
    AUTO(mem_free) char *first = fs_join(folder, ENGINE_SEEDS_FIRST);
    AUTO(strv_clear) struct strv seeds = {0};
    int64_t count = 0;

    if (fs_is_folder(corpus) && !strv_has(&target->seeds, corpus)) {
        strv_add(&target->seeds, corpus);
    }
    int rc = fs_remove(first, err); /* of another campaign */
    rc = rc < 0
             ? rc
             : target_unpack_seeds_told(target, folder, note_seed, &seeds, &count, err);
    if (rc == 0 && seeds.n > 0) {
        qsort(seeds.v, seeds.n, sizeof(char *), by_name);
    }
    rc = rc < 0 ? rc : fs_walk(folder, drop_stale, &seeds, err);
    return rc < 0 || target->first.n == 0 ? rc : link_first(target, folder, first, err);
}
