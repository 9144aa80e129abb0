/* The headline that MemorySanitizer and ThreadSanitizer share. */
#ifndef TRIAGE_PARSE_MSAN_H
#define TRIAGE_PARSE_MSAN_H

#include "triage/parse/parser.h"

/* If `line` has `tool` ("MemorySanitizer:"), what stands behind it up to '(' or ':' is
 * the type. */
void msan_headline(struct parser *p, struct span line, const char *tool,
                   const char *sanitizer);

#endif
