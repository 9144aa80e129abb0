#include "orchestrator/supervise/inbox_seen.h"

#include <string.h>

#include "base/mem.h"

enum { FIRST_ROOM = 1024 }; /* a power of two */

static uint64_t
mix(uint64_t x) /* splitmix64's finalizer */
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

uint64_t
seen_key(const struct stat *st)
{
    uint64_t key = mix((uint64_t)st->st_ino ^ ((uint64_t)st->st_dev << 40));

    key = mix(key ^ (uint64_t)st->st_mtim.tv_sec);
    key = mix(key ^ (uint64_t)st->st_mtim.tv_nsec ^ ((uint64_t)st->st_size << 32));
    return key == 0 ? 1 : key;
}

static struct seen_file *
slot_of(struct seen_file *table, size_t room, uint64_t key)
{
    size_t at = key & (room - 1);

    while (table[at].key != 0 && table[at].key != key) {
        at = (at + 1) & (room - 1);
    }
    return &table[at];
}

struct seen_file *
seen_find(const struct seen_files *seen, uint64_t key)
{
    struct seen_file *slot =
        seen->room == 0 ? NULL : slot_of(seen->table, seen->room, key);

    return slot != NULL && slot->key == key ? slot : NULL;
}

static void
grow(struct seen_files *seen)
{
    size_t room = seen->room == 0 ? FIRST_ROOM : seen->room * 2;
    struct seen_file *table = mem_array(room, sizeof(*table));

    for (size_t i = 0; i < seen->room; i++) {
        if (seen->table[i].key != 0) {
            *slot_of(table, room, seen->table[i].key) = seen->table[i];
        }
    }
    mem_free(seen->table);
    seen->table = table;
    seen->room = room;
}

void
seen_add(struct seen_files *seen, uint64_t key)
{
    if (seen->n >= SEEN_MAX) {
        memset(seen->table, 0, seen->room * sizeof(*seen->table));
        seen->n = 0;
    }
    if ((seen->n + 1) * 2 > seen->room) {
        grow(seen);
    }
    struct seen_file *slot = slot_of(seen->table, seen->room, key);
    seen->n += slot->key == 0;
    *slot = (struct seen_file){key, false};
}

void
seen_clear(struct seen_files *seen)
{
    mem_free(seen->table);
    *seen = (struct seen_files){0};
}
