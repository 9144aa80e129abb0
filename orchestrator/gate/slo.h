/*
 * Security measured as reliability (SecSRE, USENIX ;login: 2025): service level
 * indicators and the breach budget, from when things happened to each bug. No Prometheus
 * is needed.
 *
 * Open is a bug from when it was filed until it is verified as fixed, or said to be none
 * (ignored, duplicate): deadlines run, and points accrue, from when somebody could know
 * of it. Detection is measured from the time of the crash file, which a worker wrote long
 * before if the supervisor was down. Accepting a risk (wontfix) does not stop the clock,
 * coming back (regressed) starts it again.
 *
 * Budget: points of a severity accrue for each day that a bug of it is open. So many are
 * allowed in a window as the tolerated number of bugs, each open until its deadline,
 * would cost: B = sum of tolerated x weight x min(deadline, window). What older bugs cost
 * when they are found for the first time (backlog) counts half for a window, lest better
 * fuzzing be punished. Numbers are small: where a ratio would be told of few bugs, the
 * count and what is allowed stand beside it.
 */
#ifndef ORCHESTRATOR_GATE_SLO_H
#define ORCHESTRATOR_GATE_SLO_H

#include "base/err.h"
#include "triage/control.h"
#include "triage/life.h"

enum { SLO_SEVERITIES = SEVERITY_CRITICAL + 1, SLO_WORST_MAX = 5 };
#define SLO_DAY_MS INT64_C(86400000)

struct slo_service { /* whose targets have a budget of their own */
    char *name;
    struct strv targets; /* patterns of names, as a shell's: "png*" */
    double tolerated[SLO_SEVERITIES];
};
struct slo_services {
    struct slo_service *v;
    size_t n;
};
void slo_services_clear(struct slo_services *services);

struct slo_policy {
    int64_t window_ms;                   /* rolling */
    double weight[SLO_SEVERITIES];       /* points a day */
    double tolerated[SLO_SEVERITIES];    /* bugs at a time */
    int64_t deadline_ms[SLO_SEVERITIES]; /* from filed to fixed; 0: none */
    double backlog_weight;               /* 0 to 1, for a window after it was filed */
    double patched;                      /* share that is to meet its deadline */
    double notified;                     /* share of new bugs told within notify_ms */
    int64_t notify_ms;                   /* from the crash file to the message */
    int64_t incidents;                   /* in a window at most */
    double healthy;                      /* share of a target's minutes that are good */
    double capacity;                     /* share of the meant time of workers used */
    int64_t outage_ms; /* bad minutes in a row of one target that are an incident */
    int64_t alerts;    /* events that people are told of, in 7 days at most */
    /* A target belongs to the first that names it; what tolerated says is of those in
     * none. A copy of the policy borrows them. */
    struct slo_services services;
};

/* 28 days; weights 10 5 2 0.5 0; one critical, two high, a medium, two low ones are
 * tolerated; deadlines 7 14 28 90 days; 99 % patched in time; 99 % told within 5 minutes;
 * two incidents; 99.9 % of minutes good, 99 % of the capacity used; an hour is an outage;
 * two alerts a day. */
struct slo_policy slo_policy_default(void);

/* A set of durations, ms. Few and skewed: the mean stands beside median and p90, not
 * alone (one old bug wrecks it). p90 is the nearest rank. */
struct spread {
    size_t n;
    double median, p90, mean;
};
struct spread spread_of(double *values, size_t n); /* sorts them */

struct slo_burning { /* an open bug that costs most */
    int64_t bug;
    enum severity severity;
    double per_day;
    int64_t open_ms; /* for how long */
};

/* How well the fuzzers ran. Two objectives, since one worker of few that is dead would
 * exhaust a budget of 0.1 % of capacity within hours, and be nothing to worry about. */
struct slo_control {
    int64_t good, bad;                   /* minutes of targets */
    int64_t scheduled_ms, productive_ms; /* of workers */
    int64_t outages;
    int64_t fault_minutes[CONTROL_CAUSES_MAX]; /* bad ones by their main cause */
    double health, capacity;                   /* shares; 1 where nothing was meant */
    /* Share that was bad / share that may be: 1 is all of the budget. */
    double health_spent, capacity_spent;
};

struct slo {
    /* the breach budget */
    double budget, spent; /* points in the window */
    double per_day;       /* points that open bugs cost now */
    double burn;          /* 1: exactly what the budget allows */
    double days_left;     /* until it is exhausted if nothing is fixed, and what is old
                             did not leave the window; INFINITY: never */
    double days_rolling;  /* the same with what leaves the window */
    int64_t open[SLO_SEVERITIES];
    struct slo_burning worst[SLO_WORST_MAX];
    size_t n_worst;

