/* Folders that are watched for builds: each sub-folder is one. */
#include "orchestrator/builds.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/config_read.h"

enum {
    WATCHED_MAX = 10000, /* sub-folders of one that is watched */
    COMMIT_DIGITS = 7,   /* that a folder's name ends with */
    FILLING_MS = 10 * 60 * 1000,
};

static const char words_file[] = "nightjar-build.yaml";

void
builds_tended_clear(struct builds_tended *tended)
{
    strv_clear(&tended->notes);
}

static const struct config_key word_keys[] = {
    {.name = "commit",
     .read = config_read_text,
     .offset = offsetof(struct build_words, commit)},
    {.name = "time",
     .read = config_read_text,
     .offset = offsetof(struct build_words, time)},
    {.name = "branch",
     .read = config_read_text,
     .offset = offsetof(struct build_words, branch)},
    {.name = "release",
     .read = config_read_text,
     .offset = offsetof(struct build_words, release)},
    {.name = NULL},
};

/* "png-0123abc" -> "0123abc"; else the whole name. New. */
static char *
commit_of_name(const char *name)
{
    size_t len = strlen(name);
    size_t digits = 0;

    while (digits < len && strchr("0123456789abcdef", name[len - digits - 1]) != NULL) {
        digits++;
    }
    bool apart = digits == len || strchr("-_.", name[len - digits - 1]) != NULL;
    return mem_strdup(apart && digits >= COMMIT_DIGITS ? name + len - digits : name);
}

static int
words_of(const char *folder, const struct stat *st, struct build_words *out,
         struct err *err)
{
    AUTO(config_node_free) struct config_node *root = NULL;
    AUTO(mem_free) char *path = fs_join(folder, words_file);
    const struct config_reader reader = {.shown = path, .folder = folder};
    int rc = 0;

    if (fs_exists(path)) {
        rc = config_node_read(path, path, &root, err);
        rc = rc < 0 ? rc : config_read_map(&reader, word_keys, root, out, err);
    }
    if (rc == 0 && out->commit == NULL) {
        out->commit = commit_of_name(fs_base(folder));
    }
    if (rc == 0 && out->time == NULL) {
        out->time = mem_printf("@%lld", (long long)(clock_file_ms(&st->st_mtim) / 1000));
    }
    return rc;
}

/* --- a sub-folder --- */

/* What was read in this pass. Copies are made once all of it is registered, since only
 * then is known what is newest; what is marked as seen has its copies. */
struct pass {
    const struct config *config;
    struct store *store;
    struct builds_tended *out;
    struct strv folders, notes; /* a note for each folder, "" : none */
    struct buf stamps, ids;     /* int64_t; id 0: it is no build */
};

static void
pass_clear(struct pass *pass)
{
    strv_clear(&pass->folders);
    strv_clear(&pass->notes);
    buf_clear(&pass->stamps);
    buf_clear(&pass->ids);
}
AUTO_DEFINE_CLEAR(struct pass, pass_clear)

/* When it changed: it, what it says of itself, or one of its sub-folders, which builds of
 * several kinds lie in. */
static int64_t
stamp_of(const char *folder, const struct stat *st)
{
    int64_t stamp = clock_file_ms(&st->st_mtim);
    struct dirent **names = NULL;
    int n = scandir(folder, &names, NULL, alphasort);

    for (int i = 0; i < n; i++) {
        AUTO(mem_free) char *path = fs_join(folder, names[i]->d_name);
        struct stat inner;
        if (strcmp(names[i]->d_name, "..") != 0 && lstat(path, &inner) == 0 &&
            (S_ISDIR(inner.st_mode) || strcmp(names[i]->d_name, words_file) == 0)) {
            int64_t changed = clock_file_ms(&inner.st_mtim);
            stamp = changed > stamp ? changed : stamp;
        }
        free(names[i]);
    }
    free(names);
    return stamp;
}

static void
read_folder(struct pass *pass, const char *folder, const struct stat *st, int64_t stamp)
{
    AUTO(builds_added_clear) struct builds_added added = {0};
    AUTO(build_words_clear) struct build_words words = {0};
    struct err why = ERR_INIT;
    int rc = words_of(folder, st, &words, &why);

    rc = rc < 0
             ? rc
             : builds_register(pass->config, pass->store, folder, &words, &added, &why);
    pass->out->added += rc == 0;
    strv_add(&pass->folders, folder);
    strv_add(&pass->notes, rc < 0 ? why.msg : "");
    buf_add(&pass->stamps, &stamp, sizeof(stamp));
    buf_add(&pass->ids, &added.id, sizeof(added.id));
}

