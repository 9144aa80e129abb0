#include "tests/unit/unit.h"

#include <string.h>

#include "base/mem.h"
#include "orchestrator/gate/attribution.h"

/* A case: what was known, what the builds showed, and what is to come of it. */
struct scene {
    struct gate_policy policy;
    struct baseline baseline;
    struct sightings on_head, on_base;
    struct target_list base;
    struct strv warnings, elsewhere;
    struct attribution attribution;
    struct finding finding;
};

static int
set_scene(void **state)
{
    struct scene *scene = mem_alloc(sizeof(*scene));

    scene->policy = gate_policy_default();
    scene->attribution = (struct attribution){.policy = &scene->policy,
                                              .base = &scene->base,
                                              .baseline = &scene->baseline,
                                              .elsewhere = &scene->elsewhere,
                                              .on_head = &scene->on_head,
                                              .on_base = &scene->on_base,
                                              .now = 1000 * GATE_DAY_MS,
                                              .warnings = &scene->warnings};
    scene->finding.bug = (struct bug){.id = 7,
                                      .name = "NJ-7",
                                      .signature = mem_strdup("abc"),
                                      .crash_type = mem_strdup("Heap-buffer-overflow"),
                                      .state = mem_strdup("new"),
                                      .target = mem_strdup("riff"),
                                      .severity = SEVERITY_HIGH,
                                      .k = 10,
                                      .n = 10};
    strv_add(&scene->baseline.targets, "riff");
    *state = scene;
    return 0;
}

static int
strike_scene(void **state)
{
    struct scene *scene = *state;

    bug_clear(&scene->finding.bug);
    mem_free(scene->finding.reason);
    mem_free(scene->finding.waiver);
    baseline_clear(&scene->baseline);
    sightings_clear(&scene->on_head);
    sightings_clear(&scene->on_base);
    target_list_clear(&scene->base);
    gate_waivers_clear(&scene->policy.waivers);
    strv_clear(&scene->warnings);
    strv_clear(&scene->elsewhere);
    mem_free(scene);
    return 0;
}

static void
know(struct scene *scene, int64_t bug, const char *state, enum severity severity)
{
    scene->baseline.v = mem_resize(scene->baseline.v,
                                   (scene->baseline.n + 1) * sizeof(*scene->baseline.v));
    struct baseline_bug *one = &scene->baseline.v[scene->baseline.n++];
    *one = (struct baseline_bug){.id = bug, .severity = severity};
    (void)snprintf(one->state, sizeof(one->state), "%s", state);
}

static void
see(struct sightings *where, int64_t bug, enum verified_as as, const char *signature,
    enum severity severity)
{
    const struct regression of = {.bug = bug};
    char *shown = mem_strdup(signature);
    const struct verified seen = {.as = as,
                                  .k = as == VERIFIED_CLEAN ? 0 : 10,
                                  .n = 10,
                                  .signature = shown,
                                  .severity = severity};

    sightings_add(where, &of, &seen);
    mem_free(shown);
}

static void
compare_with_base(struct scene *scene)
{
    (void)target_list_add(&scene->base, "riff");
    scene->attribution.has_base = true;
}

static void
expect(struct scene *scene, enum finding_class class, bool blocking)
{
    assert_true(attribution_of(&scene->attribution, &scene->finding));
    assert_string_equal(finding_class_name(scene->finding.class),
                        finding_class_name(class));
    assert_int_equal(scene->finding.blocking, blocking);
    assert_non_null(scene->finding.reason);
}

static void
test_unknown_and_clean_on_the_base_is_new(void **state)
{
    struct scene *scene = *state;

    compare_with_base(scene);
    assert_true(attribution_asks_base(&scene->attribution, &scene->finding.bug));
    see(&scene->on_base, 7, VERIFIED_CLEAN, NULL, SEVERITY_INFO);
    expect(scene, FINDING_NEW, true);
}

static void
test_what_the_base_shows_as_well_is_no_fault_of_the_change(void **state)
{
    struct scene *scene = *state;

    compare_with_base(scene);
    see(&scene->on_base, 7, VERIFIED_SAME, "abc", SEVERITY_HIGH);
    expect(scene, FINDING_PRE_EXISTING, false);
}

