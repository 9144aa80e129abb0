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
    };

    return late_load("libarchive.so.13", symbols, COUNT(symbols), err);
}
