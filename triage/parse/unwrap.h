/*
 * What stands round a report when it comes out of a CI system, a container or a log
 * shipper, taken off, so that the families see the lines as the program printed them.
 * Linear time, any bytes; the result is never longer than the text, but for a newline a
 * line.
 */
#ifndef TRIAGE_PARSE_UNWRAP_H
#define TRIAGE_PARSE_UNWRAP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum {
    UNWRAP_PREFIX_MAX = 256, /* bytes of a prefix; longer ones stay */
};

/*
 * Whether text[0..len) was wrapped; then out (empty before) has the bare text. In this
 * order:
 *  1. JSON, one object a line (Docker's json-file, `go test -json`, structured logs): the
 *     string that is the message, of the first key of a short list that a line has.
 *  2. Terminal escapes: colours, titles.
 *  3. The same prefix before every line ("2026-01-02T03:04:05.678Z ", "[stderr] ",
 *     "fuzzer-1  | "): what stands on a line before words with which reports begin
 * theirs, if the lines that follow have it too. Prefixes are the same when they differ in
 *     digits and in the number of blanks alone. Lines without it stay as they are. A text
 *     in which such words stand at the beginning of a line has none; of one
 * without such words, what all lines share.
 *  4. An indentation that all lines share.
 */
bool unwrap_text(const char *text, size_t len, struct buf *out);

#endif
