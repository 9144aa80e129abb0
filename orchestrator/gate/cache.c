#include "orchestrator/gate/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/corpus/library.h"
#include "orchestrator/gate/cache_private.h"
#include "triage/regression.h"
#include "triage/upkeep.h"

void
cache_clear(struct cache *cache)
{
    mem_free(cache->base);
    strv_clear(&cache->known);
    *cache = (struct cache){0};
}

/* --- files --- */

bool
cache_is_hash(const char *text)
{
    return text != NULL && strlen(text) == HASH_HEX_MAX - 1 &&
           strspn(text, "0123456789abcdef") == HASH_HEX_MAX - 1;
}

/* Under a passing name first: what stands under its own is whole. */
int
cache_put(const char *path, const void *data, size_t len, struct err *err)
{
    AUTO(mem_free) char *folder = mem_strdup(path);

    *strrchr(folder, '/') = '\0';
    int rc = fs_mkdirs(folder, 0700, err);
    return rc < 0 ? rc : fs_write(path, data, len, 0600, err);
}

int
cache_object(const char *folder, const char *sha256, size_t max, struct buf *out,
             struct err *err)
{
    char found[HASH_HEX_MAX];

    if (!cache_is_hash(sha256)) {
        return err_set(err, -EBADMSG, "the index of '%s' names no object", folder);
    }
    AUTO(mem_free) char *path = mem_printf("%s/objects/%s", folder, sha256);
    int rc = fs_read(path, max, out, err);
    if (rc < 0) {
        return rc;
    }
    hash_sha256(buf_str(out), out->len, found);
    return strcmp(found, sha256) == 0 ? 0
                                      : err_set(err, -EUCLEAN, "'%s' is damaged", path);
}

int
cache_list(const char *folder, const char *sha256, struct strv *out, struct err *err)
{
    AUTO(buf_clear) struct buf list = BUF_INIT;
    int rc = cache_object(folder, sha256, CACHE_INDEX_MAX, &list, err);

    for (size_t at = 0; at < list.len && rc == 0; at += HASH_HEX_MAX) {
        size_t left = list.len - at;
        AUTO(mem_free)
        char *name =
            mem_dup(list.data + at, left < HASH_HEX_MAX ? left : HASH_HEX_MAX - 1);
        if (!cache_is_hash(name) || list.data[at + HASH_HEX_MAX - 1] != '\n') {
            return err_set(err, -EBADMSG, "'%s/objects/%s' is no list", folder, sha256);
        }
        strv_add(out, name);
    }
    return rc;
}

/* An input, unless it is there; one that is not what its name says counts as damaged. */
int
cache_copy_input(struct cache *cache, const char *from, const char *to, struct err *err)
{
    AUTO(buf_clear) struct buf bytes = BUF_INIT;
    char sha256[HASH_HEX_MAX];

    if (fs_exists(to)) {
        return 0;
    }
    if (fs_read(from, STORE_INPUT_MAX, &bytes, NULL) < 0) {
        cache->damaged++;
        return 0;
    }
    hash_sha256(buf_str(&bytes), bytes.len, sha256);
    if (strcmp(sha256, fs_base(to)) != 0) {
        cache->damaged++;
        return 0;
    }
    cache->inputs++;
    cache->bytes += (int64_t)bytes.len;
    return cache_put(to, buf_str(&bytes), bytes.len, err);
}

/* A blob is compressed: the store checks it when it is read. */
int
cache_copy_blob(struct cache *cache, const char *from, const char *to, struct err *err)
{
    AUTO(buf_clear) struct buf bytes = BUF_INIT;

    if (fs_exists(to)) {
        return 0;
    }
    if (fs_read(from, STORE_INPUT_MAX, &bytes, NULL) < 0) {
        cache->damaged++;
        return 0;
    }
    cache->bytes += (int64_t)bytes.len;
    return cache_put(to, buf_str(&bytes), bytes.len, err);
}

/* --- the index --- */

int
cache_index(const char *folder, json_t **out, struct err *err)
{
    AUTO(mem_free) char *path = fs_join(folder, "index");
    AUTO(buf_clear) struct buf text = BUF_INIT;
    AUTO(json_decref) json_t *index = NULL;

    if (!fs_exists(path)) {
        *out = NULL;
        return 0;
    }
    int rc = fs_read(path, CACHE_INDEX_MAX, &text, err);
    rc = rc < 0 ? rc : json_parse(buf_str(&text), text.len, &index, err);
    if (rc == 0 && json_get_int(index, "nightjar_state", 0) != CACHE_FORMAT) {
        rc = err_set(err, -EPROTONOSUPPORT, "it is of another release");
    }
    if (rc < 0) {
        return err_wrap(err, rc, "the state in '%s'", folder);
    }
    *out = STEAL(index);
    return 0;
}

