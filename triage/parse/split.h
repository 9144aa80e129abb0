/*
 * A log with the reports of several crashes, cut into one text for each: parse_report()
 * reads one crash of a text, and of a CI log the others would be lost. Made for texts
 * that a person gives as reports; what one run of a target printed is one crash. Linear
 * time, any bytes.
 */
#ifndef TRIAGE_PARSE_SPLIT_H
#define TRIAGE_PARSE_SPLIT_H

#include <stddef.h>

enum { SPLIT_MAX = 1000 }; /* parts of one text; what is beyond stays with the last */

struct split_part {
    size_t from, len;
};

/*
 * A report begins at the headline of a sanitizer or of libFuzzer, once the one before it
 * has ended (its SUMMARY, ABORTING) or if another process (==PID==) printed it; with what
 * stands between the two. UBSan's "runtime error" begins one whenever another came before
 * it. Not cut are the signal that UBSan's finding dies of, and libFuzzer's verdict on a
 * report of the same process. The parts cover the text; their number, at least 1, is
 * returned.
 */
size_t split_reports(const char *text, size_t len, struct split_part parts[SPLIT_MAX]);

#endif
