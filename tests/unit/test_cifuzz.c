#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/gate/cifuzz.h"

static const char *const names[] = {
    "WORKSPACE",
    "OUT",
    "MODE",
    "FUZZ_SECONDS",
    "DRY_RUN",
    "OUTPUT_SARIF",
    "REPORT_TIMEOUTS",
    "REPORT_OOMS",
    "PARALLEL_FUZZING",
    "MINIMIZE_CRASHES",
    "CLOUD_BUCKET",
    "REPORT_UNREPRODUCIBLE_CRASHES",
    "SANITIZER",
    "KEEP_UNAFFECTED_FUZZ_TARGETS",
};

static int
setup(void **state)
{
    char folder[] = "/tmp/nightjar-cifuzz.XXXXXX";

    for (size_t i = 0; i < COUNT(names); i++) {
        (void)unsetenv(names[i]);
    }
    assert_non_null(mkdtemp(folder));
    *state = mem_strdup(folder);
    return 0;
}

static int
teardown(void **state)
{
    (void)fs_remove(*state, NULL);
    mem_free(*state);
    return 0;
}

static void
make(const char *folder, const char *name)
{
    AUTO(mem_free) char *path = fs_join(folder, name);

    assert_int_equal(fs_mkdirs(path, 0755, NULL), 0);
}

static void
put(const char *name, const char *value)
{
    assert_int_equal(setenv(name, value, 1), 0);
}

static void
test_nothing_set_is_ten_minutes_of_a_code_change(void **state)
{
    AUTO(cifuzz_clear) struct cifuzz cifuzz = {0};

    (void)state;
    assert_int_equal(cifuzz_read(&cifuzz, NULL), 0);
    assert_int_equal(cifuzz.for_ms, 600 * 1000);
    assert_false(cifuzz.batch || cifuzz.dry_run || cifuzz.timeouts || cifuzz.ooms);
    assert_null(cifuzz.out);
    assert_null(cifuzz.sarif);
}

static void
test_a_workspace_says_where_all_is(void **state)
{
    AUTO(cifuzz_clear) struct cifuzz cifuzz = {0};
    AUTO(mem_free) char *out = fs_join(*state, "build-out");
    AUTO(mem_free) char *base = fs_join(*state, "cifuzz-prev-build");
    AUTO(mem_free) char *sarif = fs_join(*state, "cifuzz-sarif/results.sarif");
    AUTO(mem_free) char *artifacts = fs_join(out, "artifacts");

    make(*state, "build-out");
    make(*state, "cifuzz-prev-build");
    put("WORKSPACE", *state);
    put("OUTPUT_SARIF", "true");
    put("FUZZ_SECONDS", "90");
    put("DRY_RUN", "True");
    put("REPORT_OOMS", "1");
    put("SANITIZER", "address");
    assert_int_equal(cifuzz_read(&cifuzz, NULL), 0);
    assert_string_equal(cifuzz.out, out);
    assert_string_equal(cifuzz.base, base);
    assert_string_equal(cifuzz.sarif, sarif);
    assert_string_equal(cifuzz.artifacts, artifacts);
    assert_int_equal(cifuzz.for_ms, 90 * 1000);
    assert_true(cifuzz.dry_run && cifuzz.ooms && !cifuzz.timeouts);
    assert_int_equal(cifuzz.ignored.n, 1);
    assert_string_equal(cifuzz.ignored.v[0], "SANITIZER");
}

static void
test_a_batch_is_compared_with_nothing(void **state)
{
    AUTO(cifuzz_clear) struct cifuzz cifuzz = {0};

    make(*state, "cifuzz-prev-build");
    put("WORKSPACE", *state);
    put("MODE", "batch");
    assert_int_equal(cifuzz_read(&cifuzz, NULL), 0);
    assert_true(cifuzz.batch);
    assert_null(cifuzz.base);
}

static void
test_what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *name, *value, *error;
    } cases[] = {
        {"MODE", "prune",
         "the environment's MODE='prune': use `nightjar corpus merge` to prune a corpus"},
        {"MODE", "x", "the environment's MODE='x': wanted code-change or batch"},
        {"FUZZ_SECONDS", "ten",
         "the environment's FUZZ_SECONDS='ten': wanted seconds, 1 to a week"},
        {"FUZZ_SECONDS", "0",
         "the environment's FUZZ_SECONDS='0': wanted seconds, 1 to a week"},
        {"DRY_RUN", "ture\n",
         "the environment's DRY_RUN='ture\\x0a': wanted true or false"},
        {"OUT", "/nowhere/out",
         "the environment's OUT='/nowhere/out': there is no such folder"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cifuzz cifuzz = {0};
        struct err err = ERR_INIT;
        put(cases[i].name, cases[i].value);
        assert_int_equal(cifuzz_read(&cifuzz, &err), -EINVAL);
        assert_string_equal(err.msg, cases[i].error);
        (void)unsetenv(cases[i].name);
    }
}

static void
test_exit_statuses_are_cifuzz_own(void **state)
{
    (void)state;
    assert_int_equal(cifuzz_exit(VERDICT_PASS, false), 0);
    assert_int_equal(cifuzz_exit(VERDICT_FAIL, false), 2);
    assert_int_equal(cifuzz_exit(VERDICT_FAIL, true), 0);
    assert_int_equal(cifuzz_exit(VERDICT_INCONCLUSIVE, true), 1);
    assert_int_equal(cifuzz_exit(VERDICT_BUDGET_EXHAUSTED, false), 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_set_is_ten_minutes_of_a_code_change),
        TEST(test_a_workspace_says_where_all_is),
        TEST(test_a_batch_is_compared_with_nothing),
        TEST(test_what_is_wrong_is_named),
        TEST(test_exit_statuses_are_cifuzz_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
