#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "orchestrator/cmd/slo.h"

/* --- for machines --- */

static json_t *
spread_json(const struct spread *spread)
{
    json_t *o = json_object();

    json_put(o, "n", json_integer((json_int_t)spread->n));
    json_put(o, "median_seconds", json_real(spread->median / 1000));
    json_put(o, "p90_seconds", json_real(spread->p90 / 1000));
    json_put(o, "mean_seconds", json_real(spread->mean / 1000));
    return o;
}

static json_t *
days_json(double days)
{
    return isinf(days) ? json_null() : json_real(days);
}

static json_t *
budget_json(const struct slo *slo)
{
    json_t *o = json_object();
    json_t *worst = json_array();

    json_put(o, "points", json_real(slo->budget));
    json_put(o, "spent", json_real(slo->spent));
    json_put(o, "remaining_ratio",
             json_real(slo->budget > 0 ? 1 - slo->spent / slo->budget : 0));
    json_put(o, "points_per_day", json_real(slo->per_day));
    json_put(o, "burn_rate", json_real(slo->burn));
    json_put(o, "days_left", days_json(slo->days_left));
    json_put(o, "days_left_rolling", days_json(slo->days_rolling));
    for (size_t i = 0; i < slo->n_worst; i++) {
        const struct slo_burning *bug = &slo->worst[i];
        json_t *row = json_object();
        char name[24];
        (void)snprintf(name, sizeof(name), "NJ-%lld", (long long)bug->bug);
        json_put(row, "id", json_string(name));
        json_put(row, "severity", json_string(severity_name(bug->severity)));
        json_put(row, "points_per_day", json_real(bug->per_day));
        json_put(row, "open_seconds", json_integer(bug->open_ms / 1000));
        (void)json_array_append_new(worst, row);
    }
    json_put(o, "worst", worst);
    return o;
}

static json_t *
services_json(const struct slo_parts *parts)
{
    json_t *list = json_array();

    for (size_t i = 0; i < parts->n; i++) {
        json_t *o = json_object();
        json_put(o, "service", json_text(parts->v[i].name));
        json_put(o, "state", json_string(slo_budget_state(&parts->v[i].slo)));
        json_put(o, "budget", budget_json(&parts->v[i].slo));
        (void)json_array_append_new(list, o);
    }
    return list;
}

static json_t *
control_json(const struct slo_policy *policy, const struct slo_control *control)
{
    json_t *o = json_object();
    json_t *causes = json_object();

    for (size_t i = 0; control_cause_name(i) != NULL; i++) {
        json_put(causes, control_cause_name(i), json_integer(control->fault_minutes[i]));
    }
    json_put(o, "good_minutes", json_integer(control->good));
    json_put(o, "bad_minutes", json_integer(control->bad));
    json_put(o, "bad_minutes_by_cause", causes);
    json_put(o, "health", json_real(control->health));
    json_put(o, "health_wanted", json_real(policy->healthy));
    json_put(o, "health_budget_spent", json_real(control->health_spent));
    json_put(o, "scheduled_seconds", json_real((double)control->scheduled_ms / 1000));
    json_put(o, "productive_seconds", json_real((double)control->productive_ms / 1000));
    json_put(o, "capacity", json_real(control->capacity));
    json_put(o, "capacity_wanted", json_real(policy->capacity));
    json_put(o, "capacity_budget_spent", json_real(control->capacity_spent));
    json_put(o, "outages", json_integer(control->outages));
    return o;
}

