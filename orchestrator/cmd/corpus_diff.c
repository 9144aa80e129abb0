/* `nightjar corpus diff`: what one corpus has and another has not, in inputs and, on a
 * build, in edges. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/corpus.h"
#include "orchestrator/corpus/library.h"
#include "orchestrator/target.h"

enum { SIDES = 2, SHOWN = 20, BOTH = 3 };

struct file { /* an input of one side, or of both */
    char sha256[65];
    unsigned int sides; /* bits */
    char *path;         /* of the side that is seen first */
};

struct diff {
    char *rooms[SIDES]; /* folders of unpacked inputs, that go; NULL */
    struct file *files;
    size_t n, cap;
    unsigned int side;   /* that is being read, as a bit */
    unsigned char *seen; /* by tuple: bits of the sides */
    size_t n_tuples;
    int64_t kinds[SIDES][MEASURE_REFUSED + 1];
};

static void
diff_clear(struct diff *diff)
{
    for (size_t i = 0; i < diff->n; i++) {
        mem_free(diff->files[i].path);
    }
    for (size_t i = 0; i < SIDES; i++) {
        if (diff->rooms[i] != NULL) {
            (void)fs_remove(diff->rooms[i], NULL);
        }
        mem_free(diff->rooms[i]);
    }
    mem_free(diff->files);
    mem_free(diff->seen);
}
AUTO_DEFINE_CLEAR(struct diff, diff_clear)

/* --- which inputs --- */

static int
add_file(void *user, const char *path, const struct stat *st, struct err *err)
{
    struct diff *diff = user;

    if (st == NULL) {
        return err_set(err, -EIO, "'%s' cannot be read", path);
    }
    if (diff->n == diff->cap) {
        diff->cap = diff->cap == 0 ? 1024 : 2 * diff->cap;
        diff->files = mem_resize(diff->files, diff->cap * sizeof(*diff->files));
    }
    struct file *file = &diff->files[diff->n++];
    *file = (struct file){.sides = diff->side, .path = mem_strdup(path)};
    (void)snprintf(file->sha256, sizeof(file->sha256), "%.64s", fs_base(path));
    return 0;
}

int
corpus_visit(const struct cmd_context *context, const char *name, char **room,
             fs_visit *visit, void *user, struct err *err)
{
    AUTO(library_close) struct library *library = NULL;
    AUTO(strv_clear) struct strv one = {0};
    char any[] = "diff";
    struct target source = {.name = any};
    int64_t count = 0;

    if (!fs_exists(name) && target_name_valid(name)) {
        int rc = library_open(context->state, name, false, &library, err);
        return rc < 0 ? rc : library_walk(library, visit, user, err);
    }
    AUTO(mem_free) char *path = fs_absolute(name);
    char made[] = "/tmp/nightjar-diff.XXXXXX";
    if (mkdtemp(made) == NULL) {
        return err_sys(err, "make a folder in /tmp");
    }
    *room = mem_strdup(made);
    strv_add(&one, path);
    source.seeds = one;
    int rc = target_unpack_inputs(&source, *room, NULL, NULL, &count, err);
    return rc < 0 ? rc : fs_walk(*room, visit, user, err);
}

static int
by_content(const void *a, const void *b)
{
    const struct file *x = a;
    const struct file *y = b;

    return strcmp(x->sha256, y->sha256);
}

static void
join_equal(struct diff *diff)
{
    size_t n = 0;

    if (diff->n == 0) {
        return;
    }
    qsort(diff->files, diff->n, sizeof(*diff->files), by_content);
    for (size_t i = 0; i < diff->n; i++) {
        if (n > 0 && by_content(&diff->files[n - 1], &diff->files[i]) == 0) {
            diff->files[n - 1].sides |= diff->files[i].sides;
            mem_free(diff->files[i].path);
        } else {
            diff->files[n++] = diff->files[i];
        }
    }
    diff->n = n;
}

/* --- which edges --- */

static int
see(void *user, const struct measured *input, struct err *err)
{
    struct diff *diff = user;
    unsigned int sides = diff->files[input->tag].sides;
    size_t at = 0;
    int64_t tuple = -1;

    (void)err;
    for (size_t i = 0; i < SIDES; i++) {
        diff->kinds[i][input->kind] += (sides >> i) & 1;
    }
    while (trace_next(input->trace, input->trace_bytes, &at, &tuple)) {
        if ((size_t)tuple >= diff->n_tuples) {
            size_t n = 2 * (size_t)tuple + 1024;
            diff->seen = mem_resize(diff->seen, n);
            memset(diff->seen + diff->n_tuples, 0, n - diff->n_tuples);
            diff->n_tuples = n;
        }
        diff->seen[tuple] |= (unsigned char)sides;
    }
    return 0;
}

/* config: all but whom it tells. */
static int
measure_all(struct diff *diff, struct measure_config *config, struct err *err)
{
    AUTO(measure_free) struct measure *measure = NULL;

    config->take = see;
    config->user = diff;
    int rc = measure_new(config, &measure, err);

    for (size_t i = 0; i < diff->n && rc == 0; i++) {
        rc = measure_push(measure, diff->files[i].path, i, err);
        rc = rc == -ENOENT ? 0 : rc; /* pruned a moment ago */
    }
    return rc < 0 ? rc : measure_finish(measure, err);
}

