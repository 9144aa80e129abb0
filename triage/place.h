/*
 * The place of a crash: where in the program's text it is at fault, said so that it stays
 * the same when lines move, when another compiler builds it, and when the same mistake
 * shows as another kind of crash. It needs debug information (frame.start_line), so a
 * text that somebody else symbolized has none; then the signature alone decides.
 *
 *     memory put_byte read_name+6
 *     lifetime made item_new run+8 freed set_pop+9
 *     Timeout in step_two of scan_entries
 *
 * It is the top function, and a line: that of the top function, or of the caller for
 * which it works. A line counts from its function's first.
 *   - A function that is at fault within its first PLACE_SMALL_LINES lines is an accessor
 *     or a wrapper, and does what its caller says; so is one that is on top of an abort.
 *     Of several below each other, which one it was is chance.
 *   - But nobody has a part in it beyond the function that owns the object which was
 *     missed: where the variable is, or from where the memory was allocated.
 *   - An abort has the line in it that the program printed last, if that complains:
 *     compilers make one call of all calls of a function that does not return, so that of
 *     a die() only this is left. Numbers, quotations, folders, and words that stand in
 * the input are left out: they are data.
 *   - Where a compiler made one instruction of several lines there is no line. Then it is
 *     the instruction, "run?1a2b3c4d5e6f+0xdfef4": the build id and the offset in the
 *     module. That tells two of one build apart; what is the same in another build is for
 *     store/cluster.h to find.
 *   - A hang that was looked at several times has the function whose loop it is, or one
 *     that the loop calls; which of them, time decides, so that its caller belongs to it.
 *     There is no line.
 * Use after free is where the memory was made and freed: who uses it later is chance. A
 * free of a pointer into it, and a use whose free is unknown, is where it was made.
 *
 * Measured by tests/bench/dedup. Names stem from hostile text, printable.
 */
#ifndef TRIAGE_PLACE_H
#define TRIAGE_PLACE_H

#include "triage/record.h"

enum {
    PLACE_STEPS_MAX = 8, /* frames of a place */
    /* a function at fault before this line of its own is an accessor */
    PLACE_SMALL_LINES = 4,
};

/* Set record->place; of the options, the input counts. After stack_decide(). */
void place_make(struct record *record, const struct record_options *options);

/* The kind of crash as far as a place tells kinds apart: "memory" for whatever an access
 * to the wrong address may show as, "null" for a pointer that is missing, which is
 * another mistake on the same line, "lifetime" for freed memory, else the crash type's
 * first line.
 */
const char *place_family(const char *crash_type, char *out, size_t size);

#endif
