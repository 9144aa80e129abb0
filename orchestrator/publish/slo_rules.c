#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "orchestrator/publish/slo_export.h"
#include "triage/histogram.h"

/* --- objectives that are ratios of counters: recorded, and watched by burn rate --- */

static const char *const windows[] = {"5m", "30m", "1h", "2h", "6h", "1d", "3d", "28d"};

static const struct burn {
    const char *word, *severity;
    struct {
        const char *longer, *shorter;
        const char *rate; /* of a budget for 28 days */
    } v[2];
} burns[] = {
    {"Page", "page", {{"1h", "5m", "13.44"}, {"6h", "30m", "5.6"}}},
    {"Ticket", "ticket", {{"1d", "2h", "2.8"}, {"3d", "6h", "0.933"}}},
};

struct objective {
    const char *id, *alert;
    const char *bad, *all; /* PromQL, W stands for the window */
    const char *summary;
    double goal;
};

/* Text with each W as the window. */
static void
put_windowed(struct buf *out, const char *text, const char *window)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == 'W') {
            buf_adds(out, window);
        } else {
            buf_addc(out, *c);
        }
    }
}

static void
put_labels(struct buf *out, const struct objective *of)
{
    buf_addf(
        out,
        "        labels: {sloth_id: nightjar-%s, sloth_service: nightjar, sloth_slo: "
        "%s}\n",
        of->id, of->id);
}

static void
put_recording(struct buf *out, const struct objective *of)
{
    buf_addf(out, "  - name: nightjar-%s\n    rules:\n", of->id);
    for (size_t i = 0; i < COUNT(windows); i++) {
        buf_addf(out, "      - record: slo:sli_error:ratio_rate%s\n        expr: '(",
                 windows[i]);
        put_windowed(out, of->bad, windows[i]);
        buf_adds(out, ") / (");
        put_windowed(out, of->all, windows[i]);
        buf_adds(out, ")'\n");
        put_labels(out, of);
    }
    const struct {
        const char *name;
        double value;
    } numbers[] = {{"slo:objective:ratio", of->goal},
                   {"slo:error_budget:ratio", 1 - of->goal},
                   {"slo:time_period:days", 28}};
    for (size_t i = 0; i < COUNT(numbers); i++) {
        buf_addf(out, "      - record: %s\n        expr: 'vector(%.10g)'\n",
                 numbers[i].name, numbers[i].value);
        put_labels(out, of);
    }
    const struct {
        const char *name, *window;
    } rates[] = {{"slo:current_burn_rate:ratio", "5m"},
                 {"slo:period_burn_rate:ratio", "28d"}};
    for (size_t i = 0; i < COUNT(rates); i++) {
        buf_addf(out,
                 "      - record: %s\n        expr: "
                 "'slo:sli_error:ratio_rate%s{sloth_id=\"nightjar-%s\"} / %.10g'\n",
                 rates[i].name, rates[i].window, of->id, 1 - of->goal);
    }
    buf_addf(
        out,
        "      - record: slo:period_error_budget_remaining:ratio\n        expr: '1 - "
        "slo:period_burn_rate:ratio{sloth_id=\"nightjar-%s\"}'\n",
        of->id);
}

static void
put_alert_head(struct buf *out, const char *name, const char *expr)
{
    buf_addf(out, "      - alert: %s\n        expr: '%s'\n", name, expr);
}

static void
put_alert_tail(struct buf *out, const char *severity, const char *summary)
{
    buf_addf(out,
             "        labels: {severity: %s}\n"
             "        annotations: {summary: \"%s\"}\n",
             severity, summary);
}

