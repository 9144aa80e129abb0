#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/corpus/index.h"

#define A "000000000000000000000000000000000000000000000000000000000000000a"
#define B "ff0000000000000000000000000000000000000000000000000000000000000b"

struct fixture {
    char folder[64];
    char *path;
    struct err err;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    (void)snprintf(fix->folder, sizeof(fix->folder), "/tmp/test_index.XXXXXX");
    assert_non_null(mkdtemp(fix->folder));
    fix->path = fs_join(fix->folder, "index");
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(fs_remove(fix->folder, NULL), 0);
    mem_free(fix->path);
    mem_free(fix);
    return 0;
}

static bool
is_a(void *user, const char *sha256)
{
    (void)user;
    return strcmp(sha256, A) == 0;
}

static void
test_what_was_saved_is_read(void **state)
{
    struct fixture *fix = *state;
    AUTO(index_free) struct index *index = NULL;
    AUTO(index_free) struct index *again = NULL;
    const struct index_entry a = {1700000000, "worker:w1", 12, 3, 450};
    const struct index_entry b = {1700000001, NULL, INDEX_UNKNOWN, INDEX_UNKNOWN, 7};
    const struct index_prune prune = {1700000002, 2, 99, 12, 30, true};
    struct index_entry entry;
    size_t n;

    assert_int_equal(index_open(fix->path, &index, &fix->err), 0);
    assert_false(index_get(index, A, &entry));
    assert_string_equal(entry.origin, "unknown");
    index_put(index, A, &a);
    index_put(index, B, &b);
    index_add_prune(index, &prune);
    assert_int_equal(index_save(index, NULL, NULL, &fix->err), 0);
    assert_int_equal(index_open(fix->path, &again, &fix->err), 0);
    assert_true(index_get(again, A, &entry));
    assert_string_equal(entry.origin, "worker:w1");
    assert_int_equal(entry.added_s, 1700000000);
    assert_int_equal(entry.edges, 12);
    assert_int_equal(entry.alone, 3);
    assert_int_equal(entry.run_us, 450);
    assert_true(index_get(again, B, &entry));
    assert_string_equal(entry.origin, "unknown");
    assert_int_equal(entry.edges, INDEX_UNKNOWN);
    assert_int_equal(index_prunes(again, &n)->tuples, 30);
    assert_int_equal(n, 1);
}

static void
test_only_what_is_kept_is_written(void **state)
{
    struct fixture *fix = *state;
    AUTO(index_free) struct index *index = NULL;
    AUTO(index_free) struct index *again = NULL;
    const struct index_entry some = {.added_s = 1, .origin = "import"};
    struct index_entry entry;

    assert_int_equal(index_open(fix->path, &index, &fix->err), 0);
    index_put(index, A, &some);
    index_put(index, B, &some);
    assert_int_equal(index_save(index, is_a, NULL, &fix->err), 0);
    assert_int_equal(index_open(fix->path, &again, &fix->err), 0);
    assert_true(index_get(again, A, &entry));
    assert_false(index_get(again, B, &entry));
}

static void
test_malformed_lines_are_passed_over(void **state)
{
    struct fixture *fix = *state;
    AUTO(index_free) struct index *index = NULL;
    static const char text[] =
        "\n\xff\xfe\n" A " x import - - -\n" A " 5 import - -\nshort 5 import - - -\n" B
        " 7 import 99999999999 -1 - \n" B " 8 import 4 - 9\n" A " 9 import 1 1";
    struct index_entry entry;

    assert_int_equal(fs_write(fix->path, text, sizeof(text) - 1, 0600, &fix->err), 0);
    assert_int_equal(index_open(fix->path, &index, &fix->err), 0);
    assert_false(index_get(index, A, &entry));
    assert_true(index_get(index, B, &entry));
    assert_int_equal(entry.added_s, 8);
    assert_int_equal(entry.edges, 4);
    assert_int_equal(entry.alone, INDEX_UNKNOWN);
    assert_false(index_get(index, "../../etc/passwd", &entry));
}

static void
test_many_inputs_and_origins(void **state)
{
    struct fixture *fix = *state;
    AUTO(index_free) struct index *index = NULL;
    struct index_entry entry;

    assert_int_equal(index_open(fix->path, &index, &fix->err), 0);
    for (unsigned int i = 0; i < 5000; i++) {
        char hex[65];
        char origin[32];
        (void)snprintf(hex, sizeof(hex), "%064x", i);
        (void)snprintf(origin, sizeof(origin), "o%u", i);
        entry = (struct index_entry){.added_s = (int64_t)i + 1, .origin = origin};
        index_put(index, hex, &entry);
    }
    assert_true(index_get(
        index, "0000000000000000000000000000000000000000000000000000000000001387",
        &entry));
    assert_int_equal(entry.added_s, 5000);
    assert_string_equal(entry.origin, "other");
}

static void
test_origins_are_told_by_names(void **state)
{
    static const struct {
        const char *path, *origin;
    } cases[] = {
        {"/x/out/w1/queue/id:000001,src:000000,op:havoc", "worker:w1"},
        {"/x/out/w1/queue/id:000001,sync:S2,src:000000", "sync:S2"},
        {"/x/out/w1/queue/id:000001,sync:..;a b\n,src:0", "sync:.._a_b_"},
        {"/x/out/w1/queue/id:000000,time:0,orig:seed.png", "seed"},
        {"/x/some/id:000001", "worker:afl"},
        {"id:000001", "worker:afl"},
        {"/x/a.png", "import"},
        {"", "import"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char origin[INDEX_ORIGIN_MAX];
        index_origin_of(cases[i].path, origin);
        assert_string_equal(origin, cases[i].origin);
    }
}

#define INDEX(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void
test_an_origin_in_a_file_is_made_a_word(void **state)
{
    struct fixture *fix = *state;
    AUTO(index_free) struct index *index = NULL;
    struct index_entry entry;
    const char text[] = A " 1700000000 \x1b[31m\xff<b>:w1 - - -\n";

    assert_int_equal(fs_write(fix->path, text, strlen(text), 0600, &fix->err), 0);
    assert_int_equal(index_open(fix->path, &index, &fix->err), 0);
    assert_true(index_get(index, A, &entry));
    assert_string_equal(entry.origin, "__31m__b_:w1");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        INDEX(test_what_was_saved_is_read),
        INDEX(test_only_what_is_kept_is_written),
        INDEX(test_malformed_lines_are_passed_over),
        INDEX(test_many_inputs_and_origins),
        cmocka_unit_test(test_origins_are_told_by_names),
        INDEX(test_an_origin_in_a_file_is_made_a_word),
    };

    return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
