#include "orchestrator/corpus/index.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    HEX = 64,
    KEY_BYTES = HEX / 2,
    SLOTS_MIN = 1 << 10,
    LINE_MAX_BYTES = 256,
    WRITE_BYTES = 1 << 20,
    FILE_MAX_BYTES = 1 << 30,
};

struct slot { /* open addressing; added_s 0: free */
    unsigned char key[KEY_BYTES];
    uint32_t added_s; /* to 2106 */
    uint16_t origin;
    int32_t edges, alone, run_us;
};

struct index {
    char *path;
    struct slot *slots;
    size_t n, n_slots;
    struct strv origins;
    struct index_prune prunes[INDEX_PRUNES_MAX];
    size_t n_prunes;
};

/* --- by key --- */

static struct slot *
slot_for(struct slot *slots, size_t n_slots, const unsigned char key[KEY_BYTES])
{
    uint64_t at;

    memcpy(&at, key, sizeof(at));
    for (at %= n_slots; slots[at].added_s != 0; at = (at + 1) % n_slots) {
        if (memcmp(slots[at].key, key, KEY_BYTES) == 0) {
            break;
        }
    }
    return &slots[at];
}

static void
grow(struct index *index)
{
    size_t n_slots = index->n_slots == 0 ? SLOTS_MIN : 2 * index->n_slots;
    struct slot *slots = mem_array(n_slots, sizeof(*slots));

    for (size_t i = 0; i < index->n_slots; i++) {
        if (index->slots[i].added_s != 0) {
            *slot_for(slots, n_slots, index->slots[i].key) = index->slots[i];
        }
    }
    mem_free(index->slots);
    index->slots = slots;
    index->n_slots = n_slots;
}

/* --- origins --- */

static uint16_t
origin_id(struct index *index, const char *origin)
{
    const char *word = origin == NULL ? "unknown" : origin;
    size_t i = 0;

    while (i < index->origins.n && strcmp(index->origins.v[i], word) != 0) {
        i++;
    }
    if (i == INDEX_ORIGINS_MAX) {
        return INDEX_ORIGINS_MAX - 1;
    }
    if (i == index->origins.n) {
        strv_add(&index->origins, i == INDEX_ORIGINS_MAX - 1 ? "other" : word);
    }
    return (uint16_t)i;
}

