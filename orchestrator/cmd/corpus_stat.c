/* `nightjar corpus stat`: what a target's corpus is made of. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/corpus.h"
#include "orchestrator/corpus/library.h"

enum {
    DAYS = 14,  /* of growth */
    BEST = 10,  /* inputs that reach most alone */
    PRUNES = 5, /* that are shown */
    DAY_S = 24 * 3600,
};

struct origin {
    char name[INDEX_ORIGIN_MAX];
    int64_t inputs;
};

struct best {
    char sha256[65];
    int64_t alone, edges, bytes;
    char origin[INDEX_ORIGIN_MAX];
};

struct tally {
    struct index *index;
    int64_t now_s;
    int64_t inputs, bytes, largest, measured;
    int64_t days[DAYS]; /* added n days ago */
    struct origin origins[INDEX_ORIGINS_MAX + 1];
    size_t n_origins;
    struct best best[BEST];
    size_t n_best;
};

static void
count_origin(struct tally *tally, const char *name)
{
    size_t i = 0;

    while (i < tally->n_origins && strcmp(tally->origins[i].name, name) != 0) {
        i++;
    }
    if (i == COUNT(tally->origins)) {
        return; /* the index has no more than that */
    }
    if (i == tally->n_origins) {
        (void)snprintf(tally->origins[i].name, sizeof(tally->origins[i].name), "%s",
                       name);
        tally->n_origins++;
    }
    tally->origins[i].inputs++;
}

static void
note_best(struct tally *tally, const char *name, int64_t bytes,
          const struct index_entry *entry)
{
    size_t at = tally->n_best;

    while (at > 0 && tally->best[at - 1].alone < entry->alone) {
        at--;
    }
    if (entry->alone <= 0 || at == BEST) {
        return;
    }
    size_t behind = tally->n_best < BEST ? tally->n_best++ : BEST - 1;
    memmove(&tally->best[at + 1], &tally->best[at],
            (behind - at) * sizeof(tally->best[0]));
    struct best *best = &tally->best[at];
    *best = (struct best){.alone = entry->alone, .edges = entry->edges, .bytes = bytes};
    (void)snprintf(best->sha256, sizeof(best->sha256), "%.64s", name);
    (void)snprintf(best->origin, sizeof(best->origin), "%s", entry->origin);
}

static int
count_file(void *user, const char *path, const struct stat *st, struct err *err)
{
    struct tally *tally = user;
    struct index_entry entry;
    const char *name = fs_base(path);

    if (st == NULL) {
        return err_set(err, -EIO, "'%s' cannot be read", path);
    }
    if (!index_get(tally->index, name, &entry)) {
        entry.added_s = st->st_mtim.tv_sec;
    }
    tally->inputs++;
    tally->bytes += st->st_size;
    tally->largest = st->st_size > tally->largest ? st->st_size : tally->largest;
    tally->measured += entry.edges >= 0;
    int64_t age = (tally->now_s - entry.added_s) / DAY_S;
    if (age >= 0 && age < DAYS) {
        tally->days[age]++;
    }
    count_origin(tally, entry.origin);
    note_best(tally, name, st->st_size, &entry);
    return 0;
}

static int
by_inputs(const void *a, const void *b)
{
    const struct origin *x = a;
    const struct origin *y = b;

    return x->inputs != y->inputs ? (x->inputs > y->inputs ? -1 : 1)
                                  : strcmp(x->name, y->name);
}

/* --- as JSON --- */

static json_t *
origins_json(const struct tally *tally)
{
    json_t *o = json_object();

    for (size_t i = 0; i < tally->n_origins; i++) {
        json_put(o, tally->origins[i].name, json_integer(tally->origins[i].inputs));
    }
    return o;
}

static json_t *
best_json(const struct tally *tally)
{
    json_t *list = json_array();

    for (size_t i = 0; i < tally->n_best; i++) {
        const struct best *best = &tally->best[i];
        json_t *o = json_object();
        json_put(o, "sha256", json_text(best->sha256));
        json_put(o, "alone", json_integer(best->alone));
        json_put(o, "edges", json_integer(best->edges));
        json_put(o, "bytes", json_integer(best->bytes));
        json_put(o, "origin", json_text(best->origin));
        (void)json_array_append_new(list, o);
    }
    return list;
}

