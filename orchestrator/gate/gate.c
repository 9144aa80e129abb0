#include "orchestrator/gate/gate.h"

#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/publish/bug.h"

static const struct {
    const char *name;
    int exit_status;
} verdicts[] = {[VERDICT_PASS] = {"pass", 0},
                [VERDICT_FAIL] = {"fail", 1},
                [VERDICT_INCONCLUSIVE] = {"inconclusive", 3},
                [VERDICT_BUDGET_EXHAUSTED] = {"budget_exhausted", 4}};

const char *
verdict_name(enum verdict verdict)
{
    return verdicts[verdict].name;
}

int
verdict_exit(enum verdict verdict)
{
    return verdicts[verdict].exit_status;
}

void
gate_clear(struct gate *gate)
{
    strv_clear(&gate->reasons);
    json_decref(gate->blocking);
    gate->blocking = NULL;
}

struct weighing {
    const struct gate_policy *policy;
    struct gate *gate;
};

static int
weigh_bug(void *user, const struct bug *bug, struct err *err)
{
    struct weighing *weighing = user;
    struct gate *gate = weighing->gate;

    (void)err;
    if (!bug_is_open(bug->state)) {
        return 0;
    }
    gate->open[bug->severity]++;
    if (bug->severity >= weighing->policy->fail_on) {
        AUTO(mem_free) char *type = record_type_line(bug->crash_type);
        AUTO(mem_free) char *frame = record_top_frame(bug->crash_type, bug->crash_state);
        (void)json_array_append_new(gate->blocking, bug_to_json(bug));
        strv_addf(&gate->reasons, "%s (%s): %s in %s", bug->name,
                  severity_name(bug->severity), type, frame);
    }
    return 0;
}

static int
weigh_worker(void *user, const struct worker_row *row, const char *target,
             int64_t updated, struct err *err)
{
    struct gate *gate = user;

    (void)target;
    (void)updated;
    (void)err;
    gate->execs += row->execs;
    return 0;
}

int
gate_decide(struct store *store, const struct gate_policy *policy, struct gate *out,
            struct err *err)
{
    const struct bug_filter all = {.at_least = SEVERITY_INFO, .light = true};
    AUTO(gate_clear) struct gate gate = {.blocking = json_array()};
    struct weighing weighing = {policy, &gate};
    struct store_counts counts;

    int rc = store_counts(store, &counts, err);
    if (rc == 0) {
        rc = store_workers(store, weigh_worker, &gate, err);
    }
    if (rc == 0) {
        rc = store_bugs(store, &all, weigh_bug, &weighing, err);
    }
    if (rc < 0) {
        return rc;
    }
    gate.queued = counts.queued;
    gate.triaged = counts.triaged + counts.unparsed;
    if (gate.reasons.n > 0) {
        gate.verdict = VERDICT_FAIL;
    } else if (gate.queued > 0) {
        gate.verdict = VERDICT_INCONCLUSIVE;
        strv_addf(&gate.reasons, "%lld crashes still wait for triage: nightjar triage",
                  (long long)gate.queued);
    } else if (gate.execs == 0 && gate.triaged == 0) {
        gate.verdict = VERDICT_INCONCLUSIVE;
        strv_add(&gate.reasons,
                 counts.broken > 0
                     ? "every replay was broken: the target did not truly run"
                     : "nothing was fuzzed and nothing was triaged here");
    } else {
        gate.verdict = VERDICT_PASS;
        strv_addf(&gate.reasons, "no open bug of severity %s or worse",
                  severity_name(policy->fail_on));
    }
    *out = gate;
    gate = (struct gate){0};
    return 0;
}

int
gate_write(const struct gate *gate, const struct gate_policy *policy, const char *folder,
           char **path, struct err *err)
{
    AUTO(json_decref) json_t *o = json_object();
    json_t *open = json_object();
    char at[CLOCK_TEXT_MAX];

    clock_iso(at, clock_wall_ms());
    json_put(o, "verdict", json_string(verdict_name(gate->verdict)));
    json_put(o, "exit_status", json_integer(verdict_exit(gate->verdict)));
    json_put(o, "at", json_string(at));
    json_put(o, "nightjar", json_string(NIGHTJAR_VERSION));
    json_put(o, "fail_on", json_string(severity_name(policy->fail_on)));
    json_put(o, "reasons", json_strv(&gate->reasons));
    for (int s = SEVERITY_CRITICAL; s >= SEVERITY_INFO; s--) {
        json_put(open, severity_name((enum severity)s), json_integer(gate->open[s]));
    }
    json_put(o, "open", open);
    json_put(o, "executions", json_integer(gate->execs));
    json_put(o, "triaged", json_integer(gate->triaged));
    json_put(o, "queued", json_integer(gate->queued));
    json_put(o, "blocking", json_incref(gate->blocking));

    AUTO(mem_free) char *file = fs_join(folder, "verdict.json");
    AUTO(mem_free) char *line = json_line(o);
    AUTO(mem_free) char *text = mem_printf("%s\n", line);
    int rc = fs_mkdirs(folder, 0755, err);
    if (rc == 0) {
        rc = fs_write_atomic(file, text, strlen(text), 0644, err);
    }
    if (rc < 0) {
        return err_wrap(err, rc, "write the verdict");
    }
    *path = STEAL(file);
    return 0;
}
