#include "tests/unit/unit.h"

#include <signal.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "triage/native_rules.h"

struct fixture {
    struct record *record;
    struct err err;
};

static const struct record_options defaults = RECORD_OPTIONS_INIT;

static int
setup(void **state)
{
    *state = mem_alloc(sizeof(struct fixture));
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

enum { KERNEL = 0x80, CODE_BEGIN = 0x1000, STACK = 0x7fff0000 };

struct row {
    const char *what;
    int signal;
    int code;
    uint64_t address; /* counts unless code is KERNEL or below 1 */
    uint64_t pc, sp, rax;
    const char *bytes; /* "": nothing can be read there */
    size_t len;
    const char *type, *crash_address, *class_name, *exploitability;
    enum access_kind access;
};

static const char exploitable[] = "EXPLOITABLE";
static const char probably[] = "PROBABLY_EXPLOITABLE";
static const char harmless[] = "NOT_EXPLOITABLE";

#define WILD     UINT64_C(0x4141414141414141)
#define MOV_TO   "\xc7\x00\x01\x00\x00\x00", 6 /* mov dword ptr [rax], 1 */
#define MOV_FROM "\x8b\x00", 2                 /* mov eax, [rax] */

static const struct row rows[] = {
    {"null read", SIGSEGV, SEGV_MAPERR, 0, CODE_BEGIN, STACK, 0, MOV_FROM,
     "Null-dereference READ", "0x000000000000", "SourceAvNearNull", harmless,
     ACCESS_READ},
    {"null write", SIGSEGV, SEGV_MAPERR, 8, CODE_BEGIN, STACK, 8, MOV_TO,
     "Null-dereference WRITE", "0x000000000008", "DestAvNearNull", probably,
     ACCESS_WRITE},
    {"beyond ClusterFuzz's page, within CASR's bound", SIGSEGV, SEGV_MAPERR, 0xffff,
     CODE_BEGIN, STACK, 0xffff, MOV_TO, "UNKNOWN WRITE", "0x00000000ffff",
     "DestAvNearNull", probably, ACCESS_WRITE},
    {"beyond CASR's bound", SIGSEGV, SEGV_MAPERR, 0x10000, CODE_BEGIN, STACK, 0x10000,
     MOV_TO, "UNKNOWN WRITE", "0x000000010000", "DestAv", exploitable, ACCESS_WRITE},
    {"wild read", SIGSEGV, SEGV_MAPERR, 0x41414141, CODE_BEGIN, STACK, 0x41414141,
     MOV_FROM, "UNKNOWN READ", "0x000041414141", "SourceAv", harmless, ACCESS_READ},
    {"write to what is read-only", SIGSEGV, SEGV_ACCERR, 0x41414141, CODE_BEGIN, STACK,
     0x41414141, MOV_TO, "UNKNOWN WRITE", "0x000041414141", "DestAv", exploitable,
     ACCESS_WRITE},
    {"not canonical: the address is the operand's", SIGSEGV, KERNEL, 0, CODE_BEGIN, STACK,
     WILD, MOV_TO, "UNKNOWN WRITE", "0x4141414141414141", "DestAv", exploitable,
     ACCESS_WRITE},
    {"not canonical and in a segment", SIGSEGV, KERNEL, 0, CODE_BEGIN, STACK, WILD,
     "\x64\x8b\x00", 3, "UNKNOWN READ", NULL, "SourceAv", harmless, ACCESS_READ},
    {"push of a wild operand reads", SIGSEGV, SEGV_MAPERR, 0x41414141, CODE_BEGIN, STACK,
     0x41414141, "\xff\x30", 2, "UNKNOWN READ", "0x000041414141", "SourceAv", harmless,
     ACCESS_READ},
    {"wild jump", SIGSEGV, SEGV_MAPERR, 0x41414141, 0x41414141, STACK, 0, "", 0,
     "UNKNOWN", "0x000041414141", "SegFaultOnPc", exploitable, ACCESS_UNKNOWN},
    {"jump to data that may not run", SIGSEGV, SEGV_ACCERR, 0x602000, 0x602000, STACK, 0,
     MOV_TO, "UNKNOWN", "0x000000602000", "SegFaultOnPc", exploitable, ACCESS_UNKNOWN},
    {"jump near null", SIGSEGV, SEGV_MAPERR, 0x10, 0x10, STACK, 0, "", 0,
     "Null-dereference", "0x000000000010", "SegFaultOnPcNearNull", probably,
     ACCESS_UNKNOWN},
    {"jump to null", SIGSEGV, SEGV_MAPERR, 0, 0, STACK, 0, "", 0, "Null-dereference",
     "0x000000000000", "SegFaultOnPcNearNull", probably, ACCESS_UNKNOWN},
    {"nothing at the program counter", SIGSEGV, KERNEL, 0, WILD, STACK, 0, "", 0,
     "UNKNOWN", "0x4141414141414141", "SegFaultOnPc", exploitable, ACCESS_UNKNOWN},
    {"return to what is no address", SIGSEGV, KERNEL, 0, CODE_BEGIN, STACK, 0, "\xc3", 1,
     "UNKNOWN", NULL, "ReturnAv", exploitable, ACCESS_UNKNOWN},
    {"return off a wild stack", SIGSEGV, SEGV_MAPERR, 0x41414140, CODE_BEGIN, 0x41414140,
     0, "\xc3", 1, "UNKNOWN", "0x000041414140", "ReturnAv", exploitable, ACCESS_UNKNOWN},
    {"call of what is no address", SIGSEGV, KERNEL, 0, CODE_BEGIN, STACK, WILD,
     "\xff\xd0", 2, "UNKNOWN", NULL, "CallAv", exploitable, ACCESS_UNKNOWN},
    {"call through a wild pointer", SIGSEGV, SEGV_MAPERR, 0x41414141, CODE_BEGIN, STACK,
     0x41414141, "\xff\x10", 2, "UNKNOWN", "0x000041414141", "CallAv", exploitable,
     ACCESS_UNKNOWN},
    {"call through null", SIGSEGV, SEGV_MAPERR, 0x18, CODE_BEGIN, STACK, 0,
     "\xff\x50\x18", 3, "Null-dereference", "0x000000000018", "CallAvNearNull", probably,
     ACCESS_UNKNOWN},
    {"jump through a wild pointer", SIGSEGV, SEGV_MAPERR, 0x41414141, CODE_BEGIN, STACK,
     0x41414141, "\xff\x20", 2, "UNKNOWN", "0x000041414141", "BranchAv", exploitable,
     ACCESS_UNKNOWN},
    {"jump through null", SIGSEGV, SEGV_MAPERR, 8, CODE_BEGIN, STACK, 8, "\xff\x20", 2,
     "Null-dereference", "0x000000000008", "BranchAvNearNull", probably, ACCESS_UNKNOWN},
    {"call that finds no stack", SIGSEGV, SEGV_MAPERR, STACK - 8, CODE_BEGIN, STACK, 0,
     "\xe8\x00\x00\x00\x00", 5, "Stack-overflow", "0x00007ffefff8", "StackOverflow",
     harmless, ACCESS_UNKNOWN},
    {"push that finds no stack", SIGSEGV, SEGV_MAPERR, STACK - 8, CODE_BEGIN, STACK, 0,
     "\x50", 1, "Stack-overflow", "0x00007ffefff8", "StackOverflow", harmless,
     ACCESS_UNKNOWN},
    {"store into a big frame beyond the stack", SIGSEGV, SEGV_ACCERR, STACK + 0x100,
     CODE_BEGIN, STACK, 0, "\x48\x83\x8c\x24\x00\x01\x00\x00\x00", 9, "Stack-overflow",
     "0x00007fff0100", "StackOverflow", harmless, ACCESS_UNKNOWN},
    {"bus error", SIGBUS, BUS_ADRERR, 0x7f0000000000, CODE_BEGIN, STACK, 0x7f0000000000,
     MOV_FROM, "Bus", "0x7f0000000000", "SourceAv", harmless, ACCESS_READ},
    {"nobody accessed anything", SIGSEGV, SI_TKILL, 0, CODE_BEGIN, STACK, 0, MOV_TO,
     "UNKNOWN", NULL, "AccessViolation", harmless, ACCESS_UNKNOWN},
    {"division", SIGFPE, FPE_INTDIV, CODE_BEGIN, CODE_BEGIN, STACK, 0, "\xf7\xf8", 2,
     "Floating-point-exception", NULL, "FPE", harmless, ACCESS_UNKNOWN},
    {"no instruction", SIGILL, ILL_ILLOPN, CODE_BEGIN, CODE_BEGIN, STACK, 0, "\x0f\x0b",
     2, "Illegal-instruction", NULL, "BadInstruction", probably, ACCESS_UNKNOWN},
    {"forbidden call", SIGSYS, 1, CODE_BEGIN, CODE_BEGIN, STACK, 0, "\x0f\x05", 2,
     "Bad-system-call", NULL, "BadInstruction", probably, ACCESS_UNKNOWN},
    {"breakpoint", SIGTRAP, KERNEL, 0, CODE_BEGIN, STACK, 0, MOV_TO, "Trap", NULL,
     "TrapSignal", harmless, ACCESS_UNKNOWN},
    {"abort", SIGABRT, SI_TKILL, 0, CODE_BEGIN, STACK, 0, MOV_TO, "Abrt", NULL,
     "AbortSignal", harmless, ACCESS_UNKNOWN},
};

static void
apply(struct fixture *fix, const struct row *row)
{
    struct native_fault fault = {.signal = row->signal,
                                 .code = row->code,
                                 .has_address = row->code > 0 && row->code != KERNEL,
                                 .address = row->address,
                                 .n_bytes = row->len};

    memcpy(fault.bytes, row->bytes, row->len);
    record_free(fix->record);
    fix->record = record_from_signal(row->signal);
    record_add_register(fix->record, "rax", row->rax);
    record_add_register(fix->record, "rsp", row->sp);
    record_add_register(fix->record, "rip", row->pc);
    native_rules(fix->record, &fault);
    assert_int_equal(record_finish(fix->record, &defaults, &fix->err), 0);
}

static void
test_rules_give_casrs_classes(void **state)
{
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        apply(fix, &rows[i]);
        const struct record *record = fix->record;
        if (strcmp(record->class_name, rows[i].class_name) != 0) {
            fail_msg("%s: %s, wanted %s", rows[i].what, record->class_name,
                     rows[i].class_name);
        }
        assert_string_equal(record->exploitability, rows[i].exploitability);
        assert_string_equal(record->crash_type, rows[i].type);
        assert_int_equal(record->access, rows[i].access);
        if (rows[i].crash_address == NULL) {
            assert_null(record->crash_address);
        } else {
            assert_string_equal(record->crash_address, rows[i].crash_address);
        }
    }
}

