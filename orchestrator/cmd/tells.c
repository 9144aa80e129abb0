#include "orchestrator/cmd/tells.h"

#include "orchestrator/cmd/slo.h"

enum {
    AGAIN_MS = 5000, /* until a sender that ended is started again */
    LAST_MS = 5000,  /* for the last words */
    DISK_EVERY_MS = 10000,
    NOTE_EVERY_MS = 60000,
    BUILDS_EVERY_MS = 60000,
};

void
tells_clear(struct tells *tells)
{
    for (size_t i = 0; i < tells->n; i++) {
        strv_clear(&tells->v[i].words);
    }
    tells->n = 0;
}

static struct herald_job *
add(struct tells *tells, const char *name, int64_t every_ms)
{
    struct herald_job *job = &tells->v[tells->n++];

    *job = (struct herald_job){.name = name, .every_ms = every_ms};
    return job;
}

static void
add_numbers(const struct config *config, struct tells *out)
{
    for (size_t i = 0; sink_at(i) != NULL; i++) {
        if (config->metrics[i] != NULL) {
            struct herald_job *job = add(out, sink_at(i)->name, config->metrics_every_ms);
            strv_add(&job->words, "push");
            strv_add(&job->words, "metrics");
            strv_addf(&job->words, "--sink=%s", sink_at(i)->name);
        }
    }
}

static void
add_events(const struct config *config, struct tells *out, bool last)
{
    for (size_t i = 0; i < config->notify.n; i++) {
        struct herald_job *job = add(out, config->notify.v[i].name, AGAIN_MS);
        strv_add(&job->words, "outbox");
        strv_add(&job->words, "send");
        strv_addf(&job->words, "--sink=%s", job->name);
        if (!last) {
            strv_add(&job->words, "--follow");
        }
    }
}

/* Nobody is told, but it is one process of this program, run again and again, too; a
 * second one does what takes longer. */
static void
add_disk(struct tells *out, const char *name, const char *what, int64_t every_ms)
{
    struct herald_job *job = add(out, name, every_ms);

    strv_add(&job->words, "disk");
    strv_add(&job->words, what);
    strv_add(&job->words, "--quiet");
}

/* New builds, and copies of those on which bugs show. */
static void
add_builds(struct tells *out)
{
    struct herald_job *job = add(out, "nightjar build", BUILDS_EVERY_MS);

    strv_add(&job->words, "build");
    strv_add(&job->words, "scan");
    strv_add(&job->words, "--quiet");
}

/* What only time brings about. */
static void
add_notes(struct tells *out)
{
    struct herald_job *job = add(out, "nightjar slo note", NOTE_EVERY_MS);

    strv_add(&job->words, "slo");
    strv_add(&job->words, "note");
}

void
tells_during(const struct config *config, struct tells *out)
{
    add_disk(out, "nightjar disk", "--relieve", DISK_EVERY_MS);
    add_disk(out, "nightjar disk, pruning", "--prune", DISK_EVERY_MS);
    add_notes(out);
    add_builds(out);
    add_events(config, out, false);
    add_numbers(config, out);
}

void
tells_finish(const struct cmd_context *context, const struct config *config, bool numbers)
{
    AUTO(tells_clear) struct tells tells = {0};
    struct strv words[COUNT(tells.v)];

    slo_note_now(context, &config->slo);
    add_events(config, &tells, true);
    if (numbers) {
        add_numbers(config, &tells);
    }
    for (size_t i = 0; i < tells.n; i++) {
        words[i] = tells.v[i].words;
    }
    if (tells.n > 0) {
        (void)parallel_run(context, words, tells.n, LAST_MS, true);
    }
}
