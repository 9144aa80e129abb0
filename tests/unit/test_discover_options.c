#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/target.h"

struct fixture {
    char *root;
    struct target_list list;
    struct err err;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));
    char name[] = "/tmp/nightjar-test-options.XXXXXX";

    *state = fix;
    fix->root = mem_strdup(mkdtemp(name));
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;
    int rc = fs_remove(fix->root, &fix->err);

    mem_free(fix->root);
    target_list_clear(&fix->list);
    mem_free(fix);
    return rc;
}

static void
write_text(struct fixture *fix, const char *name, const char *text)
{
    AUTO(mem_free) char *path = fs_join(fix->root, name);

    assert_int_equal(fs_write(path, text, strlen(text), 0644, &fix->err), 0);
}

static int
read_options(struct fixture *fix, struct target *target, const char *text)
{
    AUTO(mem_free) char *path = fs_join(fix->root, "T.options");

    write_text(fix, "T.options", text);
    return target_read_options(path, target, &fix->err);
}

static void
assert_env(const struct target *target, size_t at, const char *want)
{
    assert_true(at < target->env.n);
    assert_string_equal(target->env.v[at], want);
}

static void
test_options_are_taken_over(void **state)
{
    struct fixture *fix = *state;
    struct target *t = target_list_add(&fix->list, "T");

    write_text(fix, "words.dict", "x");
    assert_int_equal(read_options(fix, t,
                                  "# comment\n"
                                  "; another\n"
                                  "[libfuzzer]\r\n"
                                  "MAX_LEN = 64\n"
                                  "close_fd_mask: 3\n"
                                  "  timeout=7\n"
                                  "rss_limit_mb = 100\n"
                                  "dict = words.dict\n"
                                  "only_ascii =\n"
                                  "[asan]\n"
                                  "detect_leaks=0\n"
                                  "Strict_Init_Order = 1\n"
                                  "[ubsan]\n"
                                  "silence_unsigned_overflow=1 # no comment here\n"
                                  "[env]\n"
                                  "afl_driver_dont_defer=1\n"
                                  "ld_preload=/evil.so\n"
                                  "[honggfuzz]\n"
                                  "x = y\n"),
                     0);
    /* "  timeout" stands deeper than the line above and so belongs to its value, as for
     * configparser */
    assert_int_equal(t->timeout_ms, 25000);
    assert_int_equal(t->libfuzzer.n, 3);
    assert_string_equal(t->libfuzzer.v[0], "-max_len=64");
    assert_string_equal(t->libfuzzer.v[1], "-close_fd_mask=3\ntimeout=7");
    assert_string_equal(t->libfuzzer.v[2], "-only_ascii=");
    assert_int_equal(t->memory_bytes, 100 << 20);
    AUTO(mem_free) char *words = fs_join(fix->root, "words.dict");
    assert_string_equal(t->dictionary, words);
    assert_int_equal(t->env.n, 3);
    assert_env(t, 0, "ASAN_OPTIONS=detect_leaks=0:strict_init_order=1");
    assert_env(t, 1, "UBSAN_OPTIONS=silence_unsigned_overflow=1 # no comment here");
    assert_env(t, 2, "AFL_DRIVER_DONT_DEFER=1");
}

static void
test_options_of_ours_are_passed_over(void **state)
{
    struct fixture *fix = *state;
    struct target *t = target_list_add(&fix->list, "T");

    assert_int_equal(
        read_options(fix, t, "[libfuzzer]\nartifact_prefix=/etc/\nfork=8\nruns=1\n"), 0);
    assert_int_equal(t->libfuzzer.n, 0);
}

static void
test_options_draw_random_numbers(void **state)
{
    struct fixture *fix = *state;
    struct target *t = target_list_add(&fix->list, "T");
    int seen[4] = {0};

    for (int i = 0; i < 100; i++) {
        strv_clear(&t->libfuzzer);
        assert_int_equal(read_options(fix, t, "[libfuzzer]\nmax_len=random( 10 , 12 )\n"),
                         0);
        long value = strtol(t->libfuzzer.v[0] + strlen("-max_len="), NULL, 10);
        assert_true(value >= 10 && value <= 12);
        seen[value - 10]++;
    }
    assert_true(seen[0] > 0 && seen[1] > 0 && seen[2] > 0);
}

