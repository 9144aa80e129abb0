#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "triage/verdicts.h"

struct fixture {
    char folder[32];
    char *path;
    struct verdicts *verdicts;
    struct err err;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    (void)snprintf(fix->folder, sizeof(fix->folder), "/tmp/nj-verdicts-XXXXXX");
    assert_non_null(mkdtemp(fix->folder));
    fix->path = fs_join(fix->folder, "journal");
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    verdicts_free(fix->verdicts);
    (void)fs_remove(fix->folder, NULL);
    mem_free(fix->path);
    mem_free(fix);
    return 0;
}

static void
open_anew(struct fixture *fix, const char *identity)
{
    verdicts_free(STEAL(fix->verdicts));
    if (verdicts_open(fix->path, identity, &fix->verdicts, &fix->err) < 0) {
        fail_msg("%s", fix->err.msg);
    }
}

static void
test_verdicts_outlive_the_process(void **state)
{
    struct fixture *fix = *state;

    open_anew(fix, "a");
    assert_int_equal(verdicts_find(fix->verdicts, "x", 1), -1);
    verdicts_add(fix->verdicts, "x", 1, true);
    verdicts_add(fix->verdicts, "y", 1, false);
    verdicts_add(fix->verdicts, "y", 1, false);
    open_anew(fix, "a");
    assert_int_equal(verdicts_known(fix->verdicts), 2);
    assert_int_equal(verdicts_find(fix->verdicts, "x", 1), 1);
    assert_int_equal(verdicts_find(fix->verdicts, "y", 1), 0);
    assert_int_equal(verdicts_find(fix->verdicts, "z", 1), -1);
    open_anew(fix, "b"); /* another question */
    assert_int_equal(verdicts_known(fix->verdicts), 0);
    assert_int_equal(verdicts_find(fix->verdicts, "x", 1), -1);
}

static void
test_a_record_that_was_cut_off_is_none(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf text = BUF_INIT;

    open_anew(fix, "a");
    verdicts_add(fix->verdicts, "x", 1, true);
    verdicts_add(fix->verdicts, "y", 1, true);
    assert_int_equal(fs_read(fix->path, 999, &text, &fix->err), 0);
    assert_int_equal(verdicts_in(text.len), 2);
    assert_int_equal(truncate(fix->path, (off_t)text.len - 1), 0);
    open_anew(fix, "a");
    assert_int_equal(verdicts_known(fix->verdicts), 1);
    verdicts_add(fix->verdicts, "z", 1, true);
    open_anew(fix, "a");
    assert_int_equal(verdicts_known(fix->verdicts), 2);
    assert_int_equal(verdicts_find(fix->verdicts, "z", 1), 1);
}

static void
test_many_verdicts_stay_apart(void **state)
{
    struct fixture *fix = *state;

    open_anew(fix, "a");
    for (int i = 0; i < 20000; i++) {
        verdicts_add(fix->verdicts, &i, sizeof(i), i % 3 == 0);
    }
    open_anew(fix, "a");
    assert_int_equal(verdicts_known(fix->verdicts), 20000);
    for (int i = 0; i < 20000; i++) {
        assert_int_equal(verdicts_find(fix->verdicts, &i, sizeof(i)), i % 3 == 0);
    }
    verdicts_forget(fix->verdicts);
    open_anew(fix, "a");
    assert_int_equal(verdicts_known(fix->verdicts), 0);
}

static void
test_what_is_no_plain_file_is_refused(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(symlink("/etc/hostname", fix->path), 0);
    assert_int_equal(verdicts_open(fix->path, "a", &fix->verdicts, &fix->err), -ELOOP);
    assert_int_equal(verdicts_open(fix->folder, "a", &fix->verdicts, &fix->err), -EISDIR);
    assert_int_equal(verdicts_open("/dev/null", "a", &fix->verdicts, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg, "the journal is no plain file");
}

static void
test_a_copy_replaces_what_is_there(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *copy = fs_join(fix->folder, "copy");
    AUTO(buf_clear) struct buf text = BUF_INIT;

    assert_int_equal(fs_write(fix->path, "12345", 5, 0600, &fix->err), 0);
    assert_int_equal(symlink(fix->path, copy), 0);
    assert_int_equal(verdicts_copy(fix->path, copy, &fix->err), 0);
    assert_int_equal(fs_read(copy, 99, &text, &fix->err), 0);
    assert_string_equal(buf_str(&text), "12345");
    (void)unlink(fix->path);
    assert_true(fs_exists(copy)); /* a file of its own */
    assert_int_equal(verdicts_copy(fix->path, copy, &fix->err), 0);
    assert_false(fs_exists(copy));
}

/* A full disk: what was begun takes no room. */
static void
test_a_copy_that_fails_leaves_nothing(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *copy = fs_join(fix->folder, "copy");
    AUTO(mem_free) char *fresh = fs_join(fix->folder, "copy.new");
    const struct rlimit none = {.rlim_cur = 4, .rlim_max = RLIM_INFINITY};
    struct rlimit before;

    assert_int_equal(fs_write(fix->path, "12345", 5, 0600, &fix->err), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    assert_int_equal(verdicts_copy(fix->path, copy, &fix->err), -EFBIG);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_false(fs_exists(fresh));
    assert_false(fs_exists(copy));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_verdicts_outlive_the_process),
        TEST(test_a_record_that_was_cut_off_is_none),
        TEST(test_many_verdicts_stay_apart),
        TEST(test_what_is_no_plain_file_is_refused),
        TEST(test_a_copy_replaces_what_is_there),
        TEST(test_a_copy_that_fails_leaves_nothing),
    };

    return cmocka_run_group_tests_name("verdicts", tests, NULL, NULL);
}
