#include "orchestrator/corpus/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"

enum {
    PENDING_MAX = 1 << 20, /* bytes that are written at a time */
    PENDING_MS = 500,      /* what a kill costs at most */
    PATH_BYTES_MAX = 4096,
    SLOTS_MIN = 1 << 12,
};

static const uint64_t magic = 0x326c6f6f70736a6e; /* "njspool2" */

struct head { /* of the file */
    uint64_t magic, subject;
};

struct record {     /* followed by the path with its NUL, and the trace */
    uint32_t check; /* CRC-32 of all that is behind it */
    uint32_t path_bytes, trace_bytes, bytes, tuples, kind, run_us;
    uint64_t hash;
    int64_t size, changed_ns;
    uint64_t inode;
    unsigned char key[MEASURE_KEY_BYTES];
};

struct spool {
    int fd;
    struct buf pending;
    int64_t flushed_ms;
    char *map;
    size_t map_bytes;
    uint64_t *slots; /* hashes of path and state of what has a record; 0: free */
    size_t n, n_slots;
};

static int64_t
changed_of(const struct stat *st)
{
    return (int64_t)((uint64_t)st->st_mtim.tv_sec * 1000000000 +
                     (uint64_t)st->st_mtim.tv_nsec);
}

/* --- which files have a record --- */

static uint64_t
identity(const char *path, int64_t size, int64_t changed_ns, uint64_t inode)
{
    const uint64_t state[] = {(uint64_t)size, (uint64_t)changed_ns, inode};
    XXH64_hash_t seed = XXH3_64bits(state, sizeof(state));
    uint64_t hash = XXH3_64bits_withSeed(path, strlen(path), seed);

    return hash == 0 ? 1 : hash;
}

static void
put_slot(uint64_t *slots, size_t n_slots, uint64_t id)
{
    size_t i = (size_t)(id % n_slots);

    while (slots[i] != 0 && slots[i] != id) {
        i = (i + 1) % n_slots;
    }
    slots[i] = id;
}

static void
remember(struct spool *spool, uint64_t id)
{
    if (2 * (spool->n + 1) > spool->n_slots) {
        size_t n_slots = spool->n_slots == 0 ? SLOTS_MIN : 2 * spool->n_slots;
        uint64_t *slots = mem_array(n_slots, sizeof(*slots));
        for (size_t i = 0; i < spool->n_slots; i++) {
            if (spool->slots[i] != 0) {
                put_slot(slots, n_slots, spool->slots[i]);
            }
        }
        mem_free(spool->slots);
        spool->slots = slots;
        spool->n_slots = n_slots;
    }
    put_slot(spool->slots, spool->n_slots, id);
    spool->n++;
}

bool
spool_has(const struct spool *spool, const char *path, const struct stat *st)
{
    uint64_t id = identity(path, st->st_size, changed_of(st), st->st_ino);

    if (spool->n_slots == 0) {
        return false;
    }
    size_t i = (size_t)(id % spool->n_slots);
    while (spool->slots[i] != 0 && spool->slots[i] != id) {
        i = (i + 1) % spool->n_slots;
    }
    return spool->slots[i] == id;
}

/* --- reading --- */

static uint32_t
check_of(const struct record *record, const char *tail)
{
    size_t skip = sizeof(record->check);
    const unsigned char *begin = (const unsigned char *)record + skip;
    uLong sum = crc32(0, begin, (uInt)(sizeof(*record) - skip));

    return (uint32_t)crc32(sum, (const unsigned char *)tail,
                           record->path_bytes + record->trace_bytes);
}

bool
spool_read(const struct spool *spool, int64_t *at, struct measured *out)
{
    size_t from = *at == 0 ? sizeof(struct head) : (size_t)*at;
    struct record record;

    if (from > spool->map_bytes || spool->map_bytes - from < sizeof(record)) {
        return false;
    }
    memcpy(&record, spool->map + from, sizeof(record));
    const char *tail = spool->map + from + sizeof(record);
    size_t left = spool->map_bytes - from - sizeof(record);
    if (record.path_bytes == 0 || record.path_bytes > PATH_BYTES_MAX ||
        record.trace_bytes > left || record.path_bytes > left - record.trace_bytes ||
        record.check != check_of(&record, tail) || tail[record.path_bytes - 1] != '\0') {
        return false;
    }
    *out = (struct measured){.path = tail,
                             .kind = (enum measure_kind)record.kind,
                             .bytes = record.bytes,
                             .tuples = record.tuples,
                             .run_us = record.run_us,
                             .hash = record.hash,
                             .trace = tail + record.path_bytes,
                             .trace_bytes = record.trace_bytes};
    out->st.st_size = record.size;
    out->st.st_ino = record.inode;
    out->st.st_mtim.tv_sec = record.changed_ns / 1000000000;
    out->st.st_mtim.tv_nsec = record.changed_ns % 1000000000;
    memcpy(out->key, record.key, sizeof(out->key));
    *at = (int64_t)(from + sizeof(record) + record.path_bytes + record.trace_bytes);
    return true;
}

