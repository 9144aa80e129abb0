#include "tests/unit/victim.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "triage/limit.h"

enum { KEPT = 4096 };

static const char source[] =
    "#include <signal.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
    "#include <sys/mman.h>\n#include <unistd.h>\n"
    "static void on_abort(int s) { (void)!write(2, \"last words\\n\", 11); _exit(9); }\n"
    "int main(int c, char **v) {\n"
    "  switch (v[1][0]) {\n"
    "  case 'w': signal(SIGABRT, on_abort); printf(\"first\\n\"); fflush(stdout); for "
    "(;;) pause();\n"
    "  case 'd': signal(SIGABRT, SIG_IGN); for (;;) pause();\n"
    "  case 'p': for (;;) puts(\"and so on\");\n"
    "  case 'n': printf(\"begin\"); for (int i = 0; i < 100000; i++) printf(\"%09d\\n\", "
    "i);\n"
    "            printf(\"end\"); return 0;\n"
    "  case 'c': close(0); close(1); close(2); usleep(300000); return 5;\n"
    "  case 'm': { char *p = mmap(0, 512 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);\n"
    "              signal(SIGABRT, on_abort);\n"
    "              if (fork() == 0) { memset(p, 1, 256 << 20); for (;;) pause(); }\n"
    "              for (;;) pause(); }\n"
    "  case 'b': if (fork() == 0) { sleep(30); return 0; } printf(\"parent\"); return "
    "0;\n"
    "  case 's': raise(SIGSEGV);\n"
    "  }\n  return 7;\n}\n";

struct fixture {
    struct limit limit;
    struct limit_run run;
    struct err err;
};

static char *the_folder;
static char *the_program;

static int
build(void **state)
{
    (void)state;
    the_folder = victim_folder();
    the_program = victim_build(the_folder, "victim", source, VICTIM_PLAIN);
    return 0;
}

static int
unbuild(void **state)
{
    (void)state;
    (void)fs_remove(the_folder, NULL);
    mem_free(the_folder);
    mem_free(the_program);
    return 0;
}

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    fix->limit = (struct limit){.wall_ms = 20000, .grace_ms = 5000, .output_bytes = KEPT};
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    limit_run_clear(&fix->run);
    mem_free(fix);
    return 0;
}

static void
run(struct fixture *fix, const char *how)
{
    AUTO(strv_clear) struct strv argv = {0};
    struct proc_spec spec = PROC_SPEC_INIT;

    strv_add(&argv, the_program);
    strv_add(&argv, how);
    spec.argv = argv.v;
    if (limit_run(&spec, &fix->limit, &fix->run, &fix->err) < 0) {
        fail_msg("%s", fix->err.msg);
    }
}

static void
test_an_ordinary_end(void **state)
{
    struct fixture *fix = *state;

    run(fix, "-");
    assert_int_equal(fix->run.hit, LIMIT_NONE);
    assert_true(WIFEXITED(fix->run.status));
    assert_int_equal(WEXITSTATUS(fix->run.status), 7);
    assert_int_equal(fix->run.output.len, 0);
}

static void
test_a_signal_is_the_status(void **state)
{
    struct fixture *fix = *state;

    run(fix, "s");
    assert_true(WIFSIGNALED(fix->run.status));
    assert_int_equal(WTERMSIG(fix->run.status), SIGSEGV);
}

static void
test_a_hang_says_its_last_words(void **state)
{
    struct fixture *fix = *state;

    fix->limit.wall_ms = 300;
    run(fix, "w");
    assert_int_equal(fix->run.hit, LIMIT_TIME);
    assert_string_equal(buf_str(&fix->run.output), "first\n");
    assert_string_equal(buf_str(&fix->run.last_words), "last words\n");
    assert_in_range(fix->run.wall_ms, 300, 5000);
}

static void
test_a_deaf_one_is_killed_after_its_grace(void **state)
{
    struct fixture *fix = *state;
    int64_t start = clock_mono_ms();

    fix->limit.wall_ms = 100;
    fix->limit.grace_ms = 200;
    run(fix, "d");
    assert_int_equal(fix->run.hit, LIMIT_TIME);
    assert_in_range(clock_mono_ms() - start, 300, 10000);
}