/* Read it anew if it changed; what was wrong with it is said again. */
static int
tend_folder(struct pass *pass, const char *folder, struct err *err)
{
    AUTO(mem_free) char *note = NULL;
    bool seen = false;
    struct stat st;

    /* a link ("latest") is another name of what is found by its own */
    if (lstat(folder, &st) < 0 || !S_ISDIR(st.st_mode)) {
        return 0;
    }
    int64_t stamp = stamp_of(folder, &st);
    int rc = watched_seen(pass->store, folder, stamp, &seen, &note, err);
    if (rc == 0 && !seen) {
        read_folder(pass, folder, &st, stamp);
    }
    if (note != NULL) {
        strv_add(&pass->out->notes, note);
    }
    return rc;
}

static int
tend_watched(struct pass *pass, const char *watched, struct err *err)
{
    struct dirent **names = NULL;
    int n = scandir(watched, &names, NULL, alphasort);
    int rc = 0;

    if (n < 0) {
        AUTO(mem_free) char *name = str_name_dup(watched);
        strv_addf(&pass->out->notes, "builds: watch: '%s': %s", name, strerror(errno));
        return 0;
    }
    for (int i = 0; i < n; i++) {
        if (names[i]->d_name[0] != '.' && rc == 0 && i < WATCHED_MAX) {
            AUTO(mem_free) char *folder = fs_join(watched, names[i]->d_name);
            rc = tend_folder(pass, folder, err);
        }
        free(names[i]);
    }
    free(names);
    return rc;
}

/* --- tending --- */

/* It may be that it is still being filled: what is wrong with it is looked at again. */
static bool
is_fresh(int64_t stamp)
{
    return llabs(clock_wall_ms() - stamp) < FILLING_MS;
}

static int
drop(struct pass *pass, const struct kept_policy *policy, struct err *err)
{
    struct kept_tally tally = {0};
    int rc = kept_gc(pass->store, policy, &tally, err);

    pass->out->dropped += tally.copies;
    return rc;
}

/* One revision's copies at a time, so that no more than these lie there beside what the
 * policy keeps. */
static int
finish(struct pass *pass, const struct kept_policy *policy, struct err *err)
{
    const int64_t *ids = (const int64_t *)(const void *)pass->ids.data;
    const int64_t *stamps = (const int64_t *)(const void *)pass->stamps.data;
    int rc = 0;

    for (size_t i = 0; i < pass->folders.n && rc == 0; i++) {
        AUTO(kept_copied_clear) struct kept_copied copied = {0};
        const char *note = pass->notes.v[i];
        rc = ids[i] == 0 ? 0
                         : kept_add_revision(pass->store, ids[i], policy, &copied, err);
        if (rc == 0 && copied.programs > 0) {
            rc = drop(pass, policy, err);
        }
        note = note[0] == '\0' && copied.notes.n > 0 ? copied.notes.v[0] : note;
        if (rc == 0 && !(note[0] != '\0' && is_fresh(stamps[i]))) {
            rc = watched_put(pass->store, pass->folders.v[i], stamps[i], note, err);
        }
        if (note[0] != '\0') {
            strv_add(&pass->out->notes, note);
        }
        pass->out->copied += copied.programs;
    }
    return rc;
}

int
builds_tend(const struct config *config, struct store *store, struct builds_tended *out,
            struct err *err)
{
    const struct kept_policy policy = builds_policy(config);
    AUTO(pass_clear) struct pass pass = {.config = config, .store = store, .out = out};
    int64_t wanted = 0;
    int rc = 0;

    for (size_t i = 0; i < config->builds.watch.n && rc == 0; i++) {
        rc = tend_watched(&pass, config->builds.watch.v[i], err);
    }
    rc = rc < 0 ? rc : finish(&pass, &policy, err);
    rc = rc < 0 ? rc : kept_add_wanted(store, &wanted, err);
    out->copied += wanted;
    return rc < 0 || wanted == 0 ? rc : drop(&pass, &policy, err);
}
