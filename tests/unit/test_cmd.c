#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "orchestrator/cmd/bug_table.h"
#include "orchestrator/cmd/cmd.h"

const struct cmd *const cmd_table[] = {NULL};

static bool flag;
static bool choice;
static const char *text;
static struct strv list;
static int64_t number, duration, size;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_FLAG, "flag", 'f', &flag, NULL, "a flag"},
        {CMD_YESNO, "choice", 0, &choice, NULL, "yes or no"},
        {CMD_TEXT, "text", 't', &text, "TEXT", "a text"},
        {CMD_LIST, "list", 0, &list, "ITEM", "a list"},
        {CMD_NUMBER, "jobs", 'j', &number, "N", "a number"},
        {CMD_DURATION, "for", 0, &duration, "DURATION", "a duration"},
        {CMD_SIZE, "max-size", 0, &size, "SIZE", "a size"},
        {.kind = CMD_END}};

    return table;
}

static const struct cmd verb = {
    .name = "try", .summary = "s", .usage = "[X]", .about = "About.", .options = options};

struct fixture {
    struct strv args, command;
    struct err err;
};

static int
setup(void **state)
{
    *state = mem_alloc(sizeof(struct fixture));
    flag = false;
    choice = false;
    text = NULL;
    number = 0;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    strv_clear(&fix->args);
    strv_clear(&fix->command);
    strv_clear(&list);
    mem_free(fix);
    return 0;
}

static int
parse(struct fixture *fix, int argc, char **argv)
{
    return cmd_parse(&verb, argc, argv, &fix->args, &fix->command, &fix->err);
}

#define PARSE(fix, ...)                       \
    __extension__({                           \
        char *argv_[] = {__VA_ARGS__};        \
        parse(fix, (int)COUNT(argv_), argv_); \
    })

static char a_flag[] = "--flag", a_text[] = "--text=x=y", a_t[] = "-tz",
            a_list[] = "--list", a_one[] = "one", a_two[] = "two", a_jobs[] = "-j",
            a_3[] = "3", a_for[] = "--for", a_90s[] = "90s", a_size[] = "--max-size",
            a_2k[] = "2k", a_dd[] = "--", a_dash[] = "-", a_yes[] = "--choice=yes",
            a_typo[] = "--job", a_bad[] = "ten", a_flagx[] = "--flag=1",
            a_zzz[] = "--zzzzzz", a_q[] = "-q", a_maybe[] = "--choice=maybe";

static void
test_parse_stores_every_kind(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(PARSE(fix, a_flag, a_one, a_text, a_list, a_one, a_list, a_two,
                           a_jobs, a_3, a_for, a_90s, a_size, a_2k, a_yes, a_dash),
                     0);
    assert_true(flag);
    assert_true(choice);
    assert_string_equal(text, "x=y");
    assert_int_equal(list.n, 2);
    assert_string_equal(list.v[1], "two");
    assert_int_equal(number, 3);
    assert_int_equal(duration, 90000);
    assert_int_equal(size, 2048);
    assert_int_equal(fix->args.n, 2);
    assert_string_equal(fix->args.v[1], "-");
}

static void
test_parse_leaves_what_stands_behind_two_dashes_alone(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(PARSE(fix, a_t, a_dd, a_flag, a_dd), 0);
    assert_string_equal(text, "z");
    assert_false(flag);
    assert_int_equal(fix->command.n, 2);
    assert_string_equal(fix->command.v[0], "--flag");
}

static void
test_parse_suggests_the_nearest_option(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(PARSE(fix, a_typo, a_3), -EINVAL);
    assert_string_equal(fix->err.msg,
                        "try has no option '--job' (did you mean '--jobs'?)");
    assert_int_equal(PARSE(fix, a_zzz), -EINVAL);
    assert_string_equal(fix->err.msg,
                        "try has no option '--zzzzzz'; see nightjar try --help");
    assert_int_equal(PARSE(fix, a_q), -EINVAL);
    assert_string_equal(fix->err.msg, "try has no option '-q'; see nightjar try --help");
}

static void
test_parse_refuses_bad_values(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(PARSE(fix, a_jobs, a_bad), -EINVAL);
    assert_string_equal(fix->err.msg,
                        "--jobs: value 'ten' is not a number from 1 to 2147483647");
    assert_int_equal(PARSE(fix, a_for, a_bad), -EINVAL);
    assert_string_equal(fix->err.msg,
                        "--for: 'ten' is not a duration: write 90s, 10m or 8h");
    assert_int_equal(PARSE(fix, a_for), -EINVAL);
    assert_string_equal(fix->err.msg, "--for needs a value: --for DURATION");
    assert_int_equal(PARSE(fix, a_flagx), -EINVAL);
    assert_string_equal(fix->err.msg, "--flag takes no value");
    assert_int_equal(PARSE(fix, a_maybe), -EINVAL);
    assert_string_equal(fix->err.msg, "--choice: 'maybe' is neither yes nor no");
}

