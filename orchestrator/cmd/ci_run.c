#include "orchestrator/cmd/ci.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/build.h"
#include "orchestrator/cmd/campaign.h"
#include "orchestrator/cmd/rung.h"
#include "orchestrator/cmd/tells.h"
#include "orchestrator/gate/reach.h"
#include "orchestrator/git.h"
#include "orchestrator/supervise/verifier.h"

enum {
    DIFF_MAX = GIT_OUTPUT_MAX,
    FIX_RUNS = 10, /* as many as CIFuzz tries */
};

void
ci_clear(struct ci *ci)
{
    mem_free(ci->chosen.v); /* the targets are those of head */
    target_list_clear(&ci->head);
    target_list_clear(&ci->base);
    store_close(ci->store);
    fd_close(ci->lock);
    baseline_clear(&ci->baseline);
    sightings_clear(&ci->on_head);
    sightings_clear(&ci->on_base);
    findings_clear(&ci->findings);
    cache_clear(&ci->cache);
    change_clear(&ci->change);
    strv_clear(&ci->doubts);
    strv_clear(&ci->warnings);
    config_free(ci->config);
}

/* --- what is given --- */

/* The base branch's copy: a file, or a checkout that holds it. One that has none has the
 * defaults: a change gains nothing by bringing its own, neither by its policy nor by
 * rules of severity. */
static int
load_config(struct ci *ci, struct err *err)
{
    const char *from = ci->options->policy_from;

    if (from == NULL) {
        return ci->options->out == NULL
                   ? config_load(ci->context->config, &ci->config, err)
                   : config_load_settings(ci->context->config, &ci->config, err);
    }
    AUTO(mem_free)
    char *inside = fs_is_folder(from) ? fs_join(from, "nightjar.yaml") : NULL;
    if (inside != NULL && !fs_exists(inside)) {
        ci->config = config_default();
        return 0;
    }
    return config_load_settings(inside != NULL ? inside : from, &ci->config, err);
}

static int
load_policy(struct ci *ci, struct err *err)
{
    const struct ci_options *options = ci->options;

    ci->policy = ci->config->gate;
    ci->policy.untrusted = ci->policy.untrusted || options->untrusted;
    ci->policy.timeout = ci->policy.timeout || options->timeouts;
    ci->policy.oom = ci->policy.oom || options->ooms;
    return options->fail_on == NULL
               ? 0
               : severity_parse(options->fail_on, &ci->policy.fail_on, err);
}

static int
find_builds(const struct ci *ci, const char *folder, struct target_list *out,
            struct err *err)
{
    const struct config *config = ci->config;

    out->timeout_ms = config->triage.timeout_ms;
    out->memory_bytes = config->triage.memory_bytes;
    out->limits = config->import;
    return target_discover(folder, out, err);
}

/* Of nightjar.yaml where no folder is given: the change's own, whatever the policy. */
static int
find_head(struct ci *ci, struct err *err)
{
    AUTO(config_free) struct config *own = NULL;
    struct target_list *targets = &ci->config->targets;

    if (ci->options->out != NULL) {
        return find_builds(ci, ci->options->out, &ci->head, err);
    }
    if (ci->options->policy_from != NULL) {
        int rc = config_load(ci->context->config, &own, err);
        if (rc < 0) {
            return rc;
        }
        targets = &own->targets;
    }
    ci->head = *targets;
    *targets = (struct target_list){0};
    return ci->head.n > 0 ? 0
                          : err_set(err, -EINVAL,
                                    "which builds? nightjar ci OUT, a folder of fuzz "
                                    "targets");
}

static void
fetch(struct ci *ci)
{
    const char *from = ci->options->state_from;
    struct cache *cache = &ci->cache;
    AUTO(mem_free) char *shown = str_name_dup(from);
    char size[32];
    struct err why = ERR_INIT;

    /* half a cache is none: the next run that leaves its state makes it anew */
    if (cache_fetch(from, ci->context->state, cache, &why) < 0) {
        cache->cold = true;
        strv_addf(&ci->warnings, "a cold start: %s", why.msg);
    } else if (cache->cold) {
        strv_addf(&ci->warnings, "a cold start: there is no state in '%s'", shown);
    }
    if (cache->kept) {
        strv_addf(&ci->warnings,
                  "the database of '%s' stays; of '%s' only corpora and "
                  "signatures were fetched",
                  ci->context->state, shown);
    }
    if (cache->damaged > 0) {
        strv_addf(&ci->warnings, "%lld inputs in '%s' are damaged and were left out",
                  (long long)cache->damaged, shown);
    }
    str_bytes_show(size, sizeof(size), cache->bytes);
    (void)fprintf(stderr, "state from %s: %lld inputs, %s\n", shown,
                  (long long)cache->inputs, size);
}

