#include "orchestrator/gate/gate.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "orchestrator/gate/attribution.h"

struct weighing {
    struct store *store;
    struct findings *findings;
    struct attribution attribution;
};

/* What the history of a bug makes of it, where no build was run. */
static enum finding_class
class_of(const struct bug *bug)
{
    static const struct {
        const char *word;
        enum finding_class class;
    } by_reproducibility[] = {{"flaky", FINDING_FLAKY},
                              {"unreproducible", FINDING_UNREPRODUCIBLE}},
      by_state[] = {{"new", FINDING_NEW}, {"regressed", FINDING_REGRESSED}};

    for (size_t i = 0; i < COUNT(by_reproducibility); i++) {
        if (strcmp(bug->reproducibility, by_reproducibility[i].word) == 0) {
            return by_reproducibility[i].class;
        }
    }
    for (size_t i = 0; i < COUNT(by_state); i++) {
        if (strcmp(bug->state, by_state[i].word) == 0) {
            return by_state[i].class;
        }
    }
    return FINDING_PRE_EXISTING;
}

static int
weigh_bug(void *user, const struct bug *bug, struct err *err)
{
    struct weighing *weighing = user;
    struct findings *findings = weighing->findings;

    if (!bug_is_open(bug->state)) {
        return 0;
    }
    findings->open[bug->severity]++;
    struct finding *finding = findings_add(findings);
    if (finding == NULL) {
        return 0;
    }
    finding->class = class_of(bug);
    finding->blocking = bug->severity >= findings->fail_on;
    finding->head = (struct finding_runs){bug->k, bug->n};
    finding->reason =
        mem_printf("it is %s and %s; the gate fails from %s on", bug->state,
                   severity_name(bug->severity), severity_name(findings->fail_on));
    int rc = store_bug(weighing->store, bug->id, &finding->bug, err);
    if (rc < 0) {
        return rc;
    }
    attribution_apply(&weighing->attribution, true, finding);
    if (finding->blocking) {
        AUTO(mem_free) char *type = record_type_line(bug->crash_type);
        AUTO(mem_free) char *frame = record_top_frame(bug->crash_type, bug->crash_state);
        strv_addf(&findings->reasons, "%s (%s): %s in %s", bug->name,
                  severity_name(bug->severity), type, frame);
    }
    return 0;
}

static int
weigh_worker(void *user, const struct worker_row *row, const char *target,
             int64_t updated, struct err *err)
{
    struct findings *findings = user;

    (void)target;
    (void)updated;
    (void)err;
    findings->execs += row->execs;
    return 0;
}

static void
decide(const struct store_counts *counts, struct findings *findings)
{
    if (findings->reasons.n > 0) {
        findings->verdict = VERDICT_FAIL;
    } else if (findings->queued > 0) {
        findings->verdict = VERDICT_INCONCLUSIVE;
        strv_addf(&findings->reasons,
                  "%lld crashes still wait for triage: nightjar triage",
                  (long long)findings->queued);
    } else if (findings->execs == 0 && findings->triaged == 0) {
        findings->verdict = VERDICT_INCONCLUSIVE;
        strv_add(&findings->reasons,
                 counts->broken > 0
                     ? "every replay was broken: the target did not truly run"
                     : "nothing was fuzzed and nothing was triaged here");
    } else {
        findings->verdict = VERDICT_PASS;
        strv_addf(&findings->reasons, "no open bug of severity %s or worse",
                  severity_name(findings->fail_on));
    }
}

int
gate_decide(struct store *store, const struct gate_policy *policy, struct findings *out,
            struct err *err)
{
    const struct bug_filter all = {.at_least = SEVERITY_INFO, .light = true};
    AUTO(findings_clear)
    struct findings findings = {.fail_on = policy->fail_on, .started = clock_wall_ms()};
    AUTO(strv_clear) struct strv warnings = {0};
    struct weighing weighing = {
        store,
        &findings,
        {.policy = policy, .now = findings.started, .warnings = &warnings}};
    struct store_counts counts;

    int rc = store_counts(store, &counts, err);
    if (rc == 0) {
        rc = store_workers(store, weigh_worker, &findings, err);
    }
    if (rc == 0) {
        rc = store_bugs(store, &all, weigh_bug, &weighing, err);
    }
    if (rc < 0) {
        return rc;
    }
    findings.queued = counts.queued;
    findings.triaged = counts.triaged + counts.unparsed;
    decide(&counts, &findings);
    strv_add_all(&findings.reasons, &warnings);
    findings_sort(&findings);
    findings.ended = clock_wall_ms();
    *out = findings;
    findings = (struct findings){0};
    return 0;
}
