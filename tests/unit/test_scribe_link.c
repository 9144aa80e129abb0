#include "tests/unit/victim.h"

#include "base/buf.h"
#include "base/clock.h"
#include "orchestrator/supervise/scribe_link.h"

enum { WAIT_MS = 20000 };

/* Writes down what it is asked for and answers; the first of its kind dies of "next". */
static const char source[] =
    "#!/bin/bash\n"
    "cd \"$(dirname \"$0\")\" || exit 1\n"
    "while read -r line; do\n"
    "  op=${line#*'\"op\":\"'} op=${op%%'\"'*} seq=${line##*'\"seq\":'} "
    "seq=${seq%%[,\\}]*}\n"
    "  echo \"$op\" >>log\n"
    "  [ \"$op\" = next ] && [ ! -e died ] && { touch died; exit 1; }\n"
    "  echo \"{\\\"seq\\\":$seq}\"\n"
    "done\n";

struct fixture {
    char *folder, *program, *log;
    sd_event *event;
    struct scribe_link *link;
    int answers, restarts;
    struct err why, err;
};

static void ask(struct fixture *fix, const char *op);

/* Who had a job gives it back. */
static void
on_restarted(void *user, const char *why)
{
    struct fixture *fix = user;

    (void)why;
    fix->restarts++;
    ask(fix, "return");
}

static void
on_failed(void *user, const struct err *why)
{
    struct fixture *fix = user;

    fix->why = *why;
}

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    fix->folder = victim_folder();
    fix->program = fs_join(fix->folder, "scribe");
    fix->log = fs_join(fix->folder, "log");
    victim_write(fix->folder, "scribe", source, 0755);
    assert_int_equal(sd_event_new(&fix->event), 0);
    const struct scribe_link_config config = {.event = fix->event,
                                              .program = fix->program,
                                              .state = fix->folder,
                                              .user = fix,
                                              .restarted = on_restarted,
                                              .failed = on_failed};
    assert_int_equal(scribe_link_new(&config, &fix->link, &fix->err), 0);
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    scribe_link_free(fix->link);
    (void)sd_event_unref(fix->event);
    (void)fs_remove(fix->folder, NULL);
    mem_free(fix->folder);
    mem_free(fix->program);
    mem_free(fix->log);
    mem_free(fix);
    return 0;
}

static void
on_answer(void *user, const json_t *answer)
{
    struct fixture *fix = user;

    (void)answer;
    fix->answers++;
}

static void
ask(struct fixture *fix, const char *op)
{
    json_t *request = json_object();

    json_put(request, "op", json_string(op));
    scribe_link_send(fix->link, request, on_answer, fix);
}

static void
until_answered(struct fixture *fix)
{
    int64_t end = clock_mono_ms() + WAIT_MS;

    while (scribe_link_waiting(fix->link) > 0 && fix->why.code == 0 &&
           clock_mono_ms() < end) {
        (void)sd_event_run(fix->event, 50000);
    }
    assert_int_equal(fix->why.code, 0);
    assert_int_equal(scribe_link_waiting(fix->link), 0);
}

static void
expect_log(struct fixture *fix, const char *want)
{
    AUTO(buf_clear) struct buf log = BUF_INIT;

    assert_int_equal(fs_read(fix->log, 4096, &log, &fix->err), 0);
    assert_string_equal(buf_str(&log), want);
}

static void
test_requests_wait_for_the_first_start(void **state)
{
    struct fixture *fix = *state;

    ask(fix, "target");
    ask(fix, "counts");
    assert_int_equal(scribe_link_pid(fix->link), 0);
    assert_int_equal(scribe_link_waiting(fix->link), 2);
    assert_int_equal(scribe_link_start(fix->link, &fix->err), 0);
    until_answered(fix);
    assert_int_equal(fix->answers, 2);
    expect_log(fix, "target\ncounts\n");
}

/* Else the new scribe may hand out the same job twice. */
static void
test_what_is_given_back_comes_before_what_is_asked_for(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(scribe_link_start(fix->link, &fix->err), 0);
    ask(fix, "target");
    ask(fix, "counts");
    until_answered(fix);
    ask(fix, "next");
    ask(fix, "next");
    until_answered(fix);
    assert_int_equal(fix->restarts, 1);
    assert_int_equal(scribe_link_restarts(fix->link), 1);
    assert_int_equal(fix->answers, 5);
    expect_log(fix, "target\ncounts\nnext\ntarget\nreturn\nnext\nnext\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_requests_wait_for_the_first_start),
        TEST(test_what_is_given_back_comes_before_what_is_asked_for),
    };

    return cmocka_run_group_tests_name("scribe_link", tests, NULL, NULL);
}
