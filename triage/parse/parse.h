/*
 * Report text -> record. One file per report family behind parser_ops and one row in the
 * table of parse.c. Linear time, bounded memory, any bytes (NUL, invalid UTF-8, one line
 * of 100 MB).
 */
#ifndef TRIAGE_PARSE_PARSE_H
#define TRIAGE_PARSE_PARSE_H

#include <stddef.h>

#include "base/err.h"
#include "triage/record.h"

enum { PARSE_REPORT_MAX = 64 << 20 }; /* bytes of a report that are looked at */

/* Parse the crash in text[0..len) (the last complete report wins, as ClusterFuzz has it)
 * without deciding what counts: record_finish() does, after symbolization. New record in
 * *out. -ENODATA: the text holds no crash (out is left alone). */
int parse_report(const char *text, size_t len, const struct record_options *options,
                 struct record **out, struct err *err);

#endif
