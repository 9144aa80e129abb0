/*
 * The files that a gate run writes, each in the words of whoever reads it: one file of
 * source and one row in the table of report.c a format.
 *
 * All text is hostile. A format escapes what it writes by its own rules and lets nothing
 * through that those do not provide for: no control bytes, no invalid UTF-8, no markup,
 * no command. Each is bounded by what its reader takes.
 *
 * Of an untrusted change (findings.untrusted) a format is given what may be told to
 * anybody: no stack, no input and no artifacts at all; of bugs with consequences for
 * security that were there before the change, their number and severity alone, and
 * the fingerprint, by which a reader knows them again. That is taken out here, before any
 * format sees it.
 */
#ifndef ORCHESTRATOR_PUBLISH_REPORT_H
#define ORCHESTRATOR_PUBLISH_REPORT_H

#include "base/buf.h"
#include "base/err.h"
#include "orchestrator/gate/finding.h"

struct report_ops {
    const char *name; /* "verdict", "sarif": what --report takes */
    const char *file; /* within the report folder */
    /* Append the whole file. */
    int (*write)(const struct findings *findings, struct buf *out, struct err *err);
};

enum { REPORT_BYTES_MAX = 64 << 20 }; /* of one file */

/* The i-th row of the table; NULL behind the last. */
const struct report_ops *report_at(size_t i);

/*
 * Write all formats into folder, which is made; each file is replaced as a whole. All are
 * tried; the first failure is returned. -EFBIG: one would be larger than
 * REPORT_BYTES_MAX.
 */
int report_write_all(const struct findings *findings, const char *folder,
                     struct err *err);

extern const struct report_ops report_verdict;
extern const struct report_ops report_sarif;
extern const struct report_ops report_junit_gitlab;
extern const struct report_ops report_junit_jenkins;
extern const struct report_ops report_code_quality;
extern const struct report_ops report_annotations;
extern const struct report_ops report_summary;

#endif