static void
test_rules_say_what_happened(void **state)
{
    struct fixture *fix = *state;

    apply(fix, &rows[1]);
    assert_string_equal(fix->record->instruction, "mov dword ptr [rax], 0x01");
    assert_string_equal(fix->record->message,
                        "killed by SIGSEGV at address 0x000000000008, executing 'mov "
                        "dword ptr [rax], 0x01'");
    assert_int_equal(fix->record->access_bytes, 4);
}

/* Behind a trap the program counter has moved on: what stands there did nothing. */
static void
test_rules_name_no_innocent_instruction(void **state)
{
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        if (rows[i].signal == SIGTRAP || rows[i].code <= 0) {
            apply(fix, &rows[i]);
            assert_null(fix->record->instruction);
        }
    }
}

static void
add_frame(struct fixture *fix, const char *function, const char *module)
{
    struct frame *frame = record_add_frame(fix->record);

    frame->n = (int)fix->record->n_frames - 1;
    frame->function = function == NULL ? NULL : mem_strdup(function);
    frame->module = mem_strdup(module);
}

static void
test_abort_facts_come_from_the_stack(void **state)
{
    static const struct {
        const char *function;
        const char *module;
        unsigned fact;
    } cases[] = {
        {"__stack_chk_fail", "/usr/lib/libc.so.6", FACT_STACK_GUARD},
        {"__GI___chk_fail", "/usr/lib/libc.so.6", FACT_FORTIFY},
        {"__GI___libc_free", "/usr/lib/libc.so.6", FACT_HEAP_CHECK},
        {"cfree", "/lib/libc-2.24.so", FACT_HEAP_CHECK},
        {"realloc", "/usr/lib/libc.so.6", FACT_HEAP_CHECK},
        /* the program's own function of that name */
        {"free", "/opt/program", 0},
        {"puts", "/usr/lib/libc.so.6", 0},
    };
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        record_free(fix->record);
        fix->record = record_from_signal(SIGABRT);
        add_frame(fix, NULL, "/usr/lib/libc.so.6");
        add_frame(fix, "abort", "/usr/lib/libc.so.6");
        add_frame(fix, cases[i].function, cases[i].module);
        add_frame(fix, "work", "/opt/program");
        assert_int_equal(native_abort_facts(fix->record), cases[i].fact);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rules_give_casrs_classes),
        TEST(test_rules_say_what_happened),
        TEST(test_rules_name_no_innocent_instruction),
        TEST(test_abort_facts_come_from_the_stack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
