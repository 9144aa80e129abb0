#include "tests/unit/store_fixture.h"

#include "triage/kept.h"
#include "triage/life.h"
#include "triage/revision.h"

enum { NO_LIMIT = 0 };

/* A revision with one program of target t. */
static int64_t
put(struct fixture *fix, const char *commit, const char *branch, int64_t at,
    const char *build_id)
{
    const struct revision_program program = {"t", "sanitizer", build_id, "/b/t"};
    const struct revision_given given = {.commit = commit,
                                         .branch = branch,
                                         .release = "",
                                         .at = at,
                                         .folder = "/b",
                                         .programs = &program,
                                         .n = 1};
    int64_t id = 0;
    bool is_new = false;

    must(fix, revision_put(fix->store, &given, &id, &is_new, &fix->err));
    return id;
}

/* Bug 1 showed on the build with this id. */
static void
show_on(struct fixture *fix, const char *build_id)
{
    AUTO(mem_free)
    char *build = mem_printf("INSERT INTO build(target, kind, path, build_id, first_seen)"
                             " SELECT target, 'sanitizer', '/b/t', '%s', 1 FROM bug",
                             build_id);

    execute(fix, build);
    execute(fix, "INSERT INTO replay SELECT crash, (SELECT max(id) FROM build), 'crash',"
                 " NULL, 1, 1, 1 FROM bug");
}

static void
verify_said(struct fixture *fix, const char *result, const char *build_id)
{
    AUTO(json_decref)
    json_t *detail = json_pack("{s:s,s:s}", "result", result, "build_id", build_id);
    const struct event event = {
        .kind = "bug.verify", .subject = "bug", .subject_id = 1, .detail = detail};

    must(fix, store_event(fix->store, &event, &fix->err));
}

