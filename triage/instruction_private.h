/*
 * What a machine's instructions are read by: one file and one row in instruction.c.
 */
#ifndef TRIAGE_INSTRUCTION_PRIVATE_H
#define TRIAGE_INSTRUCTION_PRIVATE_H

#include "triage/instruction.h"

struct instruction_machine {
    /* whether the record's registers are this machine's */
    bool (*is)(const struct record *record);
    /* Fill in what begins at the program counter, from zeroes; false: no instruction. */
    bool (*decode)(const struct record *record, const uint8_t *bytes, size_t len,
                   struct instruction *out);
};

extern const struct instruction_machine instruction_x86, instruction_arm64;

#endif
