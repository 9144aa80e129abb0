/*
 * What several report formats say of a finding: a title, a sentence, and the place in the
 * source where it is shown.
 */
#ifndef ORCHESTRATOR_PUBLISH_REPORT_TEXT_H
#define ORCHESTRATOR_PUBLISH_REPORT_TEXT_H

#include "base/buf.h"
#include "base/json.h"
#include "orchestrator/gate/finding.h"

enum { REPORT_LINE_MAX = 1000 }; /* bytes of each text here; longer ones are cut */

/* "NJ-3: Heap-buffer-overflow WRITE 4 in parse"; of a withheld one its number and
 * severity. One printable line, new. */
char *report_title(const struct finding *finding);

/* The sentences of finding->reason and ->waiver, or what its class says: one printable
 * line, new. */
char *report_why(const struct finding *finding);

/* "#0 parse at /src/png/read.c:12" */
char *report_frame(const struct frame *frame, size_t number);

/* How many frames of a record stand first and are the crash's own stack, `max` at most.
 * NULL: none. */
size_t report_stack(const struct record *record, size_t max);

/* One printable line, as JSON. */
json_t *report_line(const char *text);

/* For a console that reads commands out of what is printed ("##[...]", "##vso[...]"
 * anywhere in a line): one printable line that holds none. Appends. "::name::" is one at
 * the begin of a line only, where the caller puts words of his own. */
void report_console(struct buf *out, const char *text);

/* 40 hex digits, the same for a bug as long as its signature and its target's name stay:
 * in every run, folder and database. Who knows both can tell that a bug is known by it,
 * and nobody what it is. */
void report_fingerprint(const struct bug *bug, char out[FINDING_FINGERPRINT_MAX]);

/* --- places --- */

/* Where the sources lie when nobody says: what GitHub, GitLab or Jenkins checked out,
 * else the current folder. Absolute, new. */
char *report_source_root(void);

/*
 * Files of a report as paths relative to the source root. A build may have happened
 * elsewhere (/src/png/read.c in a container): the longest end of a file's path that
 * names a file below the root is taken, never one of the system's. What was found is
 * remembered, so that a file costs its look-ups once.
 */
enum { REPORT_SOURCES_KEPT = 512 };
struct report_sources {
    const char *root; /* borrowed; NULL: nothing is looked for */
    struct {
        char *file, *path; /* path NULL: it is not below the root */
    } kept[REPORT_SOURCES_KEPT];
};
void report_sources_clear(struct report_sources *sources);
AUTO_DEFINE_CLEAR(struct report_sources, report_sources_clear)

/* Relative, without "." and ".."; borrowed until the next call. NULL: not ours. */
const char *report_source(struct report_sources *sources, const char *file);

/* Where to show a bug: the first frame that counts of those in our sources, else of all
 * that have a file; path "nightjar.yaml", line 1 when there is none. New path. */
struct finding_place report_place(struct report_sources *sources,
                                  const struct record *record);

#endif
