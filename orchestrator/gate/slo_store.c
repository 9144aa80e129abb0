/* Service level indicators from the store, and what time brings about into it. */
#include <string.h>

#include "base/mem.h"
#include "orchestrator/gate/slo.h"
#include "triage/outbox.h"
#include "triage/vitals.h"

enum { ALERT_DAYS = 7 };

struct lives {
    struct bug_life *v;
    size_t n;
};

static void
lives_clear(struct lives *lives)
{
    for (size_t i = 0; i < lives->n; i++) {
        bug_life_clear(&lives->v[i]);
    }
    mem_free(lives->v);
}
AUTO_DEFINE_CLEAR(struct lives, lives_clear)

static int
keep(void *user, struct bug_life *life, struct err *err)
{
    struct lives *lives = user;

    (void)err;
    lives->v = mem_resize(lives->v, (lives->n + 1) * sizeof(*lives->v));
    lives->v[lives->n++] = *life;
    *life = (struct bug_life){0};
    return 0;
}

/* --- the control --- */

struct control_walk {
    const struct slo_policy *policy;
    int64_t from, to;     /* minutes */
    int64_t target, last; /* of the run before, and its end */
    int64_t bad;
    struct slo_control control;
};

/* Bad minutes between which nobody meant to fuzz are not in a row. */
static int
add_run(void *user, const struct control_run *run, struct err *err)
{
    struct control_walk *walk = user;

    (void)err;
    if (run->target_id != walk->target || run->began != walk->last) {
        walk->bad = 0;
    }
    walk->target = run->target_id;
    walk->last = run->began + run->slices;
    slo_control_add(walk->policy, run, walk->from, walk->to, &walk->bad, &walk->control);
    return 0;
}

static int
collect_control(struct store *store, const struct slo_policy *policy, int64_t now,
                struct slo_control *out, struct err *err)
{
    struct control_walk walk = {
        .policy = policy,
        .from = (now - policy->window_ms) / CONTROL_SLICE_MS,
        .to = now / CONTROL_SLICE_MS + 1,
    };
    int rc = store_control(store, walk.from, walk.to, add_run, &walk, err);

    *out = walk.control;
    return rc;
}

/* --- alerts --- */

struct alerts {
    int64_t recent_from;
    int64_t recent;
    double *latency;
    size_t n;
};

static int
add_alert(void *user, int64_t at, int64_t told, struct err *err)
{
    struct alerts *alerts = user;

    (void)err;
    alerts->recent += told > alerts->recent_from;
    alerts->latency =
        mem_resize(alerts->latency, (alerts->n + 1) * sizeof(*alerts->latency));
    alerts->latency[alerts->n++] = told > at ? (double)(told - at) : 0;
    return 0;
}

static int
collect_alerts(struct store *store, const struct slo_policy *policy, int64_t now,
               struct slo *out, struct err *err)
{
    struct alerts alerts = {.recent_from = now - ALERT_DAYS * SLO_DAY_MS};
    int rc = store_alerts(store, now - policy->window_ms, add_alert, &alerts, err);

    out->alerts = alerts.recent;
    out->alert_latency = spread_of(alerts.latency, alerts.n);
    mem_free(alerts.latency);
    return rc;
}

/* --- all of it --- */

static int
collect(struct store *store, const struct slo_policy *policy, int64_t now,
        struct lives *lives, struct slo *out, struct err *err)
{
    const struct slo_policy whole = slo_policy_whole(policy);
    struct slo_control control = {0};
    int rc = store_lives(store, keep, lives, err);

    rc = rc < 0 ? rc : collect_control(store, policy, now, &control, err);
    if (rc == 0) {
        slo_of(&whole, lives->v, lives->n, &control, now, out);
        rc = collect_alerts(store, policy, now, out, err);
    }
    return rc;
}

int
slo_collect(struct store *store, const struct slo_policy *policy, int64_t now,
            struct slo *out, struct slo_parts *parts, struct err *err)
{
    AUTO(lives_clear) struct lives lives = {0};
    int rc = collect(store, policy, now, &lives, out, err);

    if (rc == 0 && parts != NULL) {
        slo_parts_of(policy, lives.v, lives.n, now, parts);
    }
    return rc;
}

/* --- what time brings about --- */

/* service NULL: there are none. */
static int
note_budget(struct store *store, const char *service, const struct slo *slo,
            struct err *err)
{
    AUTO(json_decref) json_t *detail = json_object();
    struct event event = {.kind = "budget.state",
                          .subject = "budget",
                          .to = slo_budget_state(slo),
                          .detail = detail};
    int rc = service == NULL ? 0 : store_service(store, service, &event.subject_id, err);

    if (rc < 0) {
        return rc;
    }
    if (service != NULL) {
        json_put(detail, "service", json_text(service));
    }
    json_put(detail, "points", json_real(slo->budget));
    json_put(detail, "spent", json_real(slo->spent));
    json_put(detail, "points_per_day", json_real(slo->per_day));
    return store_event_change(store, &event, "ok", err);
}

