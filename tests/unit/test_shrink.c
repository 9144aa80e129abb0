#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "triage/shrink.h"

struct fixture {
    const char
        *needles[4]; /* an input shows it when it holds all of them, in this order */
    size_t least;    /* and when it is no shorter than this */
    struct shrink_oracle oracle;
    struct shrink_limits limits;
    struct shrink_result result;
    struct strv seen; /* hashes of what was tried */
    struct buf kept;  /* the candidate of the last keep() */
    const struct buf *list;
    size_t widest;
    int reports, fail_at;
};

static bool
shows(const struct fixture *fix, const struct buf *bytes)
{
    const char *at = buf_str(bytes);
    const char *end = at + bytes->len;

    for (size_t i = 0; i < COUNT(fix->needles) && fix->needles[i] != NULL; i++) {
        size_t len = strlen(fix->needles[i]);
        at = memmem(at, (size_t)(end - at), fix->needles[i], len);
        if (at == NULL) {
            return false;
        }
        at += len;
    }
    return bytes->len >= fix->least;
}

static int
test(void *user, const struct buf *list, size_t n, size_t *shown, int64_t *execs,
     struct err *err)
{
    struct fixture *fix = user;

    fix->list = list;
    fix->widest = n > fix->widest ? n : fix->widest;
    assert_in_range(n, 1, fix->oracle.width);
    *shown = n;
    for (size_t i = n; i-- > 0;) {
        char hash[HASH_HEX_MAX];
        hash_sha256(buf_str(&list[i]), list[i].len, hash);
        assert_false(strv_has(&fix->seen, hash)); /* nothing is tried twice */
        strv_add(&fix->seen, hash);
        *shown = shows(fix, &list[i]) ? i : *shown;
    }
    *execs += (int64_t)n;
    if (fix->fail_at > 0 && --fix->fail_at == 0) {
        return err_set(err, -EIO, "the machine is on fire");
    }
    return 0;
}

static void
keep(void *user, const struct buf *bytes)
{
    struct fixture *fix = user;

    buf_clear(&fix->kept);
    buf_add(&fix->kept, buf_str(bytes), bytes->len);
}

static bool
report(void *user, const struct shrink_progress *progress)
{
    struct fixture *fix = user;

    (void)progress;
    return --fix->reports >= 0;
}

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    fix->needles[0] = "BUG";
    fix->needles[1] = "!";
    fix->oracle = (struct shrink_oracle){
        .user = fix, .width = 1, .test = test, .keep = keep, .keep_user = fix};
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    shrink_result_clear(&fix->result);
    strv_clear(&fix->seen);
    buf_clear(&fix->kept);
    mem_free(fix);
    return 0;
}

static const char original[] =
    "some words before, then BUG with (what) comes\nafter it! and more";

static void
run(struct fixture *fix, const char *input)
{
    strv_clear(&fix->seen);
    shrink(&fix->oracle, &fix->limits, input, strlen(input), &fix->result);
}

static void
test_every_width_finds_the_least(void **state)
{
    struct fixture *fix = *state;

    for (size_t width = 1; width <= 9; width++) {
        fix->oracle.width = width;
        fix->widest = 0;
        run(fix, original);
        assert_true(fix->result.finished);
        assert_string_equal(buf_str(&fix->result.bytes), "BUG!");
        assert_int_equal(fix->result.progress.bytes, 4);
        assert_in_range(fix->widest, width < 5 ? width : 5, width);
        assert_string_equal(buf_str(&fix->kept), "BUG!");
    }
}

/* No single byte of the result can go: the definition of 1-minimal. */
static void
test_the_result_is_minimal(void **state)
{
    struct fixture *fix = *state;

    fix->needles[0] = "ab";
    fix->needles[1] = "cd";
    fix->needles[2] = "ab";
    fix->least = 9;
    run(fix, "xxabxxcabxxcdxxabxxcdab");
    assert_true(shows(fix, &fix->result.bytes));
    assert_int_equal(fix->result.bytes.len, 9);
    for (size_t i = 0; i < 9; i++) { /* what does not count is dull */
        assert_non_null(strchr("abcd0", fix->result.bytes.data[i]));
    }
}

