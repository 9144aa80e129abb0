#include "orchestrator/corpus/gather.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/corpus/library.h"

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

int
gather_seeds(const char *state, struct target *target, const char *folder,
             struct err *err)
{
    AUTO(mem_free) char *corpus = library_inputs_path(state, target->name);
    AUTO(strv_clear) struct strv seeds = {0};
    int64_t count = 0;

    if (fs_is_folder(corpus)) {
        strv_add(&target->seeds, corpus);
    }
    int rc = target_unpack_seeds_told(target, folder, note_seed, &seeds, &count, err);
    if (rc == 0 && seeds.n > 0) {
        qsort(seeds.v, seeds.n, sizeof(char *), by_name);
    }
    return rc < 0 ? rc : fs_walk(folder, drop_stale, &seeds, err);
}
