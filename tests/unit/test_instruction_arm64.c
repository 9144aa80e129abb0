#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "triage/instruction.h"

enum { PC = 0x10000 };

struct fixture {
    struct record *record;
    struct instruction instruction;
    struct err err;
};

/* Register n holds 0x1000 * n, but x2, an index, -2 in its lower half. */
static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    fix->record = record_from_signal(11);
    for (unsigned i = 0; i < 31; i++) {
        AUTO(mem_free) char *name = mem_printf("x%u", i);
        record_add_register(fix->record, name, i == 2 ? 0xfffffffe : 0x1000 * i);
    }
    record_add_register(fix->record, "sp", 0x7ff0);
    record_add_register(fix->record, "pc", PC);
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    record_free(fix->record);
    mem_free(fix);
    return 0;
}

static int
decode(struct fixture *fix, uint32_t word)
{
    const uint8_t bytes[] = {(uint8_t)word, (uint8_t)(word >> 8), (uint8_t)(word >> 16),
                             (uint8_t)(word >> 24)};

    return instruction_decode(fix->record, bytes, sizeof(bytes), &fix->instruction,
                              &fix->err);
}

/* The words are what GNU as makes of the text beside them. */
static const struct {
    uint32_t word;
    const char *text;
    enum access_kind access;
    int64_t bytes;
    uint64_t address; /* 0: not known */
} accesses[] = {
    {0xf9400420, "ldr 8 bytes at [x1, #8]", ACCESS_READ, 8,
     0x1008},                                                    /* ldr x0, [x1, #8] */
    {0x39000020, "str 1 byte at [x1]", ACCESS_WRITE, 1, 0x1000}, /* strb w0, [x1] */
    {0xf8625820, "ldr 8 bytes at [x1, x2]", ACCESS_READ, 8,      /* uxtw #3 */
     0x1000 + (UINT64_C(0xfffffffe) << 3)},
    {0xb862d820, "ldr 4 bytes at [x1, x2]", ACCESS_READ, 4, 0xff8}, /* sxtw #2 */
    {0x38626820, "ldr 1 byte at [x1, x2]", ACCESS_READ, 1, 0x100000ffe},
    {0xb8004420, "str 4 bytes at [x1]", ACCESS_WRITE, 4, 0x1000},      /* [x1], #4 */
    {0xf81f0c20, "str 8 bytes at [x1, #-16]", ACCESS_WRITE, 8, 0xff0}, /* [x1, #-16]! */
    {0xa9be7bfd, "stp 16 bytes at [sp, #-32]", ACCESS_WRITE, 16, 0x7fd0},
    {0xa9410461, "ldp 16 bytes at [x3, #16]", ACCESS_READ, 16, 0x3010},
    {0x69410460, "ldp 8 bytes at [x3, #8]", ACCESS_READ, 8, 0x3008},   /* ldpsw */
    {0xad000060, "stp 32 bytes at [x3]", ACCESS_WRITE, 32, 0x3000},    /* stp q0, q0 */
    {0xb9800020, "ldr 4 bytes at [x1]", ACCESS_READ, 4, 0x1000},       /* ldrsw */
    {0x3cdfd020, "ldr 16 bytes at [x1, #-3]", ACCESS_READ, 16, 0xffd}, /* ldur q0 */
    {0x3d800060, "str 16 bytes at [x3]", ACCESS_WRITE, 16, 0x3000},    /* str q0 */
    {0xc8007c61, "stxr 8 bytes at [x3]", ACCESS_WRITE, 8, 0x3000},
    {0xc85ffc20, "ldxr 8 bytes at [x1]", ACCESS_READ, 8, 0x1000},    /* ldaxr */
    {0xc87f0861, "ldxr 16 bytes at [x3]", ACCESS_READ, 16, 0x3000},  /* ldxp */
    {0x889ffc20, "stxr 4 bytes at [x1]", ACCESS_WRITE, 4, 0x1000},   /* stlr w0 */
    {0xc8a07c61, "stxr 8 bytes at [x3]", ACCESS_WRITE, 8, 0x3000},   /* cas */
    {0x48207c62, "stxr 16 bytes at [x3]", ACCESS_WRITE, 16, 0x3000}, /* casp */
    {0xf8200061, "atomic 8 bytes at [x3]", ACCESS_WRITE, 8, 0x3000}, /* ldadd */
    {0xb8e08061, "atomic 4 bytes at [x3]", ACCESS_WRITE, 4, 0x3000}, /* swpal */
    {0xf8bfc020, "ldapr 8 bytes at [x1]", ACCESS_READ, 8, 0x1000},
    {0xd95f8020, "ldapur 8 bytes at [x1, #-8]", ACCESS_READ, 8, 0xff8},
    {0xf8201420, "ldraa 8 bytes at [x1]", ACCESS_READ, 8, 0},
    {0x4c407060, "ld1 16 bytes at [x3]", ACCESS_READ, 16, 0x3000},  /* {v0.16b} */
    {0x4c9fa860, "st1 32 bytes at [x3]", ACCESS_WRITE, 32, 0x3000}, /* two, post */
    {0x0d409060, "ld1 4 bytes at [x3]", ACCESS_READ, 4, 0x3000},    /* {v0.s}[1] */
    {0xd50b7423, "dc zva [x3]", ACCESS_WRITE, 0, 0x3000},
    {0x58000080, "ldr 8 bytes at 0x10010", ACCESS_READ, 8, PC + 16},
};

