#include "orchestrator/supervise/pipeline_tally.h"

#include <string.h>

#include "base/mem.h"

/* A bug of before on a build that came later: nothing about crashes that wait. */
static bool
is_later(enum job_kind kind)
{
    return kind == JOB_RELEASE || kind == JOB_SANITIZED;
}

void
tally_end(struct pipeline_stats *stats, const struct job_end *end)
{
    const struct job_outcome *outcome = &end->outcome;
    struct {
        const char *state;
        int64_t *count;
    } const table[] = {{"triaged", &stats->triaged},
                       {"unparsed", &stats->unparsed},
                       {"untriageable", &stats->untriageable},
                       {"broken", &stats->broken}};

    if (end->kind == JOB_MINIMIZE) {
        stats->minimized += !end->died;
        return;
    }
    if (is_later(end->kind)) {
        stats->caught_up += !end->died;
        return;
    }
    for (size_t i = 0; i < COUNT(table); i++) {
        if (strcmp(outcome->state, table[i].state) == 0) {
            ++*table[i].count;
            stats->queued -= stats->queued > 0;
        }
    }
    stats->unreproducible += strcmp(outcome->state, "triaged") == 0 && outcome->bug == 0;
    stats->new_bugs += outcome->bug_is_new;
    stats->bugs += outcome->bug_is_new;
}

char *
tally_death(const struct job_end *end)
{
    if (is_later(end->kind)) {
        return mem_printf("a triage worker died of crash %lld on the %s build: %s",
                          (long long)end->crash,
                          end->kind == JOB_RELEASE ? "release" : "sanitizer",
                          end->reason == NULL ? "no reason" : end->reason);
    }
    bool minimizes = end->kind == JOB_MINIMIZE;
    bool given_up = strcmp(end->outcome.state, "untriageable") == 0;

    return mem_printf(
        "%s crash %lld: %s; %s",
        minimizes ? "a triage worker died minimizing" : "a triage worker died of",
        (long long)end->crash, end->reason == NULL ? "no reason" : end->reason,
        minimizes  ? "the reproducer stays as it is for now"
        : given_up ? "the input is kept as untriageable"
                   : "it is tried once more");
}
