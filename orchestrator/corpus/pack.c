#include "orchestrator/corpus/pack.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/corpus/archives.h"

enum { BLOCK_BYTES = 64 << 10 };

struct pack {
    char *path, *made;
    struct archive *archive;
    bool finished;
};

enum filter { PLAIN, GZIP, XZ, ZSTD };

static const struct kind {
    const char *ending;
    bool zip;
    enum filter filter;
} kinds[] = {
    {".zip", true, PLAIN}, {".tar", false, PLAIN}, {".tar.gz", false, GZIP},
    {".tgz", false, GZIP}, {".tar.xz", false, XZ}, {".tar.zst", false, ZSTD},
};

static const struct kind *
kind_of(const char *path)
{
    for (size_t i = 0; i < COUNT(kinds); i++) {
        if (str_ends(path, kinds[i].ending)) {
            return &kinds[i];
        }
    }
    return NULL;
}

bool
pack_is_name(const char *path)
{
    return kind_of(path) != NULL;
}

static int
trouble(const struct pack *pack, struct err *err)
{
    const char *why = archives.error_string(pack->archive);
    AUTO(mem_free) char *shown = str_name_dup(why == NULL ? "unknown" : why);

    return err_set(err, -EIO, "'%s' cannot be written: %.150s", pack->path, shown);
}

static int
set_kind(const struct pack *pack, const struct kind *kind)
{
    struct archive *archive = pack->archive;
    int rc = kind->zip ? archives.write_set_format_zip(archive)
                       : archives.write_set_format_pax(archive);

    if (rc != ARCHIVE_OK) {
        return rc;
    }
    return kind->filter == GZIP   ? archives.write_add_filter_gzip(archive)
           : kind->filter == XZ   ? archives.write_add_filter_xz(archive)
           : kind->filter == ZSTD ? archives.write_add_filter_zstd(archive)
                                  : ARCHIVE_OK;
}

int
pack_open(const char *path, struct pack **out, struct err *err)
{
    AUTO(pack_close) struct pack *pack = mem_alloc(sizeof(*pack));
    const struct kind *kind = kind_of(path);
    int rc = archives_load(err);

    if (rc < 0) {
        return rc;
    }
    if (kind == NULL) {
        return err_set(err, -EINVAL,
                       "an archive ends in .zip, .tar, .tar.gz, .tar.xz or .tar.zst");
    }
    pack->path = mem_strdup(path);
    pack->made = mem_printf("%s.new", path);
    pack->archive = archives.write_new();
    if (pack->archive == NULL) {
        return err_set(err, -ENOMEM, "no memory for an archive");
    }
    if (set_kind(pack, kind) != ARCHIVE_OK ||
        archives.write_open_filename(pack->archive, pack->made) != ARCHIVE_OK) {
        return trouble(pack, err);
    }
    *out = STEAL(pack);
    return 0;
}

void
pack_close(struct pack *pack)
{
    if (pack == NULL) {
        return;
    }
    if (pack->archive != NULL) {
        (void)archives.write_free(pack->archive);
    }
    if (pack->made != NULL && !pack->finished) {
        (void)unlink(pack->made);
    }
    mem_free(pack->path);
    mem_free(pack->made);
    mem_free(pack);
}

static int
put_header(const struct pack *pack, const char *name, int64_t size)
{
    struct archive_entry *entry = archives.entry_new();

    if (entry == NULL) {
        return ARCHIVE_FATAL;
    }
    archives.entry_set_pathname(entry, name);
    archives.entry_set_size(entry, size);
    archives.entry_set_filetype(entry, AE_IFREG);
    archives.entry_set_perm(entry, 0644);
    archives.entry_set_mtime(entry, 315532800, 0); /* 1980: zip knows no earlier one */
    int rc = archives.write_header(pack->archive, entry);
    archives.entry_free(entry);
    return rc;
}

int
pack_add(struct pack *pack, const char *name, const char *path, struct err *err)
{
    AUTO(fd_close) int fd = -1;
    char block[BLOCK_BYTES];
    struct stat st;
    int rc = fs_open(path, &fd, &st, err);

    if (rc < 0) {
        return rc;
    }
    if (put_header(pack, name, st.st_size) != ARCHIVE_OK) {
        return trouble(pack, err);
    }
    for (int64_t left = st.st_size; left > 0;) {
        ssize_t n = fd_read(fd, block, left < BLOCK_BYTES ? (size_t)left : sizeof(block));
        if (n <= 0) {
            return err_set(err, -EIO, "an input changed while it was packed");
        }
        if (archives.write_data(pack->archive, block, (size_t)n) != n) {
            return trouble(pack, err);
        }
        left -= n;
    }
    return 0;
}

int
pack_finish(struct pack *pack, struct err *err)
{
    if (archives.write_close(pack->archive) != ARCHIVE_OK) {
        return trouble(pack, err);
    }
    if (rename(pack->made, pack->path) < 0) {
        return err_sys(err, "make '%s'", pack->path);
    }
    pack->finished = true;
    return 0;
}
