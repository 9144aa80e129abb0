#include "tests/unit/victim.h"

#include <errno.h>
#include <string.h>

#include "triage/hang.h"
#include "triage/limit.h"

static const char source[] =
    "#include <stdlib.h>\n#include <string.h>\n"
    "static volatile unsigned long x;\n"
    "__attribute__((noinline)) void one(void) { for (int i = 0; i < 9999; i++) x += i; "
    "}\n"
    "__attribute__((noinline)) void two(void) { for (int i = 0; i < 9999; i++) x ^= i; "
    "}\n"
    "__attribute__((noinline)) void loop(void)\n"
    "{ for (;;) { if (rand() & 1) one(); else two(); } }\n"
    "__attribute__((noinline)) void parse(void) { loop(); x++; }\n"
    "int main(void) { parse(); return 0; }\n";

static char *the_folder;
static char *the_program;
static struct symbolizer *symbolizer;

struct fixture {
    struct record *record;
    struct strv samples;
    struct err err;
};

static int
build(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    the_folder = victim_folder();
    the_program = victim_build(the_folder, "victim", source, VICTIM_PLAIN);
    if (symbolizer_new(NULL, NULL, &symbolizer, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    return 0;
}

static int
unbuild(void **state)
{
    (void)state;
    symbolizer_free(symbolizer);
    (void)fs_remove(the_folder, NULL);
    mem_free(the_folder);
    mem_free(the_program);
    return 0;
}

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    fix->record = record_timeout(1000);
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    record_free(fix->record);
    strv_clear(&fix->samples);
    mem_free(fix);
    return 0;
}

static void
test_samples_of_a_loop_share_the_loop(void **state)
{
    struct fixture *fix = *state;
    char *const argv[] = {the_program, NULL};
    const struct limit limit = {
        .wall_ms = 2000, .samples = 8, .samples_ms = 2000, .output_bytes = 4096};
    AUTO(limit_run_clear) struct limit_run run = {0};
    struct proc_spec spec = PROC_SPEC_INIT;

    spec.argv = argv;
    assert_int_equal(limit_run(&spec, &limit, &run, &fix->err), 0);
    assert_int_equal(run.hit, LIMIT_TIME);
    assert_in_range(run.stacks.n, 2, 8); /* a busy machine may miss some */
    assert_true(hang_frames(&run.stacks, symbolizer, fix->record));
    assert_int_equal(fix->record->samples, run.stacks.n);
    /* once in 2^7 all samples are in one(): then it is shared too */
    const struct frame *frame = &fix->record->frames[0];
    if (strcmp(frame->function, "loop") != 0) {
        frame++;
    }
    assert_string_equal(frame[0].function, "loop");
    assert_string_equal(frame[1].function, "parse");
    assert_string_equal(frame[2].function, "main");
    assert_int_equal(fix->record->frames[0].n, 0);
}

#define FRAME(n, offset) \
    "#" n "  0x0000000000001000 - /b/x\n    [0a0b]@0x1000+" offset "\n"

static void
test_what_differs_is_left_out(void **state)
{
    struct fixture *fix = *state;

    strv_add(&fix->samples,
             "TID 5:\n" FRAME("0", "0x10") FRAME("1", "0x20") FRAME("2", "0x30"));
    strv_add(&fix->samples, "TID 5:\n" FRAME("0", "0x11") FRAME("1", "0x12")
                                FRAME("2", "0x20") FRAME("3", "0x30"));
    strv_add(&fix->samples, "TID 5:\n"); /* shows nothing */
    assert_true(hang_frames(&fix->samples, NULL, fix->record));
    assert_int_equal(fix->record->samples, 2);
    assert_int_equal(fix->record->n_frames, 2);
    assert_int_equal(fix->record->frames[0].offset, 0x20);
    assert_string_equal(fix->record->frames[0].module, "/b/x");
    assert_string_equal(fix->record->frames[0].build_id, "0a0b");
    assert_int_equal(fix->record->frames[1].offset, 0x30);
}

static void
test_samples_that_share_nothing_change_nothing(void **state)
{
    struct fixture *fix = *state;
    struct frame *frame = record_add_frame(fix->record);

    frame->function = mem_strdup("kept");
    assert_false(hang_frames(&fix->samples, NULL, fix->record));
    strv_add(&fix->samples, FRAME("0", "0x10"));
    strv_add(&fix->samples, FRAME("0", "0x20"));
    assert_false(hang_frames(&fix->samples, NULL, fix->record));
    assert_int_equal(fix->record->samples, 0);
    assert_int_equal(fix->record->n_frames, 1);
    assert_string_equal(fix->record->frames[0].function, "kept");
}

static void
test_odd_lines_do_no_harm(void **state)
{
    struct fixture *fix = *state;

    strv_add(&fix->samples,
             "    [ab]@0x1+0x2\n#\n#x\n#0\n#0 0x\n#99999999999999999999 0x5\n"
             "    [\n    []\n    []+\n    [a]+0xffffffffffffffffff\n\n");
    assert_true(hang_frames(&fix->samples, NULL, fix->record));
    assert_int_equal(fix->record->n_frames, 1);
    assert_int_equal(fix->record->frames[0].address, 5);
}

static void
test_nobody_to_look_at(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf out = BUF_INIT;

    assert_int_equal(hang_sample(-5, &out, &fix->err), -ENOENT);
    assert_int_equal(out.len, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_samples_of_a_loop_share_the_loop),
        TEST(test_what_differs_is_left_out),
        TEST(test_samples_that_share_nothing_change_nothing),
        TEST(test_odd_lines_do_no_harm),
        TEST(test_nobody_to_look_at),
    };

    return cmocka_run_group_tests_name("hang", tests, build, unbuild);
}
