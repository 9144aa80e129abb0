/* On a repository of git: "base" is the last commit of the base branch, HEAD the
 * change's. */
#include "tests/unit/store_fixture.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/proc.h"
#include "orchestrator/gate/freeze.h"

#define TOKEN        "0123456789abcdef0123456789abcdef"
#define TOKEN_SHA256 "3eb1bd439947eb762998e566ccc2e099c791118b2f40579cc4f7da2b5061b7f9"

struct scene {
    struct fixture *fix;
    struct baseline baseline;
    struct sightings on_head;
    struct gate_token token;
    struct gate_tokens tokens;
    struct freeze freeze;
};

static void
git_all(const char *const *words, size_t n)
{
    AUTO(proc_run_clear) struct proc_run run = {.output = {.max = 4096}};
    AUTO(strv_clear) struct strv argv = {0};
    struct proc_spec spec = PROC_SPEC_INIT;

    strv_add(&argv, "git");
    for (size_t i = 0; i < n; i++) {
        strv_add(&argv, words[i]);
    }
    spec.argv = argv.v;
    if (proc_run(&spec, 20000, &run, NULL) < 0 || run.status != 0) {
        fail_msg("git %s: %s", words[0], buf_str(&run.output));
    }
}
#define GIT(...)                                \
    git_all((const char *const[]){__VA_ARGS__}, \
            COUNT(((const char *const[]){__VA_ARGS__})))

/* A commit that makes the file hold the text. */
static void
commit(const char *text, const char *message)
{
    assert_int_equal(fs_write("file", text, strlen(text), 0644, NULL), 0);
    GIT("add", "-A");
    GIT("commit", "-q", "--allow-empty", "-m", message);
}

static int
set_scene(void **state)
{
    static const char *const settings[] = {"GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME",
                                           "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"};
    struct scene *scene = mem_alloc(sizeof(*scene));
    void *fixture = NULL;

    assert_int_equal(setup(&fixture), 0);
    scene->fix = fixture;
    for (size_t i = 0; i < COUNT(settings); i++) {
        assert_int_equal(setenv(settings[i], "a@example.org", 1), 0);
    }
    assert_int_equal(setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1), 0);
    assert_int_equal(chdir(scene->fix->folder), 0);
    GIT("init", "-q", "-b", "main", "repo");
    assert_int_equal(chdir("repo"), 0);
    commit("one", "one");
    commit("two", "two");
    GIT("tag", "base");
    scene->token = (struct gate_token){mem_strdup("ana"), mem_strdup(TOKEN_SHA256)};
    scene->tokens = (struct gate_tokens){&scene->token, 1};
    scene->freeze = (struct freeze){.base = "base",
                                    .tokens = &scene->tokens,
                                    .baseline = &scene->baseline,
                                    .on_head = &scene->on_head,
                                    .now = clock_wall_ms()};
    *state = scene;
    return 0;
}

static int
strike_scene(void **state)
{
    struct scene *scene = *state;
    void *fixture = scene->fix;

    assert_int_equal(chdir("/"), 0);
    baseline_clear(&scene->baseline);
    sightings_clear(&scene->on_head);
    mem_free(scene->token.owner);
    mem_free(scene->token.sha256);
    mem_free(scene);
    return teardown(&fixture);
}

/* Bug 7, as it was and as its input is on the change's build. */
static void
know(struct scene *scene, const char *was, enum verified_as now)
{
    const struct regression of = {.bug = 7};
    const struct verified seen = {
        .as = now, .k = now == VERIFIED_CLEAN ? 0 : 10, .n = 10};

    scene->baseline.v = mem_alloc(sizeof(*scene->baseline.v));
    scene->baseline.n = 1;
    scene->baseline.v[0] = (struct baseline_bug){.id = 7};
    (void)snprintf(scene->baseline.v[0].state, sizeof(scene->baseline.v[0].state), "%s",
                   was);
    sightings_add(&scene->on_head, &of, &seen);
}

static void
exempts(struct scene *scene, int wanted, const char *words)
{
    AUTO(mem_free) char *why = NULL;
    int rc = freeze_exempts(&scene->freeze, scene->fix->store, &why, &scene->fix->err);

    must(scene->fix, rc);
    if (words == NULL) {
        assert_null(why);
    } else if (why == NULL || strstr(why, words) == NULL) {
        fail_msg("'%s', not '%s'", why == NULL ? "nothing" : why, words);
    }
    assert_int_equal(rc, wanted);
}

static void
test_a_budget_that_is_spent_is_due(void **state)
{
    (void)state;
    assert_true(freeze_is_due(&(struct slo){.budget = 294, .spent = 294}));
    assert_false(freeze_is_due(&(struct slo){.budget = 294, .spent = 227.5}));
    assert_false(freeze_is_due(&(struct slo){.budget = 0, .spent = 0}));
}

