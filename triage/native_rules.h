/*
 * What a bare signal means: CASR's rules (libcasr, Apache-2.0; retold, none of its code)
 * on siginfo, registers, the faulting instruction and the names in the stack. They stop
 * at what the instruction itself shows; CASR goes on to guess whether a loaded value is
 * jumped to or written through later (its "Tainted" classes), which is not done here.
 *
 * Where they differ from CASR, and why:
 *  - which operand faulted is decided by its address, so that `push [rax]` and a copy are
 *    a read or a write as it was, not as the mnemonic suggests;
 *  - the processor does not tell an address that is not canonical: the operand's is taken
 *    from the registers, where CASR reads 0 and calls it near null;
 *  - a stack overflow is any access near the stack pointer that faults, not only a call's
 *    (ASan's bounds): big frames touch the guard page by a store, too;
 *  - glibc since 2.26 has no cfree(): any of malloc's functions right above abort() says
 *    that the heap is damaged.
 */
#ifndef TRIAGE_NATIVE_RULES_H
#define TRIAGE_NATIVE_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "triage/instruction.h"
#include "triage/record.h"

struct native_fault {
    int signal;
    int code; /* siginfo's si_code; above 0: the kernel's, of an instruction */
    bool has_address;
    uint64_t address; /* si_addr, where the processor told it */
    bool above_stack; /* the address is above the mapping that the stack pointer is in: an
                         overflow on the stack came to its other end */
    uint8_t bytes[INSTRUCTION_BYTES]; /* at the program counter */
    size_t n_bytes;                   /* 0: nothing can be read there */
};

/*
 * Of a record of record_from_signal(), or of a program's last words before the signal,
 * that has frames and registers since: set crash_type, crash_address, access, near_null,
 * facts, recursive, instruction and, unless the program said what failed, message. Before
 * record_finish().
 */
void native_rules(struct record *record, const struct native_fault *fault);

/* "killed by SIGSEGV at address 0x..., executing '...'"; appends. */
void native_message(const struct record *record, const struct native_fault *fault,
                    struct buf *out);

/* The facts that a stack shows in whose middle libc aborts: FACT_STACK_GUARD,
 * FACT_FORTIFY, FACT_HEAP_CHECK or 0. */
unsigned native_abort_facts(const struct record *record);

#endif
