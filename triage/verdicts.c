#include "triage/verdicts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"

enum {
    SLOTS_FIRST = 1 << 12,
    HEAD_BYTES = 24, /* "nightjar", and the identity's hash */
    ENTRY_BYTES = 17,
    JOURNAL_MAX = VERDICTS_MAX * ENTRY_BYTES + HEAD_BYTES,
};

static const char magic[] = "nightjar";

struct entry {
    XXH128_hash_t hash; /* zero: free */
    bool shows;
};

struct verdicts {
    struct entry *slots;
    size_t n_slots, n, known; /* n_slots is a power of two, at most half full */
    char head[HEAD_BYTES];
    int fd;
};

static struct entry *
slot_of(const struct verdicts *verdicts, XXH128_hash_t hash)
{
    static const XXH128_hash_t none;

    for (size_t i = (size_t)hash.low64;; i++) {
        struct entry *entry = &verdicts->slots[i & (verdicts->n_slots - 1)];
        if (XXH128_isEqual(entry->hash, hash) || XXH128_isEqual(entry->hash, none)) {
            return entry;
        }
    }
}

static bool
is_free(const struct entry *entry)
{
    return entry->hash.low64 == 0 && entry->hash.high64 == 0;
}

static void
grow(struct verdicts *verdicts)
{
    AUTO(mem_free) struct entry *old = verdicts->slots;
    size_t n = verdicts->n_slots;

    verdicts->n_slots = n == 0 ? SLOTS_FIRST : 2 * n;
    verdicts->slots = mem_array(verdicts->n_slots, sizeof(*old));
    for (size_t i = 0; i < n; i++) {
        if (!is_free(&old[i])) {
            *slot_of(verdicts, old[i].hash) = old[i];
        }
    }
}

/* Whether it was new. */
static bool
put(struct verdicts *verdicts, XXH128_hash_t hash, bool shows)
{
    struct entry *entry = slot_of(verdicts, hash);
    bool is_new = is_free(entry);

    if (verdicts->n >= VERDICTS_MAX && is_new) {
        return false;
    }
    *entry = (struct entry){hash, shows};
    verdicts->n += is_new ? 1 : 0;
    if (verdicts->n > verdicts->n_slots / 2) {
        grow(verdicts);
    }
    return is_new;
}

/* --- the journal --- */

static int
begin_anew(struct verdicts *verdicts, struct err *err)
{
    if (ftruncate(verdicts->fd, 0) < 0 || lseek(verdicts->fd, 0, SEEK_SET) < 0) {
        return err_sys(err, "empty the journal");
    }
    return fd_write(verdicts->fd, verdicts->head, HEAD_BYTES, err);
}

static void
read_entries(struct verdicts *verdicts, const struct buf *text)
{
    const char *data = buf_str(text);

    for (size_t at = HEAD_BYTES; at + ENTRY_BYTES <= text->len; at += ENTRY_BYTES) {
        XXH128_hash_t hash;
        memcpy(&hash, data + at, sizeof(hash));
        verdicts->known += put(verdicts, hash, data[at + sizeof(hash)] != 0) ? 1 : 0;
    }
}

