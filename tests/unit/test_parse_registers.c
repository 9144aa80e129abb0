#include "tests/unit/unit.h"

#include "base/buf.h"
#include "triage/parse/parse.h"

static const char head[] =
    "==9==ERROR: AddressSanitizer: SEGV on unknown address 0x000000000008 (pc "
    "0x55974713ba9f bp 0x7fff51072f00 sp 0x7fff51072f00 T0)\n"
    "    #0 0x55974713ba9f in read_at /src/memory.c:23:12\n\n";

/* The record of a report that ends with text. */
static struct record *
parse_behind(const char *text)
{
    const struct record_options options = {0};
    AUTO(buf_clear) struct buf report = BUF_INIT;
    struct record *record = NULL;
    struct err err = {0};

    buf_adds(&report, head);
    buf_adds(&report, text);
    assert_int_equal(parse_report(buf_str(&report), report.len, &options, &record, &err),
                     0);
    return record;
}

static void
assert_register(const struct record *record, size_t i, const char *name, uint64_t value)
{
    assert_true(i < record->n_registers);
    assert_string_equal(record->registers[i].name, name);
    assert_int_equal(record->registers[i].value, value);
}

static void
test_both_spellings_are_read(void **state)
{
    (void)state;
    AUTO(record_free)
    struct record *sanitizer =
        parse_behind("==9==Register values:\r\n"
                     "rax = 0x0000000000000001  rbx = 0x00007fff5107363b  \r\n"
                     " r8 = 0x0000000000000000   r9 = 0x000010006a2066c7  \r\n"
                     "AddressSanitizer can not provide additional info.\nrcx = 0x5\n");
    AUTO(record_free)
    struct record *own =
        parse_behind("nightjar: registers rax=0x1 rip=0x0 eflags=0x10246\nrbx=0x7\n");

    assert_int_equal(sanitizer->n_registers, 4);
    assert_register(sanitizer, 1, "rbx", 0x7fff5107363b);
    assert_register(sanitizer, 2, "r8", 0);
    assert_register(sanitizer, 3, "r9", 0x10006a2066c7);
    assert_int_equal(own->n_registers, 3);
    assert_register(own, 2, "eflags", 0x10246);
}

static void
test_registers_of_a_report_before_do_not_count(void **state)
{
    (void)state;
    AUTO(record_free)
    struct record *record = parse_behind(
        "==9==Register values:\nrax = 0x1\n"
        "==10==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010\n"
        "    #0 0x55974713ba9f in use /src/memory.c:30:1\n");

    assert_int_equal(record->n_registers, 0);
}

static void
test_what_is_no_register_ends_them(void **state)
{
    static const char *const texts[] = {
        "==9==Register values:",
        "==9==Register values:\n\n = 0x1\n",
        "==9==Register values:\nrax 0x1\n",
        "==9==Register values:\nrax = 1\n",
        "==9==Register values:\nabcdefghijklmnop = 0x1\n",
        "==9==Register values: rax = 0x1\n",
        "nightjar: registers rax\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        AUTO(record_free) struct record *record = parse_behind(texts[i]);
        assert_int_equal(record->n_registers, 0);
    }
}

static void
test_many_registers_are_cut(void **state)
{
    (void)state;
    AUTO(buf_clear) struct buf text = BUF_INIT;

    buf_adds(&text, "==9==Register values:\n");
    for (unsigned i = 0; i < RECORD_REGISTERS_MAX + 9; i++) {
        buf_addf(&text, "r%u = 0x%x\n", i, i);
    }
    AUTO(record_free) struct record *record = parse_behind(buf_str(&text));
    assert_int_equal(record->n_registers, RECORD_REGISTERS_MAX);
    assert_register(record, RECORD_REGISTERS_MAX - 1, "r63", 63);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_spellings_are_read),
        cmocka_unit_test(test_registers_of_a_report_before_do_not_count),
        cmocka_unit_test(test_what_is_no_register_ends_them),
        cmocka_unit_test(test_many_registers_are_cut),
    };

    return cmocka_run_group_tests_name("parse/registers", tests, NULL, NULL);
}
