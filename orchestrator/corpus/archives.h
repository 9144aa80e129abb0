/*
 * libarchive, as far as it is used here, loaded when an archive is read (base/late.h):
 * archives.read_new() is archive_read_new() after archives_load() succeeded.
 */
#ifndef ORCHESTRATOR_CORPUS_ARCHIVES_H
#define ORCHESTRATOR_CORPUS_ARCHIVES_H

#include <archive.h>
#include <archive_entry.h>

#include "base/auto.h"
#include "base/err.h"

#define ARCHIVE_FUNCTIONS(X)     \
    X(read_new)                  \
    X(read_free)                 \
    X(read_open_fd)              \
    X(read_next_header)          \
    X(read_data)                 \
    X(read_data_block)           \
    X(read_support_filter_gzip)  \
    X(read_support_filter_bzip2) \
    X(read_support_filter_xz)    \
    X(read_support_filter_zstd)  \
    X(read_support_filter_lz4)   \
    X(read_support_format_tar)   \
    X(read_support_format_zip)   \
    X(read_support_format_raw)   \
    X(entry_pathname)            \
    X(entry_hardlink)            \
    X(entry_filetype)            \
    X(entry_size)                \
    X(error_string)

struct archives {
#define X(name) __typeof__(archive_##name) *name;
    ARCHIVE_FUNCTIONS(X)
#undef X
};

extern struct archives archives;

int archives_load(struct err *err); /* the errors of late_load() */

static inline void
archive_close_free(struct archive *archive) /* NULL is a no-op */
{
    if (archive != NULL) {
        (void)archives.read_free(archive);
    }
}
AUTO_DEFINE(struct archive *, archive_close_free)

#endif
