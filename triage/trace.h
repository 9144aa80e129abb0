/*
 * A stack as grouping sees it: the frames that count, each by the name that a signature
 * gives it (stack_frame_key), with recursion taken out wherever in the stack it stands:
 *
 *     leaf list value map value main      ->  leaf list value main
 *
 * From the top down, each frame is followed by what lies below the *last* frame of the
 * same name, so what a recursion did on its way, and how deep it went, leaves no mark.
 * Linear in the frames. Names stem from hostile text.
 */
#ifndef TRIAGE_TRACE_H
#define TRIAGE_TRACE_H

#include "base/auto.h"
#include "triage/record.h"

struct trace_step {
    const struct frame *frame; /* the record's */
    const char *name;          /* the trace's */
    bool is_main;              /* no rule drops it but the one for main() */
};

struct trace_name {
    const char *name; /* the trace's */
    size_t times;     /* how often it stands in the whole stack */
};

struct trace {
    struct trace_step steps[RECORD_FRAMES_MAX];
    size_t n;
    struct trace_name all[RECORD_FRAMES_MAX]; /* each name of the whole stack once */
    size_t n_all;
    size_t frames; /* that count, before recursion was taken out */
    struct buf names;
};

/* The stack of this kind; it has no steps when the report has none. The record must
 * outlive it. After stack_decide(). */
void trace_init(struct trace *trace, const struct record *record, enum stack_kind stack);
void trace_clear(struct trace *trace);
AUTO_DEFINE_CLEAR(struct trace, trace_clear)

#endif
