/*
 * A record in words for somebody who has never seen the program: what happened, and what
 * kind of change cures such a thing. Made from the record's fields alone. The names in a
 * sentence stem from hostile text: whoever prints it escapes it.
 */
#ifndef TRIAGE_EXPLAIN_H
#define TRIAGE_EXPLAIN_H

#include "base/buf.h"
#include "triage/record.h"

/* The frame to look at first: of the crash's own stack the first that counts, else the
 * first that has a function; NULL when there is none. Borrowed. */
const struct frame *explain_frame(const struct record *record);

/* The same of another of the report's stacks: the first frame that no rule drops, else
 * the first. */
const struct frame *explain_frame_of(const struct record *record, enum stack_kind stack);

/* One or two sentences, e.g. "read_at() reads 1 byte right behind the end of a 10-byte
 * heap block, which heap_read() allocated at memory.c:46." Appends. */
void explain_what(const struct record *record, struct buf *out);

/* The kind of change that cures such a crash, and where to look for its place. Constant.
 */
const char *explain_fix(const struct record *record) __attribute__((returns_nonnull));

#endif
