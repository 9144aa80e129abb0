/*
 * Seeds: what a target's configuration names (files, folders, archives), as a flat folder
 * of files that are named by their content. Archives are hostile: nothing in them becomes
 * a path, and every byte that is unpacked, kept or not, counts against one budget.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/corpus/archives.h"
#include "orchestrator/corpus/go_corpus.h"
#include "orchestrator/target.h"

enum {
    INPUTS_DEFAULT = 100000,
    BYTES_DEFAULT = 1 << 30,
    ENTRIES_DEFAULT = 1000000,
    RATIO_DEFAULT = 200,
    RATIO_FREE = 64 << 20, /* bytes that any archive may become */
    KEY_BYTES = 16,        /* of the hash that tell two seeds apart */
    BLOCK_BYTES = 64 << 10,
};

/* Why something was passed over; counted per source. */
enum refusal {
    EMPTY,
    TOO_LARGE,
    LINK,
    TRAVERSAL,
    HIDDEN,
    UNREADABLE,
    GO_ARGUMENTS,
    REFUSALS
};

struct sink {
    const char *folder; /* NULL: only count */
    bool begins;        /* an engine begins with them: there must be one */
    struct seed_limits limits;
    unsigned char (*set)[KEY_BYTES]; /* open addressing; all zero: free */
    size_t n_slots;
    int64_t n;
    int64_t budget;  /* bytes that may still be unpacked or read */
    int64_t archive; /* and of the archive that is read */
    bool full;
    const char *source; /* that is being read */
    const char *item;   /* the file, or the entry of an archive, that is being read */
    target_told *told;  /* or NULL */
    void *user;
    int64_t refused[REFUSALS];
    char trouble[200]; /* what is wrong with the source as a whole; "" */
};

struct seed_limits
seed_limits_of(const struct seed_limits *given)
{
    return (struct seed_limits){
        .inputs = given->inputs > 0 ? given->inputs : INPUTS_DEFAULT,
        .bytes = given->bytes > 0 ? given->bytes : BYTES_DEFAULT,
        .entries = given->entries > 0 ? given->entries : ENTRIES_DEFAULT,
        .ratio = given->ratio > 0 ? given->ratio : RATIO_DEFAULT};
}

/* --- one seed --- */

/* 1: it was not in the set. */
static int
remember(struct sink *sink, const unsigned char key[KEY_BYTES])
{
    static const unsigned char none[KEY_BYTES];
    uint64_t slot;

    memcpy(&slot, key, sizeof(slot));
    for (slot %= sink->n_slots; memcmp(sink->set[slot], none, KEY_BYTES) != 0;
         slot = (slot + 1) % sink->n_slots) {
        if (memcmp(sink->set[slot], key, KEY_BYTES) == 0) {
            return 0;
        }
    }
    memcpy(sink->set[slot], key, KEY_BYTES);
    return 1;
}

static int
put_seed(struct sink *sink, const void *data, size_t len, struct err *err)
{
    char hex[HASH_HEX_MAX];
    unsigned char key[KEY_BYTES];

    hash_sha256(data, len, hex);
    (void)hash_bytes(hex, key, KEY_BYTES);
    if (remember(sink, key) == 0) {
        return 0;
    }
    sink->n++;
    sink->full = sink->n >= sink->limits.inputs;
    if (sink->told != NULL) {
        sink->told(sink->user, hex, sink->item);
    }
    if (sink->folder == NULL) {
        return 0;
    }
    AUTO(mem_free) char *path = fs_join(sink->folder, hex);
    int rc = fs_exists(path) ? 0 : fs_write(path, data, len, 0644, err);
    /* whatever the caller's umask is: a worker reads them under another uid */
    (void)chmod(path, 0644);
    return rc;
}

/* An input of Go's fuzzing stands for the bytes in it. */
static int
offer_go(struct sink *sink, const struct buf *text, struct err *err)
{
    AUTO(buf_clear) struct buf bytes = {.max = TARGET_SEED_BYTES_MAX + 1};

    if (go_corpus_decode(text->data, text->len, &bytes) < 0) {
        sink->refused[GO_ARGUMENTS]++;
        return 0;
    }
    if (bytes.len == 0) {
        sink->refused[EMPTY]++;
        return 0;
    }
    return put_seed(sink, bytes.data, bytes.len, err);
}

