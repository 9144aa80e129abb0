#include "orchestrator/gate/finding.h"

#include <stdlib.h>

#include "base/mem.h"

static const struct {
    const char *name;
    int exit_status;
} verdicts[] = {[VERDICT_PASS] = {"pass", 0},
                [VERDICT_FAIL] = {"fail", 1},
                [VERDICT_INCONCLUSIVE] = {"inconclusive", 3},
                [VERDICT_BUDGET_EXHAUSTED] = {"budget_exhausted", 4}};

static const char *const classes[FINDING_CLASSES] = {
    [FINDING_NEW] = "new",
    [FINDING_REGRESSED] = "regressed",
    [FINDING_CHANGED] = "changed",
    [FINDING_UNATTRIBUTED] = "unattributed",
    [FINDING_FLAKY] = "flaky",
    [FINDING_UNREPRODUCIBLE] = "unreproducible",
    [FINDING_PRE_EXISTING] = "pre_existing",
};

const char *
verdict_name(enum verdict verdict)
{
    return verdicts[verdict].name;
}

int
verdict_exit(enum verdict verdict)
{
    return verdicts[verdict].exit_status;
}

const char *finding_class_name(enum finding_class class)
{
    return classes[class];
}

static void
clear_finding(struct finding *finding)
{
    bug_clear(&finding->bug);
    mem_free(finding->waiver);
    mem_free(finding->reason);
    mem_free(finding->artifacts);
}

void
findings_clear(struct findings *findings)
{
    for (size_t i = 0; i < findings->n; i++) {
        clear_finding(&findings->v[i]);
    }
    for (size_t i = 0; i < findings->n_targets; i++) {
        mem_free(findings->targets[i].name);
        mem_free(findings->targets[i].why);
        mem_free(findings->targets[i].seeds);
    }
    mem_free(findings->v);
    mem_free(findings->targets);
    mem_free(findings->source_root);
    strv_clear(&findings->reasons);
    *findings = (struct findings){0};
}

struct finding *
findings_add(struct findings *findings)
{
    if (findings->n == FINDINGS_MAX) {
        findings->more++;
        return NULL;
    }
    findings->v = mem_resize(findings->v, (findings->n + 1) * sizeof(*findings->v));
    struct finding *finding = &findings->v[findings->n++];
    *finding = (struct finding){0};
    return finding;
}

void
findings_drop(struct findings *findings)
{
    clear_finding(&findings->v[--findings->n]);
}

struct finding_target *
findings_add_target(struct findings *findings, const char *name)
{
    size_t n = findings->n_targets++;

    findings->targets =
        mem_resize(findings->targets, (n + 1) * sizeof(*findings->targets));
    findings->targets[n] = (struct finding_target){.name = mem_strdup(name)};
    return &findings->targets[n];
}

static int
order(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int
compare(const void *left, const void *right)
{
    const struct finding *a = left;
    const struct finding *b = right;
    const int by[] = {
        order(b->blocking, a->blocking),
        order((int64_t)b->bug.severity, (int64_t)a->bug.severity),
        order((int64_t)a->class, (int64_t)b->class),
        order((int64_t)(b->bug.severity_score * 10),
              (int64_t)(a->bug.severity_score * 10)),
        order(a->bug.id, b->bug.id),
    };

    for (size_t i = 0; i < sizeof(by) / sizeof(by[0]); i++) {
        if (by[i] != 0) {
            return by[i];
        }
    }
    return 0;
}

void
findings_sort(struct findings *findings)
{
    if (findings->n > 1) {
        qsort(findings->v, findings->n, sizeof(*findings->v), compare);
    }
}

bool
finding_is_told(const struct findings *findings, const struct finding *finding)
{
    return !findings->untrusted || !finding->bug.security ||
           finding->class == FINDING_NEW || finding->class == FINDING_REGRESSED;
}
