#include "orchestrator/builds.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/program.h"

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
    kept_copied_clear(&added->copied);
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
builds_register(const struct config *config, struct store *store, const char *folder,
                const struct build_words *words, struct builds_added *out,
                struct err *err)
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
    return revision_put(store, &given, &out->id, &out->is_new, err);
}

struct kept_policy
builds_policy(const struct config *config)
{
    return (struct kept_policy){.newest = config->builds.keep,
                                .max_bytes = config->builds.max_bytes};
}

int
builds_add(const struct config *config, struct store *store, const char *folder,
           const struct build_words *words, struct builds_added *out, struct err *err)
{
    const struct kept_policy policy = builds_policy(config);
    struct kept_tally tally = {0};
    int rc = builds_register(config, store, folder, words, out, err);

    rc = rc < 0 ? rc : kept_add_revision(store, out->id, &policy, &out->copied, err);
    return rc < 0 ? rc : kept_gc(store, &policy, &tally, err);
}
