#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>

#include "base/mem.h"
#include "triage/parse/parse.h"

struct fixture {
    struct record *record;
    struct record *copy;
    json_t *object;
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
    record_free(fix->copy);
    json_decref(fix->object);
    mem_free(fix);
    return 0;
}

static void
finish(struct fixture *fix, struct record *record)
{
    record_free(fix->record);
    fix->record = record;
    assert_int_equal(record_finish(record, &defaults, &fix->err), 0);
}

static void
parse(struct fixture *fix, const char *text)
{
    struct record *record = NULL;

    assert_int_equal(parse_report(text, strlen(text), &defaults, &record, &fix->err), 0);
    finish(fix, record);
}

static const char full[] = "==1==ERROR: AddressSanitizer: heap-use-after-free on address "
                           "0x602000000014 at pc 0x1\n"
                           "READ of size 4 at 0x602000000014 thread T0\n"
                           "    #0 0x1 in __interceptor_memcpy (/s/x+0x1) (BuildId: 5f)\n"
                           "    #1 0x2 in gr\xc3\xb6\xc3\x9f\"e\\ /s/a.c:1:2\n"
                           "freed by thread T0 here:\n"
                           "    #0 0x3 in release /s/a.c:9:2\n";

static void
test_signals_without_a_report_have_clusterfuzz_words(void **state)
{
    static const struct {
        const char *type;
        const char *class_name;
        int number;
        enum severity severity;
    } cases[] = {
        {"UNKNOWN", "AccessViolation", SIGSEGV, SEVERITY_MEDIUM},
        {"Abrt", "AbortSignal", SIGABRT, SEVERITY_LOW},
        {"Floating-point-exception", "FPE", SIGFPE, SEVERITY_LOW},
        {"Illegal-instruction", "BadInstruction", SIGILL, SEVERITY_LOW},
        {"Bus", "AccessViolation", SIGBUS, SEVERITY_MEDIUM},
        {"Trap", "TrapSignal", SIGTRAP, SEVERITY_LOW},
        {"Bad-system-call", "BadInstruction", SIGSYS, SEVERITY_LOW},
        {"Fatal-signal", "Undefined", SIGKILL, SEVERITY_LOW},
    };
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        finish(fix, record_from_signal(cases[i].number));
        assert_string_equal(fix->record->crash_type, cases[i].type);
        assert_string_equal(fix->record->class_name, cases[i].class_name);
        assert_int_equal(fix->record->severity, cases[i].severity);
        assert_false(fix->record->security);
        assert_string_equal(fix->record->crash_state, "NULL");
    }
    assert_string_equal(fix->record->message, "killed by signal 9; it printed no report");
}

static void
test_limits_name_themselves(void **state)
{
    struct fixture *fix = *state;

    finish(fix, record_timeout(25000));
    assert_string_equal(fix->record->crash_type, "Timeout");
    assert_string_equal(fix->record->message, "killed after 25 s, the limit of one run");
    assert_int_equal(fix->record->facts, FACT_HIT_LIMIT);
    finish(fix, record_out_of_memory((int64_t)2560 << 20));
    assert_string_equal(fix->record->crash_type, "Out-of-memory");
    assert_string_equal(fix->record->message,
                        "killed at 2.5 GiB, the memory limit of one run");
}

static void
test_timeout_is_known_by_its_target(void **state)
{
    struct fixture *fix = *state;
    const struct record_options options = {.fuzz_target = "tgt"};

    fix->record = record_timeout(1000);
    assert_int_equal(record_finish(fix->record, &options, &fix->err), 0);
    assert_string_equal(fix->record->crash_state, "tgt\n");
}

static void
test_finish_twice_changes_nothing(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf first = BUF_INIT;
    AUTO(buf_clear) struct buf second = BUF_INIT;

    parse(fix, full);
    record_write_json(fix->record, NULL, &first);
    assert_int_equal(record_finish(fix->record, &defaults, &fix->err), 0);
    record_write_json(fix->record, NULL, &second);
    assert_string_equal(buf_str(&first), buf_str(&second));
}