static void
test_endless_output_is_bounded_and_ends(void **state)
{
    struct fixture *fix = *state;

    fix->limit.wall_ms = 300;
    fix->limit.grace_ms = 100;
    run(fix, "p");
    assert_int_equal(fix->run.hit, LIMIT_TIME);
    assert_in_range(fix->run.output.len, KEPT, KEPT + 64);
    assert_non_null(strstr(buf_str(&fix->run.output), "bytes left out here]\n"));
}

static void
test_head_and_tail_are_kept_in_order(void **state)
{
    struct fixture *fix = *state;

    run(fix, "n");
    const char *text = buf_str(&fix->run.output);
    const char *cut = strstr(text, "\n[nightjar: ");
    assert_int_equal(memcmp(text, "begin000000000\n000000001\n", 25), 0);
    assert_non_null(cut);
    assert_int_equal(cut - text, KEPT / 4);
    /* 5 + 100000 * 10 + 3 bytes were printed */
    assert_non_null(strstr(text, "\n[nightjar: 995912 bytes left out here]\n"));
    const char *tail = strchr(cut + 1, '\n') + 1;
    assert_int_equal(strlen(tail), KEPT - KEPT / 4);
    assert_string_equal(text + fix->run.output.len - 24, "\n000099998\n000099999\nend");
    for (const char *line = strchr(tail, '\n') + 1; strchr(line, '\n') != NULL;
         line += 10) {
        const char *next = line + 10;
        if (*next >= '0' && *next <= '9') {
            assert_int_equal(strtol(next, NULL, 10), strtol(line, NULL, 10) + 1);
        }
    }
}

static void
test_short_output_is_whole(void **state)
{
    struct fixture *fix = *state;

    fix->limit.output_bytes = 2 << 20;
    run(fix, "n");
    assert_int_equal(fix->run.output.len, 1000008);
    assert_null(strstr(buf_str(&fix->run.output), "nightjar"));
}

static void
test_closed_outputs_do_not_end_it(void **state)
{
    struct fixture *fix = *state;

    run(fix, "c");
    assert_int_equal(fix->run.hit, LIMIT_NONE);
    assert_int_equal(WEXITSTATUS(fix->run.status), 5);
    assert_in_range(fix->run.wall_ms, 300, 10000);
}

static void
test_memory_of_a_child_counts(void **state)
{
    struct fixture *fix = *state;

    fix->limit.memory_bytes = 100 << 20;
    run(fix, "m");
    assert_int_equal(fix->run.hit, LIMIT_MEMORY);
    assert_non_null(strstr(buf_str(&fix->run.last_words), "last words\n"));
    assert_in_range(fix->run.wall_ms, 0, 15000);
}

static void
test_a_background_child_does_not_hold_us(void **state)
{
    struct fixture *fix = *state;

    run(fix, "b");
    assert_int_equal(fix->run.hit, LIMIT_NONE);
    assert_string_equal(buf_str(&fix->run.output), "parent");
    assert_in_range(fix->run.wall_ms, 0, 15000);
}

static void
test_a_missing_program_is_an_error(void **state)
{
    struct fixture *fix = *state;
    char missing[] = "/nowhere/x";
    char *argv[] = {missing, NULL};
    struct proc_spec spec = PROC_SPEC_INIT;

    spec.argv = argv;
    assert_int_equal(limit_run(&spec, &fix->limit, &fix->run, &fix->err), -ENOENT);
    assert_string_equal(fix->err.msg, "start '/nowhere/x': No such file or directory");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_ordinary_end),
        TEST(test_a_signal_is_the_status),
        TEST(test_a_hang_says_its_last_words),
        TEST(test_a_deaf_one_is_killed_after_its_grace),
        TEST(test_endless_output_is_bounded_and_ends),
        TEST(test_head_and_tail_are_kept_in_order),
        TEST(test_short_output_is_whole),
        TEST(test_closed_outputs_do_not_end_it),
        TEST(test_memory_of_a_child_counts),
        TEST(test_a_background_child_does_not_hold_us),
        TEST(test_a_missing_program_is_an_error),
    };

    return cmocka_run_group_tests_name("limit", tests, build, unbuild);
}
