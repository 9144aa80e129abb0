#include "orchestrator/gate/attribution.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "orchestrator/gate/cache.h"

/* --- sightings --- */

void
sightings_clear(struct sightings *sightings)
{
    for (size_t i = 0; i < sightings->n; i++) {
        mem_free(sightings->v[i].signature);
        mem_free(sightings->v[i].reason);
    }
    mem_free(sightings->v);
    *sightings = (struct sightings){0};
}

void
sightings_add(void *user, const struct regression *of, const struct verified *seen)
{
    struct sightings *to = user;

    to->v = mem_grow(to->v, to->n, sizeof(*to->v));
    to->v[to->n++] = (struct sighting){.bug = of->bug,
                                       .as = seen->as,
                                       .k = seen->k,
                                       .n = seen->n,
                                       .severity = seen->severity,
                                       .signature = mem_strdup(seen->signature),
                                       .reason = mem_strdup(seen->reason),
                                       .moved = seen->to != NULL};
}

static int
by_bug(const void *left, const void *right)
{
    const struct sighting *a = left;
    const struct sighting *b = right;

    return (a->bug > b->bug) - (a->bug < b->bug);
}

const struct sighting *
sightings_find(const struct sightings *sightings, int64_t bug)
{
    const struct sighting key = {.bug = bug};

    return sightings->n == 0
               ? NULL
               : bsearch(&key, sightings->v, sightings->n, sizeof(*sightings->v), by_bug);
}

/* --- which class --- */

struct evidence {
    const struct baseline_bug *known; /* NULL: it was not */
    const struct sighting *head, *base;
    bool elsewhere;              /* another run knew it, and this state does not */
    const struct sighting *like; /* a known bug whose input shows this one's signature */
};

static bool
is_fixed(const struct baseline_bug *known)
{
    return known != NULL && strcmp(known->state, "fixed") == 0;
}

static bool
is_back(const struct evidence *evidence, const struct bug *bug)
{
    return is_fixed(evidence->known) &&
           (strcmp(bug->state, "regressed") == 0 ||
            (evidence->head != NULL && evidence->head->as == VERIFIED_SAME));
}

static const struct sighting *
like(const struct attribution *attribution, const struct bug *bug)
{
    for (size_t i = 0; i < attribution->on_head->n; i++) {
        const struct sighting *one = &attribution->on_head->v[i];
        if (one->as == VERIFIED_CHANGED && one->signature != NULL &&
            bug->signature != NULL && strcmp(one->signature, bug->signature) == 0) {
            return one;
        }
    }
    return NULL;
}

static struct evidence
gather(const struct attribution *attribution, const struct bug *bug)
{
    const struct baseline_bug *known = baseline_find(attribution->baseline, bug->id);
    struct evidence evidence = {.known = known != NULL && known->held ? NULL : known,
                                .head = sightings_find(attribution->on_head, bug->id),
                                .base = sightings_find(attribution->on_base, bug->id)};

    evidence.elsewhere = known == NULL && bug->signature != NULL &&
                         cache_knows(attribution->elsewhere, bug->target, bug->signature);
    if (evidence.known == NULL) {
        evidence.like = like(attribution, bug);
    }
    return evidence;
}

bool
attribution_asks_base(const struct attribution *attribution, const struct bug *bug)
{
    const struct evidence evidence = gather(attribution, bug);

    return attribution->has_base && bug_is_open(bug->state) && !bug->is_report &&
           !evidence.elsewhere && (evidence.known == NULL || is_back(&evidence, bug));
}

static bool
is_clean(const struct evidence *evidence)
{
    return evidence->head != NULL && evidence->head->as == VERIFIED_CLEAN;
}

static enum finding_class
class_of_known(const struct evidence *evidence, struct finding *finding)
{
    const struct sighting *head = evidence->head;
    const struct sighting *base = evidence->base;

    if (is_back(evidence, &finding->bug)) {
        if (base != NULL && base->as == VERIFIED_SAME) {
            finding->reason =
                mem_strdup("it was fixed elsewhere, but the base build still shows it");
            return FINDING_PRE_EXISTING;
        }
        finding->reason = mem_strdup("it was fixed, and shows again");
        return FINDING_REGRESSED;
    }
    if (head != NULL && head->as == VERIFIED_CHANGED) {
        finding->reason = mem_printf("it was known; its input crashes differently now "
                                     "(%s)",
                                     severity_name(head->severity));
        return FINDING_CHANGED;
    }
    if (head != NULL && head->as == VERIFIED_BROKEN) {
        finding->reason = mem_printf("it was known; it could not be replayed: %s",
                                     head->reason == NULL ? "" : head->reason);
        return FINDING_PRE_EXISTING;
    }
    finding->reason =
        mem_strdup(is_clean(evidence) ? "it was known before; this build does not show it"
                                      : "it was known before");
    return FINDING_PRE_EXISTING;
}

/* Without an answer of the base build. */
static enum finding_class
class_without_base(const struct attribution *attribution, const struct evidence *evidence,
                   struct finding *finding)
{
    const char *target = finding->bug.target;

    if (evidence->base != NULL) {
        finding->reason =
            mem_printf("it was not known, and the base build could not say: %s",
                       evidence->base->reason == NULL ? "" : evidence->base->reason);
        return FINDING_UNATTRIBUTED;
    }
    if (attribution->has_base && target_list_find(attribution->base, target) == NULL) {
        finding->reason = mem_strdup("its target is new: no build of it to compare with");
        return FINDING_UNATTRIBUTED;
    }
    if (!strv_has(&attribution->baseline->targets, target)) {
        finding->reason = mem_strdup("nothing was known of its target, and there is no "
                                     "base build to compare with");
        return FINDING_UNATTRIBUTED;
    }
    finding->reason = mem_strdup("its signature was not known");
    return FINDING_NEW;
}