static void
test_finish_refuses_a_bad_pattern(void **state)
{
    struct fixture *fix = *state;
    char pattern[] = "(";
    char *list[] = {pattern, NULL};
    const struct strv patterns = {list, 1};
    const struct record_options options = {.ignore_frames = &patterns};

    fix->record = record_timeout(1);
    assert_int_equal(record_finish(fix->record, &options, &fix->err), -EINVAL);
    assert_string_equal(
        fix->err.msg,
        "ignore pattern '(': missing closing parenthesis at character 2; it is a "
        "Perl regular expression, a backslash makes '(' an ordinary character");
}

static void
test_frames_are_bounded(void **state)
{
    struct fixture *fix = *state;

    fix->record = record_timeout(1);
    for (int i = 0; i < RECORD_FRAMES_MAX; i++) {
        assert_non_null(record_add_frame(fix->record));
    }
    assert_null(record_add_frame(fix->record));
    assert_int_equal(fix->record->n_frames, RECORD_FRAMES_MAX);
}

static void
test_json_has_the_fields_of_the_design(void **state)
{
    static const char *const fields[] = {
        "sanitizer",  "crash_type",     "crash_address", "crash_state", "security",
        "severity",   "severity_score", "class",         "cwe",         "exploitability",
        "crash_line", "frames",         "hash"};
    static const char *const frame_fields[] = {"n",      "function", "file",   "line",
                                               "column", "module",   "offset", "inlined",
                                               "kept",   "rule"};
    struct fixture *fix = *state;

    parse(fix, full);
    fix->object = record_to_json(fix->record);
    for (size_t i = 0; i < COUNT(fields); i++) {
        assert_non_null(json_object_get(fix->object, fields[i]));
    }
    const json_t *frame = json_array_get(json_object_get(fix->object, "frames"), 1);
    for (size_t i = 0; i < COUNT(frame_fields); i++) {
        assert_non_null(json_object_get(frame, frame_fields[i]));
    }
    assert_string_equal(json_get_str(frame, "function", ""), "gr\xc3\xb6\xc3\x9f\"e\\");
    assert_string_equal(json_get_str(fix->object, "class", ""),
                        "heap-use-after-free(read)");
    assert_int_equal(json_get_int(json_object_get(fix->object, "hash"), "version", -1),
                     SIGNATURE_VERSION);
}

static void
test_json_begins_with_the_file(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf out = BUF_INIT;

    finish(fix, record_timeout(1));
    record_write_json(fix->record, "a\nb\\c\xff", &out);
    assert_memory_equal(buf_str(&out),
                        "{\"file\":\"a\\\\x0ab\\\\\\\\c\\\\xff\",\"sanitizer\":", 40);
}

static void
test_json_round_trips(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf first = BUF_INIT;
    AUTO(buf_clear) struct buf second = BUF_INIT;

    parse(fix, full);
    fix->object = record_to_json(fix->record);
    assert_int_equal(record_from_json(fix->object, &fix->copy, &fix->err), 0);
    record_write_json(fix->record, NULL, &first);
    record_write_json(fix->copy, NULL, &second);
    assert_string_equal(buf_str(&first), buf_str(&second));
    /* and can be finished again, by another version of the rules */
    assert_int_equal(record_finish(fix->copy, &defaults, &fix->err), 0);
    buf_cut(&second, 0);
    record_write_json(fix->copy, NULL, &second);
    assert_string_equal(buf_str(&first), buf_str(&second));
}

static void
test_what_a_debugger_tells_round_trips(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf first = BUF_INIT;
    AUTO(buf_clear) struct buf second = BUF_INIT;

    finish(fix, record_from_signal(SIGSEGV));
    fix->record->instruction = mem_strdup("mov byte ptr [rax], 0x1");
    fix->record->build = record_build_kind("release");
    fix->record->shipped_k = 2;
    fix->record->shipped_n = 10;
    record_add_register(fix->record, "rax", 0);
    record_add_register(fix->record, "k0", UINT64_MAX);
    record_write_json(fix->record, NULL, &first);
    assert_non_null(strstr(buf_str(&first),
                           "\"instruction\":\"mov byte ptr [rax], 0x1\",\"registers\":["
                           "{\"name\":\"rax\",\"value\":\"0x0\"},"
                           "{\"name\":\"k0\",\"value\":\"0xffffffffffffffff\"}],"
                           "\"build\":\"release\",\"shipped\":{\"k\":2,\"n\":10},"));
    fix->object = record_to_json(fix->record);
    assert_int_equal(record_from_json(fix->object, &fix->copy, &fix->err), 0);
    record_write_json(fix->copy, NULL, &second);
    assert_string_equal(buf_str(&first), buf_str(&second));
}

