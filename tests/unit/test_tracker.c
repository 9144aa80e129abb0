#include "tests/unit/unit.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "orchestrator/publish/tracker.h"

static char sink_url[] = "https://tracker.example.org";
static char project[] = "own er/na/me";

static struct notify_sink
sink_of(void)
{
    return (struct notify_sink){
        .url = sink_url, .project = project, .confidential = true};
}

static const struct tracker_ops *
ops_of(const char *kind)
{
    return notify_find(kind)->tracker;
}

static json_t *
parse(const char *text)
{
    json_t *value = NULL;

    assert_int_equal(json_parse(text, strlen(text), &value, NULL), 0);
    return value;
}

static void
test_a_url_holds_a_name_as_one_part(void **state)
{
    AUTO(buf_clear) struct buf out = BUF_INIT;

    (void)state;
    tracker_url(&out, "a/../b?c=d&e#f%\n\xff~-._");
    assert_string_equal(buf_str(&out), "a%2F..%2Fb%3Fc%3Dd%26e%23f%25%0A%FF~-._");
}

static void
test_requests_go_where_each_tracker_wants_them(void **state)
{
    static const struct {
        const char *kind, *find, *look, *comment;
    } wanted[] = {
        {"github",
         "GET https://tracker.example.org/repos/own%20er/na%2Fme/issues?state=all&labels="
         "nightjar&sort=created&direction=desc&since=T&per_page=30&page=2",
         "GET https://tracker.example.org/repos/own%20er/na%2Fme/issues/7%2F8",
         "POST https://tracker.example.org/repos/own%20er/na%2Fme/issues/7%2F8/comments"},
        {"gitlab",
         "GET https://tracker.example.org/api/v4/projects/own%20er%2Fna%2Fme/issues"
         "?scope=all&labels=nightjar&order_by=created_at&sort=desc&updated_after=T"
         "&per_page=30&page=2",
         "GET "
         "https://tracker.example.org/api/v4/projects/own%20er%2Fna%2Fme/issues/7%2F8",
         "POST "
         "https://tracker.example.org/api/v4/projects/own%20er%2Fna%2Fme/issues/7%2F8/"
         "notes"},
        {"jira",
         "GET https://tracker.example.org/rest/api/2/search?fields=labels&maxResults=30"
         "&startAt=30&jql=project%20%3D%20%22own%20er%2Fna%2Fme%22%20AND%20labels%20%3D"
         "%20%22nightjar-k-NJ-1-%22",
         "GET "
         "https://tracker.example.org/rest/api/2/issue/"
         "7%2F8?fields=status,resolution,labels",
         "POST https://tracker.example.org/rest/api/2/issue/7%2F8/comment"},
    };
    const struct notify_sink sink = sink_of();

    (void)state;
    for (size_t i = 0; i < COUNT(wanted); i++) {
        const struct tracker_ops *ops = ops_of(wanted[i].kind);
        const char *const texts[] = {wanted[i].find, wanted[i].look, wanted[i].comment};
        AUTO(tracker_call_clear) struct tracker_call find = {0};
        AUTO(tracker_call_clear) struct tracker_call look = {0};
        AUTO(tracker_call_clear) struct tracker_call comment = {0};
        const struct tracker_call *const calls[] = {&find, &look, &comment};
        ops->find(&sink, "nightjar:k:NJ-1:", "T", 2, &find);
        ops->look(&sink, "7/8", &look);
        ops->comment(&sink, "7/8", "text", "mark", &comment);
        for (size_t k = 0; k < COUNT(calls); k++) {
            AUTO(mem_free)
            char *got = mem_printf("%s %s", calls[k]->method, calls[k]->url);
            assert_string_equal(got, texts[k]);
        }
    }
}

static void
test_an_answer_that_is_none_is_no_issue(void **state)
{
    static const char *const answers[] = {
        "{}",
        "[]",
        "[1, \"a\", null, {}]",
        "{\"number\": \"7\", \"iid\": -7, \"key\": 7, \"labels\": 3, \"state\": [], "
        "\"fields\": \"x\"}",
        "{\"fields\": {\"status\": 1, \"resolution\": [], \"labels\": {\"a\": 1}}}",
        "{\"key\": "
        "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
    };
    static const char *const kinds[] = {"github", "gitlab", "jira"};

    (void)state;
    for (size_t i = 0; i < COUNT(answers) * COUNT(kinds); i++) {
        const struct tracker_ops *ops = ops_of(kinds[i % COUNT(kinds)]);
        AUTO(json_decref) json_t *answer = parse(answers[i / COUNT(kinds)]);
        struct tracker_status status = {0};
        const json_t *issues = ops->issues(answer);
        assert_null(ops->key(answer));
        assert_false(ops->has_marker(answer, "nightjar:k:NJ-1:"));
        for (size_t k = 0; k < json_array_size(issues); k++) {
            assert_false(ops->has_marker(json_array_get(issues, k), "nightjar:k:NJ-1:"));
        }
        ops->status(answer, &status);
        assert_false(status.closed || status.wontfix);
        strv_clear(&status.labels);
    }
}

static void
test_what_a_person_closed_for_good_is_seen(void **state)
{
    static const struct {
        const char *kind, *answer;
    } cases[] = {
        {"github", "{\"state\": \"closed\", \"state_reason\": \"not_planned\"}"},
        {"gitlab", "{\"state\": \"closed\", \"labels\": [\"a\", \"Wontfix\"]}"},
        {"jira", "{\"fields\": {\"status\": {\"statusCategory\": {\"key\": \"done\"}}, "
                 "\"resolution\": {\"name\": \"Won't Do\"}}}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        AUTO(json_decref) json_t *answer = parse(cases[i].answer);
        struct tracker_status status = {0};
        ops_of(cases[i].kind)->status(answer, &status);
        assert_true(status.closed && status.wontfix);
        strv_clear(&status.labels);
    }
}

static void
test_who_can_read_it_is_known(void **state)
{
    struct notify_sink sink = sink_of();
    char level[] = "Engineers";
    AUTO(json_decref) json_t *open = parse("{\"private\": false}");
    AUTO(json_decref) json_t *closed = parse("{\"private\": true}");
    AUTO(json_decref) json_t *unknown = parse("{}");

    (void)state;
    assert_true(ops_of("github")->is_public(&sink, open));
    assert_false(ops_of("github")->is_public(&sink, closed));
    assert_true(ops_of("github")->is_public(&sink, unknown));
    assert_false(ops_of("gitlab")->is_public(&sink, NULL));
    assert_true(ops_of("jira")->is_public(&sink, NULL));
    sink.security_level = level;
    assert_false(ops_of("jira")->is_public(&sink, NULL));
    sink.confidential = false;
    assert_true(ops_of("gitlab")->is_public(&sink, NULL));
    assert_true(ops_of("jira")->is_public(&sink, NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_url_holds_a_name_as_one_part),
        cmocka_unit_test(test_requests_go_where_each_tracker_wants_them),
        cmocka_unit_test(test_an_answer_that_is_none_is_no_issue),
        cmocka_unit_test(test_what_a_person_closed_for_good_is_seen),
        cmocka_unit_test(test_who_can_read_it_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