static void
test_a_change_that_says_nothing_is_not_exempt(void **state)
{
    commit("three", "three");
    exempts(*state, 0, NULL);
}

static void
test_a_fix_that_is_proven_is(void **state)
{
    know(*state, "open", VERIFIED_CLEAN);
    commit("three", "three\n\nNightjar-Fixes: NJ-7");
    commit("four", "four");
    exempts(*state, 1, "it fixes NJ-7: clean in 10 runs");
}

static void
test_a_fix_that_still_crashes_is_a_claim(void **state)
{
    know(*state, "open", VERIFIED_SAME);
    commit("three", "three\n\nNightjar-Fixes: NJ-7");
    exempts(*state, 0, "it says that it fixes NJ-7, which was not open or is not clean");
}

static void
test_a_fix_of_what_was_fixed_before_proves_nothing(void **state)
{
    know(*state, "fixed", VERIFIED_CLEAN);
    commit("three", "three\n\nNightjar-Fixes: NJ-7");
    exempts(*state, 0, "it says that it fixes NJ-7");
}

static void
test_one_claim_of_two_that_fails_fails_both(void **state)
{
    know(*state, "open", VERIFIED_CLEAN);
    commit("three", "three\n\nNightjar-Fixes: NJ-7\nNightjar-Fixes: $(id)");
    exempts(*state, 0, "it says that it fixes $(id)");
}

static void
test_a_revert_is_exempt_whatever_it_says(void **state)
{
    commit("one", "as it was");
    exempts(*state, 1, "it takes all that it touches back to ");
}

static void
test_a_revert_and_more_is_not(void **state)
{
    assert_int_equal(fs_write("other", "x", 1, 0644, NULL), 0);
    commit("one", "as it was, nearly");
    exempts(*state, 0, NULL);
}

static void
test_an_override_that_nobody_signed_is_none(void **state)
{
    struct scene *scene = *state;

    commit("three", "three\n\nNightjar-Override: trust me");
    exempts(scene, 0, "the base branch has no file of allowed signers");
    GIT("checkout", "-q", "base");
    commit("two", "who may\n");
    assert_int_equal(fs_write("signers", "", 0, 0644, NULL), 0);
    commit("two", "who may");
    GIT("tag", "-f", "base");
    scene->freeze.signers = "signers";
    commit("three", "three\n\nNightjar-Override: trust me");
    exempts(scene, 0, "is not signed by anybody");
}

static void
count_overrides(struct scene *scene, int64_t wanted)
{
    int64_t n = 0;

    must(scene->fix,
         db_int(store_db(scene->fix->store), &n, &scene->fix->err,
                "SELECT count(*) FROM event WHERE kind = 'gate.override'"
                " AND actor = 'ana' AND detail ->> 'reason' = 'the fair'"
                " AND detail ->> 'by' = 'token' AND length(detail ->> 'commit') = 40"
                " AND detail ->> 'expires' > '2026'",
                ""));
    assert_int_equal(n, wanted);
}

static void
test_a_token_that_the_policy_knows_overrides_and_is_recorded(void **state)
{
    struct scene *scene = *state;

    commit("three", "three");
    scene->freeze.token = TOKEN;
    scene->freeze.reason = "the fair";
    exempts(scene, 1, "ana overrides: the fair");
    count_overrides(scene, 1);
}

static void
test_another_token_does_not(void **state)
{
    struct scene *scene = *state;

    commit("three", "three");
    scene->freeze.token = TOKEN "0";
    scene->freeze.reason = "the fair";
    exempts(scene, 0, "is none of gate: budget: override_tokens:");
    count_overrides(scene, 0);
}

static void
test_an_override_by_token_ends(void **state)
{
    struct scene *scene = *state;

    commit("three", "three");
    scene->freeze.token = TOKEN;
    scene->freeze.reason = "the fair";
    exempts(scene, 1, "ana overrides: the fair");
    scene->freeze.now += INT64_C(3600000) * (FREEZE_OVERRIDE_HOURS + 1);
    exempts(scene, 0, "the override of ana is older than 72 hours");
    commit("four", "another commit begins anew");
    exempts(scene, 1, "ana overrides: the fair");
}

int
main(void)
{
#define AS(test) cmocka_unit_test_setup_teardown(test, set_scene, strike_scene)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_budget_that_is_spent_is_due),
        AS(test_a_change_that_says_nothing_is_not_exempt),
        AS(test_a_fix_that_is_proven_is),
        AS(test_a_fix_that_still_crashes_is_a_claim),
        AS(test_a_fix_of_what_was_fixed_before_proves_nothing),
        AS(test_one_claim_of_two_that_fails_fails_both),
        AS(test_a_revert_is_exempt_whatever_it_says),
        AS(test_a_revert_and_more_is_not),
        AS(test_an_override_that_nobody_signed_is_none),
        AS(test_a_token_that_the_policy_knows_overrides_and_is_recorded),
        AS(test_another_token_does_not),
        AS(test_an_override_by_token_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
