#include "orchestrator/gate/slo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { ROLL_STEPS = 4 /* a day */ };

struct slo_policy
slo_policy_default(void)
{
    return (struct slo_policy){
        .window_ms = 28 * SLO_DAY_MS,
        .weight = {[SEVERITY_CRITICAL] = 10,
                   [SEVERITY_HIGH] = 5,
                   [SEVERITY_MEDIUM] = 2,
                   [SEVERITY_LOW] = 0.5},
        .tolerated = {[SEVERITY_CRITICAL] = 1,
                      [SEVERITY_HIGH] = 2,
                      [SEVERITY_MEDIUM] = 1,
                      [SEVERITY_LOW] = 2},
        .deadline_ms = {[SEVERITY_CRITICAL] = 7 * SLO_DAY_MS,
                        [SEVERITY_HIGH] = 14 * SLO_DAY_MS,
                        [SEVERITY_MEDIUM] = 28 * SLO_DAY_MS,
                        [SEVERITY_LOW] = 90 * SLO_DAY_MS},
        .backlog_weight = 0.5,
        .patched = 0.99,
        .notified = 0.99,
        .notify_ms = 5 * INT64_C(60000),
        .incidents = 2,
        .healthy = 0.999,
        .capacity = 0.99,
        .outage_ms = 60 * INT64_C(60000),
        .alerts = 14,
    };
}

/* --- spreads --- */

static int
by_value(const void *a, const void *b)
{
    const double *one = a, *two = b;

    return (*one > *two) - (*one < *two);
}

struct spread
spread_of(double *values, size_t n)
{
    struct spread spread = {.n = n};

    if (n == 0) {
        return spread;
    }
    qsort(values, n, sizeof(*values), by_value);
    spread.median = (values[(n - 1) / 2] + values[n / 2]) / 2;
    spread.p90 = values[(size_t)ceil(0.9 * (double)n) - 1];
    for (size_t i = 0; i < n; i++) {
        spread.mean += values[i] / (double)n;
    }
    return spread;
}

/* P(X <= n) of a Poisson distribution. */
static double
poisson_at_most(int64_t n, double mean)
{
    double term = exp(-mean);
    double sum = term;

    for (int64_t i = 1; i <= n; i++) {
        term *= mean / (double)i;
        sum += term;
    }
    return sum;
}

