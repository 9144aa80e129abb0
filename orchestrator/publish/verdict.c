/* verdict.json: all of it for a machine, one object on one line. */
#include "base/json.h"
#include "base/mem.h"
#include "orchestrator/publish/bug.h"
#include "orchestrator/publish/report.h"
#include "orchestrator/version.h"

static json_t *
runs_json(const struct finding_runs *runs)
{
    return runs->n == 0 ? json_null()
                        : json_pack("{s:i, s:i}", "k", runs->k, "n", runs->n);
}

static json_t *
bug_json(const struct finding *finding)
{
    const struct bug *bug = &finding->bug;

    return finding->withheld ? json_pack("{s:s, s:s}", "id", bug->name, "severity",
                                         severity_name(bug->severity))
                             : bug_to_json(bug);
}

static json_t *
finding_json(const struct finding *finding)
{
    json_t *o = bug_json(finding);

    json_put(o, "finding", json_string(finding_class_name(finding->class)));
    json_put(o, "blocking", json_boolean(finding->blocking));
    json_put(o, "why", json_text(finding->reason));
    json_put(o, "waiver", json_text(finding->waiver));
    json_put(o, "head", runs_json(&finding->head));
    json_put(o, "base", runs_json(&finding->base));
    json_put(o, "artifacts", json_text(finding->artifacts));
    return o;
}

static json_t *
target_json(const struct finding_target *target)
{
    json_t *o = json_object();

    json_put(o, "target", json_text(target->name));
    json_put(o, "ran", json_boolean(target->ran));
    json_put(o, "why", json_text(target->why));
    json_put(o, "seeds", json_text(target->seeds));
    json_put(o, "executions", json_integer(target->execs));
    json_put(o, "fuzz_ms", json_integer(target->fuzz_ms));
    json_put(o, "replays", json_integer(target->replays));
    json_put(o, "inputs", json_integer(target->inputs));
    return o;
}

static int
write_verdict(const struct findings *findings, struct buf *out, struct err *err)
{
    AUTO(json_decref) json_t *o = json_object();
    json_t *open = json_object();
    json_t *blocking = json_array();
    json_t *list = json_array();
    json_t *targets = json_array();

    (void)err;
    for (int s = SEVERITY_CRITICAL; s >= SEVERITY_INFO; s--) {
        json_put(open, severity_name((enum severity)s), json_integer(findings->open[s]));
    }
    for (size_t i = 0; i < findings->n; i++) {
        (void)json_array_append_new(list, finding_json(&findings->v[i]));
        if (findings->v[i].blocking) {
            (void)json_array_append_new(blocking, bug_json(&findings->v[i]));
        }
    }
    for (size_t i = 0; i < findings->n_targets; i++) {
        (void)json_array_append_new(targets, target_json(&findings->targets[i]));
    }
    json_put(o, "verdict", json_string(verdict_name(findings->verdict)));
    json_put(o, "exit_status", json_integer(verdict_exit(findings->verdict)));
    json_put(o, "at", json_time(findings->ended));
    json_put(o, "started", json_time(findings->started));
    json_put(o, "nightjar", json_string(NIGHTJAR_VERSION));
    json_put(o, "fail_on", json_string(severity_name(findings->fail_on)));
    json_put(o, "reasons", json_strv(&findings->reasons));
    json_put(o, "open", open);
    json_put(o, "executions", json_integer(findings->execs));
    json_put(o, "triaged", json_integer(findings->triaged));
    json_put(o, "queued", json_integer(findings->queued));
    json_put(o, "untrusted", json_boolean(findings->untrusted));
    json_put(o, "blocking", blocking);
    json_put(o, "findings", list);
    json_put(o, "more_findings", json_integer(findings->more));
    json_put(o, "targets", targets);

    AUTO(mem_free) char *line = json_line(o);
    buf_adds(out, line);
    buf_addc(out, '\n');
    return 0;
}

const struct report_ops report_verdict = {
    .name = "verdict", .file = "verdict.json", .write = write_verdict};