static void
put_burn(struct buf *out, const struct objective *of, const struct burn *burn)
{
    AUTO(buf_clear) struct buf expr = BUF_INIT;
    AUTO(mem_free) char *name = mem_printf("%s%s", of->alert, burn->word);

    for (size_t i = 0; i < COUNT(burn->v); i++) {
        const char *both[] = {burn->v[i].longer, burn->v[i].shorter};
        buf_adds(&expr, i == 0 ? "(" : " or (");
        for (size_t k = 0; k < COUNT(both); k++) {
            buf_addf(&expr,
                     "%sslo:sli_error:ratio_rate%s{sloth_id=\"nightjar-%s\"} > %s * "
                     "%.10g",
                     k == 0 ? "" : " and ignoring(sloth_window) ", both[k], of->id,
                     burn->v[i].rate, 1 - of->goal);
        }
        buf_adds(&expr, ")");
    }
    put_alert_head(out, name, buf_str(&expr));
    put_alert_tail(out, burn->severity, of->summary);
}

static void
put_objective(struct buf *out, const struct objective *of)
{
    put_recording(out, of);
    for (size_t i = 0; i < COUNT(burns); i++) {
        put_burn(out, of, &burns[i]);
    }
}

/* The bucket that a time falls on, or the next below it. */
static void
notify_bucket(const struct slo_policy *policy, char le[HISTOGRAM_LE_MAX])
{
    size_t bucket =
        histogram_bucket(&histogram_detection, (double)policy->notify_ms / 1000);
    bool exact = bucket < histogram_detection.n &&
                 !(histogram_detection.bounds[bucket] > (double)policy->notify_ms / 1000);

    histogram_le(&histogram_detection, exact || bucket == 0 ? bucket : bucket - 1, le);
}

static void
put_objectives(const struct slo_policy *policy, struct buf *out)
{
    char le[HISTOGRAM_LE_MAX];

    notify_bucket(policy, le);
    AUTO(mem_free)
    char *late = mem_printf(
        "sum(rate(nightjar_bug_detection_duration_seconds_count{clock=\"pipeline\"}[W])) "
        "- "
        "sum(rate(nightjar_bug_detection_duration_seconds_bucket{clock=\"pipeline\","
        "le=~\"%s([.]0)?\"}[W]))", /* 300 until Prometheus 3, then 300.0 */
        le);
    const struct objective objectives[] = {
        {"control-health", "NightjarControlHealth",
         "sum by (target) (rate(nightjar_control_slices_total{result=\"bad\"}[W]))",
         "sum by (target) (rate(nightjar_control_slices_total[W]))",
         "{{ $labels.target }} is not being fuzzed as it should be", policy->healthy},
        {"capacity", "NightjarCapacity",
         "sum(rate(nightjar_fuzz_scheduled_seconds_total[W])) - "
         "sum(rate(nightjar_fuzz_seconds_total[W]))",
         "sum(rate(nightjar_fuzz_scheduled_seconds_total[W]))",
         "workers do not fuzz for as long as they should", policy->capacity},
        {"notification", "NightjarNotification", late,
         "sum(rate(nightjar_bug_detection_duration_seconds_count{clock=\"pipeline\"}[W])"
         ")",
         "from a crash to a message takes too long", policy->notified},
    };

    for (size_t i = 0; i < COUNT(objectives); i++) {
        if (objectives[i].goal < 1) {
            put_objective(out, &objectives[i]);
        }
    }
}

/* --- what is a number of its own --- */

struct alert {
    const char *name, *severity, *wait;
    const char *expr; /* N stands for the limit */
    double limit;
    const char *summary;
};

static void
put_alert(struct buf *out, const struct alert *alert)
{
    char limit[32];
    AUTO(buf_clear) struct buf expr = BUF_INIT;

    (void)snprintf(limit, sizeof(limit), "%.10g", alert->limit);
    for (const char *c = alert->expr; *c != '\0'; c++) {
        if (*c == 'N') {
            buf_adds(&expr, limit);
        } else {
            buf_addc(&expr, *c);
        }
    }
    put_alert_head(out, alert->name, buf_str(&expr));
    buf_addf(out, "        for: %s\n", alert->wait);
    put_alert_tail(out, alert->severity, alert->summary);
}

