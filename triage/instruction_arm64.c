/*
 * AArch64, by the encodings of the Arm Architecture Reference Manual (DDI 0487, C4.1.94
 * loads and stores, C4.1.93 branches): all of them are four bytes, little endian, and
 * every access has one base register, so a row a class is enough. Capstone 4 knows
 * neither the atomic instructions of Armv8.1 nor which operands are read or written.
 */
#include "triage/instruction_private.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/str.h"

enum { WORD = 4, STACK_POINTER = 31 };

struct arm64 {
    const struct record *record;
    uint32_t word;
    uint64_t pc;
};

static uint32_t
bits(const struct arm64 *arm, unsigned high, unsigned low)
{
    return (arm->word >> low) & ((1U << (high - low + 1)) - 1);
}

static int64_t
signed_bits(const struct arm64 *arm, unsigned high, unsigned low)
{
    int64_t value = (int64_t)bits(arm, high, low);
    int64_t sign = INT64_C(1) << (high - low);

    return (value ^ sign) - sign;
}

static bool
is_vector(const struct arm64 *arm)
{
    return bits(arm, 26, 26) != 0;
}

/* "x7"; 31 is the stack pointer where it is a base, and zero elsewhere. */
static void
name_register(uint32_t number, bool base, char out[8])
{
    if (number == STACK_POINTER) {
        (void)snprintf(out, 8, "%s", base ? "sp" : "xzr");
    } else {
        (void)snprintf(out, 8, "x%" PRIu32, number);
    }
}

static bool
value_of(const struct arm64 *arm, uint32_t number, bool base, uint64_t *value)
{
    char name[8];

    if (number == STACK_POINTER && !base) {
        *value = 0;
        return true;
    }
    name_register(number, base, name);
    return instruction_register(arm->record, name, value);
}

/* --- what is accessed --- */

/* One access: where, and how much; `offset` is added to the base register. */
struct place {
    enum access_kind access; /* ACCESS_UNKNOWN: none, a hint */
    int64_t bytes;           /* 0: unknown */
    int64_t offset;
    bool indexed; /* by a register: offset is its value, where that is known */
    bool unknown; /* the address does not follow from the registers */
};

static enum access_kind
load_or_store(bool load)
{
    return load ? ACCESS_READ : ACCESS_WRITE;
}

/* Size and direction of the loads and stores of one register. */
static unsigned
single_scale(const struct arm64 *arm, struct place *out)
{
    unsigned size = bits(arm, 31, 30);
    unsigned opc = bits(arm, 23, 22);

    if (is_vector(arm)) {
        size += (opc & 2) != 0 ? 4 : 0;
        out->access = load_or_store((opc & 1) != 0);
    } else if (size != 3 || opc != 2) { /* not a prefetch */
        out->access = load_or_store(opc != 0);
    }
    out->bytes = INT64_C(1) << size;
    return size;
}

static void
unsigned_offset(const struct arm64 *arm, struct place *out)
{
    unsigned scale = single_scale(arm, out);

    out->offset = (int64_t)bits(arm, 21, 10) << scale;
}

/* Unscaled, unprivileged, or with the base changed before or after. */
static void
signed_offset(const struct arm64 *arm, struct place *out)
{
    (void)single_scale(arm, out);
    out->offset = bits(arm, 11, 10) == 1 ? 0 : signed_bits(arm, 20, 12);
}

static void
register_offset(const struct arm64 *arm, struct place *out)
{
    unsigned scale = single_scale(arm, out);
    uint64_t index = 0;

    out->indexed = true;
    out->unknown = !value_of(arm, bits(arm, 20, 16), false, &index);
    switch (bits(arm, 15, 13)) {
    case 2: /* uxtw */
        index = (uint32_t)index;
        break;
    case 6: /* sxtw */
        index = (uint64_t)(int64_t)(int32_t)index;
        break;
    default:
        break;
    }
    out->offset = (int64_t)(index << (bits(arm, 12, 12) != 0 ? scale : 0));
}

static void
release_offset(const struct arm64 *arm, struct place *out)
{
    out->access = load_or_store(bits(arm, 23, 22) != 0);
    out->bytes = INT64_C(1) << bits(arm, 31, 30);
    out->offset = signed_bits(arm, 20, 12);
}

/* What reads and then writes writes; LDAPR is the one that only reads. */
static void
atomic(const struct arm64 *arm, struct place *out)
{
    bool reads = bits(arm, 15, 12) == 12 && bits(arm, 23, 22) == 2;

    out->access = load_or_store(reads);
    out->bytes = INT64_C(1) << bits(arm, 31, 30);
}

/* The pointer is authenticated first: the register is not the address. */
static void
authenticated(const struct arm64 *arm, struct place *out)
{
    (void)arm;
    out->access = ACCESS_READ;
    out->bytes = 8;
    out->unknown = true;
}

