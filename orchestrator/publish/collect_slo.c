#include "orchestrator/publish/collect_private.h"

/* service NULL: there are none, and no label. */
static void
put_budget(struct metrics *out, const char *service, const struct slo *slo)
{
    const struct {
        enum metric_id id;
        double value;
    } rows[] = {
        {METRIC_BREACH_EXPOSURE, slo->per_day},
        {METRIC_BREACH_BUDGET, slo->budget},
        {METRIC_BREACH_SPENT, slo->spent},
        {METRIC_BREACH_REMAINING, slo->budget > 0 ? 1 - slo->spent / slo->budget : 0},
        {METRIC_BREACH_BURN, slo->burn},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        metric_set(metrics_family(out, rows[i].id),
                   service == NULL ? NULL : METRIC_LABELS("service", service),
                   rows[i].value);
    }
}

static void
put_budgets(struct metrics *out, const struct slo *slo, const struct slo_parts *parts)
{
    if (parts->n == 0) {
        put_budget(out, NULL, slo);
    }
    for (size_t i = 0; i < parts->n; i++) {
        put_budget(out, parts->v[i].name, &parts->v[i].slo);
    }
    metric_set(metrics_family(out, METRIC_ALERTS), NULL, (double)slo->alerts);
    metric_set(metrics_family(out, METRIC_ALERT_LATENCY), NULL,
               slo->alert_latency.median / 1000);
}

static void
put_counts(struct metrics *out, const struct slo *slo)
{
    struct metric *patches = metrics_family(out, METRIC_DEADLINES);
    struct metric *incidents = metrics_family(out, METRIC_INCIDENTS_RECENT);

    for (size_t s = 0; collect_severities[s] != NULL; s++) {
        const char *severity = collect_severities[s];
        metric_set(patches, METRIC_LABELS("severity", severity, "result", "met"),
                   (double)slo->met[s]);
        metric_set(patches, METRIC_LABELS("severity", severity, "result", "missed"),
                   (double)(slo->due[s] - slo->met[s]));
    }
    metric_set(incidents, METRIC_LABELS("kind", "control"),
               (double)slo->incidents_control);
    metric_set(incidents, METRIC_LABELS("kind", "vuln"),
               (double)(slo->incidents - slo->incidents_control));
}

int
collect_slo(struct collect *collect, struct err *err)
{
    AUTO(slo_parts_clear) struct slo_parts parts = {0};
    struct slo slo;
    int rc = slo_collect(collect->store, collect->policy->slo, collect->out->at_ms, &slo,
                         &parts, err);

    if (rc == 0) {
        put_budgets(collect->out, &slo, &parts);
        put_counts(collect->out, &slo);
    }
    return rc;
}