static void
test_help_names_every_option(void **state)
{
    char *out = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&out, &len);

    (void)state;
    cmd_help(file, &verb);
    (void)fclose(file);
    assert_non_null(strstr(out, "usage: nightjar try [X]\n\nAbout.\n"));
    assert_non_null(strstr(out, "  -j, --jobs N            a number\n"));
    assert_non_null(strstr(out, "  --choice=yes|no         yes or no\n"));
    assert_non_null(strstr(out, "--state DIR"));
    free(out);
}

static void
test_cell_cuts_and_pads_by_characters(void **state)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;

    (void)state;
    bug_table_cell(&out, "abc", 5);
    bug_table_cell(&out,
                   "gr\xc3\xbc\xc3\x9f"
                   "e und so",
                   6);
    bug_table_cell(&out, "\033[31m", 6);
    bug_table_cell(&out, "exact", 5);
    assert_string_equal(buf_str(&out), "abc  gr\xc3\xbc\xc3\x9f"
                                       "e~\\x1b[~exact");
}

static void
test_bug_texts_are_one_line(void **state)
{
    AUTO(mem_free) char *type = record_type_line("Heap-buffer-overflow\nREAD 4");
    AUTO(mem_free) char *frame = record_top_frame("Ill", "parse\nmain\n");
    AUTO(mem_free) char *none = record_top_frame("Ill", "");
    AUTO(mem_free) char *module = record_top_frame("Ill", "/opt/a b/tool\nmain\n");

    (void)state;
    assert_string_equal(type, "Heap-buffer-overflow READ 4");
    assert_string_equal(frame, "parse");
    assert_string_equal(none, "-");
    assert_string_equal(module, "tool");

    AUTO(mem_free) char *assertion = record_top_frame("ASSERT", "x < 3\nparse\nmain\n");
    assert_string_equal(assertion, "parse");
}

static size_t sub_args;

static int
run_sub(const struct cmd_context *context, const struct strv *args)
{
    (void)context;
    sub_args = args->n;
    return EXIT_DONE;
}

static const struct cmd_sub subs[] = {{"merge", "A B", "join", "flag text", run_sub},
                                      {"list", "", "list them all", NULL, run_sub},
                                      {.name = NULL}};
static const struct cmd parent = {.name = "try",
                                  .summary = "s",
                                  .usage = "[X]",
                                  .about = "About.",
                                  .options = options,
                                  .subs = subs};

static void
test_sub_verb_runs_with_its_own_options_only(void **state)
{
    struct fixture *fix = *state;
    const struct cmd_context context = {.json = false};

    number = 0;
    duration = 0;
    size = 0;
    choice = false;
    strv_clear(&list);
    strv_add(&fix->args, "merge");
    strv_add(&fix->args, "a");
    strv_add(&fix->args, "b");
    flag = true;
    text = "why";
    assert_int_equal(cmd_run_sub(&parent, &context, &fix->args), EXIT_DONE);
    assert_int_equal(sub_args, 2);
    number = 3;
    assert_int_equal(cmd_run_sub(&parent, &context, &fix->args), EXIT_USAGE);
    number = 0;
    strv_clear(&fix->args);
    strv_add(&fix->args, "list");
    assert_int_equal(cmd_run_sub(&parent, &context, &fix->args), EXIT_USAGE);
    flag = false;
    text = NULL;
    assert_int_equal(cmd_run_sub(&parent, &context, &fix->args), EXIT_DONE);
    assert_int_equal(sub_args, 0);
    strv_clear(&fix->args);
    strv_add(&fix->args, "merg");
    assert_int_equal(cmd_run_sub(&parent, &context, &fix->args), EXIT_USAGE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_parse_stores_every_kind),
        TEST(test_parse_leaves_what_stands_behind_two_dashes_alone),
        TEST(test_parse_suggests_the_nearest_option),
        TEST(test_parse_refuses_bad_values),
        TEST(test_help_names_every_option),
        TEST(test_cell_cuts_and_pads_by_characters),
        TEST(test_bug_texts_are_one_line),
        TEST(test_sub_verb_runs_with_its_own_options_only),
    };

    return cmocka_run_group_tests_name("cmd", tests, NULL, NULL);
}
