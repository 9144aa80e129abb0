#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "triage/usage.h"

struct fixture {
    struct usage usage;
    pid_t children[2]; /* one that spins, one that sleeps */
};

static void __attribute__((noreturn)) be_child(int which)
{
    for (;;) {
        if (which == 1) {
            (void)pause();
        }
    }
}

static int
setup(void **state)
{
    static struct fixture fix;

    fix = (struct fixture){0};
    for (int i = 0; i < 2; i++) {
        fix.children[i] = fork();
        if (fix.children[i] == 0) {
            be_child(i);
        }
        assert_true(fix.children[i] > 0);
    }
    *state = &fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    usage_clear(&fix->usage);
    for (int i = 0; i < 2; i++) {
        (void)kill(fix->children[i], SIGKILL);
        (void)waitpid(fix->children[i], NULL, 0);
    }
    return 0;
}

static void
test_a_tree_is_a_process_and_its_descendants(void **state)
{
    struct fixture *fix = *state;
    pid_t leaves[8];

    usage_read(getpid(), &fix->usage);
    assert_in_range(usage_bytes(&fix->usage), 1 << 20, INT64_C(1) << 50);
    assert_int_equal(usage_leaves(&fix->usage, leaves, 8), 2);
    assert_int_equal(leaves[0] + leaves[1], fix->children[0] + fix->children[1]);
    assert_int_equal(usage_leaves(&fix->usage, leaves, 1), 1);
    usage_read(fix->children[1], &fix->usage);
    assert_int_equal(usage_leaves(&fix->usage, leaves, 8), 1);
    assert_int_equal(leaves[0], fix->children[1]);
}

static void
test_no_process_uses_nothing(void **state)
{
    struct fixture *fix = *state;

    usage_read(-5, &fix->usage);
    assert_int_equal(usage_bytes(&fix->usage), 0);
    assert_int_equal(usage_busiest(&fix->usage), 0);
    assert_int_equal(usage_waited_ms(&fix->usage), 0);
}

static void
test_the_busiest_is_who_spins(void **state)
{
    struct fixture *fix = *state;
    int64_t end = clock_mono_ms() + 20000;
    pid_t busiest = 0;

    while (busiest != fix->children[0] && clock_mono_ms() < end) { /* ticks are 10 ms */
        usage_read(getpid(), &fix->usage);
        busiest = usage_busiest(&fix->usage);
    }
    assert_int_equal(busiest, fix->children[0]);
    assert_in_range(usage_waited_ms(&fix->usage), 0, 3600000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_tree_is_a_process_and_its_descendants),
        TEST(test_no_process_uses_nothing),
        TEST(test_the_busiest_is_who_spins),
    };

    return cmocka_run_group_tests_name("usage", tests, NULL, NULL);
}
