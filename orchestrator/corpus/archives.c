#include "orchestrator/corpus/archives.h"

#include "base/late.h"

struct archives archives;

int
archives_load(struct err *err)
{
    static const struct late_symbol symbols[] = {
        {"archive_read_new", &archives.read_new},
        {"archive_read_free", &archives.read_free},
        {"archive_read_open_fd", &archives.read_open_fd},
        {"archive_read_next_header", &archives.read_next_header},
        {"archive_read_data", &archives.read_data},
        {"archive_read_data_block", &archives.read_data_block},
        {"archive_read_support_filter_gzip", &archives.read_support_filter_gzip},
        {"archive_read_support_filter_bzip2", &archives.read_support_filter_bzip2},
        {"archive_read_support_filter_xz", &archives.read_support_filter_xz},
        {"archive_read_support_filter_zstd", &archives.read_support_filter_zstd},
        {"archive_read_support_filter_lz4", &archives.read_support_filter_lz4},
        {"archive_read_support_format_tar", &archives.read_support_format_tar},
        {"archive_read_support_format_zip", &archives.read_support_format_zip},
        {"archive_read_support_format_raw", &archives.read_support_format_raw},
        {"archive_entry_pathname", &archives.entry_pathname},
        {"archive_entry_hardlink", &archives.entry_hardlink},
        {"archive_entry_filetype", &archives.entry_filetype},
        {"archive_entry_size", &archives.entry_size},
        {"archive_error_string", &archives.error_string},
        {"archive_write_new", &archives.write_new},
        {"archive_write_free", &archives.write_free},
        {"archive_write_close", &archives.write_close},
        {"archive_write_open_filename", &archives.write_open_filename},
        {"archive_write_set_format_zip", &archives.write_set_format_zip},
        {"archive_write_set_format_pax_restricted", &archives.write_set_format_pax},
        {"archive_write_add_filter_gzip", &archives.write_add_filter_gzip},
        {"archive_write_add_filter_xz", &archives.write_add_filter_xz},
        {"archive_write_add_filter_zstd", &archives.write_add_filter_zstd},
        {"archive_write_header", &archives.write_header},
        {"archive_write_data", &archives.write_data},
        {"archive_entry_new", &archives.entry_new},
        {"archive_entry_free", &archives.entry_free},
        {"archive_entry_set_pathname", &archives.entry_set_pathname},
        {"archive_entry_set_size", &archives.entry_set_size},
        {"archive_entry_set_filetype", &archives.entry_set_filetype},
        {"archive_entry_set_perm", &archives.entry_set_perm},
        {"archive_entry_set_mtime", &archives.entry_set_mtime},
    };

    return late_load("libarchive.so.13", symbols, COUNT(symbols), err);
}
