#include "orchestrator/gate/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/corpus/library.h"
#include "orchestrator/gate/cache_private.h"

enum { LOCK_TRIES = 100 /* of a tenth of a second, for another writer */ };

struct saving {
    const char *folder;
    struct store *store;
    const char *state;
    struct cache *cache;
    json_t *before; /* the index that is replaced; NULL: none */
    bool crossed;   /* somebody wrote it since it was fetched */
    json_t *index;
};

static void
saving_clear(struct saving *saving)
{
    json_decref(saving->before);
    json_decref(saving->index);
}
AUTO_DEFINE_CLEAR(struct saving, saving_clear)

/* The object of these bytes; its name in out. */
static int
put_object(const char *folder, const struct buf *bytes, char out[HASH_HEX_MAX],
           struct err *err)
{
    hash_sha256(buf_str(bytes), bytes->len, out);
    AUTO(mem_free) char *path = mem_printf("%s/objects/%s", folder, out);
    return fs_exists(path) ? 0 : cache_put(path, buf_str(bytes), bytes->len, err);
}

/* Sorted, as an object; *entry receives its name. */
static int
put_list(const struct saving *saving, struct strv *names, json_t *entry, struct err *err)
{
    AUTO(buf_clear) struct buf list = BUF_INIT;
    char sha256[HASH_HEX_MAX];

    cache_sort(names);
    for (size_t i = 0; i < names->n; i++) {
        buf_addf(&list, "%s\n", names->v[i]);
    }
    int rc = put_object(saving->folder, &list, sha256, err);
    if (rc == 0) {
        json_put(entry, "list", json_string(sha256));
    }
    return rc;
}

static int
save_database(struct saving *saving, struct err *err)
{
    AUTO(mem_free) char *work = fs_join(saving->state, "work");
    AUTO(mem_free) char *path = fs_join(work, "cache.db");
    AUTO(buf_clear) struct buf bytes = {.max = CACHE_DATABASE_MAX};
    char sha256[HASH_HEX_MAX];

    (void)unlink(path);
    int rc = fs_mkdirs(work, 0700, err);
    rc = rc < 0 ? rc : db_backup(store_db(saving->store), path, err);
    rc = rc < 0 ? rc : fs_read(path, CACHE_DATABASE_MAX, &bytes, err);
    (void)unlink(path);
    rc = rc < 0 ? rc : put_object(saving->folder, &bytes, sha256, err);
    if (rc == 0) {
        saving->cache->bytes += (int64_t)bytes.len;
        json_put(saving->index, "database", json_string(sha256));
    }
    return rc;
}

struct listing {
    struct saving *saving;
    const char *target; /* NULL: of bugs */
    struct strv names;
};

static int
save_blob(void *user, const char *path, const struct stat *st, struct err *err)
{
    struct listing *listing = user;
    const char *name = fs_base(path);
    AUTO(mem_free)
    char *to = mem_printf("%s/blobs/%.2s/%s", listing->saving->folder, name, name);

    if (st == NULL || !cache_is_hash(name)) {
        return 0;
    }
    strv_add(&listing->names, name);
    return cache_copy_blob(listing->saving->cache, path, to, err);
}

static int
save_input(void *user, const char *path, const struct stat *st, struct err *err)
{
    struct listing *listing = user;
    const char *name = fs_base(path);
    AUTO(mem_free)
    char *to = library_input_path(listing->saving->folder, listing->target, name);

    if (st == NULL || !cache_is_hash(name)) {
        return 0;
    }
    strv_add(&listing->names, name);
    return cache_copy_input(listing->saving->cache, path, to, err);
}

/* What the list of another run has, which wrote meanwhile. */
static void
add_others(const struct saving *saving, const char *target, struct strv *names)
{
    const json_t *entry =
        json_object_get(json_object_get(saving->before, "corpora"), target);

    if (saving->crossed) {
        (void)cache_list(saving->folder, json_get_str(entry, "list", ""), names, NULL);
    }
}

static int
save_corpus(struct saving *saving, json_t *corpora, const char *target, struct err *err)
{
    struct listing listing = {.saving = saving, .target = target};
    AUTO(buf_clear) struct buf index = BUF_INIT;
    AUTO(mem_free) char *inputs = library_inputs_path(saving->state, target);
    AUTO(mem_free) char *known = library_index_path(saving->state, target);
    char sha256[HASH_HEX_MAX] = "";
    json_t *entry = json_object();
    int rc = fs_is_folder(inputs) ? fs_walk(inputs, save_input, &listing, err) : 0;

    json_put(corpora, target, entry);
    add_others(saving, target, &listing.names);
    rc = rc < 0 ? rc : put_list(saving, &listing.names, entry, err);
    strv_clear(&listing.names);
    if (rc == 0 && fs_read(known, CACHE_INDEX_MAX, &index, NULL) == 0) {
        rc = put_object(saving->folder, &index, sha256, err);
        json_put(entry, "index", json_string(sha256));
    }
    return rc;
}

