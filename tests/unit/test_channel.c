#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "orchestrator/supervise/channel.h"

enum { LINE_MAX_TEST = 100, QUEUE_MAX_TEST = 1 << 20, WAIT_MS = 5000 };

struct fixture {
    sd_event *event;
    struct channel *channel;
    int far_in, far_out; /* the other side: it reads far_in and writes far_out */
    struct strv lines;
    size_t last_len;
    bool free_on_line, free_on_end;
    int ended; /* how often */
    struct err why, err;
};

static void
on_line(void *user, const char *line, size_t len)
{
    struct fixture *fix = user;

    strv_add(&fix->lines, line);
    fix->last_len = len;
    if (fix->free_on_line) {
        channel_free(STEAL(fix->channel));
    }
}

static void
on_end(void *user, const struct err *why)
{
    struct fixture *fix = user;

    fix->ended++;
    fix->why = *why;
    if (fix->free_on_end) {
        channel_free(STEAL(fix->channel));
    }
}

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));
    int in[2];
    int out[2];

    assert_int_equal(sd_event_new(&fix->event), 0);
    assert_int_equal(fd_pipe(in, &fix->err), 0);
    assert_int_equal(fd_pipe(out, &fix->err), 0);
    fix->far_out = in[1];
    fix->far_in = out[0];
    const struct channel_config config = {.event = fix->event,
                                          .in_fd = in[0],
                                          .out_fd = out[1],
                                          .line_max = LINE_MAX_TEST,
                                          .queue_max = QUEUE_MAX_TEST,
                                          .events = {fix, on_line, on_end}};
    assert_int_equal(channel_new(&config, &fix->channel, &fix->err), 0);
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    channel_free(fix->channel);
    fd_close(fix->far_in);
    fd_close(fix->far_out);
    strv_clear(&fix->lines);
    (void)sd_event_unref(fix->event);
    mem_free(fix);
    return 0;
}

/* Run the loop until nothing is ready any more. */
static void
settle(struct fixture *fix)
{
    while (sd_event_run(fix->event, 0) > 0) {
    }
}

static void
say(struct fixture *fix, const char *text)
{
    assert_int_equal(fd_write(fix->far_out, text, strlen(text), &fix->err), 0);
    settle(fix);
}

static void
test_lines_arrive_whole_however_they_are_cut(void **state)
{
    struct fixture *fix = *state;

    say(fix, "al");
    assert_int_equal(fix->lines.n, 0);
    say(fix, "pha\n");
    assert_int_equal(fix->lines.n, 1);
    assert_string_equal(fix->lines.v[0], "alpha");
    say(fix, "b\n\nc\nd");
    assert_int_equal(fix->lines.n, 4);
    assert_string_equal(fix->lines.v[1], "b");
    assert_string_equal(fix->lines.v[2], "");
    assert_string_equal(fix->lines.v[3], "c");
    say(fix, "\n");
    assert_string_equal(fix->lines.v[4], "d");
}

static void
test_line_tells_its_length_when_it_holds_a_nul(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(fd_write(fix->far_out, "a\0b\n", 4, &fix->err), 0);
    settle(fix);
    assert_int_equal(fix->lines.n, 1);
    assert_int_equal(fix->last_len, 3);
}

static void
test_end_of_file_is_told_once_behind_the_last_line(void **state)
{
    struct fixture *fix = *state;

    say(fix, "one\n");
    fd_close(FD_STEAL(fix->far_out));
    settle(fix);
    assert_int_equal(fix->lines.n, 1);
    assert_int_equal(fix->ended, 1);
    assert_int_equal(fix->why.code, 0);
    assert_int_equal(channel_send_line(fix->channel, "x", 1, &fix->err), -EPIPE);
    assert_string_equal(fix->err.msg, "the other side has gone");
}

static void
test_end_within_a_line_is_an_error(void **state)
{
    struct fixture *fix = *state;

    say(fix, "one\ntw");
    fd_close(FD_STEAL(fix->far_out));
    settle(fix);
    assert_int_equal(fix->lines.n, 1);
    assert_int_equal(fix->why.code, -EBADMSG);
    assert_string_equal(fix->why.msg, "it ended within a line");
}

static void
test_line_at_the_limit_passes_and_one_beyond_ends_the_channel(void **state)
{
    struct fixture *fix = *state;
    char text[LINE_MAX_TEST + 3];

    memset(text, 'x', sizeof(text));
    text[LINE_MAX_TEST] = '\n';
    text[LINE_MAX_TEST + 1] = '\0';
    say(fix, text);
    assert_int_equal(fix->lines.n, 1);
    assert_int_equal(fix->last_len, LINE_MAX_TEST);
    text[LINE_MAX_TEST] = 'x';
    text[LINE_MAX_TEST + 1] = '\n';
    text[LINE_MAX_TEST + 2] = '\0';
    say(fix, text);
    assert_int_equal(fix->lines.n, 1);
    assert_int_equal(fix->ended, 1);
    assert_int_equal(fix->why.code, -EMSGSIZE);
    assert_string_equal(fix->why.msg, "a line is longer than allowed");
}