static enum finding_class
class_of_found(const struct attribution *attribution, const struct evidence *evidence,
               struct finding *finding)
{
    const struct sighting *base = evidence->base;
    const struct bug *bug = &finding->bug;

    if (evidence->elsewhere) {
        finding->reason = mem_strdup("another run knew its signature");
        return FINDING_PRE_EXISTING;
    }
    if (bug->n > 0 && bug->k == 0) {
        finding->reason = mem_printf("it showed in none of %d runs", bug->n);
        return FINDING_UNREPRODUCIBLE;
    }
    if (gate_policy_flaky(attribution->policy, bug->k, bug->n)) {
        finding->reason =
            mem_printf("it shows in %d of %d runs, fewer than %d of %d", bug->k, bug->n,
                       attribution->policy->min_k, attribution->policy->min_n);
        return FINDING_FLAKY;
    }
    if (base != NULL && base->as == VERIFIED_SAME) {
        finding->reason = mem_printf("the base build shows the same in %d of %d runs",
                                     base->k, base->n);
        return FINDING_PRE_EXISTING;
    }
    if (evidence->like != NULL) {
        finding->reason =
            mem_printf("the input of NJ-%lld, which was known, shows it now",
                       (long long)evidence->like->bug);
        return FINDING_CHANGED;
    }
    if (base != NULL && base->as == VERIFIED_CHANGED) {
        finding->reason =
            mem_printf("its input crashes the base build as well, but differently (%s)",
                       severity_name(base->severity));
        return FINDING_CHANGED;
    }
    if (base != NULL && base->as == VERIFIED_CLEAN) {
        finding->reason =
            mem_printf("it was not known, and the base build is clean in %d "
                       "runs of its input",
                       base->n);
        return FINDING_NEW;
    }
    return class_without_base(attribution, evidence, finding);
}

/* --- does it fail the change? --- */

/* What was there before fails a change only where it shows something worse now. */
static bool
is_worse(const struct attribution *attribution, const struct evidence *evidence,
         const struct finding *finding)
{
    enum severity now =
        evidence->known != NULL ? evidence->head->severity : finding->bug.severity;
    enum severity was =
        evidence->known != NULL ? evidence->known->severity
        : evidence->like != NULL
            ? baseline_find(attribution->baseline, evidence->like->bug)->severity
            : evidence->base->severity;

    return now > was && now >= attribution->policy->fail_on;
}

static bool
reaches(const struct attribution *attribution, const struct evidence *evidence,
        const struct finding *finding)
{
    const struct gate_policy *policy = attribution->policy;
    enum severity severity = finding->bug.severity;

    switch (finding->class) {
    case FINDING_NEW:
        return severity >= policy->fail_on;
    case FINDING_REGRESSED:
        return (int)severity >= policy->fail_on_regressed;
    case FINDING_UNATTRIBUTED:
        return attribution->strict && severity >= policy->fail_on;
    case FINDING_UNREPRODUCIBLE:
        return attribution->unreproducible && severity >= policy->fail_on;
    case FINDING_CHANGED:
        return is_worse(attribution, evidence, finding);
    default:
        return false;
    }
}

static void
add_reason(struct finding *finding, const char *text)
{
    char *longer = mem_printf("%s; %s", finding->reason, text);

    mem_free(finding->reason);
    finding->reason = longer;
}

static void
warn_of_end(const struct attribution *attribution, const struct finding *finding,
            int64_t left)
{
    if (left <= GATE_WARN_DAYS * GATE_DAY_MS) {
        strv_addf(attribution->warnings, "%s passes for %lld more days only: %s",
                  finding->bug.name, (long long)(left / GATE_DAY_MS), finding->waiver);
    }
}

void
attribution_apply(const struct attribution *attribution, bool shows,
                  struct finding *finding)
{
    const struct gate_policy *policy = attribution->policy;
    const char *kind = NULL;
    AUTO(mem_free) char *waiver = NULL;
    int64_t left = 0;
    enum waiver_word word =
        gate_policy_waiver(policy, &finding->bug, attribution->now, &waiver, &left);

    if (finding->blocking && !gate_policy_kind(policy, finding->bug.crash_type, &kind)) {
        finding->blocking = false;
        AUTO(mem_free) char *text = mem_printf("bugs of kind %s are only told", kind);
        add_reason(finding, text);
    }
    if (word == WAIVER_HOLDS) {
        finding->blocking = false;
        finding->waiver = STEAL(waiver);
        warn_of_end(attribution, finding, left);
    } else if (word != WAIVER_NONE && shows) {
        finding->blocking = finding->blocking || word == WAIVER_EXPIRED ||
                            finding->bug.severity >= policy->fail_on;
        add_reason(finding, waiver);
    }
}

bool
attribution_of(const struct attribution *attribution, struct finding *finding)
{
    const struct bug *bug = &finding->bug;
    const struct evidence evidence = gather(attribution, bug);
    const struct sighting *head = evidence.head;

    if (!bug_is_open(bug->state) && !is_back(&evidence, bug)) {
        return false;
    }
    finding->class = evidence.known != NULL
                         ? class_of_known(&evidence, finding)
                         : class_of_found(attribution, &evidence, finding);
    finding->head = head != NULL ? (struct finding_runs){head->k, head->n}
                                 : (struct finding_runs){bug->k, bug->n};
    if (evidence.base != NULL) {
        finding->base = (struct finding_runs){
            evidence.base->as == VERIFIED_SAME ? evidence.base->k : 0, evidence.base->n};
    }
    finding->blocking = reaches(attribution, &evidence, finding);
    attribution_apply(attribution, !is_clean(&evidence), finding);
    return true;
}
