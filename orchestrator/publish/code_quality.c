/*
 * GitLab's Code Quality report: an array of issues, of which it compares the fingerprints
 * with those of the target branch to tell what a merge request adds. So it holds all open
 * bugs, as SARIF does, and a fingerprint that stays.
 */
#include "base/json.h"
#include "base/mem.h"
#include "orchestrator/publish/report.h"
#include "orchestrator/publish/report_text.h"

static const char *const severities[] = {[SEVERITY_CRITICAL] = "blocker",
                                         [SEVERITY_HIGH] = "critical",
                                         [SEVERITY_MEDIUM] = "major",
                                         [SEVERITY_LOW] = "minor",
                                         [SEVERITY_INFO] = "info"};

static json_t *
issue_json(const struct finding *finding)
{
    const struct bug *bug = &finding->bug;
    AUTO(mem_free) char *title = report_title(finding);
    AUTO(mem_free) char *why = report_why(finding);
    AUTO(mem_free)
    char *description = mem_printf("%s (%s, %s): %s", title, severity_name(bug->severity),
                                   finding_class_name(finding->class), why);
    json_t *o = json_object();

    json_put(o, "description", json_text(description));
    json_put(o, "check_name",
             report_line(bug->class_name[0] == '\0' ? "crash" : bug->class_name));
    json_put(o, "fingerprint", json_string(finding->fingerprint));
    json_put(o, "severity", json_string(severities[bug->severity]));
    json_put(o, "location",
             json_pack("{s:o, s:{s:i}}", "path", report_line(finding->place.path),
                       "lines", "begin", finding->place.line));
    return o;
}

static int
write_issues(const struct findings *findings, struct buf *out, struct err *err)
{
    AUTO(json_decref) json_t *list = json_array();

    (void)err;
    for (size_t i = 0; i < findings->n; i++) {
        (void)json_array_append_new(list, issue_json(&findings->v[i]));
    }
    AUTO(mem_free) char *text = json_line(list);
    buf_adds(out, text);
    buf_addc(out, '\n');
    return 0;
}

const struct report_ops report_code_quality = {
    .name = "code-quality", .file = "gl-code-quality-report.json", .write = write_issues};
