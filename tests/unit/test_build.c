#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "triage/build.h"

struct fixture {
    struct build_list list, copy;
    struct command command;
    struct err err;
};

static int
setup(void **state)
{
    struct fixture *fix = mem_alloc(sizeof(*fix));

    fix->command.timeout_ms = 1000;
    strv_add(&fix->command.argv, "/b/t");
    *state = fix;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fix = *state;

    build_list_clear(&fix->list);
    build_list_clear(&fix->copy);
    command_clear(&fix->command);
    mem_free(fix);
    return 0;
}

static void
test_list_keeps_copies_in_order(void **state)
{
    struct fixture *fix = *state;

    build_list_add(&fix->list, "sanitizer", &fix->command);
    fix->command.timeout_ms = 2000;
    build_list_add(&fix->list, "release", &fix->command);
    assert_string_equal(fix->list.v[0].kind, "sanitizer");
    assert_int_equal(fix->list.v[0].command.timeout_ms, 1000);
    assert_ptr_equal(build_list_find(&fix->list, "release"), &fix->list.v[1]);
    assert_null(build_list_find(&fix->list, "afl"));
    for (int i = 0; i < BUILDS_MAX; i++) {
        build_list_add(&fix->list, "afl", &fix->command);
    }
    assert_int_equal(fix->list.n, BUILDS_MAX);
}

static void
test_json_round_trips(void **state)
{
    struct fixture *fix = *state;

    build_list_add(&fix->list, "sanitizer", &fix->command);
    build_list_add(&fix->list, "release", &fix->command);
    AUTO(json_decref) json_t *first = build_list_to_json(&fix->list);
    assert_int_equal(build_list_from_json(first, &fix->copy, &fix->err), 0);
    AUTO(json_decref) json_t *second = build_list_to_json(&fix->copy);
    assert_true(json_equal(first, second));
    build_list_clear(&fix->copy);
    assert_int_equal(build_list_from_json(NULL, &fix->copy, &fix->err), 0);
    assert_int_equal(fix->copy.n, 0);
}

static void
assert_refused(struct fixture *fix, json_t *value, const char *message)
{
    AUTO(json_decref) json_t *owned = value;

    assert_int_equal(build_list_from_json(owned, &fix->copy, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg, message);
    build_list_clear(&fix->copy);
}

static void
test_from_json_is_strict(void **state)
{
    struct fixture *fix = *state;
    json_t *many = json_array();

    for (int i = 0; i <= BUILDS_MAX; i++) {
        (void)json_array_append_new(many, json_object());
    }
    assert_refused(fix, many, "'builds' has more than 8 of them");
    assert_refused(fix, json_string("x"), "'builds' is not a list");
    assert_refused(fix, json_pack("[s]", "x"), "builds[0] is of no kind that is known");
    assert_refused(fix, json_pack("[{s:s}]", "kind", "made-up"),
                   "builds[0] is of no kind that is known");
    assert_refused(fix, json_pack("[{s:s}]", "kind", "afl"),
                   "builds[0]: command: not an object");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_list_keeps_copies_in_order),
        TEST(test_json_round_trips),
        TEST(test_from_json_is_strict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
