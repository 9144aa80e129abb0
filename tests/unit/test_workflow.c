#include "tests/unit/unit.h"

#include <stdbool.h>
#include <string.h>

#include <yaml.h>

#include "orchestrator/gate/workflow.h"

/* The number of events that a YAML parser makes of it; -1: it is none. */
static int
parse(const char *text)
{
    yaml_parser_t parser;
    yaml_event_t event;
    int n = 0;

    assert_int_equal(yaml_parser_initialize(&parser), 1);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
    for (bool more = true; more && n >= 0;) {
        if (yaml_parser_parse(&parser, &event) == 0) {
            n = -1;
            break;
        }
        more = event.type != YAML_STREAM_END_EVENT;
        n++;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return n;
}

static void
test_workflows_are_yaml(void **state)
{
    (void)state;
    assert_true(parse(workflow_text("github")) > 100);
    assert_true(parse(workflow_text("gitlab")) > 40);
    assert_int_equal(parse("a: [b"), -1); /* the test can fail */
}

static void
test_there_are_no_others(void **state)
{
    (void)state;
    assert_null(workflow_text("jenkins"));
    assert_null(workflow_text(""));
}

/* A script into which the runner pastes what a stranger chose would be theirs. */
static void
test_no_script_holds_an_expression(void **state)
{
    const char *text = workflow_text("github");
    int runs = 0;

    (void)state;
    for (const char *at = text; (at = strstr(at, "run: ")) != NULL; at++) {
        const char *end = strstr(at, "      - ");
        const char *expression = strstr(at, "${{");
        assert_true(end == NULL || expression == NULL || expression > end);
        runs++;
    }
    assert_int_equal(runs, 5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workflows_are_yaml),
        cmocka_unit_test(test_there_are_no_others),
        cmocka_unit_test(test_no_script_holds_an_expression),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
