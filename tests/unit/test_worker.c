#include "tests/unit/victim.h"

#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "triage/command.h"
#include "triage/worker.h"

static const char source[] =
    "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n"
    "__attribute__((noinline)) void overflow(int n)\n"
    "{ volatile char *p = malloc(8); p[n] = 1; free((void *)p); }\n"
    "int main(void) {\n"
    "  static char b[1 << 16]; int n = read(0, b, sizeof(b) - 1);\n"
    "  if (b[0] == 'U') { for (int i = 0; i < 400000; i++) "
    "putchar(\"\\xff\\x01{\\\"\\\\\\n\"[i % 6]);\n"
    "                     puts(\"\\n{\\\"job\\\":1,\\\"outcome\\\":\\\"clean\\\"}\"); "
    "fflush(stdout); }\n"
    "  if (b[0] == 'W') usleep(50000);\n"
    "  if (b[0] == 'E') { int m; while ((m = read(0, b, sizeof(b) - 1)) > 0) n = m;\n"
    "                     b[0] = b[n - 1]; b[1] = 0; }\n"
    "  if (strchr(b, '!')) overflow(8);\n"
    "  return 0;\n}\n";

static char *the_folder, *program;
static enum sandbox_rung rung;

struct fixture {
    pid_t pid;
    int in;    /* jobs; -1: closed */
    FILE *out; /* answers */
    char *input;
    json_t *answer;
    struct err err;
};

static int
build(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    the_folder = victim_folder();
    program = victim_build(the_folder, "victim", source, VICTIM_CLANG_ASAN);
    if (sandbox_choose(SANDBOX_AUTO, &rung, NULL, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    return 0;
}

static int
unbuild(void **state)
{
    (void)state;
    (void)fs_remove(the_folder, NULL);
    mem_free(the_folder);
    mem_free(program);
    return 0;
}

static void __attribute__((noreturn)) be_worker(int in, int out)
{
    const struct worker_config config = {.rung = rung};

    (void)alarm(100); /* a test that fails must not leave it behind */
    (void)setenv("TMPDIR", the_folder, 1);
    (void)dup2(in, STDIN_FILENO);
    (void)dup2(out, STDOUT_FILENO);
    for (int fd = 3; fd < 64; fd++) {
        (void)close(fd);
    }
    exit(worker_main(&config));
}

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));
    int in[2];
    int out[2];

    assert_int_equal(fd_pipe(in, &fix->err), 0);
    assert_int_equal(fd_pipe(out, &fix->err), 0);
    (void)fflush(NULL);
    fix->pid = fork();
    if (fix->pid == 0) {
        be_worker(in[0], out[1]);
    }
    fd_close(in[0]);
    fd_close(out[1]);
    fix->in = in[1];
    fix->out = fdopen(out[0], "r");
    fix->input = fs_join(the_folder, "input");
    *state = fix;
    return 0;
}

/* Its input ends: it ends well, and leaves nothing. */
static int
teardown(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *scratch = mem_printf("%s/nightjar-*", the_folder);
    glob_t left;
    int status = -1;

    fd_close(fix->in);
    while (fgetc(fix->out) != EOF) {
    }
    (void)waitpid(fix->pid, &status, 0);
    (void)fclose(fix->out);
    json_decref(fix->answer);
    mem_free(fix->input);
    mem_free(fix);
    if (glob(scratch, 0, NULL, &left) == 0) {
        globfree(&left);
        return -1;
    }
    return status;
}

static void
say(struct fixture *fix, const char *text, size_t len)
{
    if (fd_write(fix->in, text, len, &fix->err) < 0) {
        fail_msg("%s", fix->err.msg);
    }
}

static void
hear(struct fixture *fix)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len = getline(&line, &size, fix->out);

    json_decref(STEAL(fix->answer));
    assert_true(len > 1);
    assert_true(len <= WORKER_LINE_MAX);
    if (json_parse(line, (size_t)len, &fix->answer, &fix->err) < 0) {
        fail_msg("%s: %.200s", fix->err.msg, line);
    }
    free(line);
}

/* {"job":7,"op":op,"input":...,"command":...}; new */
static json_t *
request(const struct fixture *fix, const char *op)
{
    AUTO(command_clear) struct command command = {0};
    AUTO(strv_clear) struct strv argv = {0};
    json_t *object = json_object();
    json_t *options = json_object();

    strv_add(&argv, program);
    assert_int_equal(command_from_argv(&argv, &command, NULL), 0);
    json_put(options, "ooms_and_hangs", json_true());
    json_put(object, "job", json_integer(7));
    json_put(object, "op", json_string(op));
    json_put(object, "input", json_name(fix->input));
    json_put(object, "command", command_to_json(&command));
    json_put(object, "options", options);
    return object;
}

