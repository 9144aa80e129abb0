/*
 * A structure of elements within elements, read as its parser would: tag, length, value,
 * one behind the other up to where the element around them ends. Such a reading fits by
 * chance but seldom, so where it does all lengths around a place are known at once:
 * elements go in runs, an element gives way to what it holds, values lose bytes, and
 * nothing is guessed that is not around them.
 */
#include "triage/shrink/strategy.h"

#include <stdlib.h>

#include "base/mem.h"

enum {
    NODES_MAX = 4096,
    DEPTH_MAX = EDIT_GUESS_MAX,
    STARTS = 17,      /* bytes before the first element: a signature, a header */
    EDITS_MAX = 8192, /* of a pass */
    SCORE_LEAST = 16, /* of a reading that is taken for one */
    NOBODY = -1,
};

static const struct shape { /* PNG, RIFF and IFF, TLV */
    size_t before, behind;
} shapes[] = {{1, 0}, {0, 8}, {4, 0}, {2, 0}, {0, 0}, {0, 4}, {3, 0}, {4, 4}, {0, 1}};

static const size_t inner_starts[] = {0, 4, 1, 2, 8};

struct node {
    size_t begin, end; /* the whole element */
    struct field field;
    int parent;
    bool holds; /* elements */
};

struct tree {
    struct node *node;
    int n;
    int score;
};

struct place { /* an edit: bytes that go, and of which element */
    size_t from, to;
    int node;    /* whose field and those around it are lowered */
    size_t keep; /* bytes behind `to` that go as well, when the frame of a node does */
};

struct plan {
    struct tree tree;
    struct node nodes[NODES_MAX];
    struct place place[EDITS_MAX];
    size_t n_places, next;
};

/* --- reading --- */

struct reading {
    const struct buf *bytes;
    const struct shape *shape;
    size_t width;
    enum field_form form;
    struct tree *tree;
};

static bool
read_element(const struct reading *reading, size_t begin, size_t limit, struct node *out)
{
    size_t at = begin + reading->shape->before;
    uint64_t value = 0;

    *out = (struct node){.begin = begin, .parent = NOBODY};
    out->field = (struct field){.form = reading->form,
                                .at = at,
                                .width = reading->width,
                                .from = at + reading->width};
    if (out->field.from > limit || !field_read(reading->bytes, &out->field, &value) ||
        value > limit - out->field.from ||
        reading->shape->behind > limit - out->field.from - value) {
        return false;
    }
    out->field.to = out->field.from + value;
    out->end = out->field.to + reading->shape->behind;
    return true;
}

/* Elements from there up to the limit exactly, or, where the list is `open`, as far as
 * there are some: behind a crash nobody reads on. Nothing is added when it does not fit.
 */
static bool
read_list(const struct reading *reading, size_t begin, size_t limit, int parent,
          bool open)
{
    struct tree *tree = reading->tree;
    int first = tree->n;
    struct node node;

    while (begin < limit && tree->n < NODES_MAX &&
           read_element(reading, begin, limit, &node)) {
        node.parent = parent;
        tree->node[tree->n++] = node;
        begin = node.end;
    }
    if ((begin == limit || open) && tree->n > first) {
        return true;
    }
    tree->n = first;
    return false;
}

static int
depth_of(const struct tree *tree, int node)
{
    int depth = 0;

    for (; node != NOBODY; node = tree->node[node].parent) {
        depth++;
    }
    return depth;
}

/* How unlikely it is by chance, in bits or so: a byte often fits. */
static int
score_of(const struct reading *reading)
{
    static const int each[] = {[1] = 1, [2] = 6, [4] = 12};

    return reading->tree->n * each[reading->width];
}

static void
read_tree(const struct reading *reading, size_t start)
{
    struct tree *tree = reading->tree;

    tree->n = 0;
    tree->score = 0;
    /* single bytes fit nearly everywhere, but not up to an end */
    if (!read_list(reading, start, reading->bytes->len, NOBODY, reading->width > 1)) {
        return;
    }
    for (int i = 0; i < tree->n; i++) {
        const struct field value = tree->node[i].field;
        for (size_t k = 0; k < COUNT(inner_starts) && depth_of(tree, i) < DEPTH_MAX;
             k++) {
            if (value.from + inner_starts[k] < value.to &&
                read_list(reading, value.from + inner_starts[k], value.to, i, false)) {
                tree->node[i].holds = true;
                break;
            }
        }
    }
    tree->score = score_of(reading);
}

