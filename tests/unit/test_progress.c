#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "orchestrator/supervise/progress.h"

struct fixture {
    struct progress progress;
    struct progress_row rows[20];
    struct buf out;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    fix->progress = (struct progress){.phase = "fuzzing",
                                      .elapsed_ms = 72000,
                                      .limit_ms = 600000,
                                      .execs_per_sec = 3456,
                                      .execs = 1234567,
                                      .edges = 812,
                                      .corpus = 345,
                                      .crashes = 78,
                                      .fresh = 60,
                                      .new_bugs = 2,
                                      .bugs = 5,
                                      .rows = fix->rows};
    fix->progress.workers[WORKER_RUNNING] = 2;
    fix->progress.workers[WORKER_PAUSED] = 6;
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    buf_clear(&fix->out);
    mem_free(fix);
    return 0;
}

static void
add_row(struct fixture *fix, const char *name, enum worker_state state,
        const char *reason)
{
    fix->rows[fix->progress.n_rows++] = (struct progress_row){.name = name,
                                                              .state = state,
                                                              .execs_per_sec = 1728,
                                                              .edges = 812,
                                                              .corpus = 345,
                                                              .finds = 12,
                                                              .reason = reason};
}

static void
test_line_says_all_at_once(void **state)
{
    struct fixture *fix = *state;

    fix->progress.queued = 3;
    fix->progress.triaging = 1;
    fix->progress.minimizing = 1;
    progress_line(&fix->out, &fix->progress);
    assert_string_equal(
        buf_str(&fix->out),
        "fuzzing 1 min 12 s of 10 min: 2 running, 6 paused; 3456 exec/s, execs "
        "1.2M, edges 812, corpus 345; crashes 78 (60 distinct) -> bugs 5 (2 new), "
        "triage 1 + 3 queued, minimizing 1");
}

static void
test_block_has_a_row_for_each_worker_that_does_something(void **state)
{
    struct fixture *fix = *state;

    add_row(fix, "stb_truetype-aflpp-1", WORKER_RUNNING, "");
    add_row(fix, "stb_truetype-libfuzzer-1", WORKER_PAUSED, "");
    add_row(fix, "exiftags-aflpp-1", WORKER_QUARANTINED, "no instrumentation");
    progress_block(&fix->out, &fix->progress, 79);
    assert_string_equal(
        buf_str(&fix->out),
        "fuzzing 1 min 12 s of 10 min: 2 running, 6 paused\n"
        "  exec/s 3456  execs 1.2M  edges 812  corpus 345\n"
        "  crashes 78 (60 distinct) -> bugs 5 (2 new)\n"
        "  WORKER                       STATE         EXEC/S   EDGES  CORPUS  FINDS\n"
        "  stb_truetype-aflpp-1         running         1728     812     345     12\n"
        "  exiftags-aflpp-1             quarantined no instrumentation\n");
}