static void
test_a_crash_that_has_another_name_on_the_base_fails_only_if_it_is_worse(void **state)
{
    struct scene *scene = *state;

    compare_with_base(scene);
    see(&scene->on_base, 7, VERIFIED_CHANGED, "old", SEVERITY_HIGH);
    expect(scene, FINDING_CHANGED, false);
    scene->on_base.v[0].severity = SEVERITY_LOW;
    mem_free(STEAL(scene->finding.reason));
    expect(scene, FINDING_CHANGED, true);
}

static void
test_what_a_known_input_shows_now_is_that_bug_renamed(void **state)
{
    struct scene *scene = *state;

    know(scene, 3, "open", SEVERITY_HIGH);
    see(&scene->on_head, 3, VERIFIED_CHANGED, "abc", SEVERITY_HIGH);
    expect(scene, FINDING_CHANGED, false);
}

static void
test_without_base_and_baseline_nobody_can_tell(void **state)
{
    struct scene *scene = *state;

    strv_clear(&scene->baseline.targets);
    expect(scene, FINDING_UNATTRIBUTED, false);
    scene->attribution.strict = true;
    mem_free(STEAL(scene->finding.reason));
    expect(scene, FINDING_UNATTRIBUTED, true);
}

static void
test_a_baseline_alone_is_enough(void **state)
{
    expect(*state, FINDING_NEW, true);
}

static void
test_what_shows_rarely_fails_nobody(void **state)
{
    struct scene *scene = *state;

    scene->finding.bug.k = 2;
    expect(scene, FINDING_FLAKY, false);
    scene->finding.bug.k = 3;
    mem_free(STEAL(scene->finding.reason));
    expect(scene, FINDING_NEW, true);
    scene->finding.bug.k = 0;
    mem_free(STEAL(scene->finding.reason));
    expect(scene, FINDING_UNREPRODUCIBLE, false);
    scene->attribution.unreproducible = true; /* unless it is wished for */
    mem_free(STEAL(scene->finding.reason));
    expect(scene, FINDING_UNREPRODUCIBLE, true);
}

static void
test_what_was_fixed_and_shows_again_is_regressed(void **state)
{
    struct scene *scene = *state;

    know(scene, 7, "fixed", SEVERITY_HIGH);
    scene->finding.bug.severity = SEVERITY_LOW;
    see(&scene->on_head, 7, VERIFIED_SAME, "abc", SEVERITY_LOW);
    expect(scene, FINDING_REGRESSED, true);
}

static void
test_a_fix_that_the_base_does_not_have_is_not_missed_by_the_change(void **state)
{
    struct scene *scene = *state;

    know(scene, 7, "fixed", SEVERITY_HIGH);
    compare_with_base(scene);
    see(&scene->on_head, 7, VERIFIED_SAME, "abc", SEVERITY_HIGH);
    see(&scene->on_base, 7, VERIFIED_SAME, "abc", SEVERITY_HIGH);
    expect(scene, FINDING_PRE_EXISTING, false);
}

static void
test_a_known_bug_that_got_worse_fails(void **state)
{
    struct scene *scene = *state;

    know(scene, 7, "open", SEVERITY_LOW);
    scene->finding.bug.severity = SEVERITY_LOW;
    see(&scene->on_head, 7, VERIFIED_CHANGED, "def", SEVERITY_CRITICAL);
    expect(scene, FINDING_CHANGED, true);
}

static void
test_what_an_earlier_run_on_these_builds_failed_for_is_still_new(void **state)
{
    struct scene *scene = *state;

    know(scene, 7, "new", SEVERITY_HIGH);
    expect(scene, FINDING_PRE_EXISTING, false);
    scene->baseline.v[0].held = true;
    mem_free(STEAL(scene->finding.reason));
    expect(scene, FINDING_NEW, true);
}

static void
test_what_another_run_knew_is_not_new(void **state)
{
    struct scene *scene = *state;

    strv_add(&scene->elsewhere, "riff abb");
    expect(scene, FINDING_NEW, true);
    strv_add(&scene->elsewhere, "riff abc");
    mem_free(STEAL(scene->finding.reason));
    expect(scene, FINDING_PRE_EXISTING, false);
}

static void
test_what_is_fixed_is_no_finding(void **state)
{
    struct scene *scene = *state;

    mem_free(scene->finding.bug.state);
    scene->finding.bug.state = mem_strdup("fixed");
    assert_false(attribution_of(&scene->attribution, &scene->finding));
}

