#include "tests/unit/unit.h"

#include <stdlib.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/unlinker.h"

enum { FILES = 300 };

/* Half of the names are of no file: they must not end it. */
static void
fill(const char *folder, const char *prefix, struct strv *out)
{
    for (int i = 0; i < FILES; i++) {
        AUTO(mem_free) char *path = mem_printf("%s/%s%d", folder, prefix, i);
        if (i % 2 == 0) {
            assert_int_equal(fs_write(path, "x", 1, 0600, NULL), 0);
        }
        strv_add(out, path);
    }
}

static int
count(const char *folder, const char *prefix)
{
    int n = 0;

    for (int i = 0; i < FILES; i++) {
        AUTO(mem_free) char *path = mem_printf("%s/%s%d", folder, prefix, i);
        n += fs_exists(path);
    }
    return n;
}

static void
test_wait_is_over_when_all_are_gone(void **state)
{
    const char *folder = *state;
    AUTO(unlinker_free) struct unlinker *unlinker = unlinker_new();
    AUTO(strv_clear) struct strv paths = {0};

    unlinker_wait(unlinker); /* nothing was asked for */
    fill(folder, "a", &paths);
    fill(folder, "b", &paths);
    assert_int_equal(count(folder, "a"), FILES / 2);
    unlinker_add(unlinker, &paths);
    assert_int_equal(paths.n, 0);
    unlinker_wait(unlinker);
    assert_int_equal(count(folder, "a") + count(folder, "b"), 0);
    fill(folder, "c", &paths);
    unlinker_add(unlinker, &paths);
    unlinker_wait(unlinker);
    assert_int_equal(count(folder, "c"), 0);
}

static void
test_free_waits(void **state)
{
    const char *folder = *state;
    struct unlinker *unlinker = unlinker_new();

    for (int i = 0; i < 5; i++) {
        AUTO(strv_clear) struct strv paths = {0};
        AUTO(mem_free) char *prefix = mem_printf("%d-", i);
        fill(folder, prefix, &paths);
        unlinker_add(unlinker, &paths);
    }
    unlinker_free(unlinker);
    for (int i = 0; i < 5; i++) {
        AUTO(mem_free) char *prefix = mem_printf("%d-", i);
        assert_int_equal(count(folder, prefix), 0);
    }
    unlinker_free(NULL);
}

static int
setup(void **state)
{
    char name[] = "/tmp/nightjar-test-unlinker.XXXXXX";

    *state = mem_strdup(mkdtemp(name));
    return 0;
}

static int
teardown(void **state)
{
    AUTO(mem_free) char *folder = *state;

    return fs_remove(folder, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_wait_is_over_when_all_are_gone, setup,
                                        teardown),
        TEST(test_free_waits),
    };

    return cmocka_run_group_tests_name("unlinker", tests, NULL, NULL);
}