void
slo_print_json(const struct slo_policy *policy, const struct slo *slo,
               const struct slo_parts *parts)
{
    AUTO(json_decref) json_t *o = json_object();
    json_t *patches = json_object();
    json_t *open = json_object();

    for (int s = SEVERITY_CRITICAL; s >= SEVERITY_INFO; s--) {
        json_t *row = json_object();
        json_put(row, "due", json_integer(slo->due[s]));
        json_put(row, "met", json_integer(slo->met[s]));
        json_put(patches, severity_name((enum severity)s), row);
        json_put(open, severity_name((enum severity)s), json_integer(slo->open[s]));
    }
    json_put(o, "window_days", json_real((double)policy->window_ms / (double)SLO_DAY_MS));
    json_put(o, "budget", budget_json(slo));
    json_put(o, "services", services_json(parts));
    json_put(o, "open", open);
    json_put(o, "patches", patches);
    json_put(o, "patch_burn_rate", json_real(slo->patch_burn));
    json_put(o, "time_since_campaign", spread_json(&slo->since_campaign));
    json_put(o, "time_since_campaign_cpu", spread_json(&slo->cpu));
    json_put(o, "time_since_introduced", spread_json(&slo->since_introduced));
    json_put(o, "time_to_notify", spread_json(&slo->to_notify));
    json_put(o, "notified", json_integer(slo->notify_n));
    json_put(o, "notified_in_time", json_integer(slo->notify_met));
    json_put(o, "time_to_acknowledge", spread_json(&slo->to_acknowledge));
    json_put(o, "time_to_fix", spread_json(&slo->to_fix));
    json_put(o, "found", json_integer(slo->found));
    json_put(o, "fixed", json_integer(slo->fixed));
    json_put(o, "remediation_rate", json_real(slo->remediation));
    json_put(o, "control", control_json(policy, &slo->control));
    json_put(o, "alerts_7_days", json_integer(slo->alerts));
    json_put(o, "alert_latency", spread_json(&slo->alert_latency));
    json_put(o, "incidents", json_integer(slo->incidents));
    json_put(o, "incidents_control", json_integer(slo->incidents_control));
    json_put(o, "incidents_low", json_real(slo->incidents_low));
    json_put(o, "incidents_high", json_real(slo->incidents_high));
    json_print(stdout, o);
}

/* --- for a person --- */

static void
print_budget(const struct cmd_context *context, const struct slo_policy *policy,
             const struct slo *slo)
{
    double left = slo->budget - slo->spent;
    double ratio = slo->budget > 0 ? left / slo->budget : 0;
    const char *color = cmd_color(context, ratio > 0.5   ? "32;1"
                                           : ratio > 0.1 ? "33;1"
                                                         : "31;1");
    char share[32] = "exhausted";

    if (left > 0) {
        (void)snprintf(share, sizeof(share), "%.1f %% left", 100 * ratio);
    }
    (void)printf("%-18s %s%s%s: %.1f of %.1f points spent in %.0f days\n",
                 "breach budget", color, share, cmd_color(context, "0"), slo->spent,
                 slo->budget, (double)policy->window_ms / (double)SLO_DAY_MS);
    (void)printf("%-18s %.1f points a day, %.2f x what it allows\n", "  burning",
                 slo->per_day, slo->burn);
    if (left > 0 && isfinite(slo->days_rolling)) {
        (void)printf("%-18s exhausted in %.1f days if nothing is fixed\n", "",
                     slo->days_rolling);
    } else if (left > 0) {
        (void)printf("%-18s not exhausted even if nothing is fixed\n", "");
    }
    for (size_t i = 0; i < slo->n_worst; i++) {
        const struct slo_burning *bug = &slo->worst[i];
        char age[32];
        str_duration_show(age, sizeof(age), bug->open_ms);
        (void)printf("%-18s NJ-%lld %s: %.1f a day, open for %s\n",
                     i == 0 ? "  what refills it" : "", (long long)bug->bug,
                     severity_name(bug->severity), bug->per_day, age);
    }
}

static void
print_services(const struct cmd_context *context, const struct slo_parts *parts)
{
    static const struct {
        const char *state, *color;
    } colors[] = {{"ok", "32"}, {"half", "33"}, {"low", "31"}, {"exhausted", "31;1"}};

    for (size_t i = 0; i < parts->n; i++) {
        const struct slo *slo = &parts->v[i].slo;
        const char *state = slo_budget_state(slo);
        const char *color = "";
        for (size_t k = 0; k < COUNT(colors); k++) {
            color = strcmp(colors[k].state, state) == 0 ? colors[k].color : color;
        }
        (void)printf("%-18s %s%-9s%s %s: %.1f of %.1f points, %.1f a day\n",
                     i == 0 ? "  by service" : "", cmd_color(context, color), state,
                     cmd_color(context, "0"), parts->v[i].name, slo->spent, slo->budget,
                     slo->per_day);
    }
}

static void
print_patches(const struct slo_policy *policy, const struct slo *slo)
{
    int64_t sum = 0;
    char time[32];
    char oldest[32];

    for (int s = SEVERITY_CRITICAL; s >= SEVERITY_INFO; s--) {
        if (policy->deadline_ms[s] == 0) {
            continue;
        }
        sum += slo->due[s];
        str_duration_show(time, sizeof(time), policy->deadline_ms[s]);
        str_duration_show(oldest, sizeof(oldest), slo->oldest_open_ms[s]);
        (void)printf("%-18s %-8s %lld of %lld within %s; %lld open%s%s\n",
                     s == SEVERITY_CRITICAL ? "fixed in time" : "",
                     severity_name((enum severity)s), (long long)slo->met[s],
                     (long long)slo->due[s], time, (long long)slo->open[s],
                     slo->open[s] > 0 ? ", the oldest for " : "",
                     slo->open[s] > 0 ? oldest : "");
    }
    (void)printf(
        "%-18s %.0f %% wanted: of %lld that were due %lld may be late; burn rate "
        "%.1f\n",
        "", 100 * policy->patched, (long long)sum,
        (long long)floor((1 - policy->patched) * (double)sum), slo->patch_burn);
}

