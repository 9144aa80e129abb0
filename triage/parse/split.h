/*
 * A log with the reports of several crashes, cut into one text for each: parse_report()
 * reads one crash of a text, and of a CI log the others would be lost. Made for texts
 * that a person gives as reports; what one run of a target printed is one crash. Line by
 * line, so a log may be of any size; linear time, any bytes.
 */
#ifndef TRIAGE_PARSE_SPLIT_H
#define TRIAGE_PARSE_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SPLIT_LINE_MAX = 64 << 10,    /* bytes of a line that are looked at */
    SPLIT_CONTEXT_MAX = 64 << 10, /* bytes round a report that stay with it */
    SPLIT_REPORT_MAX = 3 << 20,   /* bytes of a report that shows no end */
};

struct split_part { /* of the log, in bytes */
    int64_t from, len;
};

struct splitter {      /* begins as zeroes */
    int64_t from;      /* of the part */
    int64_t head, end; /* of its headline, 0: none yet; behind its report's end */
    bool has_head;     /* the part has a headline */
    bool closed;       /* and its report has ended; `tail` is behind it */
    bool open_tail;    /* the lines behind the end may still belong to it */
    bool chained;      /* Python goes on with the same crash */
    int kind;          /* of the first headline */
    uint64_t pid;      /* of the last headline; 0: not told */
    int64_t tail;      /* where the next part begins if the report has ended */
};

/*
 * The next line, without its end, which stands at `from` and is followed by what stands
 * at `next`. True: a report before it is whole, and *part says where it stood.
 *
 * A report begins at the headline of a sanitizer or of libFuzzer, once the one before it
 * has ended (its SUMMARY, ABORTING) or if another process (==PID==) printed it; with what
 * stands between the two. UBSan's "runtime error", a panic of Rust or Go, an exception of
 * Python or Java begins one whenever one of its kind came before it. Not cut are the
 * signal or the verdict of libFuzzer that such a finding ends in, nor Python's chains of
 * exceptions. Parts are in order and do not overlap; what stands between them, further
 * than SPLIT_CONTEXT_MAX from a report, is in none.
 */
bool split_line(struct splitter *splitter, const char *line, size_t len, int64_t from,
                int64_t next, struct split_part *part);

/* The last part, of a log of this size: all of one that has no headline. */
struct split_part split_end(const struct splitter *splitter, int64_t size);

#endif
