#include "orchestrator/gate/reach.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "orchestrator/corpus/gather.h"
#include "orchestrator/corpus/index.h"
#include "orchestrator/corpus/library.h"
#include "orchestrator/corpus/measure.h"
#include "orchestrator/gate/edges.h"

struct seed {
    char *path; /* its name is the SHA-256 of its bytes */
    int64_t bytes, added_s;
    bool reaches;
};

struct seeds {
    struct seed *v;
    size_t n;
    const struct edges *edges;
    const struct index *index;
};

static void
seeds_clear(struct seeds *seeds)
{
    for (size_t i = 0; i < seeds->n; i++) {
        mem_free(seeds->v[i].path);
    }
    mem_free(seeds->v);
}
AUTO_DEFINE_CLEAR(struct seeds, seeds_clear)

static int
add_seed(void *user, const char *path, const struct stat *st, struct err *err)
{
    struct seeds *seeds = user;
    struct index_entry entry;

    (void)err;
    if (st == NULL) {
        return 0;
    }
    seeds->v = mem_grow(seeds->v, seeds->n, sizeof(*seeds->v));
    bool known = index_get(seeds->index, fs_base(path), &entry);
    seeds->v[seeds->n++] = (struct seed){.path = mem_strdup(path),
                                         .bytes = st->st_size,
                                         .added_s = known ? entry.added_s : 0};
    return 0;
}

/* Equal ones by name, so that the same corpus is run, and begun with, in the same way. */
static int
by_name(const struct seed *a, const struct seed *b)
{
    return strcmp(fs_base(a->path), fs_base(b->path));
}

static int
by_bytes(const void *left, const void *right)
{
    const struct seed *a = left;
    const struct seed *b = right;

    return a->bytes != b->bytes ? (a->bytes > b->bytes) - (a->bytes < b->bytes)
                                : by_name(a, b);
}

static int
by_age(const void *left, const void *right)
{
    const struct seed *a = left;
    const struct seed *b = right;

    return a->added_s != b->added_s
               ? (a->added_s < b->added_s) - (a->added_s > b->added_s)
               : by_name(a, b);
}

/* --- what they reach --- */

static int
take(void *user, const struct measured *input, struct err *err)
{
    struct seeds *seeds = user;
    size_t at = 0;
    int64_t tuple = -1;

    (void)err;
    seeds->v[input->tag].reaches =
        input->kind == MEASURE_CRASH || input->kind == MEASURE_HANG;
    while (input->kind == MEASURE_TRACE &&
           trace_next(input->trace, input->trace_bytes, &at, &tuple)) {
        size_t edge = (size_t)tuple / MEASURE_BUCKETS;
        if (edge < seeds->edges->n && seeds->edges->changed[edge]) {
            seeds->v[input->tag].reaches = true;
            break;
        }
    }
    return 0;
}

static int
measure(const struct reach_call *call, struct seeds *seeds, size_t n, struct err *err)
{
    AUTO(measure_free) struct measure *measure = NULL;
    AUTO(build_list_clear) struct build_list builds = {0};
    int rc = target_builds(call->target, &builds, err);
    const struct build *build =
        rc < 0 ? NULL : build_list_find(&builds, build_kind_name(BUILD_LIBFUZZER));

    if (rc == 0 && build == NULL) {
        rc = err_set(err, -ENODATA, "it has no libFuzzer build");
    }
    if (rc < 0) {
        return rc;
    }
    const struct measure_config config = {.command = &build->command,
                                          .rung = call->rung,
                                          .hide = call->state,
                                          .jobs =
                                              call->jobs > 0 ? call->jobs : proc_cpus(),
                                          .take = take,
                                          .user = seeds};
    rc = measure_new(&config, &measure, err);
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = measure_push(measure, seeds->v[i].path, i, err);
    }
    return rc < 0 ? rc : measure_finish(measure, err);
}

/* How many of those that were run reach it; negative: nobody knows. */
static int
choose_reaching(const struct reach_call *call, struct seeds *seeds, size_t *ran,
                struct err *err)
{
    AUTO(edges_clear) struct edges edges = {0};
    const char *program = call->target->builds[BUILD_LIBFUZZER];
    int rc = program == NULL
                 ? err_set(err, -ENODATA, "it has no libFuzzer build")
                 : edges_of_change(program, call->change, call->rung, &edges, err);
    int n = 0;

    if (rc == 0 && edges.n_changed == 0) {
        rc = err_set(err, -ENODATA, "no code of its build is in what the change touches");
    }
    if (rc < 0) {
        return rc;
    }
    qsort(seeds->v, seeds->n, sizeof(*seeds->v), by_bytes);
    *ran = seeds->n < REACH_INPUTS_MAX ? seeds->n : REACH_INPUTS_MAX;
    seeds->edges = &edges;
    rc = measure(call, seeds, *ran, err);
    for (size_t i = 0; i < *ran && rc == 0; i++) {
        if (seeds->v[i].reaches) {
            strv_add(&call->target->first, fs_base(seeds->v[i].path));
            n++;
        }
    }
    seeds->edges = NULL;
    return rc < 0 ? rc : n;
}

static size_t
choose_newest(const struct reach_call *call, struct seeds *seeds)
{
    size_t n = 0;

    qsort(seeds->v, seeds->n, sizeof(*seeds->v), by_age);
    for (; n < seeds->n && n < REACH_NEWEST_MAX && seeds->v[n].added_s > 0; n++) {
        strv_add(&call->target->first, fs_base(seeds->v[n].path));
    }
    return n;
}

int
reach(const struct reach_call *call, char **words, struct err *err)
{
    AUTO(mem_free)
    char *folder = mem_printf("%s/fuzz/%s/seeds", call->state, call->target->name);
    AUTO(mem_free) char *path = library_index_path(call->state, call->target->name);
    AUTO(index_free) struct index *index = NULL;
    AUTO(seeds_clear) struct seeds seeds = {0};
    struct err why = ERR_INIT;
    size_t ran = 0;
    int rc = gather_seeds(call->state, call->target, folder, err);

    rc = rc < 0 ? rc : index_open(path, &index, err);
    seeds.index = index;
    rc = rc < 0 ? rc : fs_walk(folder, add_seed, &seeds, err);
    if (rc < 0) {
        return rc;
    }
    int reaching = choose_reaching(call, &seeds, &ran, &why);
    if (reaching >= 0) {
        *words = mem_printf(
            "%d of %zu seeds reach what the change touches, or crash, and go first",
            reaching, ran);
        return 0;
    }
    size_t newest = choose_newest(call, &seeds);
    *words = mem_printf("which seeds reach the change is unknown (%s): the %zu newest go "
                        "first",
                        why.msg, newest);
    return reaching == -ECANCELED ? err_set(err, reaching, "%s", why.msg) : 0;
}