static void
add_word(char out[INDEX_ORIGIN_MAX], const char *text, size_t len)
{
    size_t n = strlen(out);

    for (size_t i = 0; i < len && n + 1 < INDEX_ORIGIN_MAX; i++) {
        unsigned char c = (unsigned char)text[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                     (c >= 'a' && c <= 'z') || strchr("_-.@:", c) != NULL;
        out[n++] = (char)(plain && c != '\0' ? c : '_');
    }
    out[n] = '\0';
}

/* The folder above the one that a file lies in: AFL++'s OUT/NAME/queue/id:... */
static void
add_instance(char out[INDEX_ORIGIN_MAX], const char *path)
{
    const char *ends[3] = {path, path, path}; /* behind the last three slashes */

    for (const char *at = path; *at != '\0'; at++) {
        if (*at == '/') {
            ends[0] = ends[1];
            ends[1] = ends[2];
            ends[2] = at + 1;
        }
    }
    if (ends[1] > ends[0] && str_starts(ends[1], "queue/")) {
        add_word(out, ends[0], (size_t)(ends[1] - ends[0] - 1));
        return;
    }
    add_word(out, "afl", 3);
}

void
index_origin_of(const char *path, char out[INDEX_ORIGIN_MAX])
{
    const char *name = fs_base(path);
    const char *sync = strstr(name, ",sync:");

    if (!str_starts(name, "id:") && !str_starts(name, "id_")) {
        (void)snprintf(out, INDEX_ORIGIN_MAX, "import");
    } else if (sync != NULL) {
        (void)snprintf(out, INDEX_ORIGIN_MAX, "sync:");
        add_word(out, sync + 6, strcspn(sync + 6, ","));
    } else if (strstr(name, ",orig:") != NULL) {
        (void)snprintf(out, INDEX_ORIGIN_MAX, "seed");
    } else {
        (void)snprintf(out, INDEX_ORIGIN_MAX, "worker:");
        add_instance(out, path);
    }
}

/* --- entries --- */

bool
index_get(const struct index *index, const char *sha256, struct index_entry *out)
{
    unsigned char key[KEY_BYTES];

    *out =
        (struct index_entry){0, "unknown", INDEX_UNKNOWN, INDEX_UNKNOWN, INDEX_UNKNOWN};
    if (index->n_slots == 0 || !hash_bytes(sha256, key, KEY_BYTES)) {
        return false;
    }
    const struct slot *slot = slot_for(index->slots, index->n_slots, key);
    if (slot->added_s == 0) {
        return false;
    }
    *out = (struct index_entry){.added_s = slot->added_s,
                                .origin = index->origins.v[slot->origin],
                                .edges = slot->edges,
                                .alone = slot->alone,
                                .run_us = slot->run_us};
    return true;
}

static int32_t
bounded(int64_t value)
{
    return value < 0 ? INDEX_UNKNOWN : value > INT32_MAX ? INT32_MAX : (int32_t)value;
}

void
index_put(struct index *index, const char *sha256, const struct index_entry *entry)
{
    unsigned char key[KEY_BYTES];

    if (!hash_bytes(sha256, key, KEY_BYTES)) {
        return;
    }
    if (2 * (index->n + 1) > index->n_slots) {
        grow(index);
    }
    struct slot *slot = slot_for(index->slots, index->n_slots, key);
    index->n += slot->added_s == 0;
    memcpy(slot->key, key, KEY_BYTES);
    slot->added_s = entry->added_s < 1            ? 1
                    : entry->added_s > UINT32_MAX ? UINT32_MAX
                                                  : (uint32_t)entry->added_s;
    slot->origin = origin_id(index, entry->origin);
    slot->edges = bounded(entry->edges);
    slot->alone = bounded(entry->alone);
    slot->run_us = bounded(entry->run_us);
}

void
index_add_prune(struct index *index, const struct index_prune *prune)
{
    if (index->n_prunes == INDEX_PRUNES_MAX) {
        index->n_prunes--;
        memmove(index->prunes, index->prunes + 1,
                index->n_prunes * sizeof(index->prunes[0]));
    }
    index->prunes[index->n_prunes++] = *prune;
}

const struct index_prune *
index_prunes(const struct index *index, size_t *n)
{
    *n = index->n_prunes;
    return index->prunes;
}

/* --- the file --- */

static int64_t
number_of(const char *word)
{
    int64_t value = INDEX_UNKNOWN;

    (void)str_number("number", word, 0, INT64_MAX, &value, NULL);
    return value;
}

static void
take_line(struct index *index, char *line)
{
    char *words[6];
    char *rest = line;
    size_t n = 0;

    while (n < COUNT(words) && (words[n] = strsep(&rest, " ")) != NULL) {
        n++;
    }
    if (n != COUNT(words) || rest != NULL) {
        return;
    }
    bool libfuzzer = strcmp(words[0], "=libfuzzer") == 0;
    if (libfuzzer || strcmp(words[0], "=") == 0) {
        const struct index_prune prune = {number_of(words[1]), number_of(words[2]),
                                          number_of(words[3]), number_of(words[4]),
                                          number_of(words[5]), libfuzzer};
        index_add_prune(index, &prune);
        return;
    }
    char origin[INDEX_ORIGIN_MAX] = "";
    add_word(origin, words[2], strlen(words[2])); /* whoever wrote the file */
    const struct index_entry entry = {number_of(words[1]), origin, number_of(words[3]),
                                      number_of(words[4]), number_of(words[5])};
    if (strlen(words[0]) == HEX && entry.added_s > 0) {
        index_put(index, words[0], &entry);
    }
}

int
index_open(const char *path, struct index **out, struct err *err)
{
    AUTO(index_free) struct index *index = mem_alloc(sizeof(*index));
    AUTO(buf_clear) struct buf text = {.max = FILE_MAX_BYTES};

    index->path = mem_strdup(path);
    int rc = fs_exists(path) ? fs_read(path, FILE_MAX_BYTES - 1, &text, err) : 0;
    if (rc < 0) {
        return rc;
    }
    for (char *at = text.data; at != NULL && at < text.data + text.len;) {
        char *newline = memchr(at, '\n', (size_t)(text.data + text.len - at));
        if (newline == NULL) {
            break; /* cut */
        }
        *newline = '\0';
        if (newline - at < LINE_MAX_BYTES) {
            take_line(index, at);
        }
        at = newline + 1;
    }
    *out = STEAL(index);
    return 0;
}

void
index_free(struct index *index)
{
    if (index == NULL) {
        return;
    }
    mem_free(index->path);
    mem_free(index->slots);
    strv_clear(&index->origins);
    mem_free(index);
}

static void
put_number(struct buf *out, int64_t value)
{
    if (value < 0) {
        buf_adds(out, " -");
    } else {
        buf_addf(out, " %lld", (long long)value);
    }
}

static void
put_slot(const struct index *index, const struct slot *slot, const char *hex,
         struct buf *out)
{
    buf_addf(out, "%s %lld %s", hex, (long long)slot->added_s,
             index->origins.v[slot->origin]);
    put_number(out, slot->edges);
    put_number(out, slot->alone);
    put_number(out, slot->run_us);
    buf_addc(out, '\n');
}

void
index_line(struct buf *out, const char *sha256, int64_t added_s, const char *origin)
{
    char word[INDEX_ORIGIN_MAX] = "";

    add_word(word, origin, strlen(origin));
    buf_addf(out, "%s %lld %s - - -\n", sha256, (long long)added_s, word);
}

static int
write_all(const struct index *index, int fd, index_keep *keep, void *user,
          struct err *err)
{
    AUTO(buf_clear) struct buf out = {.max = (size_t)2 * WRITE_BYTES};
    char hex[HEX + 1];
    int rc = 0;

    for (size_t i = 0; i < index->n_prunes; i++) {
        const struct index_prune *prune = &index->prunes[i];
        buf_adds(&out, prune->libfuzzer ? "=libfuzzer" : "=");
        put_number(&out, prune->at_s);
        put_number(&out, prune->inputs);
        put_number(&out, prune->bytes);
        put_number(&out, prune->edges);
        put_number(&out, prune->tuples);
        buf_addc(&out, '\n');
    }
    for (size_t i = 0; i < index->n_slots && rc == 0; i++) {
        if (index->slots[i].added_s == 0) {
            continue;
        }
        hash_hex(index->slots[i].key, KEY_BYTES, hex);
        if (keep == NULL || keep(user, hex)) {
            put_slot(index, &index->slots[i], hex, &out);
        }
        if (out.len >= WRITE_BYTES) {
            rc = fd_write(fd, buf_str(&out), out.len, err);
            buf_cut(&out, 0);
        }
    }
    return rc < 0 ? rc : fd_write(fd, buf_str(&out), out.len, err);
}

int
index_save(struct index *index, index_keep *keep, void *user, struct err *err)
{
    AUTO(mem_free) char *made = mem_printf("%s.new", index->path);

    (void)unlink(made);
    AUTO(fd_close)
    int fd = open(made, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int rc =
        fd < 0 ? err_sys(err, "make '%s'", made) : write_all(index, fd, keep, user, err);
    if (rc == 0 && rename(made, index->path) < 0) {
        return err_sys(err, "make '%s'", index->path);
    }
    return rc;
}
