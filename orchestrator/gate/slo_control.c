#include <string.h>

#include "orchestrator/gate/slo.h"

static int64_t
share_of(int64_t ms, int64_t part, int64_t whole)
{
    return (int64_t)((double)ms * (double)part / (double)whole);
}

static void
add_cause(const char *cause, int64_t minutes, struct slo_control *out)
{
    for (size_t i = 0; control_cause_name(i) != NULL; i++) {
        if (strcmp(control_cause_name(i), cause) == 0) {
            out->fault_minutes[i] += minutes;
        }
    }
}

void
slo_control_add(const struct slo_policy *policy, const struct control_run *run,
                int64_t from, int64_t to, int64_t *bad, struct slo_control *out)
{
    int64_t begin = run->began > from ? run->began : from;
    int64_t end = run->began + run->slices < to ? run->began + run->slices : to;
    int64_t minutes = end > begin ? end - begin : 0;
    int64_t outage = policy->outage_ms / CONTROL_SLICE_MS;
    bool good = run->cause[0] == '\0';

    out->good += good ? minutes : 0;
    out->bad += good ? 0 : minutes;
    out->scheduled_ms += share_of(run->scheduled_ms, minutes, run->slices);
    out->productive_ms += share_of(run->productive_ms, minutes, run->slices);
    add_cause(run->cause, minutes, out);
    int64_t before = *bad;
    *bad = good ? 0 : before + minutes;
    out->outages += before < outage && *bad >= outage;
}

static double
ratio(int64_t part, int64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 1;
}

void
slo_control_decide(const struct slo_policy *policy, struct slo_control *out)
{
    out->health = ratio(out->good, out->good + out->bad);
    out->capacity = ratio(out->productive_ms, out->scheduled_ms);
    out->health_spent =
        policy->healthy < 1 ? (1 - out->health) / (1 - policy->healthy) : 0;
    out->capacity_spent =
        policy->capacity < 1 ? (1 - out->capacity) / (1 - policy->capacity) : 0;
}
