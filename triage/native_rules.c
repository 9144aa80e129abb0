#include "triage/native_rules.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

enum {
    NULL_PAGE = 0x1000,    /* ClusterFuzz's bound of a null dereference */
    NEAR_NULL = 0x10000,   /* CASR's bound of its NearNull classes */
    STACK_ABOVE = 0xffff,  /* ASan's: so far above the stack pointer, */
    STACK_BELOW = 512,     /* or below it, a fault is the stack's end */
    ABORT_FRAMES_MAX = 16, /* frames in which abort() and its caller are */
};

/* --- aborts --- */

static const struct {
    const char *name;
    unsigned fact;
} aborters[] = {
    {"__stack_chk_fail", FACT_STACK_GUARD},
    {"__stack_chk_fail_local", FACT_STACK_GUARD},
    {"__chk_fail", FACT_FORTIFY},
    {"malloc_printerr", FACT_HEAP_CHECK},
    {"cfree", FACT_HEAP_CHECK},
    {"_int_free", FACT_HEAP_CHECK},
    {"_int_malloc", FACT_HEAP_CHECK},
    {"_int_realloc", FACT_HEAP_CHECK},
    {"munmap_chunk", FACT_HEAP_CHECK},
    {"free", FACT_HEAP_CHECK},
    {"malloc", FACT_HEAP_CHECK},
    {"calloc", FACT_HEAP_CHECK},
    {"realloc", FACT_HEAP_CHECK},
};

/* "__GI___libc_free" and "__libc_free" are "free". */
static const char *
plain_name(const char *function)
{
    static const char *const prefixes[] = {"__GI_", "__libc_"};

    for (size_t i = 0; i < COUNT(prefixes); i++) {
        if (str_starts(function, prefixes[i])) {
            function += strlen(prefixes[i]);
        }
    }
    return function;
}

/* By its module; a report names the source file in its place, which in distributions'
 * libraries is relative. */
static bool
is_elsewhere(const struct frame *frame)
{
    if (frame->module != NULL) {
        return strstr(frame->module, "/libc.so") == NULL &&
               strstr(frame->module, "/libc-2.") == NULL;
    }
    return frame->file != NULL && frame->file[0] != '.';
}

unsigned
native_abort_facts(const struct record *record)
{
    /* the caller of abort() is the first outside of libc: what it called there is the
     * last of libc's */
    for (size_t i = 0; i < record->n_frames && i < ABORT_FRAMES_MAX; i++) {
        const struct frame *frame = &record->frames[i];
        if (frame->stack != STACK_CRASH || is_elsewhere(frame)) {
            break;
        }
        const char *name = frame->function == NULL ? "" : plain_name(frame->function);
        for (size_t k = 0; k < COUNT(aborters); k++) {
            if (strcmp(name, aborters[k].name) == 0) {
                return aborters[k].fact;
            }
        }
    }
    return 0;
}

/* --- faults --- */

/* Whether an address can be one at all: bits 47 to 63 are equal. The fifth level of page
 * tables is only used by programs that ask for it. */
static bool
is_canonical(uint64_t address)
{
    uint64_t top = address >> 47;

    return top == 0 || top == 0x1ffff;
}

/* The operand that faulted; NULL: not known. */
static const struct instruction_access *
faulting_access(const struct instruction *instruction, const struct native_fault *fault)
{
    const struct instruction_access *only = NULL;
    size_t n = 0;

    for (size_t i = 0; i < instruction->n_accesses; i++) {
        const struct instruction_access *access = &instruction->accesses[i];
        if (access->has_address && fault->has_address &&
            fault->address - access->address < (uint64_t)access->bytes) {
            return access;
        }
        if (access->has_address && !fault->has_address &&
            !is_canonical(access->address)) {
            return access;
        }
        if (!access->on_stack) {
            only = access;
            n++;
        }
    }
    return n == 1 ? only : NULL;
}

static bool
is_stack_used_up(const struct record *record, const struct native_fault *fault)
{
    uint64_t sp = 0;
    uint64_t address = fault->address;

    return fault->has_address && !fault->above_stack && instruction_sp(record, &sp) &&
           address >= NEAR_NULL && address + STACK_BELOW > sp &&
           address < sp + STACK_ABOVE;
}

static void
set_type(struct record *record, const char *type)
{
    mem_free(record->crash_type);
    record->crash_type = mem_strdup(type);
}

static void
set_address(struct record *record, uint64_t address)
{
    mem_free(record->crash_address);
    record->crash_address = mem_printf("0x%012" PRIx64, address);
    record->near_null = address < NEAR_NULL;
    record->no_address = false;
}