static void
test_registers_are_bounded(void **state)
{
    struct fixture *fix = *state;

    finish(fix, record_from_signal(SIGSEGV));
    record_add_register(fix->record, "", 1);
    record_add_register(fix->record, "r\x1b[1m", 1);
    record_add_register(fix->record, "averylongname", 1);
    assert_int_equal(fix->record->n_registers, 0);
    for (int i = 0; i < RECORD_REGISTERS_MAX + 3; i++) {
        record_add_register(fix->record, "x0", 1);
    }
    assert_int_equal(fix->record->n_registers, RECORD_REGISTERS_MAX);
}

/* CASR's words for where the program was about to go. */
static void
test_wild_jumps_have_their_classes(void **state)
{
    static const struct {
        unsigned fact;
        bool near_null;
        const char *class_name;
        const char *exploitability;
    } cases[] = {
        {FACT_AT_RETURN, false, "ReturnAv", "EXPLOITABLE"},
        {FACT_AT_RETURN, true, "ReturnAv", "EXPLOITABLE"},
        {FACT_AT_CALL, false, "CallAv", "EXPLOITABLE"},
        {FACT_AT_CALL, true, "CallAvNearNull", "PROBABLY_EXPLOITABLE"},
        {FACT_AT_BRANCH, false, "BranchAv", "EXPLOITABLE"},
        {FACT_AT_BRANCH, true, "BranchAvNearNull", "PROBABLY_EXPLOITABLE"},
    };
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct record *record = record_from_signal(SIGSEGV);
        record->facts = cases[i].fact;
        record->near_null = cases[i].near_null;
        finish(fix, record);
        assert_string_equal(record->class_name, cases[i].class_name);
        assert_string_equal(record->exploitability, cases[i].exploitability);
    }
}

static void
assert_refused(struct fixture *fix, const char *key, json_t *value, const char *message)
{
    json_decref(fix->object);
    fix->object = record_to_json(fix->record);
    if (value == NULL) {
        (void)json_object_del(fix->object, key);
    } else {
        json_put(fix->object, key, value);
    }
    assert_int_equal(record_from_json(fix->object, &fix->copy, &fix->err), -EBADMSG);
    assert_null(fix->copy);
    assert_string_equal(fix->err.msg, message);
}

static void
test_what_lies_at_the_address_round_trips(void **state)
{
    struct fixture *fix = *state;

    parse(
        fix,
        "==1==ERROR: AddressSanitizer: global-buffer-overflow on address 0x5 at pc 0x1\n"
        "READ of size 4 at 0x5 thread T0\n"
        "    #0 0x1 in get /s/a.c:1:2\n"
        "0x5 is located 7 bytes after global variable 'g' defined in 'a.c:17:13' (0x1) "
        "of size 16\n");
    fix->object = record_to_json(fix->record);
    assert_int_equal(record_from_json(fix->object, &fix->copy, &fix->err), 0);
    const struct memory *memory = &fix->copy->memory;
    assert_int_equal(memory->kind, MEMORY_GLOBAL);
    assert_int_equal(memory->side, SIDE_AFTER);
    assert_int_equal(memory->distance, 7);
    assert_int_equal(memory->size, 16);
    assert_string_equal(memory->name, "g");
    assert_string_equal(memory->place, "a.c:17:13");
    json_put(json_object_get(fix->object, "memory"), "side", json_string("above"));
    record_free(STEAL(fix->copy));
    assert_int_equal(record_from_json(fix->object, &fix->copy, &fix->err), -EBADMSG);
    assert_string_equal(fix->err.msg,
                        "record: field 'side' has a word that is not known");
}