static int
open_store(struct ci *ci, struct err *err)
{
    struct err why = ERR_INIT;
    int rc = store_open(ci->context->state, DB_CREATE, &ci->store, &why);
    AUTO(mem_free) char *shown = str_name_dup(ci->context->state);

    return rc < 0 ? err_set(err, rc,
                            "%s (without the folder '%s', or with another --state, it "
                            "begins cold)",
                            why.msg, shown)
                  : 0;
}

static int
open_state(struct ci *ci, struct err *err)
{
    const struct ci_options *options = ci->options;
    const char *state = ci->context->state;
    int rc = store_lock(state, "ci", &ci->lock, err);

    if (rc == 0 && options->state_from != NULL) {
        fetch(ci);
    }
    rc = rc < 0 ? rc : open_store(ci, err);
    rc = rc < 0 || options->state_from == NULL
             ? rc
             : cache_fetch_blobs(options->state_from, ci->store, ci->policy.untrusted,
                                 &ci->cache, err);
    rc = rc < 0 ? rc : config_put_store(ci->config, ci->store, err);
    if (rc == 0) {
        build_tend(ci->context, ci->config, ci->store);
    }
    return rc < 0 ? rc : baseline_read(ci->store, &ci->head, ci->key, &ci->baseline, err);
}

static int
find_base(struct ci *ci, struct err *err)
{
    ci->base_folder = ci->options->base != NULL ? ci->options->base : ci->cache.base;
    if (ci->base_folder == NULL) {
        return 0;
    }
    int rc = find_builds(ci, ci->base_folder, &ci->base, err);
    return rc < 0 ? err_wrap(err, rc, "the base builds") : 0;
}

int
ci_open(struct ci *ci, struct err *err)
{
    const struct ci_options *options = ci->options;
    int rc = load_config(ci, err);

    ci->findings.started = clock_wall_ms();
    rc = rc < 0 ? rc : load_policy(ci, err);
    rc = rc < 0 ? rc : find_head(ci, err);
    rc =
        rc < 0 ? rc : rung_choose(ci->context, ci->config, options->rung, &ci->rung, err);
    if (rc < 0) {
        return rc;
    }
    baseline_key(&ci->head, ci->key);
    rc = open_state(ci, err);
    rc = rc < 0 ? rc : find_base(ci, err);
    ci->findings.fail_on = ci->policy.fail_on;
    ci->findings.untrusted = ci->policy.untrusted;
    ci->findings.source_root = fs_absolute(".");
    return rc;
}

/* ci_choose() made one of each. */
static struct finding_target *
target_of(const struct ci *ci, const char *name)
{
    size_t i = 0;

    while (i < ci->findings.n_targets &&
           strcmp(ci->findings.targets[i].name, name) != 0) {
        i++;
    }
    assert(i < ci->findings.n_targets);
    return &ci->findings.targets[i];
}

void
ci_did_not_run(struct ci *ci, const char *target, const char *why)
{
    struct finding_target *one = target_of(ci, target);

    one->ran = false;
    mem_free(one->why);
    one->why = mem_strdup(why);
}

/* --- which targets --- */

static int
git_diff(const char *commit, struct buf *out, struct err *err)
{
    const char *const words[] = {
        "diff", "--no-color", "--no-ext-diff", "--no-textconv", "-U0", commit, "--"};

    return git_ask(words, COUNT(words), out, err);
}

static int
read_change(const struct ci *ci, struct change *out, struct err *err)
{
    const struct ci_options *options = ci->options;
    AUTO(buf_clear) struct buf text = {.max = DIFF_MAX};
    int rc = 0;

    if (options->diff == NULL && options->base_commit == NULL) {
        return 0;
    }
    if (options->diff != NULL) {
        rc = fs_read(options->diff, DIFF_MAX - 1, &text, err);
        rc = rc < 0 ? err_set(err, -EINVAL, "--diff: %s", err->msg) : 0;
    } else {
        rc = git_diff(options->base_commit, &text, err);
    }
    if (rc == 0) {
        change_read(buf_str(&text), text.len, out);
    }
    return rc;
}