static int
note_budgets(struct store *store, const struct slo_policy *policy,
             const struct lives *lives, const struct slo *slo, int64_t now,
             struct err *err)
{
    AUTO(slo_parts_clear) struct slo_parts parts = {0};
    int rc = 0;

    slo_parts_of(policy, lives->v, lives->n, now, &parts);
    for (size_t i = 0; i < parts.n && rc == 0; i++) {
        rc = note_budget(store, parts.v[i].name, &parts.v[i].slo, err);
    }
    return parts.n == 0 ? note_budget(store, NULL, slo, err) : rc;
}

static int
note_bug(struct store *store, const struct bug_life *life, const char *kind,
         const char *to, struct err *err)
{
    AUTO(json_decref) json_t *detail = json_object();
    const struct event event = {.kind = kind,
                                .subject = "bug",
                                .subject_id = life->bug,
                                .to = to,
                                .detail = detail};

    json_put(detail, "severity", json_string(severity_name(life->severity)));
    json_put(detail, "target", json_text(life->target));
    return store_event_first(store, &event, err);
}

static int
note_introduced(struct store *store, const struct bug_life *life, struct err *err)
{
    AUTO(json_decref) json_t *detail = json_object();
    const struct event event = {.kind = "bug.introduced",
                                .subject = "bug",
                                .subject_id = life->bug,
                                .to = "known",
                                .detail = detail};

    json_put(detail, "severity", json_string(severity_name(life->severity)));
    json_put(detail, "duration_ms", json_integer(life->written - slo_introduced(life)));
    return store_event_first(store, &event, err);
}

static int
note_life(struct store *store, const struct slo_policy *policy,
          const struct bug_life *life, int64_t now, struct err *err)
{
    enum slo_deadline deadline = slo_deadline_of(policy, life, now);
    int rc = deadline == SLO_DEADLINE_NONE || life->noted_deadline
                 ? 0
                 : note_bug(store, life, "bug.deadline",
                            deadline == SLO_DEADLINE_MET ? "met" : "missed", err);

    rc = rc < 0 || life->backlog || life->noted_introduced || slo_introduced(life) == 0
             ? rc
             : note_introduced(store, life, err);
    return rc < 0 || life->noted_incident || !slo_is_incident(life)
               ? rc
               : note_bug(store, life, "bug.incident", "incident", err);
}

struct outage { /* of a target, up to its last minute */
    int64_t target, end, bad;
    char *name;
};

struct outages {
    struct outage *v;
    size_t n;
};

static void
outages_clear(struct outages *outages)
{
    for (size_t i = 0; i < outages->n; i++) {
        mem_free(outages->v[i].name);
    }
    mem_free(outages->v);
}
AUTO_DEFINE_CLEAR(struct outages, outages_clear)

static int
follow_run(void *user, const struct control_run *run, struct err *err)
{
    struct outages *outages = user;

    (void)err;
    if (outages->n == 0 || outages->v[outages->n - 1].target != run->target_id) {
        outages->v = mem_resize(outages->v, (outages->n + 1) * sizeof(*outages->v));
        outages->v[outages->n++] = (struct outage){
            .target = run->target_id, .end = run->began, .name = mem_strdup(run->target)};
    }
    struct outage *outage = &outages->v[outages->n - 1];
    bool goes_on = run->cause[0] != '\0' && run->began == outage->end;
    outage->bad = run->cause[0] == '\0' ? 0 : run->slices + (goes_on ? outage->bad : 0);
    outage->end = run->began + run->slices;
    return 0;
}

/* Looked at is twice the time that makes an outage, and an hour for the run it began in.
 */
static int
note_outages(struct store *store, const struct slo_policy *policy, int64_t now,
             struct err *err)
{
    AUTO(outages_clear) struct outages outages = {0};
    int64_t needed = policy->outage_ms / CONTROL_SLICE_MS;
    int64_t minute = now / CONTROL_SLICE_MS;
    int rc = store_control(store, minute - 2 * needed - CONTROL_RUN_MAX, minute + 1,
                           follow_run, &outages, err);

    for (size_t i = 0; rc == 0 && i < outages.n; i++) {
        const struct outage *outage = &outages.v[i];
        AUTO(json_decref) json_t *detail = json_object();
        const struct event event = {.kind = "target.outage",
                                    .subject = "target",
                                    .subject_id = outage->target,
                                    .to = outage->bad >= needed ? "outage" : "ok",
                                    .detail = detail};
        json_put(detail, "target", json_text(outage->name));
        json_put(detail, "minutes", json_integer(outage->bad));
        rc = store_event_change(store, &event, "ok", err);
    }
    return rc;
}

int
slo_note(struct store *store, const struct slo_policy *policy, int64_t now,
         struct err *err)
{
    AUTO(lives_clear) struct lives lives = {0};
    struct slo slo = {0};
    int rc = collect(store, policy, now, &lives, &slo, err);

    rc = rc < 0 ? rc : note_budgets(store, policy, &lives, &slo, now, err);
    for (size_t i = 0; rc == 0 && i < lives.n; i++) {
        rc = note_life(store, policy, &lives.v[i], now, err);
    }
    return rc < 0 ? rc : note_outages(store, policy, now, err);
}