static void
put_input(struct fixture *fix, const char *text)
{
    assert_int_equal(fs_write(fix->input, text, strlen(text), 0644, &fix->err), 0);
}

static void
send_request(struct fixture *fix, const json_t *object)
{
    AUTO(mem_free) char *line = json_line(object);
    AUTO(buf_clear) struct buf text = BUF_INIT;

    buf_addf(&text, "%s\n", line);
    say(fix, buf_str(&text), text.len);
}

/* One job on one input; its answer is in fix->answer then. */
static void
serve(struct fixture *fix, const char *op, const char *input, const char *key,
      json_t *value)
{
    AUTO(json_decref) json_t *object = request(fix, op);

    if (key != NULL) {
        json_put(object, key, value);
    }
    put_input(fix, input);
    send_request(fix, object);
    hear(fix);
}

static const char *
text_of(const struct fixture *fix, const char *key)
{
    return json_get_str(fix->answer, key, "(none)");
}

static int
number_of(const struct fixture *fix, const char *key)
{
    return (int)json_get_int(fix->answer, key, -1);
}

static void
test_triage_answers_with_a_record(void **state)
{
    struct fixture *fix = *state;

    serve(fix, "triage", "x!", "runs", json_integer(5));
    assert_int_equal(number_of(fix, "job"), 7);
    assert_string_equal(text_of(fix, "outcome"), "crash");
    assert_int_equal(number_of(fix, "k"), 3);
    assert_int_equal(number_of(fix, "n"), 3);
    assert_int_equal(number_of(fix, "other"), 0);
    assert_true(number_of(fix, "wall_ms") >= 0);
    assert_true(json_is_null(json_object_get(fix->answer, "reason")));
    const json_t *record = json_object_get(fix->answer, "record");
    assert_string_equal(json_get_str(record, "crash_type", ""),
                        "Heap-buffer-overflow\nWRITE 1");
    assert_string_equal(json_get_str(record, "crash_state", ""), "overflow\n");
    assert_non_null(strstr(text_of(fix, "report"), "ERROR: AddressSanitizer"));
    serve(fix, "triage", "x", NULL, NULL);
    assert_string_equal(text_of(fix, "outcome"), "clean");
    assert_int_equal(number_of(fix, "k"), 0);
    assert_int_equal(number_of(fix, "n"), 1);
    assert_true(json_is_null(json_object_get(fix->answer, "record")));
}

/* One triage of a job of that number, and with one key more. */
static void
triage(struct fixture *fix, int64_t job, const char *key, json_t *value)
{
    AUTO(json_decref) json_t *object = request(fix, "triage");

    json_put(object, "job", json_integer(job));
    json_put(object, "runs", json_integer(5));
    json_put(object, key, value);
    put_input(fix, job == 1 ? "x!" : "y!");
    send_request(fix, object);
    hear(fix);
}

static void
test_a_further_duplicate_is_said_shortly(void **state)
{
    struct fixture *fix = *state;

    triage(fix, 1, "source", json_string("afl"));
    assert_int_equal(number_of(fix, "n"), 3);
    triage(fix, 2, "source", json_string("afl"));
    assert_int_equal(number_of(fix, "same"), 1);
    assert_int_equal(number_of(fix, "job"), 2);
    assert_null(json_object_get(fix->answer, "record"));
    triage(fix, 3, "source", json_string("libfuzzer"));
    assert_int_equal(number_of(fix, "n"), 1);
    assert_string_equal(text_of(fix, "outcome"), "crash");
    AUTO(json_decref) json_t *object = request(fix, "triage");
    json_put(object, "runs", json_integer(5));
    json_put(object, "source", json_string("afl"));
    json_put(object, "whole", json_true());
    send_request(fix, object);
    hear(fix);
    assert_int_equal(number_of(fix, "n"), 1);
    assert_non_null(strstr(text_of(fix, "report"), "ERROR: AddressSanitizer"));
    triage(fix, 4, "source", json_string("afl"));
    assert_int_equal(number_of(fix, "same"), 7);
}

static void
test_what_others_have_seen_is_run_once(void **state)
{
    struct fixture *fix = *state;
    static const char *const bogus = "{\"major\":7}";
    AUTO(json_decref) json_t *nothing = NULL;

    assert_int_equal(json_parse(bogus, strlen(bogus), &nothing, NULL), 0);
    triage(fix, 1, "known", json_incref(nothing));
    assert_int_equal(number_of(fix, "n"), 3);
    AUTO(json_decref) json_t *known = json_incref(json_object_get(fix->answer, "known"));
    assert_int_equal(json_array_size(known), 1);
    teardown(state);
    setup(state);
    fix = *state;
    triage(fix, 2, "known", json_incref(known));
    assert_int_equal(number_of(fix, "n"), 1);
    assert_string_equal(text_of(fix, "outcome"), "crash");
    assert_null(json_object_get(fix->answer, "known"));
}