int
ci_choose(struct ci *ci, struct err *err)
{
    int rc = read_change(ci, &ci->change, err);

    ci->chosen.v = mem_array(ci->head.n, sizeof(struct target *));
    for (size_t i = 0; i < ci->head.n && rc == 0; i++) {
        struct target *head = ci->head.v[i];
        const struct target *base = target_list_find(&ci->base, head->name);
        struct finding_target *target = findings_add_target(&ci->findings, head->name);
        AUTO(mem_free) char *why = NULL;
        rc = ci->options->all_targets
                 ? 1
                 : affected(ci->store, head, base, &ci->change, &why, err);
        target->ran = true;
        target->why = rc == 0 ? STEAL(why) : NULL;
        if (rc > 0) {
            ci->chosen.v[ci->chosen.n++] = head;
            rc = 0;
        }
    }
    return rc;
}

/* --- replaying --- */

/* Regressions that are somebody else's: their strings stay where they are. */
struct selection {
    struct regression_list all, some;
};

static void
selection_clear(struct selection *selection)
{
    mem_free(selection->some.v);
    regression_list_clear(&selection->all);
}
AUTO_DEFINE_CLEAR(struct selection, selection_clear)

/* A stranger's program is shown no input that still crashes what others run. */
static bool
is_replayed(const struct ci *ci, const struct regression *one)
{
    bool told = !ci->policy.untrusted || strcmp(one->state, "fixed") == 0;

    return told && target_list_find(&ci->chosen, one->target) != NULL &&
           (bug_is_open(one->state) || strcmp(one->state, "fixed") == 0);
}

static int
replay(struct ci *ci, const struct regression_list *list, const struct target_list *on,
       bool elsewhere, struct sightings *out, struct err *err)
{
    const struct verifier_call call = {.store = ci->store,
                                       .config = ci->config,
                                       .list = list,
                                       .targets = on,
                                       .elsewhere = elsewhere,
                                       .rung = ci->rung,
                                       .jobs = ci->options->jobs,
                                       .fix_runs = FIX_RUNS,
                                       .row = sightings_add,
                                       .user = out};
    int64_t began = clock_mono_ms();
    int rc = verifier_run(&call, NULL, err);

    ci->replay_ms += clock_mono_ms() - began;
    return rc;
}

/* A target whose replays are all broken did not run, whatever its fuzzing says. */
static void
weigh_replays(struct ci *ci, const struct regression_list *list)
{
    for (size_t t = 0; t < ci->findings.n_targets; t++) {
        struct finding_target *target = &ci->findings.targets[t];
        const char *why = NULL;
        int64_t broken = 0;
        for (size_t i = 0; i < ci->on_head.n; i++) {
            const struct sighting *seen = &ci->on_head.v[i];
            bool mine = strcmp(list->v[i].target, target->name) == 0;
            target->replays += mine;
            broken += mine && seen->as == VERIFIED_BROKEN;
            why = mine && seen->as == VERIFIED_BROKEN ? seen->reason : why;
        }
        if (broken > 0 && broken == target->replays) {
            AUTO(mem_free)
            char *text = mem_printf("none of %lld known inputs could be replayed: %s",
                                    (long long)broken, why == NULL ? "" : why);
            ci_did_not_run(ci, target->name, text);
        }
    }
}

int
ci_replay(struct ci *ci, struct err *err)
{
    AUTO(selection_clear) struct selection list = {0};
    int rc = regressions_load(ci->store, NULL, &list.all, err);

    list.some.v = mem_array(list.all.n, sizeof(*list.some.v));
    for (size_t i = 0; i < list.all.n && rc == 0; i++) {
        if (is_replayed(ci, &list.all.v[i])) {
            list.some.v[list.some.n++] = list.all.v[i];
        }
    }

    for (size_t i = 0; i < ci->chosen.n && rc == 0; i++) {
        rc = verifier_register(ci->store, ci->config, ci->chosen.v[i], err);
    }
    rc = rc < 0 ? rc : replay(ci, &list.some, &ci->chosen, false, &ci->on_head, err);
    if (rc == 0) {
        weigh_replays(ci, &list.some);
    }
    return rc;
}

