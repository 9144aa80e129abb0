/* `nightjar corpus diff --with`: one corpus on two builds. An edge of one has no name in
 * the other, so their numbers are compared: of all, and of each input. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/corpus.h"

enum { BUILDS = 2, SHOWN = 20, DROP_PERCENT = 90 };

struct row { /* an input */
    char *path;
    int64_t edges[BUILDS]; /* -1: it did not run to its end */
};

struct builds {
    char *room; /* folder of unpacked inputs, that goes; NULL */
    struct row *rows;
    size_t n, cap;
    size_t at; /* the build that is measured */
    unsigned char *seen[BUILDS];
    size_t n_edges[BUILDS];  /* of seen */
    int64_t edges[BUILDS];   /* that were seen */
    int64_t crashes[BUILDS]; /* or hangs */
    int64_t fewer, more;     /* inputs */
};

static void
builds_clear(struct builds *b)
{
    for (size_t i = 0; i < b->n; i++) {
        mem_free(b->rows[i].path);
    }
    for (size_t i = 0; i < BUILDS; i++) {
        mem_free(b->seen[i]);
    }
    mem_free(b->rows);
    if (b->room != NULL) {
        (void)fs_remove(b->room, NULL);
    }
    mem_free(b->room);
}
AUTO_DEFINE_CLEAR(struct builds, builds_clear)

static int
add_row(void *user, const char *path, const struct stat *st, struct err *err)
{
    struct builds *b = user;

    if (st == NULL) {
        return err_set(err, -EIO, "'%s' cannot be read", path);
    }
    if (b->n == b->cap) {
        b->cap = b->cap == 0 ? 1024 : 2 * b->cap;
        b->rows = mem_resize(b->rows, b->cap * sizeof(*b->rows));
    }
    b->rows[b->n++] = (struct row){.path = mem_strdup(path), .edges = {-1, -1}};
    return 0;
}

static void
see_edge(struct builds *b, size_t edge)
{
    size_t *room = &b->n_edges[b->at];

    if (edge >= *room) {
        size_t n = 2 * edge + 1024;
        b->seen[b->at] = mem_resize(b->seen[b->at], n);
        memset(b->seen[b->at] + *room, 0, n - *room);
        *room = n;
    }
    b->edges[b->at] += !b->seen[b->at][edge];
    b->seen[b->at][edge] = 1;
}

static int
see(void *user, const struct measured *input, struct err *err)
{
    struct builds *b = user;
    int64_t *edges = &b->rows[input->tag].edges[b->at];
    size_t at = 0;
    int64_t tuple = -1;
    int64_t last = -1;

    (void)err;
    if (input->kind != MEASURE_TRACE) {
        b->crashes[b->at] += input->kind != MEASURE_REFUSED;
        return 0;
    }
    *edges = 0;
    while (trace_next(input->trace, input->trace_bytes, &at, &tuple)) {
        if (tuple / MEASURE_BUCKETS != last) {
            last = tuple / MEASURE_BUCKETS;
            ++*edges;
            see_edge(b, (size_t)last);
        }
    }
    return 0;
}

static int
measure_on(struct builds *b, size_t at, const struct command *command,
           struct measure_config *config, struct err *err)
{
    AUTO(measure_free) struct measure *measure = NULL;

    config->command = command;
    config->take = see;
    config->user = b;
    int rc = measure_new(config, &measure, err);
    b->at = at;
    for (size_t i = 0; i < b->n && rc == 0; i++) {
        rc = measure_push(measure, b->rows[i].path, i, err);
        rc = rc == -ENOENT ? 0 : rc; /* pruned a moment ago */
    }
    return rc < 0 ? rc : measure_finish(measure, err);
}

static int64_t
lost(const struct row *row)
{
    return row->edges[0] - row->edges[1];
}

static int
by_loss(const void *x, const void *y)
{
    int64_t a = lost(x);
    int64_t b = lost(y);

    return a != b ? (a > b ? -1 : 1)
                  : strcmp(((const struct row *)x)->path, ((const struct row *)y)->path);
}

/* Those that lost most are first then. */
static void
rank(struct builds *b)
{
    for (size_t i = 0; i < b->n; i++) {
        b->fewer += lost(&b->rows[i]) > 0;
        b->more += lost(&b->rows[i]) < 0;
    }
    if (b->n > 0) {
        qsort(b->rows, b->n, sizeof(*b->rows), by_loss);
    }
}

static bool
dropped(const struct builds *b)
{
    return b->edges[1] * 100 < b->edges[0] * DROP_PERCENT;
}

/* --- the answer --- */