static void
test_timeouts_are_told_and_fail_nobody(void **state)
{
    struct scene *scene = *state;

    mem_free(scene->finding.bug.crash_type);
    scene->finding.bug.crash_type = mem_strdup("Timeout");
    expect(scene, FINDING_NEW, false);
    assert_non_null(strstr(scene->finding.reason, "bugs of kind timeout are only told"));
    scene->policy.timeout = true;
    mem_free(STEAL(scene->finding.reason));
    expect(scene, FINDING_NEW, true);
}

static struct gate_waiver *
waive(struct scene *scene, int64_t days)
{
    scene->policy.waivers.v = mem_alloc(sizeof(*scene->policy.waivers.v));
    scene->policy.waivers.n = 1;
    scene->policy.waivers.v[0] =
        (struct gate_waiver){.bug = 7,
                             .owner = mem_strdup("ana"),
                             .reason = mem_strdup("the parser goes next month"),
                             .origin = mem_strdup("nightjar.yaml:9"),
                             .expires = scene->attribution.now + days * GATE_DAY_MS,
                             .max_severity = SEVERITY_HIGH};
    return &scene->policy.waivers.v[0];
}

static void
test_a_waiver_lets_it_pass_and_warns_before_it_ends(void **state)
{
    struct scene *scene = *state;

    struct gate_waiver *waiver = waive(scene, 30);
    expect(scene, FINDING_NEW, false);
    assert_string_equal(scene->finding.waiver,
                        "waived by ana until the end of 1972-10-26: the parser goes next "
                        "month (nightjar.yaml:9)");
    assert_int_equal(scene->warnings.n, 0);
    waiver->expires = scene->attribution.now + 3 * GATE_DAY_MS;
    mem_free(STEAL(scene->finding.reason));
    mem_free(STEAL(scene->finding.waiver));
    expect(scene, FINDING_NEW, false);
    assert_int_equal(scene->warnings.n, 1);
    assert_non_null(strstr(scene->warnings.v[0], "NJ-7 passes for 3 more days only"));
}

static void
test_an_expired_waiver_fails_in_its_own_words_whatever_the_bug(void **state)
{
    struct scene *scene = *state;

    know(scene, 7, "open", SEVERITY_HIGH);
    (void)waive(scene, -1);
    expect(scene, FINDING_PRE_EXISTING, true);
    assert_non_null(strstr(scene->finding.reason, "the waiver of ana ended with"));
}

static void
test_a_waiver_is_void_when_the_bug_is_worse(void **state)
{
    struct scene *scene = *state;

    (void)waive(scene, 30);
    scene->finding.bug.severity = SEVERITY_CRITICAL;
    expect(scene, FINDING_NEW, true);
    assert_non_null(strstr(scene->finding.reason, "covers high at most"));
}

int
main(void)
{
#define SCENE(test) cmocka_unit_test_setup_teardown(test, set_scene, strike_scene)
    const struct CMUnitTest tests[] = {
        SCENE(test_unknown_and_clean_on_the_base_is_new),
        SCENE(test_what_the_base_shows_as_well_is_no_fault_of_the_change),
        SCENE(test_a_crash_that_has_another_name_on_the_base_fails_only_if_it_is_worse),
        SCENE(test_what_a_known_input_shows_now_is_that_bug_renamed),
        SCENE(test_without_base_and_baseline_nobody_can_tell),
        SCENE(test_a_baseline_alone_is_enough),
        SCENE(test_what_shows_rarely_fails_nobody),
        SCENE(test_what_was_fixed_and_shows_again_is_regressed),
        SCENE(test_a_fix_that_the_base_does_not_have_is_not_missed_by_the_change),
        SCENE(test_a_known_bug_that_got_worse_fails),
        SCENE(test_what_an_earlier_run_on_these_builds_failed_for_is_still_new),
        SCENE(test_what_another_run_knew_is_not_new),
        SCENE(test_what_is_fixed_is_no_finding),
        SCENE(test_timeouts_are_told_and_fail_nobody),
        SCENE(test_a_waiver_lets_it_pass_and_warns_before_it_ends),
        SCENE(test_an_expired_waiver_fails_in_its_own_words_whatever_the_bug),
        SCENE(test_a_waiver_is_void_when_the_bug_is_worse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
