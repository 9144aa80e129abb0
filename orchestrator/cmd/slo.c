#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/config.h"
#include "orchestrator/gate/slo.h"

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {{.kind = CMD_END}};

    return table;
}

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

static void
print_json(const struct slo_policy *policy, const struct slo *slo)
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
    json_put(o, "open", open);
    json_put(o, "patches", patches);
    json_put(o, "patch_burn_rate", json_real(slo->patch_burn));
    json_put(o, "time_since_campaign", spread_json(&slo->since_campaign));
    json_put(o, "time_to_notify", spread_json(&slo->to_notify));
    json_put(o, "notified", json_integer(slo->notify_n));
    json_put(o, "notified_in_time", json_integer(slo->notify_met));
    json_put(o, "time_to_acknowledge", spread_json(&slo->to_acknowledge));
    json_put(o, "time_to_fix", spread_json(&slo->to_fix));
    json_put(o, "found", json_integer(slo->found));
    json_put(o, "fixed", json_integer(slo->fixed));
    json_put(o, "incidents", json_integer(slo->incidents));
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
print_spread(const char *name, const struct spread *spread)
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
    (void)printf("%-18s median %s, p90 %s, mean %s (%zu bug%s)\n", name, median, p90,
                 mean, spread->n, spread->n == 1 ? "" : "s");
}

static void
print_person(const struct cmd_context *context, const struct slo_policy *policy,
             const struct slo *slo)
{
    char limit[32];

    print_budget(context, policy, slo);
    print_patches(policy, slo);
    print_spread("found after", &slo->since_campaign);
    print_spread("told after", &slo->to_notify);
    str_duration_show(limit, sizeof(limit), policy->notify_ms);
    if (slo->notify_n > 0) {
        (void)printf("%-18s %lld of %lld within %s, %.0f %% wanted\n", "",
                     (long long)slo->notify_met, (long long)slo->notify_n, limit,
                     100 * policy->notified);
    }
    print_spread("looked at after", &slo->to_acknowledge);
    print_spread("fixed after", &slo->to_fix);
    (void)printf("%-18s %lld found, %lld fixed\n", "remediation", (long long)slo->found,
                 (long long)slo->fixed);
    (void)printf("%-18s %lld in what is shipped, at most %lld wanted (true rate %.1f to "
                 "%.1f)\n",
                 "incidents", (long long)slo->incidents, (long long)policy->incidents,
                 slo->incidents_low, slo->incidents_high);
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    AUTO(config_free) struct config *config = NULL;
    AUTO(store_close) struct store *store = NULL;
    struct err err = ERR_INIT;
    struct slo slo;

    if (args->n > 0 || command->n > 0) {
        return cmd_fail(EXIT_USAGE, "slo takes no arguments");
    }
    int rc = config_load_settings(context->config, &config, &err);
    rc = rc < 0 ? rc : store_open(context->state, DB_READ, &store, &err);
    rc = rc < 0 ? rc : slo_collect(store, &config->slo, clock_wall_ms(), &slo, &err);
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    if (context->json) {
        print_json(&config->slo, &slo);
    } else {
        print_person(context, &config->slo, &slo);
    }
    return slo.spent >= slo.budget ? EXIT_EXHAUSTED : EXIT_DONE;
}

const struct cmd cmd_slo = {
    .name = "slo",
    .summary = "what is burning: breach budget, fixing and detecting in time",
    .usage = "",
    .about =
        "Security measured as reliability, over a rolling window of 28 days. Each open "
        "bug "
        "spends points of the breach budget every day, by its severity (critical 10, "
        "high "
        "5, medium 2, low 0.5); the budget is what the bugs that you tolerate would cost "
        "until their deadlines (`slo:` in nightjar.yaml). Bugs that were there before "
        "anybody looked count half for a window, those that do not reproduce nothing.\n\n"
        "Exit status: 0, or 4 when the budget is exhausted.\n\n"
        "  nightjar slo\n"
        "  nightjar slo --json",
    .options = options,
    .run = run,
};