static int
read_journal(struct verdicts *verdicts, struct err *err)
{
    AUTO(buf_clear)
    struct buf text = {.max = JOURNAL_MAX + 1};
    int rc = 1;

    while (rc > 0 && text.len + 1 < text.max) {
        rc = fd_read_some(verdicts->fd, &text, text.max - 1 - text.len, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (text.len < HEAD_BYTES || memcmp(text.data, verdicts->head, HEAD_BYTES) != 0) {
        return begin_anew(verdicts, err);
    }
    read_entries(verdicts, &text);
    /* behind the last whole one */
    off_t end = (off_t)(text.len - (text.len - HEAD_BYTES) % ENTRY_BYTES);
    if (ftruncate(verdicts->fd, end) < 0 || lseek(verdicts->fd, end, SEEK_SET) < 0) {
        return err_sys(err, "go to the journal's end");
    }
    return 0;
}

int
verdicts_open(const char *path, const char *identity, struct verdicts **out,
              struct err *err)
{
    AUTO(verdicts_free) struct verdicts *verdicts = mem_alloc(sizeof(*verdicts));
    XXH128_hash_t hash = XXH3_128bits(identity, strlen(identity));
    struct stat st;

    verdicts->fd = -1;
    grow(verdicts);
    memcpy(verdicts->head, magic, sizeof(magic) - 1);
    memcpy(verdicts->head + sizeof(magic) - 1, &hash, sizeof(hash));
    if (path != NULL) {
        verdicts->fd =
            open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        if (verdicts->fd < 0 || fstat(verdicts->fd, &st) < 0) {
            return err_sys(err, "open the journal");
        }
        if (!S_ISREG(st.st_mode)) {
            return err_set(err, -EINVAL, "the journal is no plain file");
        }
        int rc = read_journal(verdicts, err);
        if (rc < 0) {
            return rc;
        }
    }
    *out = STEAL(verdicts);
    return 0;
}

void
verdicts_free(struct verdicts *verdicts)
{
    if (verdicts != NULL) {
        fd_close(verdicts->fd);
        mem_free(verdicts->slots);
        mem_free(verdicts);
    }
}

static int
copy_out(const struct buf *text, const char *to, struct err *err)
{
    AUTO(mem_free)
    char *folder = mem_printf("%.*s.", (int)(fs_base(to) - to), to);
    AUTO(mem_free) char *fresh = mem_printf("%s.new", to);
    struct stat st;

    (void)unlink(fresh);
    AUTO(fd_close)
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || stat(folder, &st) < 0) {
        return err_sys(err, "make a copy of the journal");
    }
    int rc = fd_write(fd, buf_str(text), text->len, err);
    if (rc == 0 && ((geteuid() == 0 && fchown(fd, st.st_uid, st.st_gid) < 0) ||
                    rename(fresh, to) < 0)) {
        rc = err_sys(err, "copy the journal");
    }
    if (rc < 0) {
        (void)unlink(fresh); /* a full disk has better use for the room */
    }
    return rc;
}

int
verdicts_copy(const char *from, const char *to, struct err *err)
{
    AUTO(buf_clear) struct buf text = {.max = JOURNAL_MAX + 1};
    AUTO(fd_close) int fd = open(from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    int rc = 1;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        (void)unlink(to);
        return 0;
    }
    while (rc > 0 && text.len < JOURNAL_MAX) {
        rc = fd_read_some(fd, &text, JOURNAL_MAX - text.len, err);
    }
    return rc < 0 ? rc : copy_out(&text, to, err);
}

size_t
verdicts_in(size_t journal_bytes)
{
    return journal_bytes < HEAD_BYTES ? 0 : (journal_bytes - HEAD_BYTES) / ENTRY_BYTES;
}

int
verdicts_find(const struct verdicts *verdicts, const void *bytes, size_t len)
{
    const struct entry *entry = slot_of(verdicts, XXH3_128bits(bytes, len));

    return is_free(entry) ? -1 : entry->shows ? 1 : 0;
}

void
verdicts_add(struct verdicts *verdicts, const void *bytes, size_t len, bool shows)
{
    XXH128_hash_t hash = XXH3_128bits(bytes, len);
    char text[ENTRY_BYTES];

    if (!put(verdicts, hash, shows) || verdicts->fd < 0) {
        return;
    }
    memcpy(text, &hash, sizeof(hash));
    text[sizeof(hash)] = shows ? 1 : 0;
    if (fd_write(verdicts->fd, text, sizeof(text), NULL) < 0) {
        fd_close(FD_STEAL(verdicts->fd)); /* the disk is full: what there is stays good */
    }
}

size_t
verdicts_known(const struct verdicts *verdicts)
{
    return verdicts->known;
}

void
verdicts_forget(struct verdicts *verdicts)
{
    mem_free(STEAL(verdicts->slots));
    verdicts->n_slots = 0;
    verdicts->n = 0;
    verdicts->known = 0;
    grow(verdicts);
    if (verdicts->fd >= 0) {
        (void)begin_anew(verdicts, NULL);
    }
}
