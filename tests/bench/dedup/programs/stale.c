/* Use after free: one premature free seen at many places, and others beside it. */
#include "../dedup.h"

struct item {
    unsigned kind;
    char name[12];
    struct item *next;
};

struct set {
    struct item *first;
    struct item *cached;
    struct item *current;
};

static struct item *
item_new(unsigned kind)
{
    struct item *item = calloc(1, sizeof(*item));

    item->kind = kind;
    return item;
}

static void
set_add(struct set *set, unsigned kind)
{
    struct item *item = item_new(kind);

    item->next = set->first;
    set->first = item;
    if (set->current == NULL) {
        set->current = item;
    }
}

/* forgets that `cached` may point there */
static void
set_pop(struct set *set)
{
    struct item *item = set->first;

    if (item == NULL) {
        return;
    }
    set->first = item->next;
    if (set->current == item) {
        set->current = NULL;
    }
    free(item);
}

static void
set_find(struct set *set, unsigned kind)
{
    for (struct item *i = set->first; i != NULL; i = i->next) {
        if (i->kind == kind) {
            set->cached = i;
        }
    }
}

static int
gone(const struct set *set, const struct item *item)
{
    for (struct item *i = set->first; i != NULL; i = i->next) {
        if (i == item) {
            return 0;
        }
    }
    return item != NULL;
}

static void
print_cached(struct set *set)
{
    if (set->cached != NULL) {
        BUG("cached", gone(set, set->cached));
        sink += set->cached->kind;
    }
}

static void
rename_cached(struct set *set, unsigned letter)
{
    if (set->cached != NULL) {
        BUG("cached", gone(set, set->cached));
        memset(set->cached->name, (int)letter, sizeof(set->cached->name));
    }
}

static void
count_cached(struct set *set)
{
    unsigned n = 0;

    BUG("cached", gone(set, set->cached));
    for (struct item *i = set->cached; i != NULL; i = i->next) {
        n++;
    }
    sink += n;
}

/* frees all but leaves `current` */
static void
set_clear(struct set *set)
{
    while (set->first != NULL) {
        struct item *next = set->first->next;
        free(set->first);
        set->first = next;
    }
    set->cached = NULL;
}

static void
show_current(struct set *set)
{
    if (set->current != NULL) {
        BUG("current", gone(set, set->current));
        sink += (unsigned)set->current->name[0];
    }
}

static void
mark_current(struct set *set)
{
    if (set->current != NULL) {
        BUG("current", gone(set, set->current));
        set->current->kind |= 64;
    }
}

void
run(const uint8_t *data, size_t size)
{
    struct set set = {0};

    for (size_t i = 0; i < size; i++) {
        unsigned argument = data[i] >> 4;
        switch (data[i] % 12) {
        case 0:
        case 1:
        case 2:
            set_add(&set, argument);
            break;
        case 3:
            set_pop(&set);
            break;
        case 4:
        case 5:
            set_find(&set, argument);
            break;
        case 6:
            print_cached(&set);
            break;
        case 7:
            rename_cached(&set, argument);
            break;
        case 8:
            count_cached(&set);
            break;
        case 9:
            set_clear(&set);
            break;
        case 10:
            show_current(&set);
            break;
        default:
            mark_current(&set);
            break;
        }
    }
}