static void
test_no_line_is_wider_than_told(void **state)
{
    struct fixture *fix = *state;
    char name[200];

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    for (int i = 0; i < WORKER_STATES; i++) {
        fix->progress.workers[i] = 1000;
        add_row(fix, name, (enum worker_state)i, name);
    }
    progress_block(&fix->out, &fix->progress, 79);
    char *save = NULL;
    int lines = 0;
    for (char *line = strtok_r(fix->out.data, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        assert_true(strlen(line) <= 79);
        lines++;
    }
    assert_int_equal(lines, 4 + WORKER_STATES - 2);
}

static void
test_hostile_bytes_are_escaped(void **state)
{
    struct fixture *fix = *state;

    add_row(fix, "a\033[31mb\n", WORKER_RUNNING, "");
    add_row(fix, "c", WORKER_BACKOFF, "x\033]0;title\007y\xff");
    progress_block(&fix->out, &fix->progress, 79);
    assert_null(strchr(buf_str(&fix->out), '\033'));
    assert_null(strchr(buf_str(&fix->out), '\007'));
    assert_non_null(strstr(buf_str(&fix->out), "  a\\x1b[31mb\\x0a "));
    assert_non_null(strstr(buf_str(&fix->out), " x]0;titley\xef\xbf\xbd\n"));
}

static void
test_wide_characters_are_not_cut_in_two(void **state)
{
    struct fixture *fix = *state;
    struct buf name = BUF_INIT;

    for (int i = 0; i < 40; i++) {
        buf_adds(&name, "\xc3\xa4");
    }
    add_row(fix, buf_str(&name), WORKER_RUNNING, "");
    progress_block(&fix->out, &fix->progress, 79);
    const char *row = strstr(buf_str(&fix->out), "\xc3\xa4");
    assert_non_null(row);
    assert_int_equal(strspn(row, "\xc3\xa4"), 2 * 28);
    buf_clear(&name);
}

static void
test_rows_have_a_limit(void **state)
{
    struct fixture *fix = *state;
    int lines = 0;

    for (int i = 0; i < 20; i++) {
        add_row(fix, "w", WORKER_RUNNING, "");
    }
    progress_block(&fix->out, &fix->progress, 79);
    for (size_t i = 0; i < fix->out.len; i++) {
        lines += fix->out.data[i] == '\n';
    }
    assert_int_equal(lines, 4 + PROGRESS_ROWS_MAX);
}

static void
test_counts_for_a_person(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0"},         {9999, "9999"},     {10000, "10.0k"}, {123456, "123k"},
                 {1.25e6, "1.2M"}, {999.6e6, "1000M"}, {4.5e9, "4.5G"}};
    char text[32];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        progress_count(text, sizeof(text), cases[i].value);
        assert_string_equal(text, cases[i].text);
    }
}

/* --- the printer --- */

/* What a printer wrote into a temporary file. */
static void
read_back(FILE *file, struct buf *out)
{
    char chunk[512];
    size_t n;

    rewind(file);
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0) {
        buf_add(out, chunk, n);
    }
    (void)fclose(file);
}

static void
test_a_terminal_is_redrawn_in_place(void **state)
{
    struct fixture *fix = *state;
    struct progress_printer printer = {.out = tmpfile(), .live = true};

    progress_show(&printer, &fix->progress, true);
    assert_int_equal(printer.drawn, 3);
    progress_show(&printer, &fix->progress, true);
    progress_say(&printer, "new bug: \033[2Jx\ny");
    assert_int_equal(printer.drawn, 0);
    progress_end(&printer);
    read_back(printer.out, &fix->out);
    const char *second = strstr(buf_str(&fix->out), "\033[3A\r\033[J");
    assert_non_null(second);
    assert_non_null(strstr(second + 1, "\033[3A\r\033[Jnew bug: [2Jx y\n"));
}

static void
test_a_log_gets_one_line_a_minute(void **state)
{
    struct fixture *fix = *state;
    struct progress_printer printer = {.out = tmpfile()};

    progress_show(&printer, &fix->progress, false); /* the clock begins */
    progress_show(&printer, &fix->progress, false);
    assert_int_not_equal(printer.at_ms, 0);
    printer.at_ms -= PROGRESS_LINE_MS;
    progress_show(&printer, &fix->progress, false);
    progress_show(&printer, &fix->progress, false);
    read_back(printer.out, &fix->out);
    assert_null(strchr(buf_str(&fix->out), '\033'));
    const char *end = strchr(buf_str(&fix->out), '\n');
    assert_non_null(end);
    assert_string_equal(end, "\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_line_says_all_at_once),
        TEST(test_block_has_a_row_for_each_worker_that_does_something),
        TEST(test_no_line_is_wider_than_told),
        TEST(test_hostile_bytes_are_escaped),
        TEST(test_wide_characters_are_not_cut_in_two),
        TEST(test_rows_have_a_limit),
        TEST(test_counts_for_a_person),
        TEST(test_a_terminal_is_redrawn_in_place),
        TEST(test_a_log_gets_one_line_a_minute),
    };

    return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