static json_t *
prunes_json(const struct index *index)
{
    size_t n;
    const struct index_prune *prunes = index_prunes(index, &n);
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        char at[CLOCK_TEXT_MAX];
        json_t *o = json_object();
        clock_iso(at, prunes[i].at_s * 1000);
        json_put(o, "at", json_text(at));
        json_put(o, "inputs", json_integer(prunes[i].inputs));
        json_put(o, "bytes", json_integer(prunes[i].bytes));
        json_put(o, "edges", json_integer(prunes[i].edges));
        json_put(o, "tuples", json_integer(prunes[i].tuples));
        (void)json_array_append_new(list, o);
    }
    return list;
}

static void
print_json(const char *target, const struct tally *tally)
{
    AUTO(json_decref) json_t *o = json_object();
    json_t *days = json_array();

    for (size_t i = 0; i < DAYS; i++) {
        (void)json_array_append_new(days, json_integer(tally->days[i]));
    }
    json_put(o, "target", json_name(target));
    json_put(o, "inputs", json_integer(tally->inputs));
    json_put(o, "bytes", json_integer(tally->bytes));
    json_put(o, "largest", json_integer(tally->largest));
    json_put(o, "measured", json_integer(tally->measured));
    json_put(o, "origins", origins_json(tally));
    json_put(o, "added_by_age_days", days);
    json_put(o, "prunes", prunes_json(tally->index));
    json_put(o, "most_alone", best_json(tally));
    json_print(stdout, o);
}

/* --- for a person --- */

static void
print_growth(const struct tally *tally)
{
    int64_t week = 0;
    int64_t all = 0;

    for (size_t i = 0; i < DAYS; i++) {
        all += tally->days[i];
        week += i < 7 ? tally->days[i] : 0;
    }
    (void)printf("added: %lld in the last day, %lld in 7, %lld in %d days\n",
                 (long long)tally->days[0], (long long)week, (long long)all, DAYS);
}

static void
print_prunes(const struct index *index)
{
    size_t n;
    const struct index_prune *prunes = index_prunes(index, &n);

    for (size_t i = n > PRUNES ? n - PRUNES : 0; i < n; i++) {
        char at[CLOCK_TEXT_MAX];
        clock_iso(at, prunes[i].at_s * 1000);
        (void)printf("pruned %s: %lld inputs for %lld edges (%lld with counts)\n", at,
                     (long long)prunes[i].inputs, (long long)prunes[i].edges,
                     (long long)prunes[i].tuples);
    }
}

static void
print_text(const char *target, const struct tally *tally)
{
    char bytes[32];
    char largest[32];

    str_bytes_show(bytes, sizeof(bytes), tally->bytes);
    str_bytes_show(largest, sizeof(largest), tally->largest);
    (void)printf("%s: %lld inputs, %s, the largest %s\n", target,
                 (long long)tally->inputs, bytes, largest);
    for (size_t i = 0; i < tally->n_origins; i++) {
        (void)printf("%s %s %lld", i == 0 ? "from:" : ",", tally->origins[i].name,
                     (long long)tally->origins[i].inputs);
    }
    (void)printf("%s", tally->n_origins > 0 ? "\n" : "");
    print_growth(tally);
    print_prunes(tally->index);
    if (tally->measured < tally->inputs) {
        (void)printf("not measured yet: %lld (nightjar corpus prune %s)\n",
                     (long long)(tally->inputs - tally->measured), target);
    }
    for (size_t i = 0; i < tally->n_best; i++) {
        const struct best *best = &tally->best[i];
        (void)printf("%s %.16s alone shows %lld counts; %lld edges, %lld bytes, %s\n",
                     i == 0 ? "most:" : "     ", best->sha256, (long long)best->alone,
                     (long long)best->edges, (long long)best->bytes, best->origin);
    }
}

int
corpus_stat(const struct cmd_context *context, const struct strv *args)
{
    AUTO(library_close) struct library *library = NULL;
    AUTO(index_free) struct index *index = NULL;
    AUTO(mem_free) struct tally *tally = mem_alloc(sizeof(*tally));
    struct err err = ERR_INIT;

    if (args->n != 1) {
        return cmd_fail(EXIT_USAGE, "nightjar corpus stat TARGET");
    }
    int rc = library_open(context->state, args->v[0], false, &library, &err);
    rc = rc < 0 ? rc : library_index(library, &index, &err);
    tally->index = index;
    tally->now_s = clock_wall_ms() / 1000;
    rc = rc < 0 ? rc : library_walk(library, count_file, tally, &err);
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    qsort(tally->origins, tally->n_origins, sizeof(tally->origins[0]), by_inputs);
    if (context->json) {
        print_json(args->v[0], tally);
    } else {
        print_text(args->v[0], tally);
    }
    return EXIT_DONE;
}