static void
test_a_commit_is_known_once_by_what_was_said_last(void **state)
{
    struct fixture *fix = *state;
    AUTO(revision_clear) struct revision found = {0};
    int64_t first = put(fix, "0123456789", "main", 10, "aaaa1111");

    assert_int_equal(put(fix, "0123456789", "main", 20, "bbbb2222"), first);
    assert_int_not_equal(put(fix, "0123456789", "other", 30, "aaaa1111"), first);
    must(fix, revision_find(fix->store, "0123456", &found, &fix->err));
    assert_string_equal(found.branch, "other"); /* the newest of two */
    must(fix, revision_find(fix->store, "bbbb2222", &found, &fix->err));
    assert_int_equal(found.id, first);
    assert_int_equal(found.at, 20);
    assert_int_equal(found.programs, 2);
    assert_int_equal(revision_find(fix->store, "012345", &found, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg,
                        "'012345' is no build that is known here, neither its commit "
                        "nor a build id: nightjar build list");
    assert_int_equal(number(fix, "SELECT count(*) FROM event WHERE kind = 'build.add'"),
                     2);
    must(fix, revision_remove(fix->store, first, "ann", &fix->err));
    assert_int_equal(revision_find(fix->store, "bbbb2222", &found, &fix->err), -EINVAL);
    assert_clean(fix);
}

/* A commit that is built again: its newest program is meant. */
static void
test_of_programs_of_one_kind_the_newest_counts(void **state)
{
    struct fixture *fix = *state;
    AUTO(revision_clear) struct revision revision = {0};
    AUTO(program_found_clear) struct program_found found = {0};

    (void)put(fix, "0123456789", "main", 10, "ffff0000");
    (void)put(fix, "0123456789", "main", 10, "aaaa0000");
    execute(fix, "UPDATE program SET added = (build_id = 'ffff0000')");
    must(fix, revision_find(fix->store, "0123456789", &revision, &fix->err));
    must(fix,
         revision_program(fix->store, &revision, "t", "sanitizer", &found, &fix->err));
    assert_string_equal(found.build_id, "ffff0000");
}

static void
test_what_nobody_can_tell_apart_is_refused(void **state)
{
    struct fixture *fix = *state;
    struct revision_given given = {
        .commit = "", .branch = "", .release = "", .folder = "/b"};
    int64_t id = 0;
    bool is_new = false;

    assert_int_equal(revision_put(fix->store, &given, &id, &is_new, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg, "a build's commit has 1 to 200 bytes");
    given.commit = "c";
    assert_int_equal(revision_put(fix->store, &given, &id, &is_new, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg, "none of its programs has a build id");
}

static void
test_a_bug_came_with_the_oldest_commit_that_shows_it(void **state)
{
    struct fixture *fix = *state;
    AUTO(bug_builds_clear) struct bug_builds builds = {0};

    (void)triage(fix, "first", &(struct said){0});
    must(fix, store_bug_builds(fix->store, 1, &builds, &fix->err));
    assert_int_equal(builds.introduced.id, 0);
    (void)put(fix, "c1", "main", 10, "11111111");
    int64_t second = put(fix, "c2", "main", 20, "22222222");
    int64_t third = put(fix, "c3", "main", 30, "33333333");
    /* the same code again, in a later commit */
    int64_t fourth = put(fix, "c4", "main", 40, "33333333");
    show_on(fix, "33333333");
    must(fix, store_bug_builds(fix->store, 1, &builds, &fix->err));
    assert_int_equal(builds.introduced.id, third);
    assert_int_equal(builds.newest.id, fourth);
    assert_int_equal(builds.clean_before, 0);
    bug_builds_clear(&builds);
    /* nightjar verify tries older ones */
    verify_said(fix, "same", "22222222");
    verify_said(fix, "clean", "11111111");
    must(fix, store_bug_builds(fix->store, 1, &builds, &fix->err));
    assert_int_equal(builds.introduced.id, second);
    assert_int_equal(builds.clean_before, 10);
    assert_int_equal(builds.release.id, 0);
}

static int
keep_life(void *user, struct bug_life *life, struct err *err)
{
    struct bug_life *out = user;

    (void)err;
    *out = *life;
    *life = (struct bug_life){0};
    return 0;
}

static void
test_a_bug_in_a_release_is_an_incident(void **state)
{
    struct fixture *fix = *state;
    AUTO(bug_life_clear) struct bug_life before = {0};
    AUTO(bug_life_clear) struct bug_life after = {0};

    (void)triage(fix, "first", &(struct said){0});
    (void)put(fix, "c1", "main", 10, "11111111");
    show_on(fix, "11111111");
    must(fix, store_lives(fix->store, keep_life, &before, &fix->err));
    assert_false(before.released);
    assert_int_equal(before.introduced, 10);
    execute(fix, "UPDATE revision SET release = '1.0'");
    must(fix, store_lives(fix->store, keep_life, &after, &fix->err));
    assert_true(after.released);
}

/* --- copies --- */

static void
test_copies_of_the_newest_and_of_open_bugs_stay(void **state)
{
    struct fixture *fix = *state;
    struct kept_policy policy = {.newest = 1, .max_bytes = NO_LIMIT, .dry_run = true};
    struct kept_tally tally = {0};

    (void)triage(fix, "first", &(struct said){0});
    (void)put(fix, "c1", "main", 10, "11111111");
    (void)put(fix, "c2", "main", 20, "22222222");
    (void)put(fix, "c3", "main", 30, "33333333");
    (void)put(fix, "c4", "old", 5, "44444444");
    show_on(fix, "11111111");
    execute(fix, "INSERT INTO kept SELECT build_id, 't', 100, 1 FROM program");
    must(fix, kept_gc(fix->store, &policy, &tally, &fix->err));
    assert_int_equal(tally.copies, 1); /* c2: c3 is newer, and nobody needs it */
    assert_int_equal(tally.left, 3);
    assert_int_equal(tally.needed, 1);
    assert_int_equal(number(fix, "SELECT count(*) FROM kept"), 4);
    policy.max_bytes = 200; /* the oldest go, but not what a bug needs */
    policy.dry_run = false;
    must(fix, kept_gc(fix->store, &policy, &tally, &fix->err));
    assert_int_equal(tally.copies, 2);
    assert_int_equal(number(fix, "SELECT count(*) FROM kept WHERE build_id IN"
                                 " ('11111111', '33333333')"),
                     2);
    execute(fix, "UPDATE bug SET state = 'fixed'");
    policy.newest = 0;
    must(fix, kept_gc(fix->store, &policy, &tally, &fix->err));
    assert_int_equal(tally.left, 0);
}

static void
test_a_copy_is_what_its_name_says_or_none(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *path = NULL;
    int64_t bytes = 0;

    assert_int_equal(kept_add(fix->store, "/bin/true", "11111111", &bytes, &fix->err),
                     -ESTALE);
    assert_string_equal(fix->err.msg, "'/bin/true' is not the build that it was");
    assert_int_equal(kept_add(fix->store, "/bin/true", "../../../etc", &bytes, &fix->err),
                     -ESTALE);
    execute(fix, "INSERT INTO kept VALUES('11111111', 't', 100, 1)");
    must(fix, kept_path(fix->store, "11111111", &path, &fix->err));
    assert_null(path); /* its folder is gone */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_commit_is_known_once_by_what_was_said_last),
        TEST(test_of_programs_of_one_kind_the_newest_counts),
        TEST(test_what_nobody_can_tell_apart_is_refused),
        TEST(test_a_bug_came_with_the_oldest_commit_that_shows_it),
        TEST(test_a_bug_in_a_release_is_an_incident),
        TEST(test_copies_of_the_newest_and_of_open_bugs_stay),
        TEST(test_a_copy_is_what_its_name_says_or_none),
    };

    return cmocka_run_group_tests_name("store_revision", tests, NULL, NULL);
}