static void
print_spread(const char *name, const struct spread *spread, const char *what)
{
    char median[32];
    char p90[32];
    char mean[32];

    if (spread->n == 0) {
        (void)printf("%-18s nothing to measure yet\n", name);
        return;
    }
    str_duration_show(median, sizeof(median), (int64_t)spread->median);
    str_duration_show(p90, sizeof(p90), (int64_t)spread->p90);
    str_duration_show(mean, sizeof(mean), (int64_t)spread->mean);
    (void)printf("%-18s median %s, p90 %s, mean %s (%zu %s%s)\n", name, median, p90, mean,
                 spread->n, what, spread->n == 1 ? "" : "s");
}

static void
print_detection(const struct slo_policy *policy, const struct slo *slo)
{
    char limit[32];

    print_spread("found after", &slo->since_campaign, "bug");
    print_spread("  in worker time", &slo->cpu, "bug");
    print_spread("  since its commit", &slo->since_introduced, "bug");
    if (slo->since_introduced.n > 0) {
        (void)printf("%-18s of %lld found, the commit is known of these\n", "",
                     (long long)slo->found);
    }
    print_spread("told after", &slo->to_notify, "bug");
    str_duration_show(limit, sizeof(limit), policy->notify_ms);
    if (slo->notify_n > 0) {
        (void)printf("%-18s %lld of %lld within %s, %.0f %% wanted\n", "",
                     (long long)slo->notify_met, (long long)slo->notify_n, limit,
                     100 * policy->notified);
    }
    print_spread("looked at after", &slo->to_acknowledge, "bug");
    print_spread("fixed after", &slo->to_fix, "bug");
    (void)printf("%-18s %lld found, %lld fixed: %.0f %%\n", "remediation",
                 (long long)slo->found, (long long)slo->fixed, 100 * slo->remediation);
}

static void
print_control(const struct cmd_context *context, const struct slo_policy *policy,
              const struct slo_control *control)
{
    int64_t minutes = control->good + control->bad;
    bool over = control->health_spent > 1 || control->capacity_spent > 1;

    if (minutes == 0) {
        (void)printf("%-18s nothing was fuzzed for a minute\n", "control");
        return;
    }
    (void)printf(
        "%-18s %s%.2f %% of %lld target minutes good, %.1f %% wanted: %.0f %% of "
        "what may be bad%s\n",
        "control", cmd_color(context, over ? "31;1" : "32;1"), 100 * control->health,
        (long long)minutes, 100 * policy->healthy, 100 * control->health_spent,
        cmd_color(context, "0"));
    for (size_t i = 0; control_cause_name(i) != NULL; i++) {
        if (control->fault_minutes[i] > 0) {
            (void)printf("%-18s %lld min %s\n", "", (long long)control->fault_minutes[i],
                         control_cause_name(i));
        }
    }
    (void)printf("%-18s %.2f %% of the time of workers used, %.0f %% wanted: %.0f %% of "
                 "what may be lost\n",
                 "capacity", 100 * control->capacity, 100 * policy->capacity,
                 100 * control->capacity_spent);
}

static void
print_alerts(const struct slo_policy *policy, const struct slo *slo)
{
    (void)printf("%-18s %lld in 7 days, at most %lld wanted\n", "alerts",
                 (long long)slo->alerts, (long long)policy->alerts);
    print_spread("  told after", &slo->alert_latency, "event");
}

void
slo_print(const struct cmd_context *context, const struct slo_policy *policy,
          const struct slo *slo, const struct slo_parts *parts)
{
    print_budget(context, policy, slo);
    print_services(context, parts);
    print_patches(policy, slo);
    print_detection(policy, slo);
    print_control(context, policy, &slo->control);
    (void)printf("%-18s %lld in 28 days (%lld outages of fuzzing), at most %lld wanted "
                 "(true rate %.1f to %.1f)\n",
                 "incidents", (long long)slo->incidents,
                 (long long)slo->incidents_control, (long long)policy->incidents,
                 slo->incidents_low, slo->incidents_high);
    print_alerts(policy, slo);
}