/* A seed's bytes, if they are some and not too many. */
static int
offer(struct sink *sink, const struct buf *bytes, struct err *err)
{
    if (bytes->len == 0 || bytes->len > TARGET_SEED_BYTES_MAX) {
        sink->refused[bytes->len == 0 ? EMPTY : TOO_LARGE]++;
        return 0;
    }
    return go_corpus_is(bytes->data, bytes->len)
               ? offer_go(sink, bytes, err)
               : put_seed(sink, bytes->data, bytes->len, err);
}

/* Take len bytes out of the budget; false when it is used up. */
static bool
spend(struct sink *sink, int64_t len)
{
    sink->budget -= len < sink->budget ? len : sink->budget;
    if (sink->budget == 0) {
        sink->full = true;
    }
    return !sink->full;
}

/* --- archives --- */

/* The same of what an archive becomes. */
static bool
unpack(struct sink *sink, int64_t len)
{
    sink->archive -= len;
    if (sink->archive < 0) {
        (void)snprintf(sink->trouble, sizeof(sink->trouble),
                       "it unpacks to more than %lld times its size",
                       (long long)sink->limits.ratio);
        return false;
    }
    return spend(sink, len);
}

static bool
has_dotdot(const char *path)
{
    for (const char *part = path; part != NULL;) {
        if (strcmp(part, "..") == 0 || str_starts(part, "../")) {
            return true;
        }
        part = strchr(part, '/');
        part = part == NULL ? NULL : part + 1;
    }
    return path[0] == '/';
}

static bool
is_hidden(const char *path)
{
    for (const char *part = path; part != NULL;) {
        if (part[0] == '.' && part[1] != '\0' && part[1] != '/') {
            return true;
        }
        part = strchr(part, '/');
        part = part == NULL ? NULL : part + 1;
    }
    return false;
}

/* Read an entry to its end, whether its bytes are wanted or not: what libarchive would
 * skip by itself it would unpack as well, without a limit. -1: the archive is damaged or
 * the budget used up. */
static int
read_entry(struct sink *sink, struct archive *archive, struct buf *bytes)
{
    for (;;) {
        const void *block;
        size_t len;
        la_int64_t offset;
        int rc = archives.read_data_block(archive, &block, &len, &offset);
        if (rc == ARCHIVE_EOF) {
            return 0;
        }
        if (rc < ARCHIVE_WARN || !unpack(sink, (int64_t)len)) {
            return -1;
        }
        if (bytes == NULL || bytes->truncated) {
            continue;
        }
        /* a hole costs nothing in the archive, so it must cost something here */
        int64_t hole = offset - (int64_t)bytes->len;
        if (offset > TARGET_SEED_BYTES_MAX || (hole > 0 && !unpack(sink, hole))) {
            bytes->truncated = true;
            continue;
        }
        for (; hole > 0; hole -= BLOCK_BYTES) {
            static const char zeros[BLOCK_BYTES];
            buf_add(bytes, zeros, hole < BLOCK_BYTES ? (size_t)hole : BLOCK_BYTES);
        }
        buf_add(bytes, block, len);
    }
}

static int
refusal_of(struct archive_entry *entry)
{
    const char *name = archives.entry_pathname(entry);

    if (archives.entry_hardlink(entry) != NULL ||
        archives.entry_filetype(entry) != AE_IFREG) {
        return LINK;
    }
    if (name == NULL || has_dotdot(name)) {
        return TRAVERSAL;
    }
    return is_hidden(name) ? HIDDEN : REFUSALS;
}

static int
take_entry(struct sink *sink, struct archive *archive, struct archive_entry *entry,
           struct err *err)
{
    AUTO(buf_clear) struct buf bytes = {.max = TARGET_SEED_BYTES_MAX + 1};
    int why = refusal_of(entry);

    if (archives.entry_filetype(entry) == AE_IFDIR) {
        return 0;
    }
    if (why != REFUSALS) {
        sink->refused[why]++;
        return read_entry(sink, archive, NULL) < 0 ? 1 : 0;
    }
    if (read_entry(sink, archive, &bytes) < 0) {
        return 1;
    }
    /* a hole at the end has no block */
    if (bytes.truncated || archives.entry_size(entry) > TARGET_SEED_BYTES_MAX) {
        sink->refused[TOO_LARGE]++;
        return 0;
    }
    sink->item = archives.entry_pathname(entry);
    return offer(sink, &bytes, err);
}