/* The mean for which P(X <= n) is `share`; it falls as the mean grows. */
static double
poisson_mean(int64_t n, double share)
{
    double low = 0;
    double high = 2 * (double)n + 20;

    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (poisson_at_most(n, middle) > share) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

void
slo_poisson(int64_t n, double *low, double *high)
{
    *low = n == 0 ? 0 : poisson_mean(n - 1, 0.95);
    *high = poisson_mean(n, 0.05);
}

/* --- when a bug is open --- */

struct span {
    int64_t from, to;
};

static bool
closes(const char *state)
{
    return strcmp(state, "fixed") == 0 || strcmp(state, "ignored") == 0 ||
           strcmp(state, "duplicate") == 0;
}

/* Where a walk over the spans in which a bug is open has come to. */
struct walk {
    const struct bug_life *life;
    size_t next;  /* change */
    int64_t from; /* 0: it is closed there */
};

/* The next span, in order; what is open still ends at `now`. */
static bool
next_span(struct walk *walk, int64_t now, struct span *out)
{
    while (walk->next < walk->life->n) {
        const struct life_change *change = &walk->life->changes[walk->next++];
        bool closed = closes(change->to);
        if (closed && walk->from > 0) {
            *out = (struct span){walk->from, change->at};
            walk->from = 0;
            return true;
        }
        if (!closed && walk->from == 0) {
            walk->from = change->at;
        }
    }
    *out = (struct span){walk->from, now};
    walk->from = 0;
    return out->from > 0;
}

static bool
is_open(const struct bug_life *life)
{
    return life->n == 0 || !closes(life->changes[life->n - 1].to);
}

/* When it was fixed first; 0: never. */
static int64_t
fixed_at(const struct bug_life *life)
{
    for (size_t i = 0; i < life->n; i++) {
        if (strcmp(life->changes[i].to, "fixed") == 0) {
            return life->changes[i].at;
        }
    }
    return 0;
}

/* What a day costs at a time. */
static double
weight_at(const struct slo_policy *policy, const struct bug_life *life, int64_t at)
{
    bool young = at - life->filed < policy->window_ms;

    return policy->weight[life->severity] *
           (life->backlog && young ? policy->backlog_weight : 1);
}

static double
days_within(const struct span *span, int64_t from, int64_t to)
{
    int64_t begin = span->from > from ? span->from : from;
    int64_t end = span->to < to ? span->to : to;

    return end > begin ? (double)(end - begin) / (double)SLO_DAY_MS : 0;
}

/* Points of one bug in the window that ends at `end`; what is open now stays so. */
static double
spent_by(const struct slo_policy *policy, const struct bug_life *life, int64_t end)
{
    struct walk walk = {.life = life, .from = life->filed};
    struct span span;
    int64_t begin = end - policy->window_ms;
    int64_t grown = life->filed + policy->window_ms; /* backlog counts in full */
    double points = 0;

    while (next_span(&walk, end, &span)) {
        points += days_within(&span, begin, end < grown ? end : grown) *
                  weight_at(policy, life, life->filed);
        points += days_within(&span, begin > grown ? begin : grown, end) *
                  weight_at(policy, life, grown);
    }
    return points;
}

/* --- the budget --- */

static double
budget_of(const struct slo_policy *policy)
{
    double points = 0;

    for (size_t s = 0; s < SLO_SEVERITIES; s++) {
        int64_t deadline = policy->deadline_ms[s] < policy->window_ms
                               ? policy->deadline_ms[s]
                               : policy->window_ms;
        points += policy->tolerated[s] * policy->weight[s] * (double)deadline /
                  (double)SLO_DAY_MS;
    }
    return points;
}

/* Whether it costs anything in a window that ends now or later. */
static bool
still_costs(const struct slo_policy *policy, const struct bug_life *life, int64_t now)
{
    return is_open(life) || life->changes[life->n - 1].at > now - policy->window_ms;
}

static double
spent_by_all(const struct slo_policy *policy, const struct bug_life *lives, size_t n,
             int64_t end)
{
    double points = 0;

    for (size_t i = 0; i < n; i++) {
        points +=
            still_costs(policy, &lives[i], end) ? spent_by(policy, &lives[i], end) : 0;
    }
    return points;
}

/* The most costly first, and of those the one that is open longest. */
static void
note_burning(struct slo *out, const struct slo_burning *burning)
{
    size_t at = out->n_worst;

    while (at > 0 && (out->worst[at - 1].per_day < burning->per_day ||
                      (!(out->worst[at - 1].per_day > burning->per_day) &&
                       out->worst[at - 1].open_ms < burning->open_ms))) {
        at--;
    }
    if (at == SLO_WORST_MAX) {
        return;
    }
    size_t last = out->n_worst < SLO_WORST_MAX ? out->n_worst++ : SLO_WORST_MAX - 1;
    memmove(&out->worst[at + 1], &out->worst[at], (last - at) * sizeof(*burning));
    out->worst[at] = *burning;
}

/* In how many days the window holds more than the budget, when nothing is fixed and
 * nothing is found. */
static double
roll(const struct slo_policy *policy, const struct bug_life *lives, size_t n, int64_t now,
     double budget)
{
    /* after two windows nothing changes any more */
    int64_t steps = 2 * policy->window_ms / (SLO_DAY_MS / ROLL_STEPS);

    for (int64_t step = 0; step <= steps; step++) {
        if (spent_by_all(policy, lives, n, now + step * SLO_DAY_MS / ROLL_STEPS) >=
            budget) {
            return (double)step / ROLL_STEPS;
        }
    }
    return INFINITY;
}

static void
decide_budget(const struct slo_policy *policy, const struct bug_life *lives, size_t n,
              int64_t now, struct slo *out)
{
    out->budget = budget_of(policy);
    out->spent = spent_by_all(policy, lives, n, now);
    for (size_t i = 0; i < n; i++) {
        if (!is_open(&lives[i])) {
            continue;
        }
        const struct slo_burning burning = {.bug = lives[i].bug,
                                            .severity = lives[i].severity,
                                            .per_day = weight_at(policy, &lives[i], now),
                                            .open_ms = now - lives[i].filed};
        out->open[lives[i].severity]++;
        out->per_day += burning.per_day;
        if (burning.per_day > 0) {
            note_burning(out, &burning);
        }
    }
    double left = out->budget - out->spent;
    double allowed = out->budget * (double)SLO_DAY_MS / (double)policy->window_ms;
    out->burn = allowed > 0 ? out->per_day / allowed : 0;
    out->days_left = left <= 0 ? 0 : out->per_day > 0 ? left / out->per_day : INFINITY;
    out->days_rolling = roll(policy, lives, n, now, out->budget);
}

/* --- indicators --- */

struct durations {
    double *v;
    size_t n;
};

static void
add_duration(struct durations *list, int64_t from, int64_t to)
{
    if (from > 0 && to >= from) {
        list->v[list->n++] = (double)(to - from);
    }
}

enum slo_deadline
slo_deadline_of(const struct slo_policy *policy, const struct bug_life *life, int64_t now)
{
    int64_t deadline = policy->deadline_ms[life->severity];
    int64_t due = life->filed + deadline;
    int64_t fixed = fixed_at(life);
    bool dropped = fixed == 0 && !is_open(life); /* it is none, or another one */

    if (life->backlog || deadline == 0 || dropped || due > now) {
        return SLO_DEADLINE_NONE;
    }
    return fixed > 0 && fixed <= due ? SLO_DEADLINE_MET : SLO_DEADLINE_MISSED;
}

bool
slo_is_incident(const struct bug_life *life)
{
    return !life->backlog && life->released && life->severity >= SEVERITY_HIGH;
}

/* Of one whose older revisions nobody looked at it is not known. */
int64_t
slo_introduced(const struct bug_life *life)
{
    return life->clean_before > 0 ? life->introduced : 0;
}

static void
count_deadline(const struct slo_policy *policy, const struct bug_life *life, int64_t now,
               struct slo *out)
{
    enum slo_deadline deadline = slo_deadline_of(policy, life, now);
    int64_t due = life->filed + policy->deadline_ms[life->severity];

    if (deadline != SLO_DEADLINE_NONE && due > now - policy->window_ms) {
        out->due[life->severity]++;
        out->met[life->severity] += deadline == SLO_DEADLINE_MET;
    }
}

static void
count_bug(const struct slo_policy *policy, const struct bug_life *life, int64_t now,
          struct slo *out)
{
    bool young = life->filed > now - policy->window_ms;
    bool open = is_open(life);
    int64_t age = now - life->filed;

    count_deadline(policy, life, now, out);
    if (open && age > out->oldest_open_ms[life->severity]) {
        out->oldest_open_ms[life->severity] = age;
    }
    out->fixed += fixed_at(life) > now - policy->window_ms && !life->backlog;
    out->found += young && !life->backlog;
    out->incidents += young && slo_is_incident(life);
    if (young && !life->backlog && life->told > 0 && life->campaign > 0) {
        out->notify_n++;
        out->notify_met += life->told - life->written <= policy->notify_ms;
    }
}

static void
measure(const struct slo_policy *policy, const struct bug_life *lives, size_t n,
        int64_t now, struct slo *out)
{
    enum { CAMPAIGN, CPU, INTRODUCED, NOTIFY, ACKNOWLEDGE, FIX, KINDS };
    struct durations lists[KINDS];
    struct spread *const to[KINDS] = {&out->since_campaign,   &out->cpu,
                                      &out->since_introduced, &out->to_notify,
                                      &out->to_acknowledge,   &out->to_fix};

    for (size_t k = 0; k < KINDS; k++) {
        lists[k] = (struct durations){mem_array(n + 1, sizeof(double)), 0};
    }
    for (size_t i = 0; i < n; i++) {
        const struct bug_life *life = &lives[i];
        int64_t fixed = fixed_at(life);
        count_bug(policy, life, now, out);
        if (life->backlog) {
            continue;
        }
        if (life->filed > now - policy->window_ms) {
            add_duration(&lists[CAMPAIGN], life->campaign, life->written);
            add_duration(&lists[CPU], life->campaign > 0 ? 1 : 0, 1 + life->cpu_ms);
            add_duration(&lists[INTRODUCED], slo_introduced(life), life->written);
            add_duration(&lists[NOTIFY], life->campaign > 0 ? life->written : 0,
                         life->told);
            add_duration(&lists[ACKNOWLEDGE], life->filed, life->acknowledged);
        }
        if (fixed > now - policy->window_ms) {
            add_duration(&lists[FIX], life->filed, fixed);
        }
    }
    for (size_t k = 0; k < KINDS; k++) {
        *to[k] = spread_of(lists[k].v, lists[k].n);
        mem_free(lists[k].v);
    }
}

void
slo_of(const struct slo_policy *policy, const struct bug_life *lives, size_t n,
       const struct slo_control *control, int64_t now, struct slo *out)
{
    int64_t due = 0;
    int64_t met = 0;

    *out = (struct slo){0};
    decide_budget(policy, lives, n, now, out);
    measure(policy, lives, n, now, out);
    for (size_t s = 0; s < SLO_SEVERITIES; s++) {
        due += out->due[s];
        met += out->met[s];
    }
    out->patch_burn = due == 0 || policy->patched >= 1
                          ? 0
                          : (double)(due - met) / (double)due / (1 - policy->patched);
    out->remediation = out->found > 0 ? (double)out->fixed / (double)out->found : 1;
    if (control != NULL) {
        out->control = *control;
    }
    slo_control_decide(policy, &out->control);
    out->incidents_control = out->control.outages;
    out->incidents += out->incidents_control;
    slo_poisson(out->incidents, &out->incidents_low, &out->incidents_high);
}

bool
slo_exhausted(const struct slo *slo)
{
    return slo->spent > 0 && slo->spent >= slo->budget;
}

const char *
slo_budget_state(const struct slo *slo)
{
    double left = slo->budget > 0      ? 1 - slo->spent / slo->budget
                  : slo_exhausted(slo) ? 0
                                       : 1; /* none is tolerated, and there is none */

    return left <= 0 ? "exhausted" : left <= 0.1 ? "low" : left <= 0.5 ? "half" : "ok";
}