/* It goes in pieces, and its pages leave the worker on the way: all runs see all of it.
 */
static void
test_a_large_input_is_run_whole(void **state)
{
    struct fixture *fix = *state;
    enum { LARGE = (2 << 20) + 4097 };
    AUTO(mem_free) char *text = mem_alloc(LARGE + 1);

    memset(text, 'x', LARGE);
    text[0] = 'E'; /* the victim wants the end to be what it is */
    text[LARGE - 1] = '!';
    serve(fix, "triage", text, "runs", json_integer(5));
    assert_string_equal(text_of(fix, "outcome"), "crash");
    assert_int_equal(number_of(fix, "k"), 3);
    assert_int_equal(number_of(fix, "n"), 3);
    text[LARGE - 1] = 'x';
    serve(fix, "triage", text, "runs", json_integer(5));
    assert_string_equal(text_of(fix, "outcome"), "clean");
}

static void
test_what_a_target_prints_stays_a_text(void **state)
{
    struct fixture *fix = *state;

    serve(fix, "triage", "U!", NULL, NULL);
    assert_string_equal(text_of(fix, "outcome"), "crash");
    const char *report = text_of(fix, "report");
    assert_non_null(strstr(report, "\xef\xbf\xbd{\"\\\n"));
    assert_null(strchr(report, '\x01'));
    assert_non_null(strstr(report, "bytes left out here]\n"));
    assert_non_null(strstr(report, "\n{\"job\":1,\"outcome\":\"clean\"}\n"));
    assert_non_null(strstr(report, "ERROR: AddressSanitizer"));
    assert_true(strlen(report) < 2 * (size_t)WORKER_REPORT_MAX);
}

static void
test_report_reads_a_text_alone(void **state)
{
    struct fixture *fix = *state;

    serve(fix, "report",
          "==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010 "
          "at pc "
          "0x1 bp 0x2 sp 0x3\nREAD of size 4 at 0x602000000010 thread T0\n    #0 0x1 in "
          "parse_it /src/a.c:3:5\n\nSUMMARY: AddressSanitizer: heap-use-after-free "
          "/src/a.c:3:5 "
          "in parse_it\n==1==ABORTING\n",
          NULL, NULL);
    assert_string_equal(text_of(fix, "outcome"), "crash");
    const json_t *record = json_object_get(fix->answer, "record");
    assert_string_equal(json_get_str(record, "crash_type", ""),
                        "Heap-use-after-free\nREAD 4");
    assert_int_equal(number_of(fix, "n"), 1);
    serve(fix, "report", "all is well\n", NULL, NULL);
    assert_string_equal(text_of(fix, "outcome"), "clean");
    assert_int_equal(number_of(fix, "k"), 0);
    serve(fix, "report", "==1==ERROR: OddSanitizer: nobody knows this\n", NULL, NULL);
    assert_string_equal(text_of(fix, "outcome"), "unparsed");
    assert_int_equal(number_of(fix, "k"), 1);
}

static void
test_minimize_writes_its_output(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *output = fs_join(the_folder, "out put");
    AUTO(buf_clear) struct buf bytes = BUF_INIT;
    AUTO(json_decref) json_t *object = request(fix, "minimize");

    json_put(object, "output", json_name(output));
    json_put(object, "wall_ms", json_integer(20000));
    put_input(fix, "a long way ! to go");
    send_request(fix, object);
    hear(fix);
    assert_string_equal(text_of(fix, "outcome"), "crash");
    assert_int_equal(number_of(fix, "bytes"), 1);
    assert_true(json_is_true(json_object_get(fix->answer, "finished")));
    assert_int_equal(fs_read(output, 99, &bytes, &fix->err), 0);
    assert_string_equal(buf_str(&bytes), "!");
    /* what does not show the signature is no error, and no file */
    (void)fs_remove(output, NULL);
    json_put(object, "major", json_string("0000000000000000000000000000000000000000"));
    send_request(fix, object);
    hear(fix);
    assert_string_equal(text_of(fix, "outcome"), "crash");
    assert_int_equal(number_of(fix, "k"), 0);
    assert_int_equal(number_of(fix, "other"), 1);
    assert_non_null(strstr(text_of(fix, "reason"), "crashes with another signature"));
    assert_false(fs_exists(output));
}