static int
by_text(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

void
cache_sort(struct strv *list)
{
    size_t n = 0;

    if (list->n > 1) {
        qsort(list->v, list->n, sizeof(*list->v), by_text);
    }
    for (size_t i = 0; i < list->n; i++) {
        if (n > 0 && strcmp(list->v[n - 1], list->v[i]) == 0) {
            mem_free(list->v[i]);
        } else {
            list->v[n++] = list->v[i];
        }
    }
    if (list->v != NULL) {
        list->v[n] = NULL;
    }
    list->n = n;
}

bool
cache_knows(const struct strv *known, const char *target, const char *signature)
{
    AUTO(mem_free) char *key = mem_printf("%s %s", target, signature);

    return known->n > 0 &&
           bsearch(&key, known->v, known->n, sizeof(*known->v), by_text) != NULL;
}

/* --- fetching --- */

static int
fetch_database(const char *folder, const json_t *index, const char *state,
               struct cache *out, struct err *err)
{
    AUTO(mem_free) char *path = fs_join(state, "nightjar.db");
    AUTO(buf_clear) struct buf bytes = {.max = CACHE_DATABASE_MAX};

    out->kept = fs_exists(path);
    if (out->kept) {
        return 0;
    }
    int rc = cache_object(folder, json_get_str(index, "database", ""), CACHE_DATABASE_MAX,
                          &bytes, err);
    rc = rc < 0 ? rc : fs_write(path, buf_str(&bytes), bytes.len, 0600, err);
    out->bytes += rc < 0 ? 0 : (int64_t)bytes.len;
    return rc;
}

static int
fetch_inputs(const char *folder, const struct strv *names, const char *target,
             const char *state, struct cache *out, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < names->n && rc == 0; i++) {
        AUTO(mem_free) char *from = library_input_path(folder, target, names->v[i]);
        AUTO(mem_free) char *to = library_input_path(state, target, names->v[i]);
        rc = cache_copy_input(out, from, to, err);
    }
    return rc;
}

static int
fetch_corpus(const char *folder, const char *target, const json_t *entry,
             const char *state, struct cache *out, struct err *err)
{
    AUTO(strv_clear) struct strv names = {0};
    AUTO(buf_clear) struct buf index = BUF_INIT;
    AUTO(mem_free) char *to = library_index_path(state, target);
    const char *known = json_get_str(entry, "index", "");

    if (!target_name_valid(target)) {
        return err_set(err, -EBADMSG, "a corpus of no target's name");
    }
    int rc = cache_list(folder, json_get_str(entry, "list", ""), &names, err);
    rc = rc < 0 ? rc : fetch_inputs(folder, &names, target, state, out, err);
    if (rc < 0 || fs_exists(to) ||
        cache_object(folder, known, CACHE_INDEX_MAX, &index, NULL) < 0) {
        return rc;
    }
    return cache_put(to, buf_str(&index), index.len, err);
}

int
cache_fetch(const char *folder, const char *state, struct cache *out, struct err *err)
{
    AUTO(json_decref) json_t *index = NULL;
    AUTO(cache_clear) struct cache cache = {0};
    const char *target = NULL;
    json_t *entry = NULL;
    int rc = cache_index(folder, &index, err);

    if (rc < 0 || index == NULL) {
        out->cold = rc == 0;
        return rc;
    }
    rc = fs_mkdirs(state, 0700, err);
    rc = rc < 0 ? rc : fetch_database(folder, index, state, &cache, err);
    json_object_foreach(json_object_get(index, "corpora"), target, entry)
    {
        rc = rc < 0 ? rc : fetch_corpus(folder, target, entry, state, &cache, err);
    }
    if (rc < 0) {
        return err_wrap(err, rc, "fetch the state");
    }
    const char *base = json_get_str(index, "base", "");
    AUTO(mem_free) char *builds = mem_printf("%s/builds/%s", folder, base);
    cache.generation = json_get_int(index, "generation", 0);
    cache.base = cache_is_hash(base) && fs_is_folder(builds) ? fs_absolute(builds) : NULL;
    json_get_strv(index, "known", &cache.known);
    cache_sort(&cache.known);
    *out = cache;
    cache = (struct cache){0};
    return 0;
}

struct fetching {
    const char *folder;
    const char *state;
    struct cache *cache;
};

static int
fetch_blob(void *user, const char *path, const struct stat *st, struct err *err)
{
    struct fetching *fetching = user;
    const char *name = fs_base(path);
    AUTO(mem_free)
    char *to = mem_printf("%s/blobs/%.2s/%s", fetching->state, name, name);

    return st == NULL || !cache_is_hash(name)
               ? 0
               : cache_copy_blob(fetching->cache, path, to, err);
}

static int
fetch_fixed(const struct fetching *fetching, struct store *store, struct err *err)
{
    AUTO(regression_list_clear) struct regression_list list = {0};
    int rc = regressions_load(store, NULL, &list, err);

    for (size_t i = 0; i < list.n && rc == 0; i++) {
        const struct regression *one = &list.v[i];
        const char *const names[] = {one->sha256, one->original};
        for (size_t k = 0; k < COUNT(names) && strcmp(one->state, "fixed") == 0; k++) {
            AUTO(mem_free)
            char *from =
                mem_printf("%s/blobs/%.2s/%s", fetching->folder, names[k], names[k]);
            AUTO(mem_free)
            char *to =
                mem_printf("%s/blobs/%.2s/%s", fetching->state, names[k], names[k]);
            rc = names[k][0] == '\0' || rc < 0
                     ? rc
                     : cache_copy_blob(fetching->cache, from, to, err);
        }
    }
    return rc;
}

int
cache_fetch_blobs(const char *folder, struct store *store, bool untrusted,
                  struct cache *cache, struct err *err)
{
    struct fetching fetching = {folder, store_folder(store), cache};
    AUTO(mem_free) char *blobs = fs_join(folder, "blobs");

    if (cache->cold || cache->kept) {
        return 0;
    }
    if (untrusted) {
        int rc = store_withhold(store, err);
        return rc < 0 ? rc : fetch_fixed(&fetching, store, err);
    }
    return fs_is_folder(blobs) ? fs_walk(blobs, fetch_blob, &fetching, err) : 0;
}