int
ci_ask_base(struct ci *ci, const struct attribution *attribution, struct err *err)
{
    AUTO(selection_clear) struct selection list = {0};
    int rc = regressions_load(ci->store, NULL, &list.all, err);

    list.some.v = mem_array(list.all.n, sizeof(*list.some.v));
    for (size_t i = 0; i < list.all.n && rc == 0; i++) {
        AUTO(bug_clear) struct bug bug = {0};
        rc = store_bug(ci->store, list.all.v[i].bug, &bug, err);
        if (rc == 0 && target_list_find(&ci->chosen, bug.target) != NULL &&
            target_list_find(&ci->base, bug.target) != NULL &&
            attribution_asks_base(attribution, &bug)) {
            list.some.v[list.some.n++] = list.all.v[i];
        }
    }
    return rc < 0 ? rc : replay(ci, &list.some, &ci->base, true, &ci->on_base, err);
}

/* --- fuzzing --- */

/* Whether a target was truly fuzzed. */
static void
weigh_target(const struct ci *ci, struct finding_target *target,
             const struct supervisor_target *did)
{
    const struct gate_policy *policy = &ci->policy;
    int64_t sum = did->productive_ms + did->lost_ms;
    double ratio = sum == 0 ? 1 : (double)did->productive_ms / (double)sum;

    target->execs = did->execs;
    target->fuzz_ms = did->productive_ms;
    if (!target->ran) {
        return;
    }
    if (did->execs < policy->min_execs) {
        target->why = mem_printf("it ran %lld inputs, %lld is the least",
                                 (long long)did->execs, (long long)policy->min_execs);
    } else if (ratio < policy->min_productive) {
        target->why = mem_printf("it fuzzed in %.0f %% of its time, %.0f %% is the least",
                                 100 * ratio, 100 * policy->min_productive);
    }
    target->ran = target->why == NULL;
}

static void
weigh_campaign(struct ci *ci, const struct supervisor_result *result)
{
    for (size_t i = 0; i < ci->chosen.n; i++) {
        weigh_target(ci, target_of(ci, ci->chosen.v[i]->name), &result->targets[i]);
    }
    for (size_t i = 0; i < result->casualties.n; i++) {
        strv_add(&ci->warnings, result->casualties.v[i]);
    }
    if (result->how == SUPERVISOR_INTERRUPTED) {
        strv_add(&ci->doubts, "it was interrupted");
    } else if (result->how == SUPERVISOR_FAILED) {
        strv_addf(&ci->doubts, "the state: %s", result->failure.msg);
    }
    ci->findings.execs = result->execs;
}

static int
run_campaign(struct ci *ci, struct err *err)
{
    AUTO(supervisor_result_clear) struct supervisor_result result = {0};
    AUTO(tells_clear) struct tells tells = {0};
    struct supervisor_config config;

    campaign_configure(ci->config, &ci->chosen, ci->options->for_ms, ci->options->jobs,
                       &config);
    config.minimize_ms = ci->options->minimize_ms;
    if (!ci->policy.untrusted) { /* who is told is told with our secrets */
        tells_during(ci->config, &tells);
    }
    config.state = store_folder(ci->store);
    config.rung = ci->rung;
    config.live = ci->context->live;
    config.discreet = ci->policy.untrusted;
    config.herald =
        (struct herald_config){.config = ci->config->path, .jobs = tells.v, .n = tells.n};
    int64_t began = clock_mono_ms();
    int rc = supervisor_run(&config, &result, err);
    ci->fuzz_ms += clock_mono_ms() - began;
    if (rc == 0) {
        weigh_campaign(ci, &result);
    }
    return rc;
}

/* Which seeds go first; its time is that of fuzzing. */
static int
order_seeds(struct ci *ci, struct err *err)
{
    int64_t began = clock_mono_ms();
    int rc = 0;

    for (size_t i = 0; i < ci->chosen.n && rc == 0 && ci->change.files.n > 0; i++) {
        const struct reach_call call = {.state = store_folder(ci->store),
                                        .target = ci->chosen.v[i],
                                        .change = &ci->change,
                                        .rung = ci->rung,
                                        .jobs = (int)ci->options->jobs};
        rc = reach(&call, &target_of(ci, ci->chosen.v[i]->name)->seeds, err);
    }
    ci->fuzz_ms += clock_mono_ms() - began;
    return rc;
}

int
ci_fuzz(struct ci *ci, struct err *err)
{
    struct err why = ERR_INIT;
    int rc = order_seeds(ci, &why);

    rc = rc < 0 || ci->chosen.n == 0 ? rc : run_campaign(ci, &why);

    if (rc == -ENOENT) { /* no target has an engine here: that is no verdict */
        strv_add(&ci->doubts, why.msg);
        rc = 0;
    }
    return rc < 0 ? err_set(err, rc, "%s", why.msg) : 0;
}