/* The least likely reading of all. */
static void
find_tree(const struct buf *bytes, struct plan *plan)
{
    static const size_t widths[] = {1, 2, 4};
    AUTO(mem_free) struct node *nodes = mem_array(NODES_MAX, sizeof(*nodes));
    struct tree tree = {.node = nodes};
    struct reading reading = {.bytes = bytes, .tree = &tree};

    plan->tree.node = plan->nodes;
    for (size_t i = 0; i < STARTS * COUNT(shapes) * COUNT(widths) * 2; i++) {
        size_t start = i % STARTS;
        reading.shape = &shapes[i / STARTS % COUNT(shapes)];
        reading.width = widths[i / STARTS / COUNT(shapes) % COUNT(widths)];
        reading.form =
            i / STARTS / COUNT(shapes) / COUNT(widths) == 0 ? FIELD_LITTLE : FIELD_BIG;
        read_tree(&reading, start);
        if (tree.score >= SCORE_LEAST && tree.score > plan->tree.score) {
            plan->tree.n = tree.n;
            plan->tree.score = tree.score;
            for (int k = 0; k < tree.n; k++) {
                plan->nodes[k] = nodes[k];
            }
        }
    }
}

/* --- what may go --- */

static void
add(struct plan *plan, size_t from, size_t to, int node, size_t keep)
{
    if (plan->n_places < EDITS_MAX && from < to) {
        plan->place[plan->n_places++] = (struct place){from, to, node, keep};
    }
}

/* The longest run of neighbours that ends with this one and is of this grain. */
static void
add_run(struct plan *plan, int last, size_t grain)
{
    const struct node *node = plan->nodes;
    size_t from = node[last].begin;

    if (node[last].end - from > grain) {
        return;
    }
    for (int i = last - 1; i >= 0 && node[i].parent == node[last].parent &&
                           node[last].end - node[i].begin <= grain;
         i--) {
        from = node[i].begin;
    }
    if (node[last].end - from > grain / 2) {
        add(plan, from, node[last].end, node[last].parent, 0);
    }
}

/* Its frame, so that what it holds takes its place. */
static void
add_frame(struct plan *plan, int i, size_t grain)
{
    const struct node *node = &plan->nodes[i];
    size_t size = node->end - node->begin;

    if (node->holds && size <= grain && size > grain / 2) {
        add(plan, node->begin, node->field.from, node->parent,
            node->end - node->field.to);
    }
}

/* Parts of a value, from its end; all of it first. */
static void
add_value(struct plan *plan, int i, size_t grain)
{
    const struct node *node = &plan->nodes[i];
    size_t size = node->field.to - node->field.from;

    if (node->holds) {
        return;
    }
    if (size <= grain && size > grain / 2) {
        add(plan, node->field.from, node->field.to, i, 0);
    }
    for (size_t to = node->field.to; size > grain && to >= node->field.from + grain;
         to -= grain) {
        add(plan, to - grain, to, i, 0);
    }
}

static int
compare_places(const void *a, const void *b)
{
    const struct place *x = a;
    const struct place *y = b;

    if (x->to != y->to) {
        return x->to < y->to ? 1 : -1;
    }
    return x->from != y->from ? (x->from > y->from ? 1 : -1) : x->node - y->node;
}

static struct plan *
plan_of(const struct sketch *sketch, size_t grain)
{
    struct plan *plan = mem_alloc(sizeof(*plan));

    find_tree(&sketch->bytes, plan);
    for (int i = 0; i < plan->tree.n; i++) {
        add_run(plan, i, grain);
        add_frame(plan, i, grain);
        add_value(plan, i, grain);
    }
    qsort(plan->place, plan->n_places, sizeof(*plan->place), compare_places);
    return plan;
}

static void
make_edit(const struct sketch *sketch, const struct plan *plan, const struct place *place,
          struct edit *edit)
{
    edit->from = place->from;
    edit->to = place->to;
    if (place->keep > 0) { /* what stands behind goes too: what is between is put back */
        const struct node *node = plan->nodes;
        while (node->field.from != place->to) {
            node++;
        }
        size_t end = node->field.to;
        buf_add(&edit->with, sketch->bytes.data + place->to, end - place->to);
        edit->to = end + place->keep;
    }
    for (int i = place->node; i != NOBODY && edit->n_guess < EDIT_GUESS_MAX;
         i = plan->nodes[i].parent) {
        edit->guess[edit->n_guess++] = plan->nodes[i].field;
    }
}

static bool
trees_next(const struct sketch *sketch, size_t grain, struct cursor *cursor, void **state,
           struct step *step)
{
    if (*state == NULL) {
        *state = plan_of(sketch, grain);
    }
    struct plan *plan = *state;
    while (plan->next < plan->n_places && plan->place[plan->next].to > cursor->at) {
        plan->next++;
    }
    if (plan->next == plan->n_places) {
        return false;
    }
    make_edit(sketch, plan, &plan->place[plan->next++], &step->edit);
    step->sure = true;
    step->taken = (struct cursor){.at = step->edit.from + step->edit.with.len};
    step->taken_set = true;
    return true;
}

const struct strategy strategy_trees = {.next = trees_next};