static void
pair(const struct arm64 *arm, struct place *out)
{
    unsigned opc = bits(arm, 31, 30);
    unsigned scale = is_vector(arm) ? 2 + opc : opc == 2 ? 3 : 2;
    bool load = bits(arm, 22, 22) != 0;

    if (!is_vector(arm) && opc == 1 && !load) {
        scale = 4; /* STGP: tags, and a pair of 8 bytes */
    }
    out->access = load_or_store(load);
    out->bytes = scale == 4 && !is_vector(arm) ? 16 : INT64_C(2) << scale;
    out->offset = bits(arm, 24, 23) == 1 ? 0 : signed_bits(arm, 21, 15) * (1 << scale);
}

/* Exclusive, ordered, and compare-and-swap. */
static void
exclusive(const struct arm64 *arm, struct place *out)
{
    bool pairs = bits(arm, 23, 23) == 0 && bits(arm, 21, 21) != 0;
    bool swaps = bits(arm, 21, 21) != 0 && (!pairs || bits(arm, 31, 31) == 0);
    unsigned size = pairs ? 2 + bits(arm, 30, 30) + 1 : bits(arm, 31, 30);

    out->access = load_or_store(bits(arm, 22, 22) != 0 && !swaps);
    out->bytes = INT64_C(1) << size;
}

static void
structures(const struct arm64 *arm, struct place *out)
{
    static const uint8_t registers[16] = {
        [0] = 4, [2] = 4, [4] = 3, [6] = 3, [7] = 1, [8] = 2, [10] = 2};

    out->access = load_or_store(bits(arm, 22, 22) != 0);
    out->bytes =
        (int64_t)registers[bits(arm, 15, 12)] * (bits(arm, 30, 30) != 0 ? 16 : 8);
}

/* One lane of each register, or one element for all lanes. */
static void
lanes(const struct arm64 *arm, struct place *out)
{
    unsigned elements = (bits(arm, 13, 13) << 1 | bits(arm, 21, 21)) + 1;
    unsigned scale = bits(arm, 15, 14);

    if (scale == 3) {
        scale = bits(arm, 11, 10);
    } else if (scale == 2 && bits(arm, 10, 10) != 0) {
        scale = 3;
    }
    out->access = load_or_store(bits(arm, 22, 22) != 0);
    out->bytes = (int64_t)elements << scale;
}

static void
zero_block(const struct arm64 *arm, struct place *out)
{
    (void)arm;
    out->access = ACCESS_WRITE;
}

static const struct access_class {
    uint32_t mask, value;
    void (*place)(const struct arm64 *arm, struct place *out);
    const char *load, *store; /* how the instructions are called, without their sizes */
    unsigned base;            /* lowest bit of the base register's number */
} classes[] = {
    {0x3b000000, 0x39000000, unsigned_offset, "ldr", "str", 5},
    {0x3b200000, 0x38000000, signed_offset, "ldr", "str", 5},
    {0x3b200c00, 0x38200800, register_offset, "ldr", "str", 5},
    {0x3f200c00, 0x38200000, atomic, "ldapr", "atomic", 5},
    {0xff200400, 0xf8200400, authenticated, "ldraa", "", 5},
    {0x3f200c00, 0x19000000, release_offset, "ldapur", "stlur", 5},
    {0x3a000000, 0x28000000, pair, "ldp", "stp", 5},
    {0x3f000000, 0x08000000, exclusive, "ldxr", "stxr", 5},
    {0xbf9f0000, 0x0c000000, structures, "ld1", "st1", 5},
    {0xbfa00000, 0x0c800000, structures, "ld1", "st1", 5},
    {0xbf000000, 0x0d000000, lanes, "ld1", "st1", 5},
    {0xffffffe0, 0xd50b7420, zero_block, "", "dc zva", 0},
};

/* "str 8 bytes at [x1, #-16]" */
static void
describe(const struct arm64 *arm, const struct access_class *class,
         const struct place *place, struct instruction *out)
{
    const char *name = place->access == ACCESS_READ ? class->load : class->store;
    char base[8];
    char index[32] = "";
    char bytes[32] = "";

    name_register(bits(arm, class->base + 4, class->base), true, base);
    if (place->indexed) {
        char reg[8];
        name_register(bits(arm, 20, 16), false, reg);
        (void)snprintf(index, sizeof(index), ", %s", reg);
    } else if (place->offset != 0) {
        (void)snprintf(index, sizeof(index), ", #%" PRId64, place->offset);
    }
    if (place->bytes > 0) {
        (void)snprintf(bytes, sizeof(bytes), " %" PRId64 " byte%s at", place->bytes,
                       place->bytes == 1 ? "" : "s");
    }
    (void)snprintf(out->text, sizeof(out->text), "%s%s [%s%s]", name, bytes, base, index);
}

