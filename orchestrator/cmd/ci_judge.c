#include "orchestrator/cmd/artifacts.h"
#include "orchestrator/cmd/ci.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/gate/freeze.h"
#include "orchestrator/publish/report.h"

/* --- every bug --- */

struct weighing {
    struct ci *ci;
    const struct attribution *attribution;
};

static int
weigh_bug(void *user, const struct bug *bug, struct err *err)
{
    struct weighing *weighing = user;
    struct ci *ci = weighing->ci;

    if (target_list_find(&ci->head, bug->target) == NULL) {
        return 0;
    }
    struct finding *finding = findings_add(&ci->findings);
    if (finding == NULL) {
        return 0;
    }
    int rc = store_bug(ci->store, bug->id, &finding->bug, err);
    if (rc < 0 || !attribution_of(weighing->attribution, finding)) {
        findings_drop(&ci->findings);
        return rc;
    }
    if (bug_is_open(bug->state)) {
        ci->findings.open[bug->severity]++;
    }
    return 0;
}

/* --- the verdict --- */

static void
say_blocking(struct ci *ci)
{
    struct findings *findings = &ci->findings;

    for (size_t i = 0; i < findings->n && findings->v[i].blocking; i++) {
        const struct finding *finding = &findings->v[i];
        AUTO(mem_free) char *type = record_type_line(finding->bug.crash_type);
        AUTO(mem_free)
        char *frame = record_top_frame(finding->bug.crash_type, finding->bug.crash_state);
        if (!finding_is_told(findings, finding)) {
            strv_addf(&findings->reasons, "%s (%s, %s)", finding->bug.name,
                      finding_class_name(finding->class),
                      severity_name(finding->bug.severity));
            continue;
        }
        strv_addf(&findings->reasons, "%s (%s, %s): %s in %s: %s", finding->bug.name,
                  finding_class_name(finding->class),
                  severity_name(finding->bug.severity), type, frame, finding->reason);
    }
}

/* Crashes that are not triaged, a target that did not run: nobody knows, then. */
static int
doubt(struct ci *ci, struct err *err)
{
    struct store_counts counts;
    int rc = store_counts(ci->store, &counts, err);

    if (rc < 0) {
        return rc;
    }
    ci->findings.queued = counts.queued;
    ci->findings.triaged = counts.triaged + counts.unparsed;
    if (counts.queued > 0) {
        strv_addf(&ci->doubts, "%lld crashes still wait for triage",
                  (long long)counts.queued);
    }
    for (size_t i = 0; i < ci->findings.n_targets; i++) {
        const struct finding_target *target = &ci->findings.targets[i];
        if (!target->ran) {
            strv_addf(&ci->doubts, "%s: %s", target->name, target->why);
        }
    }
    for (size_t i = 0; i < ci->base.n; i++) {
        if (target_list_find(&ci->head, ci->base.v[i]->name) == NULL) {
            strv_addf(&ci->doubts,
                      "%s is among the base builds and not among these: did its build "
                      "fail?",
                      ci->base.v[i]->name);
        }
    }
    for (size_t i = 0; i < ci->on_base.n; i++) {
        const struct sighting *seen = &ci->on_base.v[i];
        if (seen->as == VERIFIED_BROKEN) {
            strv_addf(&ci->doubts, "NJ-%lld could not be tried on the base build: %s",
                      (long long)seen->bug, seen->reason == NULL ? "" : seen->reason);
        }
    }
    return 0;
}

/* What the change may have touched spends the budget of its own service: one that is
 * exhausted, else the whole, which is no more than a number then. */
static const struct slo *
budget_for(const struct ci *ci, const struct slo *whole, const struct slo_parts *parts,
           const char **service)
{
    *service = NULL;
    for (size_t i = 0; i < ci->chosen.n && parts->n > 0; i++) {
        size_t at = slo_part_of(&ci->config->slo, ci->chosen.v[i]->name);
        if (freeze_is_due(&parts->v[at].slo)) {
            *service = parts->v[at].name;
            return &parts->v[at].slo;
        }
    }
    return parts->n > 0 ? NULL : whole;
}

/* Whether an exhausted budget keeps the change out. A base branch's run has no change. */
static int
weigh_budget(struct ci *ci, bool *frozen, struct err *err)
{
    const struct freeze freeze = {.base = ci->options->base_commit,
                                  .signers = ci->policy.signers,
                                  .tokens = &ci->policy.tokens,
                                  .token = ci->options->token,
                                  .reason = ci->options->override,
                                  .baseline = &ci->baseline,
                                  .on_head = &ci->on_head,
                                  .now = clock_wall_ms()};
    AUTO(slo_parts_clear) struct slo_parts parts = {0};
    AUTO(mem_free) char *why = NULL;
    const char *service = NULL;
    struct slo slo;
    int rc = slo_collect(ci->store, &ci->config->slo, freeze.now, &slo, &parts, err);

    *frozen = false;
    const struct slo *its = rc < 0 ? NULL : budget_for(ci, &slo, &parts, &service);
    if (its == NULL || !freeze_is_due(its)) {
        return rc;
    }
    AUTO(mem_free)
    char *text = mem_printf(
        "the breach budget%s%s is exhausted: %.1f of %.1f points in %d days",
        service == NULL ? "" : " of ", service == NULL ? "" : service, its->spent,
        its->budget, (int)(ci->config->slo.window_ms / SLO_DAY_MS));
    rc = !ci->policy.freeze || freeze.base == NULL
             ? 0
             : freeze_exempts(&freeze, ci->store, &why, err);
    *frozen = rc == 0 && ci->policy.freeze;
    strv_addf(&ci->warnings, "%s%s%s%s", text,
              rc == 1   ? "; the change passes: "
              : *frozen ? "; only fixes that are proven, reverts, and overrides that are "
                          "signed or by token pass"
                        : "",
              *frozen && why != NULL ? ": " : "", why == NULL ? "" : why);
    return rc < 0 ? rc : 0;
}

