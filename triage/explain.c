#include "triage/explain.h"

#include <inttypes.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "triage/severity_rules.h"
#include "triage/stack.h"

enum { CYCLE_SHOWN = 4 };

/* --- whose frame --- */

const struct frame *
explain_frame_of(const struct record *record, enum stack_kind stack)
{
    const struct frame *first = NULL;

    for (size_t i = 0; i < record->n_frames; i++) {
        const struct frame *frame = &record->frames[i];
        if (frame->stack == stack && (frame->kept || frame->counts)) {
            return frame;
        }
        if (frame->stack == stack && first == NULL && frame->function != NULL) {
            first = frame;
        }
    }
    return first;
}

const struct frame *
explain_frame(const struct record *record)
{
    return explain_frame_of(record, STACK_CRASH);
}

/* "parse()", or "a function without a name" */
static void
add_name(const struct frame *frame, struct buf *out)
{
    size_t before = out->len;

    if (frame != NULL && frame->function != NULL) {
        stack_qualified_name(frame->function, out);
        /* gdb puts "(p=0x0)" behind it */
        const char *arguments =
            out->len == before ? NULL : strstr(out->data + before, " (");
        buf_cut(out, arguments == NULL ? out->len : (size_t)(arguments - out->data));
    }
    if (out->len > before) {
        buf_adds(out, frame->language == LANGUAGE_PYTHON ? "" : "()");
    } else if (frame != NULL && frame->module != NULL) {
        buf_addf(out, "code of %s", fs_base(frame->module));
    } else {
        buf_adds(out, "the program");
    }
}

/* " at a.c:12", where it is known */
static void
add_place(const struct frame *frame, struct buf *out)
{
    if (frame != NULL && frame->file != NULL && frame->line > 0) {
        buf_addf(out, " at %s:%d", fs_base(frame->file), frame->line);
    }
}

/* The function that its frame called last, where that is a library's: memcpy(), free().
 * Its name without what a sanitizer puts before it, or NULL. Borrowed. */
static const char *
called(const struct record *record)
{
    static const char *const prefixes[] = {"___interceptor_", "__interceptor_", "__asan_",
                                           "__msan_", "__libc_"};
    const struct frame *frame = explain_frame(record);
    const char *name = frame == NULL || frame == record->frames || !frame->kept ||
                               frame[-1].kept || frame[-1].stack != STACK_CRASH
                           ? NULL
                           : frame[-1].function;

    for (size_t i = 0; i < COUNT(prefixes) && name != NULL; i++) {
        if (str_starts(name, prefixes[i])) {
            return name + strlen(prefixes[i]);
        }
    }
    return name;
}

/* It was to free a block. */
static bool
frees(const struct record *record)
{
    static const char *const names[] = {"free", "cfree", "realloc", "reallocarray"};
    const char *name = called(record);
    bool found = name != NULL && str_starts(name, "operator delete");

    for (size_t i = 0; i < COUNT(names) && name != NULL; i++) {
        found = found || strcmp(name, names[i]) == 0;
    }
    return found;
}

/* " through memcpy()" */
static void
add_called(const struct record *record, struct buf *out)
{
    const char *name = called(record);

    if (name != NULL) {
        buf_addf(out, " through %.*s()", (int)strcspn(name, "(<"), name);
    }
}

/* --- what memory --- */

static void
add_bytes(int64_t n, struct buf *out)
{
    buf_addf(out, "%" PRId64 " byte%s", n, n == 1 ? "" : "s");
}

static void
add_side(const struct memory *memory, struct buf *out)
{
    const char *word = memory->side == SIDE_AFTER    ? "behind the end of"
                       : memory->side == SIDE_BEFORE ? "before the start of"
                                                     : "into";

    if (memory->distance == 0) {
        buf_adds(out, memory->side == SIDE_AFTER    ? "right behind the end of "
                      : memory->side == SIDE_BEFORE ? "right before the start of "
                                                    : "at the start of ");
        return;
    }
    add_bytes(memory->distance, out);
    buf_addf(out, " %s ", word);
}

