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
#include "triage/program.h"

enum {
    WATCHED_MAX = 10000, /* sub-folders of one that is watched */
    COMMIT_DIGITS = 7,   /* that a folder's name ends with */
};

static const char words_file[] = "nightjar-build.yaml";

void
build_words_clear(struct build_words *words)
{
    mem_free(words->commit);
    mem_free(words->time);
    mem_free(words->branch);
    mem_free(words->release);
    *words = (struct build_words){0};
}

void
builds_added_clear(struct builds_added *added)
{
    strv_clear(&added->notes);
}

void
builds_tended_clear(struct builds_tended *tended)
{
    strv_clear(&tended->notes);
}

/* --- one folder --- */

static int
discover(const struct config *config, struct store *store, const char *folder,
         struct target_list *list, struct strv *notes, struct err *err)
{
    AUTO(strv_clear) struct strv known = {0};
    int rc = store_target_names(store, &known, err);

    strv_add_all(&known, &config->names);
    for (size_t i = 0; i < known.n; i++) {
        if (target_name_valid(known.v[i]) && target_list_find(list, known.v[i]) == NULL) {
            (void)target_list_add(list, known.v[i]);
        }
    }
    return rc < 0 ? rc : target_discover_notes(folder, list, notes, err);
}

struct programs {
    struct revision_program *v;
    size_t n;
    struct strv ids; /* which they borrow */
};

static void
programs_clear(struct programs *programs)
{
    strv_clear(&programs->ids);
    mem_free(programs->v);
}
AUTO_DEFINE_CLEAR(struct programs, programs_clear)

/* Programs of a target with their build ids. An AFL build that
 * stands in for CMPLOG's, or the other way round, is one program. */
static void
add_programs(const struct target *target, struct programs *out, struct strv *notes)
{
    for (int kind = 0; kind < BUILD_KINDS; kind++) {
        const char *path = target->builds[kind];
        if (path == NULL || (kind == BUILD_CMPLOG && target->builds[BUILD_AFL] != NULL &&
                             strcmp(path, target->builds[BUILD_AFL]) == 0)) {
            continue;
        }
        AUTO(mem_free) char *id = program_build_id(path);
        if (id == NULL) {
            AUTO(mem_free) char *name = str_name_dup(path);
            strv_addf(notes,
                      "'%s' has no build id, so nobody can tell it from others: link it "
                      "with -Wl,--build-id",
                      name);
            continue;
        }
        strv_add(&out->ids, id);
        out->v = mem_resize(out->v, (out->n + 1) * sizeof(*out->v));
        out->v[out->n++] = (struct revision_program){
            target->name, build_kind_name((enum build_kind)kind),
            out->ids.v[out->ids.n - 1], path};
    }
}

/* A copy that cannot be made keeps no build from being known. */
static void
copy_programs(struct store *store, const struct programs *programs,
              struct builds_added *out)
{
    for (size_t i = 0; i < programs->n; i++) {
        struct err why = ERR_INIT;
        int64_t bytes = 0;
        if (strcmp(programs->v[i].kind, build_kind_name(BUILD_COVERAGE)) == 0) {
            continue; /* it shows no bugs */
        }
        if (kept_add(store, programs->v[i].path, programs->v[i].build_id, &bytes, &why) <
            0) {
            strv_addf(&out->notes, "no copy is kept: %s", why.msg);
        }
        out->copied += bytes > 0;
        out->copied_bytes += bytes;
    }
}

static int
read_words(const struct build_words *words, struct revision_given *given, struct err *err)
{
    if (words->commit == NULL || words->commit[0] == '\0') {
        return err_set(err, -EINVAL,
                       "which commit is this? --commit C --time T (the folder lies in no "
                       "work tree of git that could tell)");
    }
    if (words->time == NULL) {
        return err_set(err, -EINVAL,
                       "when was %.40s committed? --time 2026-11-27T20:00:00Z, for "
                       "instance $(git log -1 --format=@%%ct)",
                       words->commit);
    }
    given->commit = words->commit;
    given->branch = words->branch == NULL ? "" : words->branch;
    given->release = words->release == NULL ? "" : words->release;
    return clock_read(words->time, &given->at, err);
}

int
builds_add(const struct config *config, struct store *store, const char *folder,
           const struct build_words *words, struct builds_added *out, struct err *err)
{
    AUTO(target_list_clear) struct target_list list = {0};
    AUTO(programs_clear) struct programs programs = {0};
    struct revision_given given = {.folder = folder};
    int rc = read_words(words, &given, err);

    rc = rc < 0 ? rc : discover(config, store, folder, &list, &out->notes, err);
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < list.n; i++) {
        size_t before = programs.n;
        add_programs(list.v[i], &programs, &out->notes);
        out->targets += programs.n > before;
    }
    given.programs = programs.v;
    given.n = programs.n;
    out->programs = (int64_t)programs.n;
    rc = revision_put(store, &given, &out->id, &out->is_new, err);
    if (rc == 0) {
        copy_programs(store, &programs, out);
    }
    return rc;
}

/* --- folders that are watched --- */

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

/* Folders that are read anew; what is wrong with one is a note, and said again. */
static int
tend_folder(const struct config *config, struct store *store, const char *folder,
            struct builds_tended *out, struct err *err)
{
    AUTO(builds_added_clear) struct builds_added added = {0};
    AUTO(build_words_clear) struct build_words words = {0};
    struct err why = ERR_INIT;
    int64_t known = 0;
    struct stat st;

    /* a link ("latest") is another name of what is found by its own */
    if (lstat(folder, &st) < 0 || !S_ISDIR(st.st_mode)) {
        return 0;
    }
    int rc = revision_folder_added(store, folder, &known, err);
    if (rc < 0 || known > clock_file_ms(&st.st_mtim)) {
        return rc;
    }
    if (words_of(folder, &st, &words, &why) < 0 ||
        builds_add(config, store, folder, &words, &added, &why) < 0) {
        strv_addf(&out->notes, "%s", why.msg);
        return 0;
    }
    out->added++;
    out->copied += added.copied;
    return 0;
}

static int
tend_watched(const struct config *config, struct store *store, const char *watched,
             struct builds_tended *out, struct err *err)
{
    struct dirent **names = NULL;
    int n = scandir(watched, &names, NULL, alphasort);
    int rc = 0;

    if (n < 0) {
        AUTO(mem_free) char *name = str_name_dup(watched);
        strv_addf(&out->notes, "builds: watch: '%s': %s", name, strerror(errno));
        return 0;
    }
    for (int i = 0; i < n; i++) {
        if (names[i]->d_name[0] != '.' && rc == 0 && i < WATCHED_MAX) {
            AUTO(mem_free) char *folder = fs_join(watched, names[i]->d_name);
            rc = tend_folder(config, store, folder, out, err);
        }
        free(names[i]);
    }
    free(names);
    return rc;
}

/* --- tending --- */

struct kept_policy
builds_policy(const struct config *config)
{
    return (struct kept_policy){.newest = config->builds.keep,
                                .max_bytes = config->builds.max_bytes};
}

int
builds_tend(const struct config *config, struct store *store, struct builds_tended *out,
            struct err *err)
{
    const struct kept_policy policy = builds_policy(config);
    int rc = 0;

    for (size_t i = 0; i < config->builds.watch.n && rc == 0; i++) {
        rc = tend_watched(config, store, config->builds.watch.v[i], out, err);
    }
    rc = rc < 0 ? rc : kept_add_wanted(store, &out->copied, err);
    return rc < 0 || out->copied == 0 ? rc : kept_gc(store, &policy, &out->dropped, err);
}
