#include "tests/unit/store_fixture.h"

static struct said
at(const char *file)
{
    return (struct said){.file = file};
}

static const char *
owner(struct fixture *fix, int64_t id, struct bug *bug)
{
    bug_clear(bug);
    must(fix, store_bug(fix->store, id, bug, &fix->err));
    return bug->owner;
}

static void
put_rules(struct fixture *fix, const char *lib)
{
    const struct owner_rule rules[] = {
        {"*", "/src/t\n/home/me", "@all", "CODEOWNERS:1"},
        {"/lib/", "/src/t\n/home/me", lib, "CODEOWNERS:2"},
        {"/lib/nobody.c", "/src/t\n/home/me", "", "CODEOWNERS:3"},
    };

    must(fix, store_put_owner_rules(fix->store, rules, COUNT(rules), &fix->err));
}

static void
test_the_last_rule_that_matches_decides(void **state)
{
    struct fixture *fix = *state;
    AUTO(bug_clear) struct bug bug = {0};
    const struct said said = at("/src/t/lib/a.c");

    put_rules(fix, "@lib");
    (void)triage(fix, "first", &said);
    assert_string_equal(owner(fix, 1, &bug), "@lib");
    assert_string_equal(bug.owner_origin, "CODEOWNERS:2");
    put_rules(fix, "@others");
    assert_string_equal(owner(fix, 1, &bug), "@others");
    assert_int_equal(number(fix, "SELECT count(*) FROM event WHERE kind = 'bug.owner'"),
                     2);
    /* the same rules again weigh nothing */
    put_rules(fix, "@others");
    assert_int_equal(number(fix, "SELECT count(*) FROM event WHERE kind = 'bug.owner'"),
                     2);
    must(fix, store_put_owner_rules(fix->store, NULL, 0, &fix->err));
    assert_string_equal(owner(fix, 1, &bug), "");
    assert_clean(fix);
}

static void
test_paths_of_builds_elsewhere_match_by_their_ends(void **state)
{
    static const struct {
        const char *file, *owner;
    } cases[] = {{"/home/me/lib/a.c", "@lib"},    {"/home/me/app/lib/a.c", "@all"},
                 {"/build/x/y/lib/a.c", "@lib"},  {"../../lib/a.c", "@lib"},
                 {"./lib/nobody.c", ""},          {"/src/total/lib/a.c", "@lib"},
                 {"/src/t/other/lib/a.c", "@all"}};
    struct fixture *fix = *state;
    AUTO(bug_clear) struct bug bug = {0};

    put_rules(fix, "@lib");
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(mem_free) char *name = mem_printf("f%zu", i);
        struct said said = at(cases[i].file);
        said.frames[0] = name;
        (void)triage(fix, name, &said);
        if (strcmp(owner(fix, (int64_t)i + 1, &bug), cases[i].owner) != 0) {
            fail_msg("%s is '%s', not '%s'", cases[i].file, bug.owner, cases[i].owner);
        }
    }
}

static void
test_a_hand_has_the_last_word(void **state)
{
    struct fixture *fix = *state;
    AUTO(bug_clear) struct bug bug = {0};
    const struct said said = at("/src/t/lib/a.c");
    const struct decision ann = {.actor = "ann", .reason = "wrote it"};

    (void)triage(fix, "first", &said);
    must(fix, store_set_owner(fix->store, 1, "ann", &ann, &fix->err));
    put_rules(fix, "@lib");
    assert_string_equal(owner(fix, 1, &bug), "ann");
    assert_string_equal(bug.owner_origin, "hand");
    assert_true(bug.acknowledged > 0);
    must(fix, store_set_owner(fix->store, 1, NULL, &ann, &fix->err));
    assert_string_equal(owner(fix, 1, &bug), "@lib");
    assert_int_equal(store_set_owner(fix->store, 1, "", &ann, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg, "an owner's name has 1 to 500 bytes");
    assert_int_equal(store_set_owner(fix->store, 9, "ann", &ann, &fix->err), -ENODATA);
}

static void
test_what_stands_beside_a_target_comes_last(void **state)
{
    struct fixture *fix = *state;
    AUTO(bug_clear) struct bug bug = {0};
    AUTO(mem_free) char *program = put_bytes(fix, "t.exe", "x", 1);
    AUTO(mem_free)
    char *text = put_bytes(fix, "t.owners",
                           "# us\n*\nfile://x\n a@b.c \r\nper-file x=y\nd@e.f", 44);
    AUTO(build_list_clear) struct build_list builds = {0};
    AUTO(command_clear) struct command command = {0};
    const struct said said = at("/src/t/lib/a.c");

    strv_add(&command.argv, program);
    build_list_add(&builds, "sanitizer", &command);
    must(fix, store_put_builds(fix->store, fix->target, &builds, &fix->err));
    (void)triage(fix, "first", &said);
    assert_string_equal(owner(fix, 1, &bug), "a@b.c d@e.f");
    assert_string_equal(bug.owner_origin, "t.owners");
    put_rules(fix, "@lib");
    assert_string_equal(owner(fix, 1, &bug), "@lib");
    must(fix, store_put_owner_rules(fix->store, NULL, 0, &fix->err));
    assert_string_equal(owner(fix, 1, &bug), "a@b.c d@e.f");
    assert_int_equal(unlink(text), 0);
    must(fix, store_put_builds(fix->store, fix->target, &builds, &fix->err));
    assert_string_equal(owner(fix, 1, &bug), "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_last_rule_that_matches_decides),
        TEST(test_paths_of_builds_elsewhere_match_by_their_ends),
        TEST(test_a_hand_has_the_last_word),
        TEST(test_what_stands_beside_a_target_comes_last),
    };

    return cmocka_run_group_tests_name("store_owner", tests, NULL, NULL);
}