static void
note_trouble(struct sink *sink, struct archive *archive)
{
    const char *why = archives.error_string(archive);
    AUTO(mem_free) char *shown = str_name_dup(why == NULL ? "unknown" : why);

    (void)snprintf(sink->trouble, sizeof(sink->trouble),
                   "the archive is damaged (%.150s)", shown);
}

static int
walk_archive(struct sink *sink, struct archive *archive, struct err *err)
{
    int64_t entries = 0;
    int rc = 0;

    while (rc == 0 && !sink->full) {
        struct archive_entry *entry;
        int step = archives.read_next_header(archive, &entry);
        if (step == ARCHIVE_EOF) {
            return 0;
        }
        if (step < ARCHIVE_WARN) {
            rc = 1;
            break;
        }
        if (++entries > sink->limits.entries) {
            (void)snprintf(sink->trouble, sizeof(sink->trouble), "more than %lld entries",
                           (long long)sink->limits.entries);
            return 0;
        }
        rc = take_entry(sink, archive, entry, err);
    }
    if (rc == 1 && !sink->full && sink->trouble[0] == '\0') {
        note_trouble(sink, archive);
    }
    return rc < 0 ? rc : 0;
}

static int
take_archive(struct sink *sink, const char *path, struct err *err)
{
    AUTO(fd_close) int fd = -1;
    struct stat st;
    int rc = archives_load(err);

    rc = rc < 0 ? rc : fs_open(path, &fd, &st, err);
    if (rc < 0) {
        return rc;
    }
    if (__builtin_mul_overflow(st.st_size, sink->limits.ratio, &sink->archive) ||
        __builtin_add_overflow(sink->archive, RATIO_FREE, &sink->archive)) {
        sink->archive = INT64_MAX;
    }
    AUTO(archive_close_free) struct archive *archive = archives.read_new();
    if (archive == NULL) {
        return err_set(err, -ENOMEM, "no memory for an archive");
    }
    /* only these: the others run programs, or read what never was a seed corpus */
    (void)archives.read_support_filter_gzip(archive);
    (void)archives.read_support_filter_bzip2(archive);
    (void)archives.read_support_filter_xz(archive);
    (void)archives.read_support_filter_zstd(archive);
    (void)archives.read_support_format_tar(archive);
    (void)archives.read_support_format_zip(archive);
    if (archives.read_open_fd(archive, fd, BLOCK_BYTES) < ARCHIVE_WARN) {
        note_trouble(sink, archive);
        return 0;
    }
    return walk_archive(sink, archive, err);
}

static bool
is_archive(const char *path)
{
    static const char *const endings[] = {".zip",    ".tar",     ".tar.gz",
                                          ".tgz",    ".tar.bz2", ".tbz2",
                                          ".tar.xz", ".txz",     ".tar.zst"};

    for (size_t i = 0; i < COUNT(endings); i++) {
        if (str_ends(path, endings[i])) {
            return true;
        }
    }
    return false;
}

/* --- files and folders --- */

static int
take_file(struct sink *sink, const char *path, const struct stat *st, struct err *err)
{
    AUTO(buf_clear) struct buf bytes = BUF_INIT;
    struct err why = ERR_INIT;

    if (st->st_size > TARGET_SEED_BYTES_MAX) {
        sink->refused[TOO_LARGE]++;
        return 0;
    }
    if (!spend(sink, st->st_size)) {
        return 0;
    }
    int rc = fs_read(path, TARGET_SEED_BYTES_MAX, &bytes, &why);
    if (rc < 0) {
        sink->refused[rc == -EFBIG ? TOO_LARGE : UNREADABLE]++;
        return 0;
    }
    sink->item = path;
    return offer(sink, &bytes, err);
}

static int
visit(void *user, const char *path, const struct stat *st, struct err *err)
{
    struct sink *sink = user;
    const char *relative = path + strlen(sink->source);

    if (sink->full) {
        return 1;
    }
    if (st == NULL) {
        sink->refused[UNREADABLE]++;
        return 0;
    }
    if (is_hidden(relative[0] == '/' ? relative + 1 : relative)) {
        sink->refused[HIDDEN]++; /* such as AFL++'s queue/.state */
        return 0;
    }
    return take_file(sink, path, st, err);
}

