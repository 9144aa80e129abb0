#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "triage/instruction.h"

struct fixture {
    struct record *record;
    struct instruction instruction;
    struct err err;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    fix->record = record_from_signal(11);
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
decode(struct fixture *fix, const char *bytes, size_t len)
{
    return instruction_decode(fix->record, (const uint8_t *)bytes, len, &fix->instruction,
                              &fix->err);
}

static const struct {
    const char *bytes;
    size_t len;
    const char *text;
    enum instruction_kind kind;
    bool indirect;
    size_t n;
    struct instruction_access first; /* of n */
} decoded[] = {
    {"\xc6\x07\x01",
     3,
     "mov byte ptr [rdi], 0x01",
     INSTRUCTION_OTHER,
     false,
     1,
     {ACCESS_WRITE, 1, 0x2000, true, false}},
    {"\x8b\x44\xb7\x04",
     4,
     "mov eax, [rdi+rsi*4+0x04]",
     INSTRUCTION_OTHER,
     true,
     1,
     {ACCESS_READ, 4, 0x2000 + 0xc + 4, true, false}},
    {"\x8b\x05\x10\x00\x00\x00",
     6,
     "mov eax, [0x0000000000001016]",
     INSTRUCTION_OTHER,
     true,
     1,
     {ACCESS_READ, 4, 0x1016, true, false}},
    {"\x67\x8b\x07",
     3,
     "mov eax, [edi]",
     INSTRUCTION_OTHER,
     true,
     1,
     {ACCESS_READ, 4, 0x2000, true, false}},
    {"\x48\x83\x0f\x00",
     4,
     "or qword ptr [rdi], 0x00",
     INSTRUCTION_OTHER,
     false,
     1,
     {ACCESS_WRITE, 8, 0x2000, true, false}},
    {"\x48\x8d\x07", 3, "lea rax, [rdi]", INSTRUCTION_OTHER, true, 0, {0}},
    {"\x50",
     1,
     "push rax",
     INSTRUCTION_OTHER,
     true,
     1,
     {ACCESS_WRITE, 8, 0x7ff8, true, true}},
    {"\xff\x37",
     2,
     "push [rdi]",
     INSTRUCTION_OTHER,
     true,
     2,
     {ACCESS_READ, 8, 0x2000, true, false}},
    {"\xa4",
     1,
     "movsb",
     INSTRUCTION_OTHER,
     true,
     2,
     {ACCESS_WRITE, 1, 0x2000, true, false}},
    {"\x64\x48\x8b\x04\x25\x28\x00\x00\x00",
     9,
     "mov rax, fs:[0x0000000000000028]",
     INSTRUCTION_OTHER,
     true,
     1,
     {ACCESS_READ, 8, 0, false, false}},
    {"\xc3", 1, "ret", INSTRUCTION_RETURN, true, 1, {ACCESS_READ, 8, 0x8000, true, true}},
    {"\xff\xd0",
     2,
     "call rax",
     INSTRUCTION_CALL,
     true,
     1,
     {ACCESS_WRITE, 8, 0x7ff8, true, true}},
    {"\xe8\x00\x00\x00\x00",
     5,
     "call 0x0000000000001005",
     INSTRUCTION_CALL,
     false,
     1,
     {ACCESS_WRITE, 8, 0x7ff8, true, true}},
    {"\xff\x27",
     2,
     "jmp [rdi]",
     INSTRUCTION_BRANCH,
     true,
     1,
     {ACCESS_READ, 8, 0x2000, true, false}},
    {"\xeb\x00", 2, "jmp 0x0000000000001002", INSTRUCTION_BRANCH, false, 0, {0}},
    {"\x0f\x0b", 2, "ud2", INSTRUCTION_OTHER, false, 0, {0}},
};

static void
test_decode_names_what_is_accessed(void **state)
{
    struct fixture *fix = *state;

    record_add_register(fix->record, "rsi", 3);
    record_add_register(fix->record, "rdi", 0x2000);
    record_add_register(fix->record, "rsp", 0x8000);
    record_add_register(fix->record, "rip", 0x1000);
    for (size_t i = 0; i < COUNT(decoded); i++) {
        assert_int_equal(decode(fix, decoded[i].bytes, decoded[i].len), 0);
        const struct instruction *got = &fix->instruction;
        assert_string_equal(got->text, decoded[i].text);
        assert_int_equal(got->kind, decoded[i].kind);
        if (got->kind != INSTRUCTION_OTHER) {
            assert_int_equal(got->indirect, decoded[i].indirect);
        }
        assert_int_equal(got->n_accesses, decoded[i].n);
        if (decoded[i].n > 0) {
            const struct instruction_access *first = &got->accesses[0];
            assert_int_equal(first->access, decoded[i].first.access);
            assert_int_equal(first->bytes, decoded[i].first.bytes);
            assert_int_equal(first->has_address, decoded[i].first.has_address);
            assert_int_equal(first->on_stack, decoded[i].first.on_stack);
            if (first->has_address) {
                assert_int_equal(first->address, decoded[i].first.address);
            }
        }
    }
}

static void
test_decode_knows_32_bits(void **state)
{
    struct fixture *fix = *state;

    record_add_register(fix->record, "eax", 0x10);
    record_add_register(fix->record, "esp", 0x8000);
    record_add_register(fix->record, "eip", 0x1000);
    assert_int_equal(decode(fix, "\xc7\x00\x01\x00\x00\x00", 6), 0);
    assert_string_equal(fix->instruction.text, "mov dword ptr [eax], 0x01");
    assert_int_equal(fix->instruction.accesses[0].address, 0x10);
    assert_int_equal(decode(fix, "\x50", 1), 0);
    assert_int_equal(fix->instruction.accesses[0].address, 0x7ffc);
}

static void
test_decode_says_what_it_cannot(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(decode(fix, "\xc3", 1), -ENOTSUP);
    assert_string_equal(fix->err.msg, "no decoder for this machine's instructions");
    record_add_register(fix->record, "rip", 0x1000);
    assert_int_equal(decode(fix, "\x06\x06", 2), -EBADMSG);
    assert_string_equal(fix->err.msg,
                        "the bytes at the program counter are no instruction");
    assert_int_equal(decode(fix, "\x48\x8b", 2), -EBADMSG);
    assert_int_equal(decode(fix, "", 0), -EBADMSG);
}

static void
test_registers_have_their_names(void **state)
{
    struct fixture *fix = *state;
    uint64_t value = 0;

    assert_false(instruction_pc(fix->record, &value));
    record_add_register(fix->record, "sp", 5);
    record_add_register(fix->record, "pc", 6);
    assert_true(instruction_pc(fix->record, &value));
    assert_int_equal(value, 6);
    assert_true(instruction_sp(fix->record, &value));
    assert_int_equal(value, 5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_decode_names_what_is_accessed),
        TEST(test_decode_knows_32_bits),
        TEST(test_decode_says_what_it_cannot),
        TEST(test_registers_have_their_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