static int
save_corpora(struct saving *saving, struct err *err)
{
    AUTO(mem_free) char *root = fs_join(saving->state, "corpus");
    json_t *corpora = json_object();
    DIR *dir = opendir(root);
    int rc = 0;

    /* those of targets that this state has nothing of stay as they are */
    (void)json_object_update(corpora, json_object_get(saving->before, "corpora"));
    for (const struct dirent *entry; dir != NULL && rc == 0;) {
        entry = readdir(dir);
        if (entry == NULL) {
            break;
        }
        if (entry->d_name[0] != '.' && target_name_valid(entry->d_name)) {
            rc = save_corpus(saving, corpora, entry->d_name, err);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    json_put(saving->index, "corpora", corpora);
    return rc;
}

static int
add_known(void *user, const struct bug *bug, struct err *err)
{
    struct strv *known = user;

    (void)err;
    strv_addf(known, "%s %s", bug->target, bug->signature);
    return 0;
}

static int
save_known(struct saving *saving, struct err *err)
{
    const struct bug_filter all = {.at_least = SEVERITY_INFO, .light = true};
    AUTO(strv_clear) struct strv known = {0};
    json_t *array = json_array();

    json_get_strv(saving->before, "known", &known);
    int rc = store_bugs(saving->store, &all, add_known, &known, err);
    cache_sort(&known);
    for (size_t i = 0; i < known.n && i < CACHE_KNOWN_MAX; i++) {
        (void)json_array_append_new(array, json_text(known.v[i]));
    }
    json_put(saving->index, "known", array);
    return rc;
}

static int
save_blobs(struct saving *saving, struct err *err)
{
    AUTO(mem_free) char *root = fs_join(saving->state, "blobs");
    struct listing listing = {.saving = saving};
    json_t *entry = json_object();
    int rc = fs_is_folder(root) ? fs_walk(root, save_blob, &listing, err) : 0;

    json_put(saving->index, "blobs", entry);
    rc = rc < 0 ? rc : put_list(saving, &listing.names, entry, err);
    strv_clear(&listing.names);
    return rc;
}

struct copying {
    const char *from, *to;
};

static int
copy_build(void *user, const char *path, const struct stat *st, struct err *err)
{
    const struct copying *copying = user;
    AUTO(mem_free)
    char *to = mem_printf("%s%s", copying->to, path + strlen(copying->from));
    AUTO(mem_free) char *folder = mem_strdup(to);

    if (st == NULL) {
        return 0;
    }
    *strrchr(folder, '/') = '\0';
    int rc = fs_mkdirs(folder, 0755, err);
    return rc < 0 ? rc : fs_copy(path, to, st->st_mode & 0755, NULL, err);
}

static int
save_builds(struct saving *saving, const char *out, const char *key, struct err *err)
{
    AUTO(mem_free) char *from = fs_absolute(out);
    AUTO(mem_free) char *to = mem_printf("%s/builds/%s", saving->folder, key);
    AUTO(mem_free) char *half = mem_printf("%s.%d", to, (int)getpid());
    struct copying copying = {from, half};

    json_put(saving->index, "base", json_string(key));
    if (fs_is_folder(to)) {
        return 0;
    }
    int rc = fs_mkdirs(half, 0755, err);
    rc = rc < 0 ? rc : fs_walk_links(from, copy_build, &copying, err);
    if (rc == 0 && rename(half, to) < 0 && !fs_is_folder(to)) {
        rc = err_sys(err, "put the builds into '%s'", to);
    }
    (void)fs_remove(half, NULL);
    return rc;
}

/* Several writers take turns; where locks do not work, the last one to replace the index
 * wins. */
static int
lock_folder(const char *folder)
{
    AUTO(mem_free) char *path = fs_join(folder, "lock");
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    const struct timespec tenth = {.tv_nsec = 100000000};

    for (int i = 0; fd >= 0 && i < LOCK_TRIES && flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
        (void)nanosleep(&tenth, NULL);
    }
    return fd;
}

static int
write_index(struct saving *saving, struct err *err)
{
    AUTO(mem_free) char *path = fs_join(saving->folder, "index");
    AUTO(mem_free) char *text = json_line(saving->index);

    return fs_write_atomic(path, text, strlen(text), 0600, err);
}

int
cache_save(const char *folder, struct store *store, const char *out, const char *key,
           struct cache *cache, struct err *err)
{
    AUTO(saving_clear)
    struct saving saving = {.folder = folder,
                            .store = store,
                            .state = store_folder(store),
                            .cache = cache,
                            .index = json_object()};
    int rc = fs_mkdirs(folder, 0700, err);

    cache->inputs = cache->bytes = cache->damaged = 0;
    if (rc < 0) {
        return rc;
    }
    AUTO(fd_close) int lock = lock_folder(folder);
    struct err damaged = ERR_INIT;

    (void)lock;                                          /* held until the end */
    (void)cache_index(folder, &saving.before, &damaged); /* then it is made anew */
    int64_t generation = json_get_int(saving.before, "generation", 0);
    saving.crossed = generation != cache->generation;
    json_put(saving.index, "nightjar_state", json_integer(CACHE_FORMAT));
    json_put(saving.index, "generation", json_integer(generation + 1));
    rc = save_database(&saving, err);
    rc = rc < 0 ? rc : save_blobs(&saving, err);
    rc = rc < 0 ? rc : save_corpora(&saving, err);
    rc = rc < 0 ? rc : save_known(&saving, err);
    rc = rc < 0 || out == NULL || key[0] == '\0' ? rc
                                                 : save_builds(&saving, out, key, err);
    rc = rc < 0 ? rc : write_index(&saving, err);
    if (rc == 0) {
        cache_sweep(folder, saving.index, saving.before);
    }
    return rc < 0 ? err_wrap(err, rc, "leave the state in '%s'", folder) : 0;
}
