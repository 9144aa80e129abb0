#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/corpus/spool.h"

enum { SUBJECT = 7 };

struct fixture {
    char folder[64];
    char *path;
};

static int
set_up(void **state)
{
    struct fixture *fixture = mem_alloc(sizeof(*fixture));

    (void)snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/test_spool.XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    fixture->path = fs_join(fixture->folder, "traces");
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(fs_remove(fixture->folder, NULL), 0);
    mem_free(fixture->path);
    mem_free(fixture);
    return 0;
}

static const unsigned char trace[] = {0x05, 0x80, 0x01, 0x00};

static struct measured
input_of(const char *path)
{
    struct measured input = {.path = path,
                             .kind = MEASURE_TRACE,
                             .bytes = 9,
                             .tuples = 3,
                             .hash = 42,
                             .trace = trace,
                             .trace_bytes = sizeof(trace)};

    input.st.st_size = 9;
    input.st.st_ino = 17;
    return input;
}

static void
add_two(const struct fixture *fixture)
{
    AUTO(spool_close) struct spool *spool = NULL;
    struct measured one = input_of("/one");
    struct measured two = input_of("/two");
    int64_t known = -1;
    struct err err = ERR_INIT;

    assert_int_equal(spool_open(fixture->path, SUBJECT, &spool, &known, &err), 0);
    assert_int_equal(known, 0);
    assert_false(spool_has(spool, "/one", &one.st));
    assert_int_equal(spool_add(spool, &one, &err), 0);
    assert_int_equal(spool_add(spool, &two, &err), 0);
    assert_true(spool_has(spool, "/one", &one.st));
}

static void
test_a_trace_is_read_as_gaps(void **state)
{
    size_t at = 0;
    int64_t tuple = -1;

    (void)state;
    assert_true(trace_next(trace, sizeof(trace), &at, &tuple));
    assert_int_equal(tuple, 5);
    assert_true(trace_next(trace, sizeof(trace), &at, &tuple));
    assert_int_equal(tuple, 5 + 128 + 1);
    assert_true(trace_next(trace, sizeof(trace), &at, &tuple));
    assert_int_equal(tuple, 5 + 128 + 2);
    assert_false(trace_next(trace, sizeof(trace), &at, &tuple));
}

static void
test_a_malformed_trace_ends(void **state)
{
    static const unsigned char endless[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const unsigned char beyond[] = {0xff, 0xff, 0xff, 0xff, 0x0f};
    size_t at = 0;
    int64_t tuple = -1;

    (void)state;
    assert_false(trace_next(endless, sizeof(endless), &at, &tuple));
    at = 0;
    tuple = -1;
    assert_false(trace_next(beyond, sizeof(beyond), &at, &tuple));
    at = 0;
    assert_false(trace_next(endless, 2, &at, &tuple)); /* cut */
}

static void
test_records_are_there_after_a_restart(void **state)
{
    const struct fixture *fixture = *state;
    AUTO(spool_close) struct spool *spool = NULL;
    struct measured input = input_of("/two");
    struct err err = ERR_INIT;
    int64_t known = 0;
    int64_t at = 0;

    add_two(fixture);
    assert_int_equal(spool_open(fixture->path, SUBJECT, &spool, &known, &err), 0);
    assert_int_equal(known, 2);
    assert_true(spool_has(spool, "/two", &input.st));
    input.st.st_size++; /* changed since */
    assert_false(spool_has(spool, "/two", &input.st));
    assert_int_equal(spool_map(spool, &err), 0);
    assert_true(spool_read(spool, &at, &input));
    assert_string_equal(input.path, "/one");
    assert_int_equal(input.hash, 42);
    assert_memory_equal(input.trace, trace, sizeof(trace));
    assert_true(spool_read(spool, &at, &input));
    assert_false(spool_read(spool, &at, &input));
}

static void
test_a_cut_record_is_dropped(void **state)
{
    const struct fixture *fixture = *state;
    AUTO(spool_close) struct spool *spool = NULL;
    struct stat st;
    struct err err = ERR_INIT;
    int64_t known = 0;

    add_two(fixture);
    assert_int_equal(stat(fixture->path, &st), 0);
    assert_int_equal(truncate(fixture->path, st.st_size - 1), 0);
    assert_int_equal(spool_open(fixture->path, SUBJECT, &spool, &known, &err), 0);
    assert_int_equal(known, 1);
}

static void
test_another_subject_begins_anew(void **state)
{
    const struct fixture *fixture = *state;
    AUTO(spool_close) struct spool *spool = NULL;
    struct err err = ERR_INIT;
    int64_t known = -1;

    add_two(fixture);
    assert_int_equal(spool_open(fixture->path, SUBJECT + 1, &spool, &known, &err), 0);
    assert_int_equal(known, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_trace_is_read_as_gaps),
        cmocka_unit_test(test_a_malformed_trace_ends),
        cmocka_unit_test_setup_teardown(test_records_are_there_after_a_restart, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_cut_record_is_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_subject_begins_anew, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
