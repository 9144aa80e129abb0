#include "orchestrator/corpus/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/corpus/archives.h"
#include "orchestrator/corpus/pack.h"

enum {
    BLOCK_BYTES = 64 << 10,
    LOOK_BYTES = 16 << 20, /* between two looks at the disk */
    SPARE = 100,           /* a hundredth of it stays free */
    NAME_MAX_BYTES = 1024,
};

/* --- into an archive --- */

struct packing {
    const char *folder;
    struct pack *pack;
};

static int
pack_one(void *user, const char *path, const struct stat *st, struct err *err)
{
    const struct packing *packing = user;

    return st == NULL
               ? err_set(err, -EIO, "'%s' cannot be read", path)
               : pack_add(packing->pack, path + strlen(packing->folder) + 1, path, err);
}

static int
sync_file(const char *path, struct err *err)
{
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    return fd < 0 || fsync(fd) < 0 ? err_sys(err, "flush '%s'", path) : 0;
}

int
unpack_pack(const char *folder, const char *archive, struct err *err)
{
    AUTO(pack_close) struct pack *pack = NULL;
    AUTO(mem_free) char *shown = str_name_dup(archive);

    if (fs_exists(archive)) {
        return err_set(err, -EEXIST,
                       "'%s' is there already, and a backup overwrites nothing", shown);
    }
    int rc = pack_open(archive, &pack, err);
    struct packing packing = {folder, pack};
    rc = rc < 0 ? rc : fs_walk(folder, pack_one, &packing, err);
    rc = rc < 0 ? rc : pack_finish(pack, err);
    return rc < 0 ? rc : sync_file(archive, err);
}

/* --- out of one --- */

struct unpacking {
    const char *folder;
    struct archive *archive;
    int64_t unseen; /* bytes since the disk was looked at */
};

static bool
is_plain(const char *name)
{
    const char *part = name;

    if (name == NULL || name[0] == '\0' || strlen(name) > NAME_MAX_BYTES) {
        return false;
    }
    for (;;) {
        size_t len = strcspn(part, "/");
        if (len == 0 || part[0] == '.') { /* absolute, "..", hidden */
            return false;
        }
        if (part[len] == '\0') {
            return true;
        }
        part += len + 1;
    }
}

static int
look_at_disk(struct unpacking *u, size_t len, struct err *err)
{
    struct statvfs fs;

    u->unseen += (int64_t)len;
    if (u->unseen < LOOK_BYTES) {
        return 0;
    }
    u->unseen = 0;
    if (statvfs(u->folder, &fs) < 0) {
        return err_sys(err, "look at the disk");
    }
    return fs.f_bavail > fs.f_blocks / SPARE
               ? 0
               : err_set(err, -ENOSPC,
                         "it unpacks to more than the disk has room for, of which a "
                         "hundredth is to stay free");
}

static int
damaged(const struct unpacking *u, struct err *err)
{
    const char *why = archives.error_string(u->archive);
    AUTO(mem_free) char *shown = str_name_dup(why == NULL ? "unknown" : why);

    return err_set(err, -EBADMSG, "the archive is damaged: %.150s", shown);
}

static int
write_file(struct unpacking *u, const char *name, struct err *err)
{
    AUTO(mem_free) char *path = fs_join(u->folder, name);
    AUTO(mem_free) char *above = mem_dup(path, (size_t)(fs_base(path) - path));
    char block[BLOCK_BYTES];

    above[fs_base(path) - path - 1] = '\0';
    int rc = fs_mkdirs(above, 0700, err);
    if (rc < 0) {
        return rc;
    }
    AUTO(fd_close)
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno == EEXIST
                   ? err_set(err, -EBADMSG, "the archive holds '%s' twice", name)
                   : err_sys(err, "make '%s'", path);
    }
    for (;;) {
        la_ssize_t n = archives.read_data(u->archive, block, sizeof(block));
        if (n <= 0) {
            return n < 0 ? damaged(u, err) : 0;
        }
        rc = fd_write(fd, block, (size_t)n, err);
        rc = rc < 0 ? rc : look_at_disk(u, (size_t)n, err);
        if (rc < 0) {
            return rc;
        }
    }
}

static int
take_entry(struct unpacking *u, struct archive_entry *entry, struct err *err)
{
    const char *name = archives.entry_pathname(entry);

    if (archives.entry_filetype(entry) == AE_IFDIR) {
        return 0;
    }
    if (archives.entry_filetype(entry) != AE_IFREG ||
        archives.entry_hardlink(entry) != NULL || !is_plain(name)) {
        AUTO(mem_free) char *shown = str_name_dup(name == NULL ? "" : name);
        return err_set(err, -EBADMSG,
                       "the archive holds '%.200s', which no backup does: a link, or a "
                       "name that leads elsewhere",
                       shown);
    }
    return write_file(u, name, err);
}

static int
take_all(struct unpacking *u, struct err *err)
{
    int rc = 0;

    while (rc == 0) {
        struct archive_entry *entry;
        int step = archives.read_next_header(u->archive, &entry);
        if (step == ARCHIVE_EOF) {
            return 0;
        }
        rc = step < ARCHIVE_WARN ? damaged(u, err) : take_entry(u, entry, err);
    }
    return rc;
}

int
unpack_archive(const char *archive, const char *folder, struct err *err)
{
    AUTO(archive_close_free) struct archive *reader = NULL;
    AUTO(fd_close) int fd = -1;
    int rc = archives_load(err);

    rc = rc < 0 ? rc : fs_open(archive, &fd, NULL, err);
    if (rc < 0) {
        return rc;
    }
    reader = archives.read_new();
    if (reader == NULL) {
        return err_set(err, -ENOMEM, "no memory for an archive");
    }
    (void)archives.read_support_filter_gzip(reader);
    (void)archives.read_support_filter_xz(reader);
    (void)archives.read_support_filter_zstd(reader);
    (void)archives.read_support_format_tar(reader);
    (void)archives.read_support_format_zip(reader);
    struct unpacking u = {.folder = folder, .archive = reader};
    return archives.read_open_fd(reader, fd, BLOCK_BYTES) < ARCHIVE_WARN
               ? damaged(&u, err)
               : take_all(&u, err);
}
