#include "triage/store/regroup_keys.h"

#include "unit.h"

static struct regroup_item
item(int64_t crash, int64_t home, const char *entry, const char *old_major)
{
    struct regroup_item made = {.crash = crash, .home = home, .target = 1};

    (void)snprintf(made.entry, sizeof(made.entry), "%s", entry);
    (void)snprintf(made.old_major, sizeof(made.old_major), "%s", old_major);
    return made;
}

static void
test_fellows_become_neighbours(void **state)
{
    struct regroup_item v[] = {item(4, 1, "b", ""), item(3, 1, "a", ""),
                               item(2, 1, "b", ""), item(1, 1, "a", "")};

    (void)state;
    v[1].target = 2; /* another target's is no fellow */
    regroup_make_keys(v, COUNT(v));
    static const int64_t crashes[] = {1, 3, 2, 4};
    static const size_t keys[] = {0, 1, 2, 2};
    for (size_t i = 0; i < COUNT(v); i++) {
        assert_int_equal(v[i].crash, crashes[i]);
        assert_int_equal(v[i].key, keys[i]);
    }
    assert_int_equal(regroup_key_end(v, COUNT(v), 2), 4);
    assert_int_equal(regroup_key_end(v, COUNT(v), 0), 1);
    regroup_make_keys(NULL, 0);
}

static void
test_the_bug_with_most_has_the_key(void **state)
{
    struct regroup_item v[] = {item(1, 9, "a", ""), item(2, 7, "a", ""),
                               item(3, 9, "a", ""), item(4, 7, "a", ""),
                               item(5, 3, "a", "")};

    (void)state;
    regroup_make_keys(v, COUNT(v));
    struct regroup_weight best = regroup_weigh(v, COUNT(v), 0);
    assert_int_equal(best.bug, 7); /* as many as 9 has, and older */
    assert_int_equal(best.n, 2);

    v[1].decided = true; /* by a hand: no longer counts */
    best = regroup_weigh(v, COUNT(v), 0);
    assert_int_equal(best.bug, 9);

    for (size_t i = 0; i < COUNT(v); i++) {
        v[i].decided = true;
    }
    assert_int_equal(regroup_weigh(v, COUNT(v), 0).n, 0);
}

static void
test_the_heaviest_comes_first(void **state)
{
    struct regroup_weight v[] = {
        {.key = 8, .n = 1}, {.key = 5, .n = 3}, {.key = 2, .n = 1}};

    (void)state;
    qsort(v, COUNT(v), sizeof(*v), regroup_by_weight);
    assert_int_equal(v[0].key, 5);
    assert_int_equal(v[1].key, 2);
    assert_int_equal(v[2].key, 8);
}

static void
test_what_has_no_record_follows_most(void **state)
{
    struct regroup_item v[] = {item(1, 1, "a", "old"), item(2, 1, "b", "old"),
                               item(3, 1, "b", "old"), item(4, 1, "c", "other")};

    (void)state;
    regroup_make_keys(v, COUNT(v));
    regroup_choose_leads(v, COUNT(v));
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(v[i].leads, 1); /* "b", which two of three have */
    }
    assert_int_equal(v[3].leads, 3);

    v[3].old_place = 6; /* a place counts before the signature */
    v[0].old_place = 6;
    regroup_choose_leads(v, COUNT(v));
    assert_int_equal(v[0].leads, v[3].leads);
    assert_int_equal(v[1].leads, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fellows_become_neighbours),
        cmocka_unit_test(test_the_bug_with_most_has_the_key),
        cmocka_unit_test(test_the_heaviest_comes_first),
        cmocka_unit_test(test_what_has_no_record_follows_most),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
