#include "tests/unit/unit.h"

#include <string.h>

#include "base/mem.h"
#include "orchestrator/gate/finding.h"

static void
test_words_and_exit_statuses_are_the_designs(void **state)
{
    static const int statuses[] = {0, 1, 3, 4};

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(verdict_exit((enum verdict)i), statuses[i]);
    }
    assert_string_equal(verdict_name(VERDICT_BUDGET_EXHAUSTED), "budget_exhausted");
    assert_string_equal(finding_class_name(FINDING_NEW), "new");
    assert_string_equal(finding_class_name(FINDING_PRE_EXISTING), "pre_existing");
}

static void
add(struct findings *findings, int64_t id, enum severity severity,
    enum finding_class class, bool blocking)
{
    struct finding *finding = findings_add(findings);

    finding->bug.id = id;
    finding->bug.severity = severity;
    finding->class = class;
    finding->blocking = blocking;
}

static void
test_what_blocks_comes_first_then_the_worst(void **state)
{
    AUTO(findings_clear) struct findings findings = {0};
    static const int64_t wanted[] = {4, 2, 5, 1, 3};

    (void)state;
    add(&findings, 1, SEVERITY_CRITICAL, FINDING_PRE_EXISTING, false);
    add(&findings, 2, SEVERITY_LOW, FINDING_REGRESSED, true);
    add(&findings, 3, SEVERITY_HIGH, FINDING_NEW, false);
    add(&findings, 4, SEVERITY_HIGH, FINDING_NEW, true);
    add(&findings, 5, SEVERITY_CRITICAL, FINDING_FLAKY, false);
    findings_sort(&findings);
    for (size_t i = 0; i < findings.n; i++) {
        assert_int_equal(findings.v[i].bug.id, wanted[i]);
    }
}

static void
test_what_is_beyond_the_bound_is_counted(void **state)
{
    AUTO(findings_clear) struct findings findings = {0};

    (void)state;
    for (int i = 0; i < FINDINGS_MAX; i++) {
        assert_non_null(findings_add(&findings));
    }
    assert_null(findings_add(&findings));
    assert_int_equal(findings.n, FINDINGS_MAX);
    assert_int_equal(findings.more, 1);
}

static void
test_a_target_is_known_by_a_name_of_its_own(void **state)
{
    AUTO(findings_clear) struct findings findings = {0};
    char name[] = "png";

    (void)state;
    findings_add_target(&findings, name)->ran = true;
    name[0] = 'x';
    (void)findings_add_target(&findings, name);
    assert_string_equal(findings.targets[0].name, "png");
    assert_true(findings.targets[0].ran);
    assert_false(findings.targets[1].ran);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_and_exit_statuses_are_the_designs),
        cmocka_unit_test(test_what_blocks_comes_first_then_the_worst),
        cmocka_unit_test(test_what_is_beyond_the_bound_is_counted),
        cmocka_unit_test(test_a_target_is_known_by_a_name_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
