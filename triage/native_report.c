#include "triage/native_report.h"

#include <inttypes.h>

static void
add_frame(const struct frame *frame, struct buf *out)
{
    buf_addf(out, "    #%d 0x%012" PRIx64, frame->n, frame->address);
    if (frame->function != NULL) {
        buf_addf(out, " in %s", frame->function);
    }
    if (frame->function != NULL && frame->file != NULL) {
        buf_addf(out, " %s:%d", frame->file, frame->line);
        if (frame->column > 0) {
            buf_addf(out, ":%d", frame->column);
        }
    } else if (frame->module != NULL && frame->has_offset) {
        buf_addf(out, " (%s+0x%" PRIx64 ")", frame->module, frame->offset);
    }
    buf_addc(out, '\n');
}

/* What follows stands on lines of its own. */
static void
end_line(struct buf *out)
{
    if (out->len > 0 && out->data[out->len - 1] != '\n') {
        buf_addc(out, '\n');
    }
}

static void
add_state(const struct record *record, struct buf *out)
{
    for (size_t i = 0; i < record->n_frames; i++) {
        add_frame(&record->frames[i], out);
    }
    buf_adds(out, record->n_registers > 0 ? "nightjar: registers" : "");
    for (size_t i = 0; i < record->n_registers; i++) {
        buf_addf(out, " %s=0x%" PRIx64, record->registers[i].name,
                 record->registers[i].value);
    }
    buf_adds(out, record->n_registers > 0 ? "\n" : "");
}

void
native_report_stack(const struct record *record, struct buf *out)
{
    end_line(out);
    buf_adds(out, "nightjar: its stack, as gdb sees it\n");
    add_state(record, out);
}

void
native_report(const struct record *record, const struct native_fault *fault,
              struct buf *out)
{
    end_line(out);
    AUTO(buf_clear) struct buf what = {.max = RECORD_LINE_MAX};
    native_message(record, fault, &what);
    buf_addf(out, "nightjar: %s\n", buf_str(&what));
    buf_addf(out, "nightjar: signal %d, code %d", fault->signal, fault->code);
    if (fault->has_address) {
        buf_addf(out, ", address 0x%" PRIx64, fault->address);
    }
    buf_adds(out, fault->above_stack ? ", above the stack" : "");
    buf_adds(out, fault->n_bytes > 0 ? ", bytes " : "");
    for (size_t i = 0; i < fault->n_bytes; i++) {
        buf_addf(out, "%02x", fault->bytes[i]);
    }
    buf_addc(out, '\n');
    add_state(record, out);
}