/* "a 16-byte heap block", "the variable 'buf' of 8 bytes (line 12)" */
static void
add_object(const struct memory *memory, struct buf *out)
{
    if (memory->kind == MEMORY_HEAP) {
        buf_addf(out, "a %" PRId64 "-byte heap block", memory->size);
        return;
    }
    buf_addf(out, "%s '%s'",
             memory->kind == MEMORY_GLOBAL ? "the global variable" : "the local variable",
             memory->name == NULL ? "" : memory->name);
    if (memory->size > 0) {
        buf_adds(out, " of ");
        add_bytes(memory->size, out);
    }
    if (memory->place != NULL) {
        buf_addf(out, " (%s)", memory->place);
    }
}

/* The frame that called a wrapper of the allocator, since that says whose block it is:
 * "xmalloc() allocated it" says nothing. NULL when `frame` is none, or nobody called it.
 */
static const struct frame *
behind_wrapper(const struct record *record, const struct frame *frame)
{
    const char *word = frame->stack == STACK_ALLOCATED ? "alloc" : "free";
    const struct frame *next = frame + 1;
    AUTO(buf_clear) struct buf name = BUF_INIT;

    if (frame->function == NULL || next >= record->frames + record->n_frames ||
        next->stack != frame->stack || next->function == NULL) {
        return NULL;
    }
    stack_qualified_name(frame->function, &name);
    return strcasestr(buf_str(&name), word) != NULL ? next : NULL;
}

/* ", which f() allocated at a.c:12"; nothing when the report does not tell */
static void
add_actor(const struct record *record, enum stack_kind stack, const char *before,
          const char *did, struct buf *out)
{
    const struct frame *frame = explain_frame_of(record, stack);

    if (frame == NULL) {
        return;
    }
    buf_adds(out, before);
    add_name(frame, out);
    buf_adds(out, did);
    add_place(frame, out);
    const struct frame *owner = behind_wrapper(record, frame);
    if (owner != NULL) {
        buf_adds(out, " for ");
        add_name(owner, out);
        add_place(owner, out);
    }
}

static bool
same_function(const struct frame *a, const struct frame *b)
{
    return a != NULL && b != NULL && a->function != NULL && b->function != NULL &&
           strcmp(a->function, b->function) == 0;
}

static void
add_access(const struct record *record, struct buf *out)
{
    buf_adds(out, record->access == ACCESS_WRITE  ? " writes "
                  : record->access == ACCESS_READ ? " reads "
                                                  : " accesses ");
    add_bytes(record->access_bytes, out);
    add_called(record, out);
    buf_adds(out, record->memory.distance == 0 ? " " : ", ");
}

/* --- sentences --- */

static bool
is_type(const struct record *record, const char *type)
{
    return str_starts(record->crash_type, type);
}

/* An access to memory that the report knows. */
static void
say_access(const struct record *record, struct buf *out)
{
    const struct memory *memory = &record->memory;
    bool freed = explain_frame_of(record, STACK_FREED) != NULL;

    add_name(explain_frame(record), out);
    add_access(record, out);
    add_side(memory, out);
    add_object(memory, out);
    if (freed) {
        add_actor(record, STACK_FREED, " that ", " had freed before", out);
        add_actor(record, STACK_ALLOCATED, "; ", " had allocated it", out);
    } else if (memory->kind == MEMORY_HEAP) {
        add_actor(record, STACK_ALLOCATED, ", which ", " allocated", out);
    } else if (is_type(record, "Stack-use-after-scope")) {
        buf_adds(out, ", whose scope had ended");
    } else if (is_type(record, "Stack-use-after-return")) {
        buf_adds(out, ", whose function had returned");
    } else if (memory->kind == MEMORY_STACK &&
               !same_function(explain_frame(record),
                              explain_frame_of(record, STACK_OBJECT))) {
        add_actor(record, STACK_OBJECT, ", which belongs to ", "", out);
    }
    buf_addc(out, '.');
}

