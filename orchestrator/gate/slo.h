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
#include "triage/life.h"

enum { SLO_SEVERITIES = SEVERITY_CRITICAL + 1, SLO_WORST_MAX = 5 };
#define SLO_DAY_MS INT64_C(86400000)

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
};

/* 28 days; weights 10 5 2 0.5 0; one critical, two high, a medium, two low ones are
 * tolerated; deadlines 7 14 28 90 days; 99 % patched in time; 99 % told within 5 minutes;
 * two incidents. */
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
    struct spread since_campaign; /* found, after the campaign began */
    struct spread to_notify;      /* told, after a campaign's crash file was written */
    struct spread to_acknowledge; /* first decision of a person */
    struct spread to_fix;         /* of those that are fixed */
    int64_t oldest_open_ms[SLO_SEVERITIES]; /* beside it, or only the quick ones count */

    /* counted at the deadline, whatever came later; backlog has none */
    int64_t due[SLO_SEVERITIES], met[SLO_SEVERITIES];
    double patch_burn; /* share missed / share that may be missed */
    int64_t notify_n, notify_met;
    int64_t found, fixed; /* in the window; backlog left out of found */

    /* bugs of severity high or more in a build that is shipped, filed in the window */
    int64_t incidents;
    double incidents_low, incidents_high; /* 90 % range of a Poisson rate */
};

/* lives is borrowed; now: wall ms. */
void slo_of(const struct slo_policy *policy, const struct bug_life *lives, size_t n,
            int64_t now, struct slo *out);

/* Exact (Garwood 1936) 90 % range of the mean of a Poisson distribution that showed n. */
void slo_poisson(int64_t n, double *low, double *high);

/* From the store. */
int slo_collect(struct store *store, const struct slo_policy *policy, int64_t now,
                struct slo *out, struct err *err);

#endif
