/*
 * The signature: the versioned key that first decides which bug a crash belongs to.
 *
 * Version 2, hash.major (as in version 1, where places were others): the kind of crash
 * without what varies between runs of one input (READ or WRITE and the size of a wild
 * access, sizes of others); three frames of the crash's own stack by their qualified
 * names (stack.h), recursion taken out (trace.h), or all functions of a recursion that
 * has no end; an assertion's text without its numbers; and whether the kind is a security
 * one under the default options (so that options do not move bugs). hash.minor: the same,
 * and all frames of the crash's own stack with their lines.
 *
 * It is what any text of a report can give. What divides and joins the crashes of one
 * key, where the program is at hand, is the place (place.h); store/cluster.h decides.
 */
#ifndef TRIAGE_SIGNATURE_H
#define TRIAGE_SIGNATURE_H

#include "triage/record.h"

/* Set hash_major, hash_minor and grouping. After stack_decide(). */
void signature_make(struct record *record);

/* The kind of crash in the form of the key: "Heap-buffer-overflow READ", "UNKNOWN". New
 * string. */
char *signature_kind(const char *crash_type) __attribute__((returns_nonnull));

#endif