static void
unmap(struct spool *spool)
{
    if (spool->map != NULL) {
        (void)munmap(spool->map, spool->map_bytes);
    }
    spool->map = NULL;
    spool->map_bytes = 0;
}

static int
flush(struct spool *spool, struct err *err)
{
    int rc = fd_write(spool->fd, buf_str(&spool->pending), spool->pending.len, err);

    buf_cut(&spool->pending, 0);
    spool->flushed_ms = clock_mono_ms();
    return rc;
}

int
spool_map(struct spool *spool, struct err *err)
{
    struct stat st;
    int rc = flush(spool, err);

    unmap(spool);
    if (rc < 0) {
        return rc;
    }
    if (fstat(spool->fd, &st) < 0) {
        return err_sys(err, "look at the traces");
    }
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, spool->fd, 0);
    if (map == MAP_FAILED) {
        return err_sys(err, "map the traces");
    }
    spool->map = map;
    spool->map_bytes = (size_t)st.st_size;
    return 0;
}

/* --- writing --- */

int
spool_add(struct spool *spool, const struct measured *input, struct err *err)
{
    struct record record;
    AUTO(buf_clear) struct buf tail = {.max = MEASURE_TRACE_MAX + PATH_BYTES_MAX};

    memset(&record, 0, sizeof(record)); /* padding is summed too */
    record.path_bytes = (uint32_t)strlen(input->path) + 1;
    record.trace_bytes = input->trace_bytes;
    record.bytes = input->bytes;
    record.tuples = input->tuples;
    record.run_us = input->run_us;
    record.kind = (uint32_t)input->kind;
    record.hash = input->hash;
    record.size = input->st.st_size;
    record.changed_ns = changed_of(&input->st);
    record.inode = input->st.st_ino;
    memcpy(record.key, input->key, sizeof(record.key));
    if (record.path_bytes > PATH_BYTES_MAX) {
        return err_set(err, -ENAMETOOLONG, "a path of %u bytes", record.path_bytes);
    }
    buf_add(&tail, input->path, record.path_bytes);
    buf_add(&tail, input->trace, input->trace_bytes);
    record.check = check_of(&record, buf_str(&tail));
    buf_add(&spool->pending, &record, sizeof(record));
    buf_add(&spool->pending, buf_str(&tail), tail.len);
    remember(spool, identity(input->path, record.size, record.changed_ns, record.inode));
    bool wait = spool->pending.len < PENDING_MAX &&
                clock_mono_ms() - spool->flushed_ms < PENDING_MS;
    return wait ? 0 : flush(spool, err);
}

/* --- opening --- */

/* Behind the last whole record the next is written. */
static int
load(struct spool *spool, int64_t *known, struct err *err)
{
    struct measured input;
    int64_t at = 0;
    int64_t end = (int64_t)sizeof(struct head);
    int rc = spool_map(spool, err);

    *known = 0;
    while (rc == 0 && spool_read(spool, &at, &input)) {
        remember(spool, identity(input.path, input.st.st_size, changed_of(&input.st),
                                 input.st.st_ino));
        end = at;
        ++*known;
    }
    unmap(spool);
    if (rc == 0 &&
        (ftruncate(spool->fd, end) < 0 || lseek(spool->fd, end, SEEK_SET) < 0)) {
        rc = err_sys(err, "cut the traces");
    }
    return rc;
}

int
spool_open(const char *path, uint64_t subject, struct spool **out, int64_t *known,
           struct err *err)
{
    AUTO(spool_close) struct spool *spool = mem_alloc(sizeof(*spool));
    const struct head wanted = {magic, subject};
    struct head head = {0};

    spool->pending.max = MEASURE_TRACE_MAX + 2 * PENDING_MAX;
    spool->fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (spool->fd < 0) {
        return err_sys(err, "open '%s'", path);
    }
    ssize_t n = fd_read(spool->fd, &head, sizeof(head));
    int rc = 0;
    if (n != (ssize_t)sizeof(head) || memcmp(&head, &wanted, sizeof(head)) != 0) {
        rc = ftruncate(spool->fd, 0) < 0 || lseek(spool->fd, 0, SEEK_SET) < 0
                 ? err_sys(err, "empty '%s'", path)
                 : fd_write(spool->fd, &wanted, sizeof(wanted), err);
    }
    rc = rc < 0 ? rc : load(spool, known, err);
    if (rc == 0) {
        *out = STEAL(spool);
    }
    return rc;
}

void
spool_close(struct spool *spool)
{
    if (spool == NULL) {
        return;
    }
    if (spool->fd >= 0) {
        (void)flush(spool, NULL); /* what is lost is measured again */
    }
    unmap(spool);
    fd_close(spool->fd);
    buf_clear(&spool->pending);
    mem_free(spool->slots);
    mem_free(spool);
}
