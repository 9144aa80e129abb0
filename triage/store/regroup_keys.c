#include "triage/store/regroup_keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static int
by_key(const void *a, const void *b)
{
    const struct regroup_item *x = a;
    const struct regroup_item *y = b;
    int order = strcmp(x->entry, y->entry);

    order = order != 0 ? order : (x->target > y->target) - (x->target < y->target);
    return order != 0 ? order : (x->crash > y->crash) - (x->crash < y->crash);
}

void
regroup_make_keys(struct regroup_item *v, size_t n)
{
    if (n > 0) {
        qsort(v, n, sizeof(*v), by_key);
    }
    for (size_t i = 0; i < n; i++) {
        bool fellow = i > 0 && strcmp(v[i].entry, v[i - 1].entry) == 0 &&
                      v[i].target == v[i - 1].target;
        v[i].key = fellow ? v[i - 1].key : i;
    }
}

size_t
regroup_key_end(const struct regroup_item *v, size_t n, size_t key)
{
    size_t end = key;

    while (end < n && v[end].key == key) {
        end++;
    }
    return end;
}

static int
by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* A key may have all crashes of the database: homes are sorted, not compared in pairs. */
struct regroup_weight
regroup_weigh(const struct regroup_item *v, size_t n, size_t key)
{
    size_t end = regroup_key_end(v, n, key);
    AUTO(mem_free) int64_t *homes = mem_array(end - key + 1, sizeof(*homes));
    struct regroup_weight best = {.key = key};
    size_t n_homes = 0;
    int64_t run = 0;

    for (size_t i = key; i < end; i++) {
        if (!v[i].decided) {
            homes[n_homes++] = v[i].home;
        }
    }
    qsort(homes, n_homes, sizeof(*homes), by_number);
    for (size_t i = 0; i < n_homes; i++) {
        run = i > 0 && homes[i] == homes[i - 1] ? run + 1 : 1;
        if (run > best.n) {
            best.bug = homes[i];
            best.n = run;
        }
    }
    return best;
}

int
regroup_by_weight(const void *a, const void *b)
{
    const struct regroup_weight *x = a;
    const struct regroup_weight *y = b;
    int order = (y->n > x->n) - (y->n < x->n);

    return order != 0 ? order : (x->key > y->key) - (x->key < y->key);
}

/* --- where crashes without a record go --- */

static int
compare_old(const struct regroup_item *x, const struct regroup_item *y)
{
    int order = (x->old_place > y->old_place) - (x->old_place < y->old_place);

    if (x->old_place != 0 && order == 0) {
        return 0;
    }
    order = order != 0 ? order : strcmp(x->old_major, y->old_major);
    order = order != 0 ? order : (x->target > y->target) - (x->target < y->target);
    return order != 0 ? order : (x->version > y->version) - (x->version < y->version);
}

static int
by_old(const void *a, const void *b)
{
    const struct regroup_item *x = *(struct regroup_item *const *)a;
    const struct regroup_item *y = *(struct regroup_item *const *)b;
    int order = compare_old(x, y);

    return order != 0 ? order : (x->key > y->key) - (x->key < y->key);
}

/* The key of the longest run of items with one key; they are sorted by it. */
static size_t
main_key(struct regroup_item *const *items, size_t n)
{
    size_t best = 0;
    size_t best_n = 0;
    size_t run = 0;

    for (size_t i = 0; i < n; i++) {
        run = i > 0 && items[i]->key == items[i - 1]->key ? run + 1 : 1;
        if (run > best_n) {
            best_n = run;
            best = items[i]->key;
        }
    }
    return best;
}

void
regroup_choose_leads(struct regroup_item *v, size_t n)
{
    AUTO(mem_free) struct regroup_item **items = mem_array(n + 1, sizeof(void *));

    for (size_t i = 0; i < n; i++) {
        items[i] = &v[i];
    }
    if (n > 0) {
        qsort(items, n, sizeof(void *), by_old);
    }
    for (size_t i = 0; i < n;) {
        size_t end = i;
        while (end < n && compare_old(items[i], items[end]) == 0) {
            end++;
        }
        size_t leads = main_key(items + i, end - i);
        for (; i < end; i++) {
            items[i]->leads = leads;
        }
    }
}