static void
test_a_signal_hurries_a_minimization(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *output = fs_join(the_folder, "output");
    AUTO(json_decref) json_t *object = request(fix, "minimize");
    AUTO(mem_free) char *input = mem_alloc(8192);

    memset(input, 'W', 8000);
    input[4000] = '!';
    json_put(object, "output", json_name(output));
    json_put(object, "wall_ms", json_integer(90000));
    put_input(fix, input);
    send_request(fix, object);
    (void)usleep(600000); /* it is under way, or will see the mark when it begins */
    (void)kill(fix->pid, SIGUSR1);
    hear(fix);
    assert_string_equal(text_of(fix, "outcome"), "crash");
    assert_true(json_is_false(json_object_get(fix->answer, "finished")));
    assert_in_range(number_of(fix, "execs"), 1, 200);
    assert_true(fs_exists(output));
}

static void
test_nonsense_gets_an_answer_and_no_harm(void **state)
{
    static const struct {
        const char *line, *error;
    } cases[] = {
        {"garbage", "not JSON at byte 7: invalid token near 'garbage'"},
        {"[]", "'job' is not a number"},
        {"{\"job\":\"x\",\"op\":\"triage\"}", "'job' is not a number"},
        {"{\"job\":3}",
         "'op' is '', not triage, minimize, release, report, core or prepare"},
        {"{\"job\":3,\"op\":\"report\"}", "'input' is not an absolute path"},
        {"{\"job\":3,\"op\":\"report\",\"input\":\"x\"}",
         "'input' is not an absolute path"},
        {"{\"job\":3,\"op\":\"report\",\"input\":\"/nowhere/x\"}",
         "open '/nowhere/x': No such file or directory"},
        {"{\"job\":3,\"op\":\"report\",\"input\":\"/dev/zero\"}",
         "'/dev/zero' is not a regular file"},
        {"{\"job\":3,\"op\":\"triage\",\"input\":\"/etc/passwd\",\"command\":{}}",
         "command: 'argv' is not a list of at most 4096 texts"},
        {"{\"job\":3,\"op\":\"triage\",\"input\":\"/etc/passwd\",\"command\":7}",
         "command: not an object"},
    };
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        say(fix, cases[i].line, strlen(cases[i].line));
        say(fix, "\n", 1);
        hear(fix);
        assert_string_equal(text_of(fix, "error"), cases[i].error);
        assert_int_equal(number_of(fix, "job"),
                         strstr(cases[i].line, ":3") == NULL ? -1 : 3);
    }
    serve(fix, "triage", "x!", "runs", json_integer(0));
    assert_string_equal(text_of(fix, "error"), "'runs' is not a number from 1 to 100");
    serve(fix, "minimize", "x!", "output", json_string("/tmp/x"));
    assert_string_equal(text_of(fix, "error"),
                        "'wall_ms' is not a number from 1 to 86400000");
    serve(fix, "triage", "x!", NULL, NULL);
    assert_string_equal(text_of(fix, "outcome"), "crash");
}

static void
test_an_endless_line_is_skipped(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *chunk = mem_alloc(1 << 20);

    memset(chunk, 'x', 1 << 20);
    for (int i = 0; i < 20; i++) { /* 20 MiB; one answer, not one a piece */
        say(fix, chunk, 1 << 20);
    }
    say(fix, "\n", 1);
    hear(fix);
    assert_string_equal(text_of(fix, "error"),
                        "a line of more than WORKER_LINE_MAX bytes");
    serve(fix, "triage", "x!", NULL, NULL);
    assert_string_equal(text_of(fix, "outcome"), "crash");
}

static void
test_jobs_are_answered_in_order(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf lines = BUF_INIT;

    put_input(fix, "nothing");
    for (int i = 0; i < 50; i++) {
        buf_addf(&lines, "{\"job\":%d,\"op\":\"report\",\"input\":\"%s\"}\n", i,
                 fix->input);
    }
    say(fix, buf_str(&lines), lines.len);
    for (int i = 0; i < 50; i++) {
        hear(fix);
        assert_int_equal(number_of(fix, "job"), i);
        assert_string_equal(text_of(fix, "outcome"), "clean");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_triage_answers_with_a_record),
        TEST(test_a_further_duplicate_is_said_shortly),
        TEST(test_what_others_have_seen_is_run_once),
        TEST(test_a_large_input_is_run_whole),
        TEST(test_what_a_target_prints_stays_a_text),
        TEST(test_report_reads_a_text_alone),
        TEST(test_minimize_writes_its_output),
        TEST(test_a_signal_hurries_a_minimization),
        TEST(test_nonsense_gets_an_answer_and_no_harm),
        TEST(test_an_endless_line_is_skipped),
        TEST(test_jobs_are_answered_in_order),
    };

    return cmocka_run_group_tests_name("worker", tests, build, unbuild);
}