static void
say_free(const struct record *record, struct buf *out)
{
    add_name(explain_frame(record), out);
    if (is_type(record, "Heap-double-free")) {
        buf_adds(out, " frees ");
        if (record->memory.kind == MEMORY_UNKNOWN) {
            buf_adds(out, "a block");
        } else {
            add_object(&record->memory, out);
        }
        buf_adds(out, " a second time");
        add_actor(record, STACK_FREED, ": ", " had freed it before", out);
        add_actor(record, STACK_ALLOCATED, "; ", " had allocated it", out);
    } else {
        buf_adds(out, " frees an address that no allocation returned");
        if (record->memory.kind != MEMORY_UNKNOWN) {
            buf_adds(out, ": it lies ");
            add_side(&record->memory, out);
            add_object(&record->memory, out);
            add_actor(record, STACK_ALLOCATED, ", which ", " allocated", out);
        }
    }
    buf_addc(out, '.');
}

static void
say_wild(const struct record *record, struct buf *out)
{
    bool null = is_type(record, "Null-dereference") || record->near_null;

    add_name(explain_frame(record), out);
    if ((record->facts & (FACT_PC_IS_ADDRESS | FACT_PC_NULL)) != 0) {
        buf_adds(out, " called or jumped to ");
        buf_adds(out,
                 record->crash_address == NULL ? "an address" : record->crash_address);
        buf_adds(out, ", where there is no code.");
        return;
    }
    if (!null && frees(record)) {
        buf_adds(out,
                 " frees a pointer that leads nowhere: it was never set, or damaged.");
        return;
    }
    buf_adds(out, record->access == ACCESS_WRITE  ? " writes"
                  : record->access == ACCESS_READ ? " reads"
                                                  : " accesses");
    add_called(record, out);
    buf_addf(out, "%s%s",
             record->access == ACCESS_WRITE  ? " to "
             : record->access == ACCESS_READ ? " from "
                                             : " ",
             record->crash_address == NULL ? "an address that the report does not tell"
                                           : record->crash_address);
    buf_adds(out, null
                      ? ": a null pointer was used, plus the offset of a member or index."
                      : ", where nothing is mapped: a pointer or an index is wild.");
}

static void
say_recursion(const struct record *record, struct buf *out)
{
    int cycle = record->cycle_frames;
    int said = 0;

    add_name(explain_frame(record), out);
    buf_adds(out, " used up the stack");
    for (size_t i = 0; i < record->n_frames && said < cycle && said < CYCLE_SHOWN; i++) {
        if (record->frames[i].stack == STACK_CRASH && record->frames[i].kept) {
            buf_adds(out, said == 0 ? ": " : " was called by ");
            add_name(&record->frames[i], out);
            said++;
        }
    }
    buf_adds(out, said == 0    ? "."
                  : cycle == 1 ? " calls itself again and again."
                               : " in a circle.");
}

/* Any other kind: the words of its severity rule, and the program's own. */
static void
say_kind(const struct record *record, struct buf *out)
{
    const char *reason = severity_rules_find(record->crash_type)->reason;

    buf_adds(out, "In ");
    add_name(explain_frame(record), out);
    buf_addf(out, ": %s.", reason);
    /* the address of an instruction that divides says nothing */
    if (record->message != NULL &&
        strstr(record->message, " on unknown address ") == NULL) {
        buf_addf(out, " The report says: %s", record->message);
    }
}

void
explain_what(const struct record *record, struct buf *out)
{
    if (is_type(record, "Heap-double-free") || is_type(record, "Invalid-free")) {
        say_free(record, out);
    } else if (record->memory.kind != MEMORY_UNKNOWN && record->access_bytes > 0) {
        say_access(record, out);
    } else if (is_type(record, "UNKNOWN") || is_type(record, "Null-dereference") ||
               is_type(record, "SIGSEGV")) {
        say_wild(record, out);
    } else if (is_type(record, "Stack-overflow")) {
        say_recursion(record, out);
    } else {
        say_kind(record, out);
    }
}