static void
put_alerts(const struct slo_policy *policy, struct buf *out)
{
    const struct alert alerts[] = {
        {"NightjarBreachBudgetBurnPage", "page", "5m",
         "nightjar_breach_burn_rate > N and avg_over_time(nightjar_breach_burn_rate[6h]) "
         "> N",
         4, "open bugs exhaust the breach budget within a week"},
        {"NightjarBreachBudgetBurnTicket", "ticket", "1h",
         "avg_over_time(nightjar_breach_burn_rate[3d]) > N", 1,
         "open bugs cost more than the breach budget allows"},
        {"NightjarBreachBudgetHalf", "info", "5m",
         "nightjar_breach_budget_remaining_ratio < N", 0.5,
         "half of the breach budget is spent"},
        {"NightjarBreachBudgetExhausted", "ticket", "5m",
         "nightjar_breach_budget_remaining_ratio <= N", 0,
         "the breach budget is exhausted: nightjar slo tells what would refill it"},
        {"NightjarDeadlineMissed", "ticket", "0m",
         "increase(nightjar_bug_patch_deadline_total{result=\"missed\"}[1h]) > N", 0,
         "a bug of severity {{ $labels.severity }} was not fixed by its deadline"},
        {"NightjarIncidents", "ticket", "5m", "sum(nightjar_recent_incidents) > N",
         (double)policy->incidents, "more incidents in 28 days than wanted"},
        {"NightjarHeartbeat", "page", "2m",
         "time() - (nightjar_heartbeat_timestamp_seconds > 0) > N", 300,
         "a campaign that did not end tells nothing any more"},
        {"NightjarTriageBacklog", "ticket", "10m",
         "time() - (nightjar_triage_oldest_timestamp_seconds{step=\"ingest\"} > 0) > N",
         900, "crashes wait to be triaged"},
        {"NightjarOutboxAge", "ticket", "5m",
         "time() - (nightjar_outbox_oldest_timestamp_seconds > 0) > N", 1800,
         "{{ $labels.sink }} is not told what happens"},
        {"NightjarOutboxDead", "ticket", "5m",
         "nightjar_outbox_events{state=\"dead\"} > N", 0,
         "{{ $labels.sink }} refused messages: nightjar outbox lists them"},
        {"NightjarPushFails", "ticket", "15m",
         "time() - (nightjar_push_last_success_timestamp_seconds > 0) > N and "
         "increase(nightjar_push_total{result=\"failed\"}[1h]) > 0",
         900, "{{ $labels.sink }} takes no numbers"},
        {"NightjarWaiverEnds", "info", "1h",
         "(nightjar_waiver_next_expiry_timestamp_seconds > 0) - time() < N", 7 * 86400,
         "a waiver of the gate ends within a week"},
        {"NightjarAlertFatigue", "info", "1h",
         "nightjar_alerts + (slo:alerts_fired:count7d or vector(0)) > N",
         (double)policy->alerts, "more alerts in a week than anybody reads"},
        {"NightjarCoverageDropped", "ticket", "5m", "nightjar_coverage_dropped > N", 0,
         "the coverage of {{ $labels.target }} dropped: nightjar coverage --history"},
        {"NightjarBuildOld", "info", "1h",
         "time() - max by (target) (nightjar_build_last_success_timestamp_seconds) > N",
         14 * 86400, "{{ $labels.target }} has had no new build for two weeks"},
        {"NightjarDiskFull", "ticket", "30m",
         "predict_linear(nightjar_disk_free_bytes[6h], 86400) < N", 0,
         "the disk will be full within a day"},
    };

    buf_adds(out, "  - name: nightjar-alerts\n    rules:\n"
                  /* each time that one began: the value is when that was */
                  "      - record: slo:alerts_fired:count7d\n"
                  "        expr: 'sum(changes(ALERTS_FOR_STATE{alertname=~\"Nightjar.*\","
                  "severity!=\"info\"}[7d]) + 1)'\n");
    for (size_t i = 0; i < COUNT(alerts); i++) {
        put_alert(out, &alerts[i]);
    }
}

void
slo_rules_print(const struct slo_policy *policy, struct buf *out)
{
    buf_adds(out,
             "# Made by `nightjar slo export` from the `slo:` of nightjar.yaml: make "
             "it anew rather than edit it.\n"
             "groups:\n");
    put_objectives(policy, out);
    put_alerts(policy, out);
}
