#include "tests/unit/unit.h"

#include <signal.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "triage/native_gdb.h"

struct fixture {
    struct native_state state;
    struct strv argv;
    struct command command;
};

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

    native_state_clear(&fix->state);
    strv_clear(&fix->argv);
    command_clear(&fix->command);
    mem_free(fix);
    return 0;
}

static void
read_text(struct fixture *fix, const char *text)
{
    native_gdb_read(text, strlen(text), &fix->state);
}

static const char answers[] =
    "warning: what gdb says to people\n"
    "Program received signal SIGSEGV, Segmentation fault.\n"
    "1^done,value=\"11\"\n"
    "2^done,value=\"1\"\n"
    "3^done,value=\"1094795585\"\n"
    "4^done,register-names=[\"rax\",\"rip\",\"st0\",\"\",\"fs\"]\n"
    "5^done,register-values=[{number=\"0\",value=\"0x41414141\"},"
    "{number=\"1\",value=\"0x5555555551c0\"},{number=\"2\",value=\"0x0\"},"
    "{number=\"3\",value=\"0x0\"},{number=\"4\",value=\"0x2b\"},"
    "{number=\"9\",value=\"0x1\"},{number=\"0\",value=\"{v2=1}\"}]\n"
    "6^done,memory=[{begin=\"0x1\",offset=\"0x0\",end=\"0x3\",contents=\"c60701zz\"}]\n"
    "7^done,stack=[frame={level=\"0\",addr=\"0x00005555555551c0\",func=\"inner\","
    "file=\"a.c\",fullname=\"/s/a.c\",line=\"4\"},frame={level=\"1\","
    "addr=\"0x00005555555551c0\",func=\"mid\",file=\"a.c\",line=\"5\"},"
    "frame={level=\"2\",addr=\"0x0000555555555200\",func=\"again\"},"
    "frame={level=\"3\",addr=\"0x0000555555555200\",func=\"again\"}]\n"
    "8^done,stack=[frame={level=\"4\",addr=\"0x0000000041414141\",func=\"??\"}]\n"
    "~\"process 8647\\n\"\n"
    "~\"          Start Addr           End Addr       Size     Offset  Perms  "
    "objfile\\n\"\n"
    "~\"      0x555555554000     0x555555555000     0x1000        0x0  r--p   /b/a "
    "b\\n\"\n"
    "~\"      0x555555555000     0x555555556000     0x1000     0x1000  r-xp   /b/a "
    "b\\n\"\n"
    "~\"      0x7ffff7dd0000     0x7ffff7dd3000     0x3000        0x0  rw-p   \\n\"\n"
    "9^done\n";

static void
test_read_takes_the_answers(void **state)
{
    struct fixture *fix = *state;

    read_text(fix, answers);
    const struct native_fault *fault = &fix->state.fault;
    assert_int_equal(fault->signal, SIGSEGV);
    assert_int_equal(fault->code, 1);
    assert_true(fault->has_address);
    assert_int_equal(fault->address, 0x41414141);
    assert_int_equal(fault->n_bytes, 3);
    assert_int_equal(fault->bytes[0], 0xc6);
    const struct record *seen = fix->state.seen;
    assert_int_equal(seen->n_registers, 3);
    assert_string_equal(seen->registers[1].name, "rip");
    assert_int_equal(seen->registers[1].value, 0x5555555551c0);
    assert_string_equal(seen->registers[2].name, "fs");
}

static void
test_read_places_frames(void **state)
{
    struct fixture *fix = *state;

    read_text(fix, answers);
    const struct record *seen = fix->state.seen;
    assert_int_equal(seen->n_frames, 5);
    const struct frame *top = &seen->frames[0];
    assert_string_equal(top->function, "inner");
    assert_string_equal(top->file, "/s/a.c");
    assert_int_equal(top->line, 4);
    assert_string_equal(top->module, "/b/a b");
    assert_int_equal(top->offset, 0x11c0);
    assert_true(top->inlined);
    assert_false(seen->frames[1].inlined);
    assert_string_equal(seen->frames[1].file, "a.c");
    /* a return address belongs to the call before it; a function that calls itself is not
     * inlined */
    assert_int_equal(seen->frames[2].offset, 0x11ff);
    assert_false(seen->frames[2].inlined);
    assert_null(seen->frames[4].function);
    assert_null(seen->frames[4].module);
    assert_int_equal(seen->frames[4].address, 0x41414141);
}

