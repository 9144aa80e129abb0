/*
 * What of a stack counts: which frames are kept and why the others are dropped
 * (stack_rules.c), the crash state in ClusterFuzz's form, and a frame's name in the form
 * that a signature uses. Texts come from hostile reports, bounded by record.h.
 */
#ifndef TRIAGE_STACK_H
#define TRIAGE_STACK_H

#include "base/buf.h"
#include "base/err.h"
#include "triage/record.h"

enum {
    STACK_STATE_FRAMES = 3, /* ClusterFuzz's MAX_CRASH_STATE_FRAMES */
    STACK_LINE_MAX = 80,    /* characters of one line of a state: its LINE_LENGTH_CAP */
    STACK_CYCLE_MAX = 10,   /* frames of a recursion's cycle */
    STACK_CYCLE_TIMES = 3,  /* so often it must repeat to be one */
};

/* Set kept and rule of all frames, crash_state and crash_line. -EINVAL: a bad ignore
 * pattern; the message names it and the place in it. */
int stack_decide(struct record *record, const struct record_options *options,
                 struct err *err);

/* 0 when all patterns compile; else as stack_decide(). */
int stack_check_patterns(const struct strv *patterns, struct err *err);

/* The constant among the reasons of dropped frames (frame.rule) that reads like this, or
 * NULL. */
const char *stack_reason(const char *text);

/*
 * A function's name without return type, parameters, template arguments, anonymous
 * namespaces, clone suffixes (".isra.0") and Rust's hash: what stays the same between
 * compilers, optimization levels and symbolizers. "void ns::f<int>(char*) [clone .cold]"
 * -> "ns::f". Appends; linear.
 */
void stack_qualified_name(const char *function, struct buf *out);

/* How a signature names a frame: its qualified name, the source file for a fuzz target's
 * entry point, "module+0x12" without a function. Appends. */
void stack_frame_key(const struct frame *frame, struct buf *out);

/* A line of text with what differs from run to run replaced: addresses by ADDRESS,
 * numbers by NUMBER, a trailing "+0x12" removed. Appends. */
void stack_scrub(const char *line, size_t len, struct buf *out);

#endif
