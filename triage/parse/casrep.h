/*
 * CASR's reports (.casrep, JSON) read as the text that they hold: another tool's export
 * is a report like any other.
 */
#ifndef TRIAGE_PARSE_CASREP_H
#define TRIAGE_PARSE_CASREP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum { CASREP_MAX = 4 << 20 }; /* bytes of one that are read; larger ones are no casrep */

/* Whether text[0..len) is a casrep; then its sanitizer's, runtime's or gdb's words are
 * appended to out, a line each. Field names: libcasr's report.rs (serde). */
bool casrep_text(const char *text, size_t len, struct buf *out);

#endif