static void
test_decode_names_what_is_accessed(void **state)
{
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(accesses); i++) {
        assert_int_equal(decode(fix, accesses[i].word), 0);
        assert_string_equal(fix->instruction.text, accesses[i].text);
        assert_int_equal(fix->instruction.kind, INSTRUCTION_OTHER);
        assert_int_equal(fix->instruction.n_accesses, 1);
        const struct instruction_access *access = &fix->instruction.accesses[0];
        assert_int_equal(access->access, accesses[i].access);
        assert_int_equal(access->bytes, accesses[i].bytes);
        assert_int_equal(access->has_address, accesses[i].address != 0);
        if (access->has_address) {
            assert_int_equal(access->address, accesses[i].address);
        }
    }
}

static const struct {
    uint32_t word;
    const char *text;
    enum instruction_kind kind;
    bool indirect;
} others[] = {
    {0xd65f03c0, "ret x30", INSTRUCTION_RETURN, true},
    {0xd65f0bff, "reta xzr", INSTRUCTION_RETURN, true}, /* retaa */
    {0xd61f0060, "br x3", INSTRUCTION_BRANCH, true},
    {0xd63f0080, "blr x4", INSTRUCTION_CALL, true},
    {0xd63f087f, "blra x3", INSTRUCTION_CALL, true}, /* blraaz */
    {0x94000000, "bl", INSTRUCTION_CALL, false},
    {0x14000000, "b", INSTRUCTION_BRANCH, false},
    {0xb4000000, "cbz", INSTRUCTION_BRANCH, false},
    {0x54000000, "b.cond", INSTRUCTION_BRANCH, false},
    {0xf9800000, "prfm", INSTRUCTION_OTHER, false},
    {0xd4200020, ".inst 0xd4200020", INSTRUCTION_OTHER, false}, /* brk #1 */
    {0x8b020020, ".inst 0x8b020020", INSTRUCTION_OTHER, false}, /* add */
};

static void
test_decode_names_where_it_goes(void **state)
{
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(others); i++) {
        assert_int_equal(decode(fix, others[i].word), 0);
        assert_string_equal(fix->instruction.text, others[i].text);
        assert_int_equal(fix->instruction.kind, others[i].kind);
        assert_int_equal(fix->instruction.indirect, others[i].indirect);
        assert_int_equal(fix->instruction.n_accesses, 0);
    }
}

static void
test_decode_takes_any_word(void **state)
{
    struct fixture *fix = *state;
    uint32_t word = 1;

    assert_int_equal(decode(fix, 0), -EBADMSG); /* udf #0 */
    assert_int_equal(instruction_decode(fix->record, (const uint8_t *)"\xc0\x03\x5f", 3,
                                        &fix->instruction, &fix->err),
                     -EBADMSG);
    for (int i = 0; i < 200000; i++) {
        word = word * 1664525 + 1013904223;
        (void)decode(fix, word);
        assert_true(fix->instruction.n_accesses <= 1);
        assert_true(fix->instruction.text[0] != '\0');
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_decode_names_what_is_accessed),
        TEST(test_decode_names_where_it_goes),
        TEST(test_decode_takes_any_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