static void
test_read_knows_whose_address_it_is(void **state)
{
    struct fixture *fix = *state;

    read_text(fix, "1^done,value=\"11\"\n2^done,value=\"128\"\n3^done,value=\"0\"\n");
    assert_false(fix->state.fault.has_address);
    read_text(fix, "1^done,value=\"6\"\n2^done,value=\"-6\"\n3^done,value=\"7\"\n");
    assert_int_equal(fix->state.fault.code, -6);
    assert_false(fix->state.fault.has_address);
}

static void
test_read_survives_what_is_missing_or_damaged(void **state)
{
    static const char *const texts[] = {
        "",
        "\n\n^\n1^done\n",
        "1^error,msg=\"No registers.\"\n7^error,msg=\"No stack.\"\n",
        "1^done,value={}\n5^done,register-values=\"x\"\n7^done,stack=[[],\"x\",{}]\n",
        "1^done,value=\"99999999999999999999999\"\n",
        "99^done,value=\"11\"\n0^done,value=\"11\"\n",
        ("6^done,memory=[{contents=\"c\"}]\n~\"  0x1 0x2 0x3\\n\"\n~\"0x1 0x2 0x3 0x4 "
         "r\"\n"),
    };
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(texts); i++) {
        read_text(fix, texts[i]);
        assert_int_equal(fix->state.fault.signal, 0);
        assert_int_equal(fix->state.fault.n_bytes, 0);
        assert_int_equal(fix->state.seen->n_registers, 0);
    }
}

static void
test_read_is_bounded(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf text = BUF_INIT;

    buf_adds(&text, "8^done,stack=[");
    for (int i = 0; i < RECORD_FRAMES_MAX + 100; i++) {
        buf_addf(&text, "%sframe={addr=\"0x1\",func=\"", i == 0 ? "" : ",");
        for (int k = 0; k < 200; k++) {
            buf_adds(&text, "long");
        }
        buf_adds(&text, "\"}");
    }
    buf_adds(&text, "]\n");
    read_text(fix, buf_str(&text));
    assert_int_equal(fix->state.seen->n_frames, RECORD_FRAMES_MAX);
    assert_true(fix->state.truncated);
    assert_int_equal(strlen(fix->state.seen->frames[0].function), RECORD_FUNCTION_MAX);
}

static bool
told(const struct fixture *fix, const char *text)
{
    return strv_has(&fix->argv, text);
}

static void
test_run_quotes_what_a_shell_would_read(void **state)
{
    struct fixture *fix = *state;

    strv_add(&fix->command.argv, "/b/prog");
    strv_add(&fix->command.argv, "a b;$(touch x)");
    strv_add(&fix->command.argv, "@@");
    strv_add(&fix->command.env, "LD_LIBRARY_PATH=/b/li b");
    native_gdb_run("/usr/bin/gdb", &fix->command, "/r/in'put", SIGSEGV, false,
                   &fix->argv);
    assert_string_equal(fix->argv.v[0], "/usr/bin/gdb");
    assert_string_equal(fix->argv.v[fix->argv.n - 1], "/b/prog");
    assert_true(told(fix, "set args 'a b;$(touch x)' '/r/in'\\''put' >/dev/null 2>&1 "
                          "</dev/null"));
    assert_true(told(fix, "handle SIGSEGV stop print nopass"));
    assert_true(told(fix, "set auto-load off"));
    assert_false(told(fix, "set disable-randomization off"));
    bool by_env = false;
    for (size_t i = 0; i < fix->argv.n; i++) {
        by_env = by_env || (str_starts(fix->argv.v[i], "set exec-wrapper env -i ") &&
                            strstr(fix->argv.v[i], " 'LD_LIBRARY_PATH=/b/li b'") != NULL);
    }
    assert_true(by_env);
}

static void
test_run_gives_standard_input(void **state)
{
    struct fixture *fix = *state;

    strv_add(&fix->command.argv, "/b/prog");
    fix->command.mode = INPUT_STDIN;
    native_gdb_run("/usr/bin/gdb", &fix->command, "/r/input", SIGABRT, true, &fix->argv);
    assert_true(told(fix, "set args >/dev/null 2>&1 </r/input"));
    assert_true(told(fix, "set disable-randomization off"));
}

static void
test_core_runs_nothing(void **state)
{
    struct fixture *fix = *state;

    native_gdb_core("/usr/bin/gdb", "/b/prog", "/c/core", &fix->argv);
    assert_false(told(fix, "run"));
    assert_string_equal(fix->argv.v[fix->argv.n - 1], "/c/core");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_read_takes_the_answers),
        TEST(test_read_places_frames),
        TEST(test_read_knows_whose_address_it_is),
        TEST(test_read_survives_what_is_missing_or_damaged),
        TEST(test_read_is_bounded),
        TEST(test_run_quotes_what_a_shell_would_read),
        TEST(test_run_gives_standard_input),
        TEST(test_core_runs_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