    /* durations of bugs that were filed, looked at, fixed in the window; backlog left out
     */
    struct spread since_campaign;   /* found, after the campaign began */
    struct spread cpu;              /* the same in time of workers of its target */
    struct spread since_introduced; /* found, after the commit that brought it in, where
                                       that lies between two known ones */
    struct spread to_notify;        /* told, after a campaign's crash file was written */
    struct spread to_acknowledge;   /* first decision of a person */
    struct spread to_fix;           /* of those that are fixed */
    int64_t oldest_open_ms[SLO_SEVERITIES]; /* beside it, or only the quick ones count */

    /* counted at the deadline, whatever came later; backlog has none */
    int64_t due[SLO_SEVERITIES], met[SLO_SEVERITIES];
    double patch_burn; /* share missed / share that may be missed */
    int64_t notify_n, notify_met;
    int64_t found, fixed; /* in the window; backlog left out of both */
    double remediation;   /* fixed / found; 1: as many as are found */

    struct slo_control control;

    /* events that people were told of: too many are ignored */
    int64_t alerts;              /* of 7 days */
    struct spread alert_latency; /* of the window: from the event to the first receiver */

    /* bugs of severity high or more in a build that is shipped, filed in the window, and
     * outages of the control */
    int64_t incidents, incidents_control;
    double incidents_low, incidents_high; /* 90 % range of a Poisson rate */
};

/* lives is borrowed, control is what was added (NULL: nothing was); now: wall ms. Alerts
 * are not there yet. */
void slo_of(const struct slo_policy *policy, const struct bug_life *lives, size_t n,
            const struct slo_control *control, int64_t now, struct slo *out);

/* The budget of one service, or of all targets that are in none, where there are any:
 * one team's bugs are to freeze no other's changes. */
struct slo_part {
    const char *name; /* borrowed from the policy; "other" */
    struct slo slo;   /* of its bugs alone; no control, no alerts */
};
struct slo_parts {
    struct slo_part *v; /* services in their order, then "other"; none without services */
    size_t n;
};
void slo_parts_clear(struct slo_parts *parts);
AUTO_DEFINE_CLEAR(struct slo_parts, slo_parts_clear)

/* *out is new. */
void slo_parts_of(const struct slo_policy *policy, const struct bug_life *lives, size_t n,
                  int64_t now, struct slo_parts *out);

/* Which part a target belongs to. */
size_t slo_part_of(const struct slo_policy *policy, const char *target);

/* What is tolerated in all parts together. */
struct slo_policy slo_policy_whole(const struct slo_policy *policy);

bool slo_exhausted(const struct slo *slo); /* points are spent, and none is left */

/* Whether a bug was fixed at its deadline, at all times alike. */
enum slo_deadline {
    SLO_DEADLINE_NONE, /* it has none (backlog, no bug), or it has not come */
    SLO_DEADLINE_MET,
    SLO_DEADLINE_MISSED,
};
enum slo_deadline slo_deadline_of(const struct slo_policy *policy,
                                  const struct bug_life *life, int64_t now);

/* When the commit was that brought it in; 0: not known, or it may be an older one. */
int64_t slo_introduced(const struct bug_life *life);

/* Of severity high or more, in a build that is shipped, and no backlog. */
bool slo_is_incident(const struct bug_life *life);

/* Add a run of minutes, those that touch [from, to) only; runs come by target and time.
 * `bad` holds the bad minutes in a row until now, by the caller from 0 for a target. */
void slo_control_add(const struct slo_policy *policy, const struct control_run *run,
                     int64_t from, int64_t to, int64_t *bad, struct slo_control *out);

/* The shares, of what was added. */
void slo_control_decide(const struct slo_policy *policy, struct slo_control *out);

/* Exact (Garwood 1936) 90 % range of the mean of a Poisson distribution that showed n. */
void slo_poisson(int64_t n, double *low, double *high);

/* From the store: the whole, and its parts (NULL: not asked for). */
int slo_collect(struct store *store, const struct slo_policy *policy, int64_t now,
                struct slo *out, struct slo_parts *parts, struct err *err);

/* ok (more than half of the budget is left) half low (at most a tenth) exhausted */
const char *slo_budget_state(const struct slo *slo);

/*
 * Write as events, each once, what only the passing of time brings about:
 *   budget.state   when the state of the budget, or of a service's, is another one
 *   bug.deadline   "met" or "missed", when a bug's deadline has come
 *   bug.introduced its commit is known now, and so how long it was there (goes to no
 * sink) bug.incident   a bug of severity high or more shows on a build that is shipped
 *   target.outage  "outage" when a target's minutes were bad for policy.outage_ms in a
 *                  row up to now, "ok" when they no longer are
 * Any process may do it, at any time. fuzz does each minute, serve too, and who triages
 * or verifies at the end.
 */
int slo_note(struct store *store, const struct slo_policy *policy, int64_t now,
             struct err *err);

#endif
