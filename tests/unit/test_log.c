#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

struct fixture {
    int saved; /* the real standard error */
    FILE *file;
    struct buf out;
    struct err err;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    *state = fix;
    fix->file = tmpfile();
    fix->saved = dup(STDERR_FILENO);
    (void)dup2(fileno(fix->file), STDERR_FILENO);
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    log_set_level(LOG_WARN);
    (void)dup2(fix->saved, STDERR_FILENO);
    fd_close(fix->saved);
    (void)fclose(fix->file);
    buf_clear(&fix->out);
    mem_free(fix);
    return 0;
}

/* What was logged, behind the time. */
static const char *
logged(struct fixture *fix)
{
    (void)lseek(STDERR_FILENO, 0, SEEK_SET);
    buf_clear(&fix->out);
    assert_int_equal(fd_read_all(STDERR_FILENO, &fix->out, &fix->err), 0);
    const char *text = buf_str(&fix->out);
    assert_true(fix->out.len == 0 || str_starts(text, "time=2"));
    return fix->out.len == 0 ? "" : strchr(text, ' ') + 1;
}

static void
test_line_escapes_what_is_hostile(void **state)
{
    struct fixture *fix = *state;

    log_line(LOG_WARN, "inbox", "path=%s", "a\nb\033[2J\xff");
    assert_string_equal(logged(fix), "level=warn sub=inbox path=a\\x0ab\\x1b[2J\\xff\n");
}

static void
test_level_drops_what_is_below(void **state)
{
    struct fixture *fix = *state;

    log_line(LOG_INFO, "x", "quiet");
    assert_string_equal(logged(fix), "");
    log_set_level(LOG_DEBUG);
    log_line(LOG_DEBUG, "x", "loud");
    assert_string_equal(logged(fix), "level=debug sub=x loud\n");
}

static void
test_long_text_is_cut_and_says_so(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *text = mem_alloc(LOG_TEXT_MAX + 2);

    memset(text, 'a', LOG_TEXT_MAX);
    log_line(LOG_ERROR, "x", "%s", text);
    assert_true(str_ends(logged(fix), "a\n"));
    text[LOG_TEXT_MAX] = 'a';
    assert_int_equal(ftruncate(STDERR_FILENO, 0), 0);
    (void)lseek(STDERR_FILENO, 0, SEEK_SET);
    log_line(LOG_ERROR, "x", "%s", text);
    assert_true(str_ends(logged(fix), "a...\n"));
    assert_true(fix->out.len < LOG_TEXT_MAX + 100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_line_escapes_what_is_hostile),
        TEST(test_level_drops_what_is_below),
        TEST(test_long_text_is_cut_and_says_so),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