/* One line for what was passed over in a source; files of no bytes and hidden ones are no
 * news. */
static void
warn(struct sink *sink)
{
    static const char *const names[REFUSALS] = {
        [TOO_LARGE] = "larger than 5 MiB",
        [LINK] = "links or devices",
        [TRAVERSAL] = "with names that lead out of the archive",
        [UNREADABLE] = "unreadable",
        [GO_ARGUMENTS] = "Go's inputs that are not one []byte or string"};
    AUTO(buf_clear) struct buf text = BUF_INIT;

    for (int i = 0; i < REFUSALS; i++) {
        if (names[i] != NULL && sink->refused[i] > 0) {
            buf_addf(&text, "%s%lld %s", text.len > 0 ? ", " : "",
                     (long long)sink->refused[i], names[i]);
        }
    }
    if (sink->trouble[0] != '\0') {
        buf_addf(&text, "%s%s", text.len > 0 ? ", " : "", sink->trouble);
    }
    if (sink->full) {
        char bytes[32];
        str_bytes_show(bytes, sizeof(bytes), sink->limits.bytes);
        buf_addf(&text, "%sthe rest is beyond the limits of %lld seeds and %s",
                 text.len > 0 ? ", " : "", (long long)sink->limits.inputs, bytes);
        buf_adds(&text,
                 " (`import:` of nightjar.yaml, or --max-inputs and --max-bytes of "
                 "an import, set them)");
    }
    if (text.len > 0) {
        log_line(LOG_WARN, "seeds", "path=%s passed over: %s", sink->source,
                 buf_str(&text));
    }
}

static int
take_source(struct sink *sink, const char *path, struct err *err)
{
    int rc;

    sink->source = path;
    memset(sink->refused, 0, sizeof(sink->refused));
    sink->trouble[0] = '\0';
    rc = is_archive(path) && !fs_is_folder(path) ? take_archive(sink, path, err)
                                                 : fs_walk(path, visit, sink, err);
    if (rc < 0) {
        return err_wrap(err, rc, "seeds");
    }
    warn(sink);
    return 0;
}

static int
take_all(const struct target *target, struct sink *sink, struct err *err)
{
    sink->limits = seed_limits_of(&target->limits);
    sink->n_slots = (size_t)(2 * sink->limits.inputs + 2);
    AUTO(mem_free) void *set = mem_array(sink->n_slots, sizeof(sink->set[0]));
    int rc = 0;

    sink->set = set;
    sink->budget = sink->limits.bytes;
    for (size_t i = 0; rc == 0 && !sink->full && i < target->seeds.n; i++) {
        rc = take_source(sink, target->seeds.v[i], err);
    }
    /* engines need something to begin with; a digit is short and valid in many formats */
    if (rc == 0 && sink->n == 0 && sink->begins) {
        sink->item = "";
        rc = put_seed(sink, "0", 1, err);
    }
    sink->set = NULL;
    return rc;
}

int
target_unpack_seeds(const struct target *target, const char *folder, int64_t *count,
                    struct err *err)
{
    return target_unpack_seeds_told(target, folder, NULL, NULL, count, err);
}

static int
unpack_all(const struct target *target, struct sink *sink, int64_t *count,
           struct err *err)
{
    int rc = fs_mkdirs(sink->folder, 0755, err);

    (void)chmod(sink->folder, 0755);
    rc = rc < 0 ? rc : take_all(target, sink, err);
    if (rc == 0) {
        *count = sink->n;
    }
    return rc;
}

int
target_unpack_seeds_told(const struct target *target, const char *folder,
                         target_told *told, void *user, int64_t *count, struct err *err)
{
    struct sink sink = {.folder = folder, .begins = true, .told = told, .user = user};

    return unpack_all(target, &sink, count, err);
}

int
target_unpack_inputs(const struct target *target, const char *folder, target_told *told,
                     void *user, int64_t *count, struct err *err)
{
    struct sink sink = {.folder = folder, .told = told, .user = user};

    return unpack_all(target, &sink, count, err);
}

int
target_count_seeds(const struct target *target, int64_t *count, struct err *err)
{
    struct sink sink = {.folder = NULL};
    int rc = take_all(target, &sink, err);

    if (rc == 0) {
        *count = sink.n;
    }
    return rc;
}