/* Edges (or tuples) that were seen on exactly these sides, *first of them in order. */
static int64_t
count_seen(const struct diff *diff, bool edges, unsigned int sides, json_t *first)
{
    size_t step = edges ? MEASURE_BUCKETS : 1;
    int64_t n = 0;

    for (size_t i = 0; i < diff->n_tuples; i += step) {
        unsigned int seen = 0;
        for (size_t k = i; k < i + step && k < diff->n_tuples; k++) {
            seen |= diff->seen[k];
        }
        if (seen == sides) {
            n++;
            if (first != NULL) {
                (void)json_array_append_new(first, json_integer((json_int_t)(i / step)));
            }
        }
    }
    return n;
}

/* --- the answer --- */

static json_t *
names_of(const struct diff *diff, unsigned int sides)
{
    json_t *list = json_array();

    for (size_t i = 0; i < diff->n; i++) {
        if (diff->files[i].sides == sides) {
            (void)json_array_append_new(list, json_text(diff->files[i].sha256));
        }
    }
    return list;
}

static json_t *
side_json(const struct diff *diff, const char *name, unsigned int side, bool measured)
{
    json_t *o = json_object();

    json_put(o, "corpus", json_name(name));
    json_put(o, "only", names_of(diff, side));
    if (measured) {
        const int64_t *kinds = diff->kinds[side - 1];
        json_t *edges = json_array();
        (void)count_seen(diff, true, side, edges);
        json_put(o, "edges_only", edges);
        json_put(o, "tuples_only", json_integer(count_seen(diff, false, side, NULL)));
        json_put(o, "crashes", json_integer(kinds[MEASURE_CRASH]));
        json_put(o, "hangs", json_integer(kinds[MEASURE_HANG]));
    }
    return o;
}

static void
print_json(const struct diff *diff, const struct strv *args, bool measured)
{
    AUTO(json_decref) json_t *o = json_object();
    AUTO(json_decref) json_t *common = names_of(diff, BOTH);

    json_put(o, "a", side_json(diff, args->v[0], 1, measured));
    json_put(o, "b", side_json(diff, args->v[1], 2, measured));
    json_put(o, "inputs_common", json_integer((json_int_t)json_array_size(common)));
    if (measured) {
        json_put(o, "edges_common", json_integer(count_seen(diff, true, BOTH, NULL)));
        json_put(o, "tuples_common", json_integer(count_seen(diff, false, BOTH, NULL)));
    }
    json_print(stdout, o);
}

static void
print_side(const struct diff *diff, const char *name, unsigned int side, bool measured)
{
    AUTO(mem_free) char *shown = str_name_dup(name);
    AUTO(json_decref) json_t *only = names_of(diff, side);
    size_t n = json_array_size(only);

    (void)printf("only in %s: %zu inputs", shown, n);
    if (measured) {
        (void)printf(", %lld edges (%lld counts)",
                     (long long)count_seen(diff, true, side, NULL),
                     (long long)count_seen(diff, false, side, NULL));
    }
    (void)printf("\n");
    for (size_t i = 0; i < n && i < SHOWN; i++) {
        (void)printf("  %s\n", json_string_value(json_array_get(only, i)));
    }
    if (n > SHOWN) {
        (void)printf("  and %zu more (--json names all)\n", n - SHOWN);
    }
}

static void
print_text(const struct diff *diff, const struct strv *args, bool measured)
{
    AUTO(json_decref) json_t *common = names_of(diff, BOTH);

    print_side(diff, args->v[0], 1, measured);
    print_side(diff, args->v[1], 2, measured);
    (void)printf("in both: %zu inputs", json_array_size(common));
    if (measured) {
        (void)printf(", %lld edges (%lld counts)",
                     (long long)count_seen(diff, true, BOTH, NULL),
                     (long long)count_seen(diff, false, BOTH, NULL));
    }
    (void)printf("\n");
}

int
corpus_diff(const struct cmd_context *context, const struct corpus_options *options,
            const struct strv *args, const struct strv *argv)
{
    AUTO(diff_clear) struct diff diff = {0};
    AUTO(command_clear) struct command command = {0};
    struct err err = ERR_INIT;
    struct measure_config config = {.command = &command, .hide = context->state};
    bool measured = argv->n > 0;

    if (args->n != SIDES) {
        return cmd_fail(EXIT_USAGE, "nightjar corpus diff A B [-- COMMAND @@]");
    }
    int rc = measured ? corpus_command(options, argv, &command, &err) : 0;
    rc = rc < 0 ? rc : corpus_jobs(options, &config.jobs, &err);
    rc = rc < 0 || !measured ? rc : corpus_sandbox(context, options, &config.rung, &err);
    for (size_t i = 0; i < SIDES && rc == 0; i++) {
        diff.side = 1U << i;
        rc = corpus_visit(context, args->v[i], &diff.rooms[i], add_file, &diff, &err);
    }
    join_equal(&diff);
    rc = rc < 0 || !measured ? rc : measure_all(&diff, &config, &err);
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    if (context->json) {
        print_json(&diff, args, measured);
    } else {
        print_text(&diff, args, measured);
    }
    return EXIT_DONE;
}