/* --- what cures it --- */

#define LEAK "Free it on every path out, the error paths too; see where it was allocated."
#define ASSERTED                                                                      \
    "Decide whether the input may do this: if so, handle it and return an error; if " \
    "not, "                                                                           \
    "find who broke what is asserted."
#define WILD                                                                    \
    "Find where the pointer or index comes from (it may be damaged memory, an " \
    "unchecked offset, or a use after free) and check it there."
#define ABORTED \
    "Look at who called abort(): handle what it gives up on, and return an error."
#define FREED_WILD                                                                   \
    "Set the pointer (NULL will do) before any path that frees it, the error paths " \
    "too; "                                                                          \
    "where a count says how many there are, count only those that were set."
#define BELOW                                                                       \
    "Check that the index or offset is not negative before the access, beside its " \
    "upper bound: a subtraction, a signed number or one that wrapped went below zero."
#define RACE "Guard what both threads use by one lock, or make it atomic."

/* The first row whose text begins the crash type. */
static const struct {
    const char *type;
    const char *fix;
} fixes[] = {
    {"Heap-buffer-overflow",
     "Compare the index or length with the size of the block before the access (here or "
     "in the caller that computes it), or allocate as much as is used."},
    {"Stack-buffer-", "Compare the index or length with the size of the array before the "
                      "access; bound copies by the array, not by the input."},
    {"Dynamic-stack-buffer-overflow",
     "Compare the index with the length that the array was made with."},
    {"Global-buffer-overflow",
     "Compare the index with the number of elements of the table before it is used."},
    {"Container-overflow", "Compare with the container's size(), not with its capacity."},
    {"Intra-object-overflow", "Bound the copy by the member, not by the whole object."},
    {"Heap-use-after-free",
     "Decide who owns the block: free it after its last use, or forget every pointer to "
     "it (set it to NULL, remove it from lists) when it is freed."},
    {"Stack-use-after-return", "Do not keep the address of a local variable: allocate "
                               "it, or let the caller own it."},
    {"Stack-use-after-scope", "Declare the variable in the scope in which it is used."},
    {"Use-after-poison",
     "Do not touch pool memory after it was given back, or before it was handed out."},
    {"Heap-double-free", "One owner frees: set the pointer to NULL when it is freed, and "
                         "look for two error paths that clean up the same thing."},
    {"Invalid-free", "Free exactly the pointer that the allocation returned, not one "
                     "into the block, and never a local or global variable."},
    {"Alloc-dealloc-mismatch",
     "Pair malloc with free, new with delete, new[] with delete[]."},
    {"New-delete-type-mismatch",
     "Delete through the type that was made, or give the base a virtual destructor."},
    {"Negative-size-param",
     "Check the length before it becomes a size: a subtraction went below zero."},
    {"Memcpy-param-overlap", "Use memmove where source and target may overlap."},
    {"Reallocarray-overflow",
     "Check count times size for overflow, and refuse such input."},
    {"Use-of-uninitialized-value",
     "Set the value before its first use, also on the path of short or refused input; "
     "see where it was created."},
    {"Bad-cast", "Check the dynamic type before the cast."},
    {"Null-dereference", "Check the pointer for NULL before it is used: an allocation or "
                         "a look-up failed, or an optional part is missing."},
    {"Stack-overflow", "Limit the depth of the recursion, or make it a loop."},
    {"Floating-point-exception",
     "Check the divisor for zero (and INT_MIN / -1) before the division."},
    {"Divide-by-zero", "Check the divisor for zero before the division."},
    {"Integer-overflow", "Check the range before the computation, or compute in a wider "
                         "or an unsigned type."},
    {"Unsigned-integer-overflow", "Check the range before the computation."},
    {"Float-cast-overflow", "Check the range before the conversion."},
    {"Implicit-conversion", "Check that the value fits, then convert explicitly."},
    {"Undefined-shift", "Check that the shift is at least 0 and below the type's width."},
    {"Misaligned-address", "Copy by memcpy instead of casting a pointer into the data."},
    {"Pointer-overflow",
     "Check the offset against the buffer before the pointer is made."},
    {"Index-out-of-bounds",
     "Compare the index with the array's length before the access."},
    {"Object-size", "Check that the object is as large as the type that it is used as."},
    {"Invalid-bool-value",
     "Set the bool before it is read, and read it from data as a number."},
    {"Invalid-enum-value",
     "Check a number from outside before it becomes an enumeration."},
    {"Invalid-null-", "Check the pointer for NULL before it is passed or returned."},
    {"No-return-value", "Return a value on every path."},
    {"Incorrect-function-pointer-type",
     "Call the function through a pointer of its type."},
    {"Non-positive-vla-bound", "Check the length before the array is made."},
    {"Direct-leak", LEAK},
    {"Indirect-leak", LEAK},
    {"Timeout", "Bound the loop by the input's length: look for one whose step can be 0 "
                "or whose work grows faster than the input."},
    {"Out-of-memory", "Check a size that comes from the input before it is allocated."},
    {"Data race", RACE},
    {"Lock-order-inversion", "Take the locks in one order everywhere."},
    {"Thread leak", "Join or detach the thread."},
    {"Signal-unsafe call",
     "Only set a flag in the signal handler, and act on it outside."},
    {"ASSERT", ASSERTED},
    {"CHECK failure", ASSERTED},
    {"DCHECK failure", ASSERTED},
    {"Security DCHECK failure", ASSERTED},
    {"Unreachable code", ASSERTED},
    {"Abrt", ABORTED},
    {"Trap", ASSERTED},
    {"Index out of range", "Compare the index with the length before the access."},
    {"Slice bounds out of range", "Compare the bounds with the length before slicing."},
    {"Integer divide by zero", "Check the divisor for zero before the division."},
    {"Invalid memory address", "Check the pointer for nil before it is used."},
    {"Makeslice", "Check a size that comes from the input before it is allocated."},
    {"Stack overflow", "Limit the depth of the recursion, or make it a loop."},
    {"Command injection", "Start programs by an argument vector, never by a shell."},
    {"Arbitrary file open",
     "Refuse names from the input that leave the folder meant for them."},
    {"Uncaught exception", "Catch it where the input can cause it, and return an error."},
    {"Unexpected-exit", "Return from the code under test instead of exit()."},
    {"Overwrites-const-input", "Copy the input before changing it."},
    {"Unparsed", "Read what it printed (nightjar show --report): what failed is known "
                 "only from there."},
    {"SIGABRT", ABORTED},
    {"SIGFPE", "Check the divisor for zero before the division."},
    {"SIGSEGV", WILD},
    {"UNKNOWN", WILD},
};

const char *
explain_fix(const struct record *record)
{
    if (record->class_name != NULL && strcmp(record->class_name, "harness") == 0) {
        return "Repair the harness, in which it happened: the code under test did "
               "nothing "
               "wrong.";
    }
    /* the first 64 KiB are unmapped: whatever the type's word, it is a null pointer */
    if (record->near_null && is_type(record, "UNKNOWN")) {
        return "Check the pointer for NULL before it is used.";
    }
    if (is_type(record, "UNKNOWN") && frees(record)) {
        return FREED_WILD;
    }
    if (record->memory.side == SIDE_BEFORE && record->access_bytes > 0 &&
        strstr(record->crash_type, "flow") != NULL) { /* over or under */
        return BELOW;
    }
    for (size_t i = 0; i < COUNT(fixes); i++) {
        if (is_type(record, fixes[i].type)) {
            return fixes[i].fix;
        }
    }
    return "Make the program refuse this input with an error instead of going on.";
}