static void
test_line_without_an_end_is_cut_off_at_the_limit(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *flood = mem_alloc(40000);

    memset(flood, 'x', 40000);
    assert_int_equal(fd_write(fix->far_out, flood, 40000, &fix->err), 0);
    settle(fix);
    assert_int_equal(fix->ended, 1);
    assert_int_equal(fix->why.code, -EMSGSIZE);
}

static void
test_send_writes_lines(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf got = BUF_INIT;
    AUTO(json_decref) json_t *value = json_pack("{s:i}", "n", 7);

    assert_int_equal(channel_send_line(fix->channel, "one", 3, &fix->err), 0);
    assert_int_equal(channel_send(fix->channel, value, &fix->err), 0);
    assert_int_equal(channel_waiting(fix->channel), 0);
    assert_int_equal(fd_read_some(fix->far_in, &got, 100, &fix->err), 1);
    assert_string_equal(buf_str(&got), "one\n{\"n\":7}\n");
}

static void
test_send_queues_what_the_pipe_does_not_take_and_writes_it_later(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf got = BUF_INIT;
    char line[1000];
    int sent = 0;

    memset(line, 'y', sizeof(line));
    for (; sent < 500; sent++) {
        assert_int_equal(channel_send_line(fix->channel, line, sizeof(line), &fix->err),
                         0);
    }
    assert_true(channel_waiting(fix->channel) > 0);
    assert_int_equal(fd_set_nonblock(fix->far_in, true, &fix->err), 0);
    int64_t end = clock_mono_ms() + WAIT_MS;
    while (got.len < (size_t)sent * (sizeof(line) + 1) && clock_mono_ms() < end) {
        (void)fd_read_some(fix->far_in, &got, SIZE_MAX, &fix->err);
        settle(fix);
    }
    assert_int_equal(got.len, (size_t)sent * (sizeof(line) + 1));
    assert_int_equal(channel_waiting(fix->channel), 0);
    for (int i = 1; i <= sent; i++) {
        assert_int_equal(got.data[(size_t)i * (sizeof(line) + 1) - 1], '\n');
    }
}

static void
test_send_refuses_what_passes_the_bound(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *line = mem_alloc(300000);

    memset(line, 'z', 300000);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(channel_send_line(fix->channel, line, 300000, &fix->err), 0);
    }
    size_t waiting = channel_waiting(fix->channel);
    assert_int_equal(channel_send_line(fix->channel, line, 300000, &fix->err), -ENOBUFS);
    assert_int_equal(channel_waiting(fix->channel), waiting);
    assert_string_equal(fix->err.msg,
                        "834467 bytes wait to be written, 300000 more do not fit");
}

static void
test_reader_that_has_gone_ends_the_channel(void **state)
{
    struct fixture *fix = *state;

    fd_close(FD_STEAL(fix->far_in));
    assert_int_equal(channel_send_line(fix->channel, "x", 1, &fix->err), 0);
    settle(fix);
    assert_int_equal(fix->ended, 1);
    assert_int_equal(fix->why.code, -EPIPE);
}

static void
test_channel_may_be_freed_by_its_own_line(void **state)
{
    struct fixture *fix = *state;

    fix->free_on_line = true;
    say(fix, "one\ntwo\n");
    assert_null(fix->channel);
    assert_int_equal(fix->lines.n, 1);
    assert_int_equal(fix->ended, 0);
}

static void
test_channel_may_be_freed_by_its_own_end(void **state)
{
    struct fixture *fix = *state;

    fix->free_on_end = true;
    say(fix, "one\n");
    fd_close(FD_STEAL(fix->far_out));
    settle(fix);
    assert_null(fix->channel);
    assert_int_equal(fix->ended, 1);
}

static void
test_new_refuses_what_cannot_be_watched(void **state)
{
    struct fixture *fix = *state;
    struct channel *channel = NULL;
    const struct channel_config config = {
        .event = fix->event,
        .in_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
        .out_fd = dup(fix->far_in),
        .line_max = 10,
        .queue_max = 10,
        .events = {fix, on_line, on_end}};

    assert_int_equal(channel_new(&config, &channel, &fix->err), -EPERM);
    assert_null(channel);
    assert_string_equal(fix->err.msg, "watch a pipe: Operation not permitted");
    assert_int_equal(fcntl(config.in_fd, F_GETFD), -1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_lines_arrive_whole_however_they_are_cut),
        TEST(test_line_tells_its_length_when_it_holds_a_nul),
        TEST(test_end_of_file_is_told_once_behind_the_last_line),
        TEST(test_end_within_a_line_is_an_error),
        TEST(test_line_at_the_limit_passes_and_one_beyond_ends_the_channel),
        TEST(test_line_without_an_end_is_cut_off_at_the_limit),
        TEST(test_send_writes_lines),
        TEST(test_send_queues_what_the_pipe_does_not_take_and_writes_it_later),
        TEST(test_send_refuses_what_passes_the_bound),
        TEST(test_reader_that_has_gone_ends_the_channel),
        TEST(test_channel_may_be_freed_by_its_own_line),
        TEST(test_channel_may_be_freed_by_its_own_end),
        TEST(test_new_refuses_what_cannot_be_watched),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
