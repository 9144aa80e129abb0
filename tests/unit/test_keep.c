#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "triage/keep.h"

struct fixture {
    char type[64], state[64], place[64];
    struct record record;
    struct keep keep;
    struct err err;
};

static void
say(struct fixture *fix, const char *major, const char *minor, const char *place)
{
    (void)snprintf(fix->record.hash_major, RECORD_HASH_MAX, "%s", major);
    (void)snprintf(fix->record.hash_minor, RECORD_HASH_MAX, "%s", minor);
    (void)snprintf(fix->place, sizeof(fix->place), "%s", place == NULL ? "" : place);
    fix->record.place = place == NULL ? NULL : fix->place;
}

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    (void)snprintf(fix->type, sizeof(fix->type), "Heap-buffer-overflow\nREAD 4");
    (void)snprintf(fix->state, sizeof(fix->state), "f\ng\nmain\n");
    fix->record = (struct record){.crash_type = fix->type, .crash_state = fix->state};
    say(fix, "aa", "bb", "memory f+2");
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    keep_clear(&fix->keep);
    mem_free(fix);
    return 0;
}

static void
test_major_wants_signature_and_place(void **state)
{
    struct fixture *fix = *state;

    keep_of(&fix->record, KEEP_MAJOR, &fix->keep);
    assert_true(keep_holds(&fix->keep, &fix->record));
    assert_false(keep_holds(&fix->keep, NULL));
    say(fix, "aa", "other", "memory f+2");
    assert_true(keep_holds(&fix->keep, &fix->record));
    say(fix, "aa", "bb", "memory f+9");
    assert_false(keep_holds(&fix->keep, &fix->record));
    fix->record.samples = 3; /* a hang: where is chance */
    assert_true(keep_holds(&fix->keep, &fix->record));
    fix->record.samples = 0;
    say(fix, "aa", "bb", NULL);
    assert_false(keep_holds(&fix->keep, &fix->record));
    say(fix, "other", "bb", "memory f+2");
    assert_false(keep_holds(&fix->keep, &fix->record));
}

/* Of a wild address none near null is made, the other way round anything goes. */
static void
test_what_is_far_from_null_stays_so(void **state)
{
    static const enum keep_level levels[] = {KEEP_MAJOR, KEEP_EXACT};
    struct fixture *fix = *state;

    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        fix->record.near_null = false;
        keep_of(&fix->record, levels[i], &fix->keep);
        fix->record.near_null = true;
        assert_false(keep_holds(&fix->keep, &fix->record));
        keep_clear(&fix->keep);
        keep_of(&fix->record, levels[i], &fix->keep);
        fix->record.near_null = false;
        assert_true(keep_holds(&fix->keep, &fix->record));
        keep_clear(&fix->keep);
    }
    keep_of(&fix->record, KEEP_LOOSE, &fix->keep);
    fix->record.near_null = true;
    assert_true(keep_holds(&fix->keep, &fix->record));
}

static void
test_without_a_place_any_will_do(void **state)
{
    struct fixture *fix = *state;

    say(fix, "aa", "bb", NULL);
    keep_of(&fix->record, KEEP_MAJOR, &fix->keep);
    say(fix, "aa", "bb", "memory f+9");
    assert_true(keep_holds(&fix->keep, &fix->record));
}

static void
test_exact_wants_every_frame(void **state)
{
    struct fixture *fix = *state;

    keep_of(&fix->record, KEEP_EXACT, &fix->keep);
    assert_true(keep_holds(&fix->keep, &fix->record));
    say(fix, "aa", "other", "memory f+2");
    assert_false(keep_holds(&fix->keep, &fix->record));
    fix->record.samples = 3;
    assert_true(keep_holds(&fix->keep, &fix->record));
}

static void
test_loose_wants_kind_and_place(void **state)
{
    struct fixture *fix = *state;

    keep_of(&fix->record, KEEP_LOOSE, &fix->keep);
    say(fix, "other", "other", "memory f+2");
    (void)snprintf(fix->state, sizeof(fix->state), "x\ny\nz\n");
    assert_true(keep_holds(&fix->keep, &fix->record));
    say(fix, "other", "other", "memory f+9");
    assert_false(keep_holds(&fix->keep, &fix->record));
    say(fix, "aa", "bb", "memory f+2");
    (void)snprintf(fix->type, sizeof(fix->type), "Heap-use-after-free\nREAD 4");
    assert_false(keep_holds(&fix->keep, &fix->record));
}

static void
test_loose_without_places_wants_the_top_function(void **state)
{
    struct fixture *fix = *state;

    say(fix, "aa", "bb", NULL);
    keep_of(&fix->record, KEEP_LOOSE, &fix->keep);
    (void)snprintf(fix->state, sizeof(fix->state), "f\nother\n");
    say(fix, "other", "other", NULL);
    assert_true(keep_holds(&fix->keep, &fix->record));
    (void)snprintf(fix->state, sizeof(fix->state), "g\nf\n");
    assert_false(keep_holds(&fix->keep, &fix->record));
}

static void
test_levels_have_names(void **state)
{
    struct fixture *fix = *state;

    for (enum keep_level level = KEEP_MAJOR; level <= KEEP_LOOSE; level++) {
        enum keep_level read = KEEP_MAJOR;
        assert_int_equal(keep_level_parse(keep_level_name(level), &read, &fix->err), 0);
        assert_int_equal(read, level);
    }
    assert_int_equal(keep_level_parse("all", &fix->keep.level, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg, "'all' is not exact, major or loose");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_major_wants_signature_and_place),
        TEST(test_what_is_far_from_null_stays_so),
        TEST(test_without_a_place_any_will_do),
        TEST(test_exact_wants_every_frame),
        TEST(test_loose_wants_kind_and_place),
        TEST(test_loose_without_places_wants_the_top_function),
        TEST(test_levels_have_names),
    };

    return cmocka_run_group_tests_name("keep", tests, NULL, NULL);
}
