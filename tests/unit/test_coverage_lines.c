#include "tests/unit/victim.h"

#include <errno.h>
#include <string.h>

#include "orchestrator/corpus/coverage_lines.h"

struct fixture {
    char *state;
    struct buf told; /* what changed, in words */
    struct err err;
};

static struct fixture fixture;

static int
setup(void **state)
{
    fixture = (struct fixture){.state = victim_folder()};
    *state = &fixture;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(fs_remove(fix->state, NULL), 0);
    mem_free(fix->state);
    buf_clear(&fix->told);
    return 0;
}

static int
tell(void *user, const struct coverage_change *change, struct err *err)
{
    struct buf *told = user;

    (void)err;
    buf_addf(told, "%s:", change->name);
    for (size_t i = 0; i < change->n_lost; i++) {
        buf_addf(told, " -%u", change->lost[i]);
    }
    for (size_t i = 0; i < change->n_gained; i++) {
        buf_addf(told, " +%u", change->gained[i]);
    }
    for (size_t i = 0; i < change->n_lost_functions; i++) {
        buf_addf(told, " -%s", change->lost_functions[i]);
    }
    for (size_t i = 0; i < change->n_gained_functions; i++) {
        buf_addf(told, " +%s", change->gained_functions[i]);
    }
    if (change->edited > 0) {
        buf_addf(told, " %zu edited", change->edited);
    }
    buf_adds(told, ";");
    return 0;
}

static void
keep(struct fixture *fix, const char *build, const char *text)
{
    AUTO(mem_free) char *id = mem_strdup(build);
    struct coverage coverage = {.build_id = id, .corpus = "c", .inputs = 3};

    if (coverage_lines_keep(fix->state, "t", &coverage, text, strlen(text), &fix->err) <
        0) {
        fail_msg("%s", fix->err.msg);
    }
}

static void
assert_changes(struct fixture *fix, const char *wanted)
{
    AUTO(coverage_lines_clear) struct coverage_lines before = {0};
    AUTO(coverage_lines_clear) struct coverage_lines now = {0};

    buf_cut(&fix->told, 0);
    if (coverage_lines_load(fix->state, "t", &before, &now, &fix->err) < 0) {
        fail_msg("%s", fix->err.msg);
    }
    assert_int_equal(coverage_lines_compare(&before, &now, tell, &fix->told, &fix->err),
                     0);
    assert_string_equal(buf_str(&fix->told), wanted);
}

#define OLD                                                                         \
    "SF:/a.c\nFN:1,f\nFN:5,g\nFNDA:2,f\nFNDA:0,g\nDA:1,2\nDA:2,2\nDA:3,0\nDA:5,0\n" \
    "DA:6,0\nend_of_record\nSF:/b.c\nFN:1,h\nFNDA:1,h\nDA:1,1\nend_of_record\n"

static void
test_lines_are_compared_wherever_a_function_begins(void **state)
{
    struct fixture *fix = *state;

    keep(fix, "one", OLD);
    keep(fix, "two",
         "SF:/a.c\nFN:11,f\nFN:15,g\nFNDA:2,f\nFNDA:7,g\nDA:11,2\nDA:12,0\nDA:13,9\n"
         "DA:15,7\nDA:16,0\nend_of_record\nSF:/b.c\nFN:1,h\nFNDA:1,h\nDA:1,1\n"
         "end_of_record\n");
    assert_changes(fix, "/a.c: -12 +13 +15 +g;");
}

static void
test_an_edited_function_is_compared_as_a_whole(void **state)
{
    struct fixture *fix = *state;

    keep(fix, "one", OLD);
    keep(fix, "two",
         "SF:/a.c\nFN:1,f\nFN:6,g\nFNDA:0,f\nFNDA:0,g\nDA:1,0\nDA:2,0\nDA:3,0\nDA:4,0\n"
         "DA:6,0\nDA:7,0\nend_of_record\nSF:/c.c\nFN:1,new\nFNDA:1,new\nDA:1,1\n"
         "end_of_record\n");
    assert_changes(fix, "/a.c: -f 1 edited;/c.c: +new;");
}

static void
test_the_build_before_stays_while_one_is_measured_again(void **state)
{
    struct fixture *fix = *state;
    AUTO(coverage_lines_clear) struct coverage_lines before = {0};
    AUTO(coverage_lines_clear) struct coverage_lines now = {0};

    keep(fix, "one", OLD);
    assert_int_equal(coverage_lines_load(fix->state, "t", &before, &now, &fix->err),
                     -ENODATA);
    assert_string_equal(fix->err.msg, "there are not two builds of t to compare: "
                                      "nightjar coverage t, on each of them");
    keep(fix, "", OLD);
    keep(fix, "", OLD);
    assert_int_equal(coverage_lines_load(fix->state, "t", &before, &now, &fix->err), 0);
    assert_string_equal(before.build_id, "one");
    assert_string_equal(now.build_id, "-");
    assert_string_equal(now.corpus, "c");
    assert_int_equal(now.inputs, 3);
    assert_changes(fix, "");
}

static void
test_whatever_is_malformed_is_passed_over(void **state)
{
    struct fixture *fix = *state;
    AUTO(coverage_lines_clear) struct coverage_lines lines = {0};
    static const char text[] =
        "DA:1,1\nTN:x\nTN:id corpus 7\nTN:other corpus 8\nSF:/\x1b[2Ja\nFN:1\nFN:x,y\n"
        "FN:99999999999999999999,z\nFN:3,\nFN:2,\xff\nFNDA:1,nobody\nFNDA:,\nFN:4,late\n"
        "DA:0,1\nDA:-1,1\nDA:5\nDA:5,\nDA:7,12\nSF:/b\nSF:/c\nDA:1,0";

    assert_int_equal(coverage_lines_read(text, sizeof(text) - 1, &lines, &fix->err), 0);
    assert_string_equal(lines.build_id, "id");
    assert_int_equal(lines.inputs, 7);
    assert_int_equal(lines.n, 3);
    assert_null(strchr(lines.sources[0].name, '\x1b'));
    assert_int_equal(lines.sources[0].n_functions, 2);
    assert_int_equal(lines.sources[0].n_lines, 2);
    assert_int_equal(coverage_lines_read("SF:/a\n", 6, &lines, &fix->err), -EBADMSG);
    assert_string_equal(fix->err.msg, "that is no measurement of lines");
}

#define LINES(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LINES(test_lines_are_compared_wherever_a_function_begins),
        LINES(test_an_edited_function_is_compared_as_a_whole),
        LINES(test_the_build_before_stays_while_one_is_measured_again),
        LINES(test_whatever_is_malformed_is_passed_over),
    };

    return cmocka_run_group_tests_name("coverage_lines", tests, NULL, NULL);
}
