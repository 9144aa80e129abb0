#include <fnmatch.h>
#include <string.h>

#include "base/mem.h"
#include "orchestrator/gate/slo.h"

void
slo_services_clear(struct slo_services *services)
{
    for (size_t i = 0; i < services->n; i++) {
        mem_free(services->v[i].name);
        strv_clear(&services->v[i].targets);
    }
    mem_free(services->v);
    *services = (struct slo_services){0};
}

void
slo_parts_clear(struct slo_parts *parts)
{
    mem_free(parts->v);
    *parts = (struct slo_parts){0};
}

static bool
owns(const struct slo_service *service, const char *target)
{
    for (size_t i = 0; i < service->targets.n; i++) {
        if (fnmatch(service->targets.v[i], target, 0) == 0) {
            return true;
        }
    }
    return false;
}

size_t
slo_part_of(const struct slo_policy *policy, const char *target)
{
    size_t i = 0;

    while (i < policy->services.n && !owns(&policy->services.v[i], target)) {
        i++;
    }
    return i;
}

struct slo_policy
slo_policy_whole(const struct slo_policy *policy)
{
    struct slo_policy whole = *policy;

    for (size_t i = 0; i < policy->services.n; i++) {
        for (size_t s = 0; s < SLO_SEVERITIES; s++) {
            whole.tolerated[s] += policy->services.v[i].tolerated[s];
        }
    }
    return whole;
}

/* The lives are borrowed: `some` holds copies of the structures alone. */
static void
decide_part(const struct slo_policy *policy, size_t part, const struct bug_life *lives,
            size_t n, int64_t now, struct slo_part *out)
{
    AUTO(mem_free) struct bug_life *some = mem_array(n + 1, sizeof(*some));
    struct slo_policy its = *policy;
    size_t n_some = 0;

    for (size_t i = 0; i < n; i++) {
        if (slo_part_of(policy, lives[i].target) == part) {
            some[n_some++] = lives[i];
        }
    }
    out->name = "other";
    if (part < policy->services.n) {
        out->name = policy->services.v[part].name;
        memcpy(its.tolerated, policy->services.v[part].tolerated, sizeof(its.tolerated));
    }
    slo_of(&its, some, n_some, NULL, now, &out->slo);
}

void
slo_parts_of(const struct slo_policy *policy, const struct bug_life *lives, size_t n,
             int64_t now, struct slo_parts *out)
{
    *out = (struct slo_parts){0};
    if (policy->services.n == 0) {
        return;
    }
    out->n = policy->services.n + 1;
    out->v = mem_array(out->n, sizeof(*out->v));
    for (size_t i = 0; i < out->n; i++) {
        decide_part(policy, i, lives, n, now, &out->v[i]);
    }
}
