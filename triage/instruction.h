/*
 * The instruction that faulted: its text, what kind it is, and which memory it was about
 * to read or write. x86 and AArch64; on other machines what rests on it is not known. The
 * bytes are hostile.
 */
#ifndef TRIAGE_INSTRUCTION_H
#define TRIAGE_INSTRUCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "triage/record.h"

enum {
    INSTRUCTION_BYTES = 16,     /* more than the longest of them */
    INSTRUCTION_ACCESS_MAX = 4, /* operands in memory */
};

enum instruction_kind {
    INSTRUCTION_OTHER,
    INSTRUCTION_RETURN,
    INSTRUCTION_CALL,  /* of any operand */
    INSTRUCTION_BRANCH /* jumps, always or on a condition */
};

struct instruction_access {
    enum access_kind access; /* what is read and then written is written */
    int64_t bytes;           /* 0: unknown */
    uint64_t address;
    bool has_address; /* its registers are known */
    bool on_stack;    /* implicit, at the stack pointer: push, pop, call, return */
};

struct instruction {
    char text[RECORD_INSTRUCTION_MAX]; /* x86: Intel's syntax; AArch64: what is done, and
                                          the address as its syntax has it */
    enum instruction_kind kind;
    bool indirect; /* a call or jump through a register or memory */
    struct instruction_access accesses[INSTRUCTION_ACCESS_MAX];
    size_t n_accesses;
};

/* A register's value; false when it is not among those of the record. */
bool instruction_register(const struct record *record, const char *name, uint64_t *value);

/* The program counter and the stack pointer, whatever the machine calls them. */
bool instruction_pc(const struct record *record, uint64_t *value);
bool instruction_sp(const struct record *record, uint64_t *value);

/* Decode the bytes at the program counter of record->registers. -ENOTSUP: another
 * machine, or no registers; -EBADMSG: the bytes are no instruction. */
int instruction_decode(const struct record *record, const uint8_t *bytes, size_t len,
                       struct instruction *out, struct err *err);

#endif
