#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/corpus/library.h"
#include "orchestrator/gate/cache_private.h"

enum { OLD_MS = 24 * 3600 * 1000 };

struct sweep {
    struct strv kept; /* names, sorted */
    int64_t now;
    int64_t left; /* that may still be removed */
};

static int
by_text(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static bool
is_surplus(const struct sweep *sweep, const char *name, const struct stat *st)
{
    return sweep->left > 0 && sweep->now - clock_file_ms(&st->st_mtim) > OLD_MS &&
           (sweep->kept.n == 0 || bsearch(&name, sweep->kept.v, sweep->kept.n,
                                          sizeof(*sweep->kept.v), by_text) == NULL);
}

/* --- files that a list names --- */

static int
visit(void *user, const char *path, const struct stat *st, struct err *err)
{
    struct sweep *sweep = user;
    const char *name = fs_base(path);

    (void)err;
    if (st != NULL && cache_is_hash(name) && is_surplus(sweep, name, st)) {
        sweep->left -= unlink(path) == 0;
    }
    return 0;
}

/* Without one of the lists nothing is known to be surplus. */
static bool
read_lists(const char *folder, const json_t *now, const json_t *before,
           struct strv *names)
{
    bool known = cache_list(folder, json_get_str(now, "list", ""), names, NULL) == 0 &&
                 (before == NULL ||
                  cache_list(folder, json_get_str(before, "list", ""), names, NULL) == 0);

    cache_sort(names);
    return known;
}

/* `room`: of the folder, or NULL; now, before: what the two indexes say of it. */
static void
sweep_files(struct sweep *sweep, const char *folder, const char *room, const json_t *now,
            const json_t *before)
{
    if (room != NULL && fs_is_folder(room) &&
        read_lists(folder, now, before, &sweep->kept)) {
        (void)fs_walk(room, visit, sweep, NULL);
    }
    strv_clear(&sweep->kept);
}

/* --- objects and builds, which the indexes name themselves --- */

static void
sweep_named(struct sweep *sweep, const char *room, const char *now, const char *before)
{
    DIR *dir = opendir(room);

    for (const struct dirent *entry; dir != NULL;) {
        entry = readdir(dir);
        if (entry == NULL) {
            break;
        }
        AUTO(mem_free) char *path = fs_join(room, entry->d_name);
        struct stat st;
        if (entry->d_name[0] != '.' && strstr(now, entry->d_name) == NULL &&
            strstr(before, entry->d_name) == NULL && stat(path, &st) == 0 &&
            is_surplus(sweep, entry->d_name, &st)) {
            sweep->left -= fs_remove(path, NULL) == 0;
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
}

void
cache_sweep(const char *folder, const json_t *now, const json_t *before)
{
    static const char *const named[] = {"objects", "builds"};
    AUTO(mem_free) char *text = json_line(now);
    AUTO(mem_free) char *earlier = before == NULL ? mem_strdup("") : json_line(before);
    AUTO(mem_free) char *blobs = fs_join(folder, "blobs");
    const json_t *corpora = json_object_get(before, "corpora");
    struct sweep sweep = {.now = clock_wall_ms(), .left = CACHE_SWEEP_MAX};
    const char *target = NULL;
    json_t *entry = NULL;

    sweep_files(&sweep, folder, blobs, json_object_get(now, "blobs"),
                before == NULL ? NULL : json_object_get(before, "blobs"));
    json_object_foreach(json_object_get(now, "corpora"), target, entry)
    {
        AUTO(mem_free)
        char *inputs =
            target_name_valid(target) ? library_inputs_path(folder, target) : NULL;
        sweep_files(&sweep, folder, inputs, entry, json_object_get(corpora, target));
    }
    for (size_t i = 0; i < COUNT(named); i++) {
        AUTO(mem_free) char *room = fs_join(folder, named[i]);
        sweep_named(&sweep, room, text, earlier);
    }
}