static void
print_json(const struct builds *b, const char *const names[BUILDS])
{
    static const char *const keys[BUILDS] = {"with", "build"};
    AUTO(json_decref) json_t *o = json_object();

    for (size_t i = 0; i < BUILDS; i++) {
        json_t *side = json_object();
        json_put(side, "program", json_name(names[i]));
        json_put(side, "edges", json_integer(b->edges[i]));
        json_put(side, "crashes", json_integer(b->crashes[i]));
        json_put(o, keys[i], side);
    }
    json_put(o, "inputs", json_integer((json_int_t)b->n));
    json_put(o, "inputs_with_fewer", json_integer(b->fewer));
    json_put(o, "inputs_with_more", json_integer(b->more));
    json_put(o, "dropped", json_boolean(dropped(b)));
    json_t *list = json_array();
    for (size_t i = 0; i < b->n && lost(&b->rows[i]) > 0; i++) {
        (void)json_array_append_new(
            list, json_pack("{s:o,s:I,s:I}", "input", json_name(fs_base(b->rows[i].path)),
                            "edges_before", (json_int_t)b->rows[i].edges[0], "edges",
                            (json_int_t)b->rows[i].edges[1]));
    }
    json_put(o, "fewer", list);
    json_print(stdout, o);
}

static void
print_text(const struct cmd_context *context, const struct builds *b,
           const char *const names[BUILDS])
{
    for (size_t i = 0; i < BUILDS; i++) {
        AUTO(mem_free) char *shown = str_name_dup(names[i]);
        (void)printf("%lld edges, %lld inputs crash or hang: %s\n",
                     (long long)b->edges[i], (long long)b->crashes[i], shown);
    }
    (void)printf("%zu inputs: %lld reach fewer edges, %lld more\n", b->n,
                 (long long)b->fewer, (long long)b->more);
    for (size_t i = 0; i < b->n && i < SHOWN && lost(&b->rows[i]) > 0; i++) {
        AUTO(mem_free) char *shown = str_name_dup(fs_base(b->rows[i].path));
        (void)printf("  %s %lld, before %lld\n", shown, (long long)b->rows[i].edges[1],
                     (long long)b->rows[i].edges[0]);
    }
    if (b->fewer > SHOWN) {
        (void)printf("  and %lld more (--json names all)\n", (long long)b->fewer - SHOWN);
    }
    if (dropped(b)) {
        (void)printf(
            "%sdropped%s: more than a tenth fewer edges: is the harness broken?\n",
            cmd_color(context, "31;1"), cmd_color(context, "0"));
    }
}

int
corpus_builds(const struct cmd_context *context, const struct corpus_options *options,
              const struct strv *args, const struct strv *argv)
{
    AUTO(builds_clear) struct builds builds = {0};
    AUTO(command_clear) struct command now = {0};
    AUTO(command_clear) struct command before = {0};
    AUTO(strv_clear) struct strv older = {0};
    struct measure_config config = {.hide = context->state};
    struct err err = ERR_INIT;

    if (args->n != 1) {
        return cmd_fail(EXIT_USAGE,
                        "nightjar corpus diff A --with PROGRAM -- COMMAND @@");
    }
    AUTO(mem_free) char *with = fs_absolute(options->with);
    strv_add(&older, with);
    for (size_t i = 1; i < argv->n; i++) {
        strv_add(&older, argv->v[i]);
    }
    int rc = corpus_command(options, argv, &now, &err);
    rc = rc < 0 ? rc : corpus_command(options, &older, &before, &err);
    if (rc == 0 && (before.mode == INPUT_LIBFUZZER) != (now.mode == INPUT_LIBFUZZER)) {
        rc = err_set(&err, -EINVAL,
                     "AFL++ and libFuzzer count edges in their own ways: give two builds "
                     "of one kind");
    }
    rc = rc < 0 ? rc : corpus_jobs(options, &config.jobs, &err);
    rc = rc < 0 ? rc : corpus_sandbox(context, options, &config.rung, &err);
    rc = rc < 0 ? rc
                : corpus_visit(context, args->v[0], &builds.room, add_row, &builds, &err);
    rc = rc < 0 ? rc : measure_on(&builds, 0, &before, &config, &err);
    rc = rc < 0 ? rc : measure_on(&builds, 1, &now, &config, &err);
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    rank(&builds);
    const char *const names[BUILDS] = {options->with, argv->v[0]};
    if (context->json) {
        print_json(&builds, names);
    } else {
        print_text(context, &builds, names);
    }
    return dropped(&builds) ? EXIT_FOUND : EXIT_DONE;
}
