#include "orchestrator/gate/policy.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

void
gate_waivers_clear(struct gate_waivers *waivers)
{
    for (size_t i = 0; i < waivers->n; i++) {
        mem_free(waivers->v[i].signature);
        mem_free(waivers->v[i].owner);
        mem_free(waivers->v[i].reason);
        mem_free(waivers->v[i].origin);
    }
    mem_free(waivers->v);
    *waivers = (struct gate_waivers){0};
}

void
gate_tokens_clear(struct gate_tokens *tokens)
{
    for (size_t i = 0; i < tokens->n; i++) {
        mem_free(tokens->v[i].owner);
        mem_free(tokens->v[i].sha256);
    }
    mem_free(tokens->v);
    *tokens = (struct gate_tokens){0};
}

void
gate_policy_clear(struct gate_policy *policy)
{
    gate_tokens_clear(&policy->tokens);
    gate_waivers_clear(&policy->waivers);
    mem_free(policy->signers);
}

struct gate_policy
gate_policy_default(void)
{
    return (struct gate_policy){.fail_on = SEVERITY_HIGH,
                                .fail_on_regressed = SEVERITY_INFO,
                                .min_k = GATE_MIN_K,
                                .min_n = GATE_MIN_N,
                                .leak = true,
                                .min_productive = GATE_PRODUCTIVE,
                                .min_execs = GATE_MIN_EXECS};
}

bool
gate_policy_kind(const struct gate_policy *policy, const char *crash_type,
                 const char **kind)
{
    if (strcmp(crash_type, "Timeout") == 0) {
        *kind = "timeout";
        return policy->timeout;
    }
    if (strcmp(crash_type, "Out-of-memory") == 0) {
        *kind = "oom";
        return policy->oom;
    }
    if (strstr(crash_type, "leak") != NULL) {
        *kind = "leak";
        return policy->leak;
    }
    *kind = "crash";
    return true;
}

bool
gate_policy_flaky(const struct gate_policy *policy, int k, int n)
{
    return n > 0 && (int64_t)k * policy->min_n < (int64_t)policy->min_k * n;
}

static bool
concerns(const struct gate_waiver *waiver, const struct bug *bug)
{
    return waiver->signature != NULL
               ? bug->signature != NULL && strcmp(waiver->signature, bug->signature) == 0
               : waiver->bug == bug->id && bug->id != 0;
}

static enum waiver_word
judge(const struct gate_waiver *waiver, const struct bug *bug, int64_t now)
{
    if (bug->severity > waiver->max_severity) {
        return WAIVER_VOID;
    }
    return waiver->expires <= now ? WAIVER_EXPIRED : WAIVER_HOLDS;
}

static char *
sentence(const struct gate_waiver *waiver, enum waiver_word word, const struct bug *bug)
{
    char day[CLOCK_TEXT_MAX];

    clock_iso(day, waiver->expires - 1);
    day[strcspn(day, "T")] = '\0';
    if (word == WAIVER_VOID) {
        return mem_printf("the waiver of %s (%s) covers %s at most, and this is %s",
                          waiver->owner, waiver->origin,
                          severity_name(waiver->max_severity),
                          severity_name(bug->severity));
    }
    return mem_printf(word == WAIVER_HOLDS ? "waived by %s until the end of %s: %s (%s)"
                                           : "the waiver of %s ended with %s: %s (%s)",
                      waiver->owner, day, waiver->reason, waiver->origin);
}

enum waiver_word
gate_policy_waiver(const struct gate_policy *policy, const struct bug *bug, int64_t now,
                   char **text, int64_t *ends_ms)
{
    const struct gate_waiver *best = NULL;
    enum waiver_word word = WAIVER_NONE;

    for (size_t i = 0; i < policy->waivers.n; i++) {
        const struct gate_waiver *waiver = &policy->waivers.v[i];
        if (!concerns(waiver, bug)) {
            continue;
        }
        enum waiver_word says = judge(waiver, bug, now);
        bool later = best != NULL && says == word && waiver->expires > best->expires;
        if (best == NULL || later || (says == WAIVER_HOLDS && word != WAIVER_HOLDS)) {
            best = waiver;
            word = says;
        }
    }
    *text = best == NULL ? NULL : sentence(best, word, bug);
    *ends_ms = best == NULL ? 0 : best->expires - now;
    return word;
}