static void
test_bytes_become_dull(void **state)
{
    struct fixture *fix = *state;

    fix->needles[0] = "x";
    fix->needles[1] = NULL;
    fix->least = 6;
    run(fix, "\x01\x02x\xff"
             "a\n");
    assert_int_equal(fix->result.bytes.len, 6);
    assert_memory_equal(fix->result.bytes.data, "\0\0x\00000", 6);
}

static void
test_nothing_and_anything(void **state)
{
    struct fixture *fix = *state;

    fix->needles[0] = NULL;
    run(fix, "");
    assert_true(fix->result.finished);
    assert_int_equal(fix->result.progress.execs, 0);
    run(fix, "any");
    assert_int_equal(fix->result.bytes.len, 0);
    assert_int_equal(fix->result.progress.execs, 1);
}

static void
test_limits_end_it(void **state)
{
    struct fixture *fix = *state;

    fix->limits.execs = 3;
    run(fix, original);
    assert_false(fix->result.finished);
    assert_int_equal(fix->result.progress.execs, 3);
    fix->limits = (struct shrink_limits){.report = report, .user = fix};
    fix->reports = 4;
    fix->result.progress.execs = 0;
    run(fix, original);
    assert_false(fix->result.finished);
    assert_int_equal(fix->result.progress.execs, 4);
    assert_non_null(strstr(buf_str(&fix->result.bytes), "BUG"));
    assert_int_equal(fix->result.failure.code, 0);
}

static void
test_a_failure_keeps_what_there_is(void **state)
{
    struct fixture *fix = *state;

    fix->fail_at = 6;
    run(fix, original);
    assert_false(fix->result.finished);
    assert_int_equal(fix->result.failure.code, -EIO);
    assert_string_equal(fix->result.failure.msg, "the machine is on fire");
    assert_true(shows(fix, &fix->result.bytes));
}

static void
test_a_large_input_takes_few_trials(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf large = BUF_INIT;

    while (large.len < 100000) {
        buf_adds(&large, large.len == 70000   ? "BUG"
                         : large.len >= 90000 ? "!"
                                              : "xxxxxxxxxx");
    }
    run(fix, buf_str(&large));
    assert_string_equal(buf_str(&fix->result.bytes), "BUG!");
    assert_in_range(fix->result.progress.execs, 20, 300);
}

/* Of an input that is as small as it gets nothing goes: an end, at the same candidate for
 * every width. */
static void
test_a_brief_search_ends_when_nothing_goes(void **state)
{
    struct fixture *fix = *state;
    AUTO(buf_clear) struct buf input = BUF_INIT;
    AUTO(buf_clear) struct buf first = BUF_INIT;
    uint32_t noise = 1;

    buf_adds(&input, "BUG!");
    while (input.len < 2000) {
        noise = noise * 1103515245 + 12345;
        buf_addc(&input, (char)('a' + (noise >> 16) % 26));
    }
    fix->least = input.len;
    fix->limits.brief = true;
    for (size_t width = 1; width <= 33; width += 16) {
        fix->oracle.width = width;
        fix->result.progress.execs = 0;
        run(fix, buf_str(&input));
        assert_true(fix->result.finished);
        assert_in_range(fix->result.progress.execs, 400, 1600);
        if (width == 1) {
            buf_add(&first, buf_str(&fix->result.bytes), fix->result.bytes.len);
        }
        assert_string_equal(buf_str(&fix->result.bytes), buf_str(&first));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_width_finds_the_least),
        TEST(test_the_result_is_minimal),
        TEST(test_bytes_become_dull),
        TEST(test_nothing_and_anything),
        TEST(test_limits_end_it),
        TEST(test_a_failure_keeps_what_there_is),
        TEST(test_a_large_input_takes_few_trials),
        TEST(test_a_brief_search_ends_when_nothing_goes),
    };

    return cmocka_run_group_tests_name("shrink", tests, NULL, NULL);
}