/* What the change cures. */
static void
say_fixed(struct ci *ci)
{
    for (size_t i = 0; i < ci->on_head.n; i++) {
        const struct sighting *seen = &ci->on_head.v[i];
        if (seen->moved && seen->as == VERIFIED_CLEAN) {
            strv_addf(&ci->warnings, "NJ-%lld is fixed: clean in %d of %d runs",
                      (long long)seen->bug, seen->n - seen->k, seen->n);
        }
    }
}

/* A person who begins with the gate should know why it found something and passes. */
static void
say_unattributed(struct ci *ci)
{
    int64_t n = 0;

    for (size_t i = 0; i < ci->findings.n; i++) {
        n += ci->findings.v[i].class == FINDING_UNATTRIBUTED;
    }
    if (n > 0 && !ci->options->strict) {
        strv_addf(&ci->warnings,
                  "%lld %s: --base OUT tells whether the change brought them; with "
                  "--strict they fail",
                  (long long)n,
                  n == 1 ? "finding is unattributed" : "findings are unattributed");
    }
}

static void
decide(struct ci *ci, bool frozen)
{
    struct findings *findings = &ci->findings;

    findings_sort(findings);
    say_blocking(ci);
    strv_add_all(&findings->reasons, &ci->doubts);
    findings->verdict = findings->n > 0 && findings->v[0].blocking ? VERDICT_FAIL
                        : frozen           ? VERDICT_BUDGET_EXHAUSTED
                        : ci->doubts.n > 0 ? VERDICT_INCONCLUSIVE
                                           : VERDICT_PASS;
    if (findings->verdict == VERDICT_PASS) {
        strv_addf(&findings->reasons, "nothing new of severity %s or worse",
                  severity_name(findings->fail_on));
    }
    say_fixed(ci);
    say_unattributed(ci);
    strv_add_all(&findings->reasons, &ci->warnings);
    findings->ended = clock_wall_ms();
}

int
ci_judge(struct ci *ci, struct err *err)
{
    const struct bug_filter all = {.at_least = SEVERITY_INFO, .light = true};
    const struct attribution attribution = {.policy = &ci->policy,
                                            .strict = ci->options->strict,
                                            .unreproducible = ci->options->unreproducible,
                                            .has_base = ci->base_folder != NULL,
                                            .base = &ci->base,
                                            .baseline = &ci->baseline,
                                            .elsewhere = &ci->cache.known,
                                            .on_head = &ci->on_head,
                                            .on_base = &ci->on_base,
                                            .now = clock_wall_ms(),
                                            .warnings = &ci->warnings};
    struct weighing weighing = {ci, &attribution};
    bool frozen = false;
    int rc = ci_ask_base(ci, &attribution, err);

    rc = rc < 0 ? rc : store_bugs(ci->store, &all, weigh_bug, &weighing, err);
    rc = rc < 0 ? rc : doubt(ci, err);
    rc = rc < 0 ? rc : weigh_budget(ci, &frozen, err);
    if (rc == 0) {
        decide(ci, frozen);
    }
    return rc;
}

void
ci_give_up(struct ci *ci, const struct err *err)
{
    struct findings *findings = &ci->findings;

    strv_add(&findings->reasons, err->msg);
    findings->verdict = VERDICT_INCONCLUSIVE;
    findings->ended = clock_wall_ms();
}

/* --- what is written --- */

int
ci_write(struct ci *ci, char **folder, struct err *err)
{
    const char *given = ci->options->report_dir;
    AUTO(mem_free)
    char *to = given != NULL ? mem_strdup(given) : fs_join(ci->context->state, "reports");
    struct err why = ERR_INIT;

    /* a full disk, say, must not cost the verdict */
    if (ci->store != NULL && artifacts_write(ci->store, &ci->findings, to, &why) < 0) {
        (void)cmd_fail(0, "%s", why.msg);
    }
    int rc = report_write_all(&ci->findings, to, err);
    if (rc == 0 && ci->store != NULL) {
        rc = baseline_leave(ci->store, &ci->findings, ci->key, err);
    }
    *folder = rc < 0 ? NULL : STEAL(to);
    return rc;
}

void
ci_save(struct ci *ci)
{
    const char *to = ci->options->state_to;
    AUTO(mem_free) char *shown = to == NULL ? NULL : str_name_dup(to);
    struct err err = ERR_INIT;
    char size[32];

    if (to == NULL || ci->store == NULL) {
        return;
    }
    if (ci->policy.untrusted) {
        (void)cmd_fail(0, "no state is left in '%s': the change is untrusted", shown);
        return;
    }
    if (cache_save(to, ci->store, ci->options->out, ci->key, &ci->cache, &err) < 0) {
        (void)cmd_fail(0, "%s", err.msg);
        return;
    }
    str_bytes_show(size, sizeof(size), ci->cache.bytes);
    (void)fprintf(stderr, "state to %s: %lld new inputs, %s\n", shown,
                  (long long)ci->cache.inputs, size);
}
