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

struct archives {
    __typeof__(archive_read_new) *read_new;
    __typeof__(archive_read_free) *read_free;
    __typeof__(archive_read_open_fd) *read_open_fd;
    __typeof__(archive_read_next_header) *read_next_header;
    __typeof__(archive_read_data) *read_data;
    __typeof__(archive_read_data_block) *read_data_block;
    __typeof__(archive_read_support_filter_gzip) *read_support_filter_gzip;
    __typeof__(archive_read_support_filter_bzip2) *read_support_filter_bzip2;
    __typeof__(archive_read_support_filter_xz) *read_support_filter_xz;
    __typeof__(archive_read_support_filter_zstd) *read_support_filter_zstd;
    __typeof__(archive_read_support_filter_lz4) *read_support_filter_lz4;
    __typeof__(archive_read_support_format_tar) *read_support_format_tar;
    __typeof__(archive_read_support_format_zip) *read_support_format_zip;
    __typeof__(archive_read_support_format_raw) *read_support_format_raw;
    __typeof__(archive_entry_pathname) *entry_pathname;
    __typeof__(archive_entry_hardlink) *entry_hardlink;
    __typeof__(archive_entry_filetype) *entry_filetype;
    __typeof__(archive_entry_size) *entry_size;
    __typeof__(archive_error_string) *error_string;
    __typeof__(archive_write_new) *write_new;
    __typeof__(archive_write_free) *write_free;
    __typeof__(archive_write_close) *write_close;
    __typeof__(archive_write_open_filename) *write_open_filename;
    __typeof__(archive_write_set_format_zip) *write_set_format_zip;
    __typeof__(archive_write_set_format_pax_restricted) *write_set_format_pax;
    __typeof__(archive_write_add_filter_gzip) *write_add_filter_gzip;
    __typeof__(archive_write_add_filter_xz) *write_add_filter_xz;
    __typeof__(archive_write_add_filter_zstd) *write_add_filter_zstd;
    __typeof__(archive_write_header) *write_header;
    __typeof__(archive_write_data) *write_data;
    __typeof__(archive_entry_new) *entry_new;
    __typeof__(archive_entry_free) *entry_free;
    __typeof__(archive_entry_set_pathname) *entry_set_pathname;
    __typeof__(archive_entry_set_size) *entry_set_size;
    __typeof__(archive_entry_set_filetype) *entry_set_filetype;
    __typeof__(archive_entry_set_perm) *entry_set_perm;
    __typeof__(archive_entry_set_mtime) *entry_set_mtime;
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
