#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

struct fixture {
    int ends[2];
    struct buf out;
    struct err err;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    *state = fix;
    return fd_pipe(fix->ends, &fix->err);
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    fd_close(fix->ends[0]);
    fd_close(fix->ends[1]);
    buf_clear(&fix->out);
    mem_free(fix);
    return 0;
}

static void
test_pipe_is_closed_on_exec(void **state)
{
    struct fixture *fix = *state;

    assert_true(fcntl(fix->ends[0], F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fix->ends[1], F_GETFD) & FD_CLOEXEC);
}

static void
test_close_takes_no_descriptor_and_auto_closes(void **state)
{
    struct fixture *fix = *state;
    int number;

    fd_close(-1);
    {
        AUTO(fd_close) int fd = dup(fix->ends[0]);
        number = fd;
        assert_true(fcntl(number, F_GETFD) >= 0);
    }
    assert_int_equal(fcntl(number, F_GETFD), -1);
    int kept = dup(fix->ends[0]);
    {
        AUTO(fd_close) int fd = kept;
        number = FD_STEAL(fd);
        assert_int_equal(fd, -1);
    }
    assert_true(fcntl(number, F_GETFD) >= 0);
    fd_close(number);
}

static void
test_read_goes_on_over_short_reads(void **state)
{
    struct fixture *fix = *state;
    char data[16] = "";

    assert_int_equal(fd_write(fix->ends[1], "abc", 3, &fix->err), 0);
    assert_int_equal(fd_write(fix->ends[1], "def", 3, &fix->err), 0);
    assert_int_equal(fd_read(fix->ends[0], data, 4), 4);
    assert_memory_equal(data, "abcd", 4);
    fd_close(FD_STEAL(fix->ends[1]));
    assert_int_equal(fd_read(fix->ends[0], data, sizeof(data)), 2);
    assert_int_equal(fd_read(fix->ends[0], data, sizeof(data)), 0);
}

static void
test_read_some_tells_end_from_nothing_yet(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(fd_set_nonblock(fix->ends[0], true, &fix->err), 0);
    assert_int_equal(fd_read_some(fix->ends[0], &fix->out, SIZE_MAX, &fix->err), -EAGAIN);
    assert_int_equal(fd_write(fix->ends[1], "hello", 5, &fix->err), 0);
    assert_int_equal(fd_read_some(fix->ends[0], &fix->out, 2, &fix->err), 1);
    assert_string_equal(buf_str(&fix->out), "he");
    assert_int_equal(fd_read_some(fix->ends[0], &fix->out, SIZE_MAX, &fix->err), 1);
    fd_close(FD_STEAL(fix->ends[1]));
    assert_int_equal(fd_read_some(fix->ends[0], &fix->out, SIZE_MAX, &fix->err), 0);
    assert_string_equal(buf_str(&fix->out), "hello");
}

static void
test_read_all_says_when_it_would_block(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(fd_set_nonblock(fix->ends[0], true, &fix->err), 0);
    assert_int_equal(fd_write(fix->ends[1], "x", 1, &fix->err), 0);
    assert_int_equal(fd_read_all(fix->ends[0], &fix->out, &fix->err), -EAGAIN);
    assert_string_equal(fix->err.msg, "nothing to read yet, and no end of file");
}

static void
test_read_all_drops_what_is_beyond_the_bound(void **state)
{
    struct fixture *fix = *state;

    fix->out.max = 4;
    assert_int_equal(fd_write(fix->ends[1], "abcdefgh", 8, &fix->err), 0);
    fd_close(FD_STEAL(fix->ends[1]));
    assert_int_equal(fd_read_all(fix->ends[0], &fix->out, &fix->err), 0);
    assert_string_equal(buf_str(&fix->out), "abcd");
    assert_true(fix->out.truncated);
}

static void
test_failures_name_the_reason(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(fd_read_some(fix->ends[1], &fix->out, 1, &fix->err), -EBADF);
    assert_string_equal(fix->err.msg, "read: Bad file descriptor");
    assert_int_equal(fd_write(fix->ends[0], "abc", 3, &fix->err), -EBADF);
    assert_string_equal(fix->err.msg, "write 3 bytes: Bad file descriptor");
    assert_int_equal(fd_set_nonblock(9999, true, &fix->err), -EBADF);
    assert_string_equal(fix->err.msg,
                        "set the flags of descriptor 9999: Bad file descriptor");
    AUTO(fd_close) int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_int_equal(fd_write(full, "abc", 3, &fix->err), -ENOSPC);
    assert_string_equal(fix->err.msg, "write 3 bytes: No space left on device");
}

static void
ignore(int sig)
{
    (void)sig;
}

/* Writes more than a pipe holds, while signals interrupt both ends all the time. */
static void *
write_much(void *user)
{
    const struct fixture *fix = user;
    AUTO(mem_free) char *data = mem_alloc(1 << 20);
    struct err err = ERR_INIT;

    (void)fd_write(fix->ends[1], data, 1 << 20, &err);
    fd_close(fix->ends[1]);
    return NULL;
}

static void
test_signals_lose_no_byte(void **state)
{
    struct fixture *fix = *state;
    const struct sigaction action = {.sa_handler = ignore}; /* no SA_RESTART */
    pthread_t writer;

    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_much, fix), 0);
    int rc = 1;
    while (rc > 0) {
        (void)pthread_kill(writer, SIGUSR1);
        rc = fd_read_some(fix->ends[0], &fix->out, 4096, &fix->err);
    }
    assert_int_equal(pthread_join(writer, NULL), 0);
    fix->ends[1] = -1;
    assert_int_equal(rc, 0);
    assert_int_equal(fix->out.len, 1 << 20);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pipe_is_closed_on_exec),
        TEST(test_close_takes_no_descriptor_and_auto_closes),
        TEST(test_read_goes_on_over_short_reads),
        TEST(test_read_some_tells_end_from_nothing_yet),
        TEST(test_read_all_says_when_it_would_block),
        TEST(test_read_all_drops_what_is_beyond_the_bound),
        TEST(test_failures_name_the_reason),
        TEST(test_signals_lose_no_byte),
    };

    return cmocka_run_group_tests_name("fd", tests, NULL, NULL);
}
