/*
 * x86, 64 and 32 bits, by Zydis: it allocates nothing, reads nothing but the bytes that
 * it is given, and names the implicit operands too (the stack of a push, both ends of a
 * copy), which decide whether a program read or wrote.
 */
#include "triage/instruction_private.h"

#include <Zydis/Zydis.h>

struct x86 {
    const struct record *record;
    bool is_64;
    uint64_t pc;
    ZydisDecodedInstruction instruction;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

/* The value of a whole register; parts of registers are never a base or an index but for
 * narrower addresses, which the caller cuts. */
static bool
value_of(const struct x86 *x86, ZydisRegister reg, uint64_t *value)
{
    ZydisMachineMode mode =
        x86->is_64 ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LEGACY_32;

    *value = 0;
    if (reg == ZYDIS_REGISTER_NONE) {
        return true;
    }
    if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP) {
        *value = x86->pc + x86->instruction.length;
        return true;
    }
    const char *name =
        ZydisRegisterGetString(ZydisRegisterGetLargestEnclosing(mode, reg));
    return name != NULL && instruction_register(x86->record, name, value);
}

/* Segments other than FS and GS begin at 0; where these two begin nobody told. */
static bool
address_of(const struct x86 *x86, const ZydisDecodedOperand *operand, uint64_t *out)
{
    const ZydisDecodedOperandMem *mem = &operand->mem;
    unsigned width = x86->instruction.address_width;
    uint64_t base;
    uint64_t index;

    if (mem->segment == ZYDIS_REGISTER_FS || mem->segment == ZYDIS_REGISTER_GS ||
        !value_of(x86, mem->base, &base) || !value_of(x86, mem->index, &index)) {
        return false;
    }
    uint64_t address = base + index * mem->scale + (uint64_t)mem->disp.value;
    *out = width >= 64 ? address : address & ((UINT64_C(1) << width) - 1);
    return true;
}

static void
add_access(const struct x86 *x86, const ZydisDecodedOperand *operand,
           struct instruction *out)
{
    bool writes = (operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
    bool reads = (operand->actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0;
    bool hidden = operand->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN;
    ZydisRegister base = operand->mem.base;

    if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY ||
        operand->mem.type == ZYDIS_MEMOP_TYPE_AGEN || (!writes && !reads) ||
        out->n_accesses == INSTRUCTION_ACCESS_MAX) {
        return;
    }
    struct instruction_access *access = &out->accesses[out->n_accesses++];
    *access = (struct instruction_access){.access = writes ? ACCESS_WRITE : ACCESS_READ,
                                          .bytes = operand->size / 8};
    access->has_address = address_of(x86, operand, &access->address);
    access->on_stack =
        hidden && (base == ZYDIS_REGISTER_RSP || base == ZYDIS_REGISTER_ESP);
    /* a push writes below the pointer as it is before it */
    if (access->on_stack && writes) {
        access->address -= (uint64_t)access->bytes;
    }
}

static enum instruction_kind
kind_of(ZydisInstructionCategory category)
{
    switch (category) {
    case ZYDIS_CATEGORY_RET:
        return INSTRUCTION_RETURN;
    case ZYDIS_CATEGORY_CALL:
        return INSTRUCTION_CALL;
    case ZYDIS_CATEGORY_UNCOND_BR:
    case ZYDIS_CATEGORY_COND_BR:
        return INSTRUCTION_BRANCH;
    default:
        return INSTRUCTION_OTHER;
    }
}

static bool
format(const struct x86 *x86, char *out, size_t size)
{
    ZydisFormatter formatter;

    return ZYAN_SUCCESS(ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL)) &&
           ZYAN_SUCCESS(ZydisFormatterFormatInstruction(
               &formatter, &x86->instruction, x86->operands,
               x86->instruction.operand_count_visible, out, size, x86->pc, NULL));
}

static bool
is_x86(const struct record *record)
{
    uint64_t pc;

    return instruction_register(record, "rip", &pc) ||
           instruction_register(record, "eip", &pc);
}

static bool
decode(const struct record *record, const uint8_t *bytes, size_t len,
       struct instruction *out)
{
    struct x86 x86 = {.record = record};
    ZydisDecoder decoder;
    ZyanStatus status;

    x86.is_64 = instruction_register(record, "rip", &x86.pc);
    (void)(x86.is_64 || instruction_register(record, "eip", &x86.pc));
    status = x86.is_64 ? ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64,
                                          ZYDIS_STACK_WIDTH_64)
                       : ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_32,
                                          ZYDIS_STACK_WIDTH_32);
    if (!ZYAN_SUCCESS(status) ||
        !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, len, &x86.instruction,
                                             x86.operands)) ||
        !format(&x86, out->text, sizeof(out->text))) {
        return false;
    }
    out->kind = kind_of(x86.instruction.meta.category);
    out->indirect = x86.operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER ||
                    x86.operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY;
    for (size_t i = 0; i < x86.instruction.operand_count; i++) {
        add_access(&x86, &x86.operands[i], out);
    }
    return true;
}

const struct instruction_machine instruction_x86 = {.is = is_x86, .decode = decode};