static void
test_options_say_where_they_are_wrong(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"a=1\n", "1: 'a=1' stands before any section: begin with [libfuzzer]"},
        {"[libfuzzer\nx=1\n", "1: '[libfuzzer' is no section: write [libfuzzer]"},
        {"[]\n", "1: '[]' is no section: write [libfuzzer]"},
        {"[asan]\n\nx\n", "3: 'x' is no setting: write key = value"},
        {"[asan]\n=5\n", "2: '=5' is no setting: write key = value"},
        {"[asan]\nx=1\nX: 2\n", "3: 'x' stands twice in [asan], first in line 2"},
        {"[asan]\n[msan]\n[asan]\n", "3: section [asan] stands twice"},
        {"[libfuzzer]\nmax_len=random(5,1)\n",
         "2: max_len: 'random(5,1)' is not random(a,b) with 0 <= a <= b"},
        {"[libfuzzer]\nmax_len=random(5\n",
         "2: max_len: 'random(5' is not random(a,b) with 0 <= a <= b"},
        {"[libfuzzer]\ntimeout=soon\n",
         "2: timeout 'soon' is not a number from 1 to 1048576"},
    };
    struct fixture *fix = *state;
    struct target *t = target_list_add(&fix->list, "T");

    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(mem_free)
        char *want = mem_printf("%s/T.options:%s", fix->root, cases[i].want);
        assert_int_equal(read_options(fix, t, cases[i].text), -EINVAL);
        assert_string_equal(fix->err.msg, want);
    }
    AUTO(mem_free)
    char *none = mem_printf("%s/T.options:3: dict: there is no '%s/no.dict'", fix->root,
                            fix->root);
    assert_int_equal(read_options(fix, t, "[libfuzzer]\nmax_len=1\ndict=no.dict\n"),
                     -EINVAL);
    assert_string_equal(fix->err.msg, none);
    assert_int_equal(t->libfuzzer.n, 0); /* a failure changes nothing */
}

static void
test_hostile_options_are_bounded(void **state)
{
    struct fixture *fix = *state;
    struct target *t = target_list_add(&fix->list, "T");
    AUTO(buf_clear) struct buf text = BUF_INIT;
    AUTO(mem_free) char *path = fs_join(fix->root, "T.options");

    buf_adds(&text, "[asan]\n");
    for (int i = 0; i < 600; i++) {
        buf_addf(&text, "k%d=1\n", i);
    }
    assert_int_equal(read_options(fix, t, buf_str(&text)), -EINVAL);
    assert_true(str_ends(fix->err.msg, "T.options:502: more than 500 settings"));
    assert_int_equal(fs_write(path, "[a]\nb\0c=1\n", 10, 0644, &fix->err), 0);
    assert_int_equal(target_read_options(path, t, &fix->err), -EINVAL);
    assert_true(str_ends(fix->err.msg, "T.options:1: a zero byte: this is no text"));
    assert_int_equal(truncate(path, 1 << 20), 0);
    assert_int_equal(target_read_options(path, t, &fix->err), -EFBIG);
    assert_int_equal(read_options(fix, t, "[asan]\n\033[2J\n"), -EINVAL);
    assert_true(
        str_ends(fix->err.msg, ":2: '\\x1b[2J' is no setting: write key = value"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_options_are_taken_over),
        TEST(test_options_of_ours_are_passed_over),
        TEST(test_options_draw_random_numbers),
        TEST(test_options_say_where_they_are_wrong),
        TEST(test_hostile_options_are_bounded),
    };

    log_set_level(LOG_ERROR); /* what is passed over */
    return cmocka_run_group_tests_name("discover_options", tests, NULL, NULL);
}