static bool
decode_access(const struct arm64 *arm, struct instruction *out)
{
    for (size_t i = 0; i < COUNT(classes); i++) {
        const struct access_class *class = &classes[i];
        struct place place = {.access = ACCESS_UNKNOWN};
        uint64_t base = 0;
        if ((arm->word & class->mask) != class->value) {
            continue;
        }
        class->place(arm, &place);
        if (place.access == ACCESS_UNKNOWN) {
            (void)snprintf(out->text, sizeof(out->text), "prfm");
            return true;
        }
        describe(arm, class, &place, out);
        bool known =
            value_of(arm, bits(arm, class->base + 4, class->base), true, &base) &&
            !place.unknown;
        out->accesses[out->n_accesses++] =
            (struct instruction_access){.access = place.access,
                                        .bytes = place.bytes,
                                        .has_address = known,
                                        .address = base + (uint64_t)place.offset};
        return true;
    }
    return false;
}

/* A constant beside the code. */
static bool
decode_literal(const struct arm64 *arm, struct instruction *out)
{
    unsigned opc = bits(arm, 31, 30);

    if ((arm->word & 0x3b000000) != 0x18000000 || (!is_vector(arm) && opc == 3)) {
        return false;
    }
    uint64_t address = arm->pc + (uint64_t)(signed_bits(arm, 23, 5) * WORD);
    int64_t size = is_vector(arm) ? INT64_C(4) << opc : opc == 1 ? 8 : 4;
    out->accesses[out->n_accesses++] = (struct instruction_access){
        .access = ACCESS_READ, .bytes = size, .has_address = true, .address = address};
    (void)snprintf(out->text, sizeof(out->text), "ldr %" PRId64 " bytes at 0x%" PRIx64,
                   size, address);
    return true;
}

/* --- where it goes --- */

static const struct {
    uint32_t mask, value;
    const char *name;
    enum instruction_kind kind;
    bool indirect;
} branches[] = {
    {0xfffffc1f, 0xd65f0000, "ret", INSTRUCTION_RETURN, true},
    {0xfffffbff, 0xd65f0bff, "reta", INSTRUCTION_RETURN, true},
    {0xfffffc1f, 0xd63f0000, "blr", INSTRUCTION_CALL, true},
    {0xfefff800, 0xd63f0800, "blra", INSTRUCTION_CALL, true},
    {0xfffffc1f, 0xd61f0000, "br", INSTRUCTION_BRANCH, true},
    {0xfefff800, 0xd61f0800, "bra", INSTRUCTION_BRANCH, true},
    {0xfc000000, 0x94000000, "bl", INSTRUCTION_CALL, false},
    {0xfc000000, 0x14000000, "b", INSTRUCTION_BRANCH, false},
    {0xff000010, 0x54000000, "b.cond", INSTRUCTION_BRANCH, false},
    {0x7e000000, 0x34000000, "cbz", INSTRUCTION_BRANCH, false},
    {0x7e000000, 0x36000000, "tbz", INSTRUCTION_BRANCH, false},
};

static bool
decode_branch(const struct arm64 *arm, struct instruction *out)
{
    for (size_t i = 0; i < COUNT(branches); i++) {
        char target[8] = "";
        if ((arm->word & branches[i].mask) != branches[i].value) {
            continue;
        }
        out->kind = branches[i].kind;
        out->indirect = branches[i].indirect;
        if (out->indirect) {
            name_register(bits(arm, 9, 5), false, target);
        }
        (void)snprintf(out->text, sizeof(out->text), "%s%s%s", branches[i].name,
                       out->indirect ? " " : "", target);
        return true;
    }
    return false;
}

static bool
is_arm64(const struct record *record)
{
    uint64_t value;

    return instruction_register(record, "pc", &value) &&
           instruction_register(record, "x0", &value);
}

/* What neither accesses memory nor branches is known by its bytes alone; words whose
 * upper half is 0 are permanently undefined. */
static bool
decode(const struct record *record, const uint8_t *bytes, size_t len,
       struct instruction *out)
{
    struct arm64 arm = {.record = record};

    if (len < WORD || (bytes[2] == 0 && bytes[3] == 0)) {
        return false;
    }
    arm.word = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
               (uint32_t)bytes[3] << 24;
    (void)instruction_register(record, "pc", &arm.pc);
    if (!decode_branch(&arm, out) && !decode_literal(&arm, out) &&
        !decode_access(&arm, out)) {
        (void)snprintf(out->text, sizeof(out->text), ".inst 0x%08" PRIx32, arm.word);
    }
    return true;
}

const struct instruction_machine instruction_arm64 = {.is = is_arm64, .decode = decode};
