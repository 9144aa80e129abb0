/*
 * Texts of reports that a person gives, cut into the parts that are crashes
 * (triage/parse/split.h), and read no faster than they are asked for: a log may be larger
 * than memory. Their bytes are hostile, and only looked at for where reports begin.
 */
#ifndef ORCHESTRATOR_CMD_REPORT_LOG_H
#define ORCHESTRATOR_CMD_REPORT_LOG_H

#include "triage/parse/split.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"

struct report_log {
    int fd;
    struct buf window; /* what was read last */
    size_t at;         /* what of it was looked at */
    int64_t offset;    /* of the window in the file */
    struct splitter splitter;
    bool whole; /* JSON is not cut */
    bool ended; /* the file has no more */
    bool mid;   /* `at` is within a line that was looked at */
    bool done;  /* the last part was told */
};
#define REPORT_LOG_INIT \
    {                   \
        .fd = -1        \
    }
void report_log_clear(struct report_log *log);
AUTO_DEFINE_CLEAR(struct report_log, report_log_clear)

/* Open a regular file; log was cleared or is REPORT_LOG_INIT. */
int report_log_open(struct report_log *log, const char *path, struct err *err);

/* 1: *part is the next one; 0: there is none. */
int report_log_next(struct report_log *log, struct split_part *part, struct err *err);

enum { REPORT_STDIN_MAX = 1 << 30 }; /* bytes of a log on standard input */

/* Standard input into a new file below the folder, STATE/reports, which is made; *path is
 * new. -EFBIG: it holds more than REPORT_STDIN_MAX bytes. Whoever asked removes it. */
int report_log_spool(const char *state, char **path, struct err *err);

#endif