static void
test_from_json_is_strict(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *lengthy = mem_alloc(5000);

    parse(fix, full);
    memset(lengthy, 'x', 4999);
    assert_refused(fix, "crash_type", json_integer(3),
                   "record: field 'crash_type' is no string");
    assert_refused(fix, "crash_type", NULL,
                   "record: field 'sanitizer, crash_type or crash_state' is missing");
    assert_refused(fix, "crash_state", json_string(lengthy),
                   "record: field 'crash_state' is too long");
    assert_refused(fix, "message", json_string("a\x1b[1m"),
                   "record: field 'message' has control bytes");
    assert_refused(
        fix, "class", json_string("made-up"),
        "record: field 'class, exploitability or cwe' has a word that is not known");
    assert_refused(fix, "access", json_string("made-up"),
                   "record: field 'access' has a word that is not known");
    assert_refused(fix, "security", json_string("yes"),
                   "record: field 'security' is neither true nor false");
    assert_refused(fix, "severity_score", json_real(11.0),
                   "record: field 'severity_score' is no number from 0 to 10");
    assert_refused(fix, "severity", json_string("hihg"),
                   "record: field 'severity' has a word that is not known");
    assert_refused(fix, "frames", json_integer(1),
                   "record: field 'frames' is no list of at most 512");
    assert_refused(fix, "frames", json_pack("[i]", 1),
                   "record: field 'frames' has something else than objects");
    assert_refused(fix, "frames", json_pack("[{s:i}]", "n", -1),
                   "record: field 'n' is no number in its range");
    assert_refused(fix, "frames", json_pack("[{s:s}]", "offset", "12"),
                   "record: field 'offset' is no hexadecimal number");
    assert_refused(fix, "frames", json_pack("[{s:s}]", "rule", "made up"),
                   "record: field 'rule' has a word that is not known");
    assert_refused(fix, "hash", json_pack("{s:s,s:s}", "major", "12", "minor", "34"),
                   "record: field 'major' is no hash of 40 hexadecimal digits");
    assert_refused(fix, "reasons", json_pack("[i]", 1),
                   "record: field 'reasons' has something else than sentences");
    assert_refused(fix, "instruction", json_string("mov\x1b[1m"),
                   "record: field 'instruction' has control bytes");
    assert_refused(fix, "registers", json_integer(1),
                   "record: field 'registers' is no list of at most 64");
    assert_refused(fix, "registers", json_pack("[{s:s}]", "name", "rax"),
                   "record: field 'registers' has something else than names and values");
    assert_refused(fix, "registers",
                   json_pack("[{s:s,s:s}]", "name", "!", "value", "0x1"),
                   "record: field 'registers' has something else than names and values");
    assert_refused(fix, "build", json_string("made-up"),
                   "record: field 'build' has a word that is not known");
    assert_refused(fix, "shipped", json_pack("{s:i,s:i}", "k", 3, "n", 2),
                   "record: field 'k' is no number in its range");
    assert_refused(fix, "evidence", json_pack("{s:i}", "facts", 1 << 20),
                   "record: field 'facts' is no number in its range");
}

static void
test_from_json_takes_objects_only(void **state)
{
    struct fixture *fix = *state;

    fix->object = json_string("x");
    assert_int_equal(record_from_json(fix->object, &fix->copy, &fix->err), -EBADMSG);
    assert_string_equal(fix->err.msg, "record: no object");
}

static void
test_severity_words(void **state)
{
    struct fixture *fix = *state;
    enum severity severity = SEVERITY_INFO;

    assert_int_equal(severity_parse("critical", &severity, &fix->err), 0);
    assert_int_equal(severity, SEVERITY_CRITICAL);
    assert_string_equal(severity_name(SEVERITY_LOW), "low");
    assert_int_equal(severity_parse("qqqqqqqq", &severity, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg,
                        "'qqqqqqqq' is no severity: critical, high, medium, low or info");
    assert_int_equal(severity, SEVERITY_CRITICAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_signals_without_a_report_have_clusterfuzz_words),
        TEST(test_limits_name_themselves),
        TEST(test_timeout_is_known_by_its_target),
        TEST(test_finish_twice_changes_nothing),
        TEST(test_finish_refuses_a_bad_pattern),
        TEST(test_frames_are_bounded),
        TEST(test_json_has_the_fields_of_the_design),
        TEST(test_json_begins_with_the_file),
        TEST(test_json_round_trips),
        TEST(test_what_lies_at_the_address_round_trips),
        TEST(test_what_a_debugger_tells_round_trips),
        TEST(test_registers_are_bounded),
        TEST(test_wild_jumps_have_their_classes),
        TEST(test_from_json_is_strict),
        TEST(test_from_json_takes_objects_only),
        TEST(test_severity_words),
    };

    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
