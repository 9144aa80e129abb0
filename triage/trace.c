#include "triage/trace.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "triage/stack.h"
#include "triage/stack_rules.h"

enum { SLOTS = 2 * RECORD_FRAMES_MAX };
static_assert((SLOTS & (SLOTS - 1)) == 0, "a slot is found by a mask");

/* One frame that counts, before recursion is taken out. */
struct seen {
    const struct frame *frame;
    size_t name, len;
    uint64_t id;
    bool is_main;
};

/* The last of the frames of one name. */
struct slot {
    size_t last; /* index + 1; 0: empty */
    size_t name; /* index in trace.all */
};

static uint64_t
id_of(const char *name, size_t len)
{
    uint64_t id = 14695981039346656037U; /* FNV-1a */

    for (size_t i = 0; i < len; i++) {
        id = (id ^ (unsigned char)name[i]) * 1099511628211U;
    }
    return id;
}

static bool
same_name(const struct trace *trace, const struct seen *a, const struct seen *b)
{
    return a->id == b->id && a->len == b->len &&
           memcmp(trace->names.data + a->name, trace->names.data + b->name, a->len) == 0;
}

/* Beside the crash's own stack all frames may have another reason: that they are not on
 * it. */
static bool
is_main(const struct frame *frame)
{
    bool named = frame->rule == stack_reason_main ||
                 (frame->stack != STACK_CRASH && frame->function != NULL &&
                  strcmp(frame->function, "main") == 0);

    return named && frame->file != NULL && !stack_rules_is_driver(frame->file);
}

static size_t
collect(struct trace *trace, const struct record *record, enum stack_kind stack,
        struct seen *seen)
{
    size_t n = 0;

    for (size_t i = 0; i < record->n_frames; i++) {
        const struct frame *frame = &record->frames[i];
        bool only_main = !frame->counts && !frame->kept;
        if (frame->stack != stack || (only_main && !is_main(frame))) {
            continue;
        }
        struct seen *one = &seen[n++];
        *one =
            (struct seen){.frame = frame, .name = trace->names.len, .is_main = only_main};
        stack_frame_key(frame, &trace->names);
        one->len = trace->names.len - one->name;
        one->id = id_of(buf_str(&trace->names) + one->name, one->len);
        buf_addc(&trace->names, '\0');
    }
    return n;
}

static struct slot *
slot_of(const struct trace *trace, struct slot *slots, const struct seen *seen, size_t at)
{
    size_t i = seen[at].id & (SLOTS - 1);

    while (slots[i].last != 0 && !same_name(trace, &seen[slots[i].last - 1], &seen[at])) {
        i = (i + 1) & (SLOTS - 1);
    }
    return &slots[i];
}

/* The last place of each name, and how often it is there. */
static void
index_names(struct trace *trace, const struct seen *seen, struct slot *slots)
{
    for (size_t i = 0; i < trace->frames; i++) {
        struct slot *slot = slot_of(trace, slots, seen, i);
        if (slot->last == 0) {
            slot->name = trace->n_all;
            trace->all[trace->n_all++] =
                (struct trace_name){.name = buf_str(&trace->names) + seen[i].name};
        }
        slot->last = i + 1;
        trace->all[slot->name].times++;
    }
}

void
trace_init(struct trace *trace, const struct record *record, enum stack_kind stack)
{
    struct seen seen[RECORD_FRAMES_MAX];
    struct slot slots[SLOTS] = {0};

    trace->n = 0;
    trace->n_all = 0;
    trace->names = (struct buf)BUF_INIT;
    trace->frames = collect(trace, record, stack, seen);
    index_names(trace, seen, slots);
    for (size_t i = 0; i < trace->frames;) {
        trace->steps[trace->n++] =
            (struct trace_step){.frame = seen[i].frame,
                                .name = buf_str(&trace->names) + seen[i].name,
                                .is_main = seen[i].is_main};
        i = slot_of(trace, slots, seen, i)->last;
    }
}

void
trace_clear(struct trace *trace)
{
    buf_clear(&trace->names);
    trace->n = 0;
}