/* "UNKNOWN READ", "Null-dereference WRITE"; a bus error keeps its word. */
static void
set_access_type(struct record *record, const struct native_fault *fault)
{
    static const char *const kinds[] = {
        [ACCESS_UNKNOWN] = "", [ACCESS_READ] = " READ", [ACCESS_WRITE] = " WRITE"};
    bool null = record->crash_address != NULL &&
                strtoull(record->crash_address, NULL, 16) < NULL_PAGE;

    if (fault->signal == SIGBUS) {
        return;
    }
    AUTO(mem_free)
    char *type =
        mem_printf("%s%s", null ? "Null-dereference" : "UNKNOWN", kinds[record->access]);
    set_type(record, type);
}

/* The program went where it cannot be: true when that is all there is to say. */
static bool
judge_pc(struct record *record, const struct native_fault *fault)
{
    uint64_t pc = 0;

    if (!instruction_pc(record, &pc)) {
        return false;
    }
    bool at_pc = fault->has_address && fault->address == pc;
    bool nowhere = fault->n_bytes == 0 && !fault->has_address;
    if (!at_pc && !nowhere) {
        return false;
    }
    set_address(record, pc);
    record->facts |= pc == 0 ? FACT_PC_NULL : FACT_PC_IS_ADDRESS;
    return true;
}

/* Where a return, or a call or jump through memory, was about to go. */
static void
judge_jump(struct record *record, const struct instruction *instruction)
{
    if (instruction->kind == INSTRUCTION_RETURN) {
        record->facts |= FACT_AT_RETURN;
    } else if (instruction->kind == INSTRUCTION_CALL && instruction->indirect) {
        record->facts |= FACT_AT_CALL;
    } else if (instruction->kind == INSTRUCTION_BRANCH && instruction->indirect) {
        record->facts |= FACT_AT_BRANCH;
    }
}

static void
judge_operand(struct record *record, const struct native_fault *fault,
              const struct instruction *instruction)
{
    const struct instruction_access *access = faulting_access(instruction, fault);

    if (access != NULL && !fault->has_address && access->has_address) {
        set_address(record, access->address);
    }
    judge_jump(record, instruction);
    if (access != NULL &&
        (record->facts & (FACT_AT_RETURN | FACT_AT_CALL | FACT_AT_BRANCH)) == 0) {
        record->access = access->access;
        record->access_bytes = access->bytes;
    }
}

static void
judge_fault(struct record *record, const struct native_fault *fault,
            const struct instruction *instruction)
{
    if (fault->has_address) {
        set_address(record, fault->address);
    } else {
        record->no_address = true;
    }
    if (judge_pc(record, fault)) {
        set_access_type(record, fault);
        return;
    }
    bool moves_on = instruction->kind == INSTRUCTION_RETURN;
    if (!moves_on && instruction->n_accesses > 0 && is_stack_used_up(record, fault)) {
        set_type(record, "Stack-overflow");
        record->recursive = true;
        return;
    }
    judge_operand(record, fault, instruction);
    set_access_type(record, fault);
}

/* --- words --- */

void
native_message(const struct record *record, const struct native_fault *fault,
               struct buf *out)
{
    const char *name = sigabbrev_np(fault->signal);

    buf_addf(out, "killed by SIG%s", name == NULL ? "?" : name);
    if (record->crash_address != NULL) {
        buf_addf(out, " at address %s", record->crash_address);
    }
    if (record->instruction != NULL) {
        buf_addf(out, ", executing '%s'", record->instruction);
    }
}

/* An access is judged where nothing but the signal told what failed. */
static bool
is_bare(const struct record *record)
{
    return record->state_override == NULL && (str_starts(record->crash_type, "UNKNOWN") ||
                                              strcmp(record->crash_type, "Bus") == 0);
}

void
native_rules(struct record *record, const struct native_fault *fault)
{
    struct instruction instruction = {.kind = INSTRUCTION_OTHER};
    bool access =
        (fault->signal == SIGSEGV || fault->signal == SIGBUS) && is_bare(record);
    /* behind a trap the program counter has moved on; a raised signal has none */
    bool at_instruction =
        fault->code > 0 && (access || fault->signal == SIGILL || fault->signal == SIGFPE);

    if (fault->n_bytes > 0 && at_instruction &&
        instruction_decode(record, fault->bytes, fault->n_bytes, &instruction, NULL) ==
            0) {
        mem_free(record->instruction);
        record->instruction = mem_strdup(instruction.text);
    }
    if (access && fault->code > 0) {
        judge_fault(record, fault, &instruction);
    } else if (access) {
        record->facts |= FACT_HARMLESS_SIGNAL; /* kill(), raise(): nothing was accessed */
    } else if (fault->signal == SIGABRT) {
        record->facts |= native_abort_facts(record);
    }
    if (record->state_override == NULL) {
        AUTO(buf_clear) struct buf text = {.max = RECORD_LINE_MAX};
        native_message(record, fault, &text);
        mem_free(record->message);
        record->message = buf_steal(&text);
    }
}
