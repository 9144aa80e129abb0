#include "triage/harness.h"

#include "base/mem.h"
#include "base/str.h"
#include "triage/stack.h"

static bool
is_harness(const struct frame *frame)
{
    AUTO(buf_clear) struct buf name = BUF_INIT;

    if (frame->file == NULL || frame->function == NULL ||
        frame->language != LANGUAGE_NATIVE) {
        return false;
    }
    stack_qualified_name(frame->function, &name);
    return strcmp(buf_str(&name), "LLVMFuzzerTestOneInput") == 0 ||
           str_starts(buf_str(&name), "FuzzedDataProvider::");
}

const struct frame *
harness_frame(const struct record *record)
{
    for (size_t i = 0; i < record->n_frames; i++) {
        const struct frame *frame = &record->frames[i];
        if (frame->stack == STACK_CRASH && frame->counts) {
            return is_harness(frame) ? frame : NULL;
        }
    }
    return NULL;
}
