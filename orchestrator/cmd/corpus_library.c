/* The sub-verbs of `corpus` on the corpora of the state folder. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/corpus.h"
#include "orchestrator/config.h"
#include "orchestrator/corpus/library.h"
#include "triage/store.h"

static void
print_number(const struct cmd_context *context, const char *target, const char *what,
             int64_t n)
{
    if (context->json) {
        AUTO(json_decref) json_t *o = json_object();
        json_put(o, "target", json_name(target));
        json_put(o, what, json_integer(n));
        json_print(stdout, o);
        return;
    }
    (void)printf("%s: %lld %s\n", target, (long long)n, what);
}

/* What was given, else what nightjar.yaml says. */
static int
choose_limits(const struct cmd_context *context, const struct seed_limits *given,
              struct seed_limits *out, struct err *err)
{
    AUTO(config_free) struct config *config = NULL;
    int rc = config_load_settings(context->config, &config, err);

    if (rc < 0) {
        return rc;
    }
    if (given->inputs < 0 || given->inputs > TARGET_SEEDS_CEILING || given->entries < 0 ||
        given->ratio < 0 || given->ratio > INT32_MAX) {
        return err_set(err, -EINVAL,
                       "--max-inputs is at most %d, --max-ratio at most %d, and none of "
                       "the limits is below 0",
                       TARGET_SEEDS_CEILING, INT32_MAX);
    }
    out->inputs = given->inputs > 0 ? given->inputs : config->import.inputs;
    out->bytes = given->bytes > 0 ? given->bytes : config->import.bytes;
    out->entries = given->entries > 0 ? given->entries : config->import.entries;
    out->ratio = given->ratio > 0 ? given->ratio : config->import.ratio;
    return 0;
}

int
corpus_import(const struct cmd_context *context, const struct corpus_options *options,
              const struct strv *args)
{
    AUTO(library_close) struct library *library = NULL;
    AUTO(strv_clear) struct strv paths = {0};
    struct seed_limits limits;
    struct err err = ERR_INIT;
    int64_t added = 0;

    if (args->n < 2) {
        return cmd_fail(EXIT_USAGE, "nightjar corpus import TARGET PATH...");
    }
    if (options->origin != NULL && (!target_name_valid(options->origin) ||
                                    strlen(options->origin) >= INDEX_ORIGIN_MAX)) {
        return cmd_fail(EXIT_USAGE,
                        "--origin is a word of up to %d letters, digits and "
                        "_-.@",
                        INDEX_ORIGIN_MAX - 1);
    }
    for (size_t i = 1; i < args->n; i++) {
        strv_add(&paths, args->v[i]);
    }
    int rc = choose_limits(context, &options->limits, &limits, &err);
    rc = rc < 0 ? rc : library_open(context->state, args->v[0], true, &library, &err);
    rc = rc < 0 ? rc
                : library_import(library, &paths, options->origin, &limits, &added, &err);
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    print_number(context, args->v[0], "added", added);
    return EXIT_DONE;
}

int
corpus_export(const struct cmd_context *context, const struct strv *args)
{
    AUTO(library_close) struct library *library = NULL;
    struct err err = ERR_INIT;
    int64_t count = 0;

    if (args->n != 2) {
        return cmd_fail(EXIT_USAGE, "nightjar corpus export TARGET DIR|ARCHIVE");
    }
    int rc = library_open(context->state, args->v[0], false, &library, &err);
    rc = rc < 0 ? rc : library_export(library, args->v[1], &count, &err);
    if (rc < 0) {
        return rc == -EEXIST ? cmd_fail(EXIT_USAGE, "%s", err.msg) : cmd_fail_err(&err);
    }
    print_number(context, args->v[0], "exported", count);
    return EXIT_DONE;
}

/* --- prune --- */

/* The command behind "--", else that of the target's build. */
static int
find_command(const struct cmd_context *context, const struct corpus_options *options,
             const char *name, const struct strv *argv, struct command *out,
             struct err *err)
{
    AUTO(config_free) struct config *config = NULL;

    if (argv->n > 0) {
        return corpus_command(options, argv, out, err);
    }
    int rc = config_load(context->config, &config, err);
    const struct corpus_build build = {config, name, BUILD_KINDS};
    return rc < 0 ? rc : corpus_build_command(context, options, &build, out, err);
}

/* Into the ledger where there is one; else they stay in quarantine. */
static int
file_offenders(const struct cmd_context *context, const char *name,
               const struct command *command, const struct library *library,
               const struct cover_sum *sum)
{
    const char *folder = library_quarantine(library);
    struct err err = ERR_INIT;
    int64_t filed = 0;

    if (corpus_file_offenders(context, name, command, folder, &filed, &err) < 0) {
        return cmd_fail_err(&err);
    }
    if (filed > 0 && !context->json) {
        (void)printf("filed: %lld inputs that crash or hang are in the ledger, queued\n",
                     (long long)filed);
        cmd_next(context, "nightjar triage");
    } else if (sum->kinds[MEASURE_CRASH] + sum->kinds[MEASURE_HANG] > 0) {
        cmd_next(context, "nightjar triage %s -- ...", folder);
    }
    return EXIT_DONE;
}

static int
put_event(struct store *store, int64_t target, const struct library_prune *prune,
          bool dropped, struct err *err)
{
    AUTO(json_decref) json_t *detail = json_object();
    AUTO(mem_free) char *state = NULL;
    struct event event = {.kind = "target.edges",
                          .subject = "target",
                          .subject_id = target,
                          .detail = detail};
    int rc = store_last_state(store, &event, &state, err);
    bool was = state != NULL && strcmp(state, "dropped") == 0;

    if (rc < 0 || was == dropped) {
        return rc;
    }
    json_put(detail, "edges_before", json_integer(prune->edges_before));
    json_put(detail, "edges", json_integer(prune->sum.edges));
    json_put(detail, "inputs", json_integer(prune->sum.inputs));
    json_put(detail, "build", json_name(prune->config->command->argv.v[0]));
    event.from = was ? "dropped" : "ok";
    event.to = dropped ? "dropped" : "ok";
    return store_event(store, &event, err);
}

/* A target that no ledger knows has no history. */
static int
tell_edges(const struct cmd_context *context, const char *name,
           const struct library_prune *prune, bool dropped, struct err *err)
{
    AUTO(mem_free) char *database = fs_join(context->state, "nightjar.db");
    AUTO(store_close) struct store *store = NULL;
    int64_t target = 0;

    if (!fs_exists(database)) {
        return 0;
    }
    int rc = store_open(context->state, DB_CREATE, &store, err);
    rc = rc < 0 ? rc : store_target(store, name, &target, err);
    rc = rc < 0 ? rc : put_event(store, target, prune, dropped, err);
    return rc == -ENODATA ? 0 : rc;
}

int
corpus_prune_library(const struct cmd_context *context, const char *name,
                     struct library *library, struct library_prune *prune,
                     struct err *err)
{
    struct err why = ERR_INIT;
    int rc = library_prune(library, prune, err);
    int told = rc == 0 || rc == -EUCLEAN
                   ? tell_edges(context, name, prune, rc == -EUCLEAN, &why)
                   : 0;

    return told < 0 ? err_set(err, told, "%s", why.msg) : rc;
}

int
corpus_prune(const struct cmd_context *context, const struct corpus_options *options,
             const struct strv *args, const struct strv *argv)
{
    AUTO(command_clear) struct command command = {0};
    AUTO(library_close) struct library *library = NULL;
    struct cmd_context copy = *context;
    struct err err = ERR_INIT;
    enum sandbox_rung rung = SANDBOX_AUTO;
    int jobs = 0;

    if (args->n != 1) {
        return cmd_fail(EXIT_USAGE, "nightjar corpus prune TARGET [-- COMMAND @@]");
    }
    int rc = library_open(context->state, args->v[0], false, &library, &err);
    rc = rc < 0 ? rc : find_command(context, options, args->v[0], argv, &command, &err);
    rc = rc < 0 ? rc : corpus_jobs(options, &jobs, &err);
    rc = rc < 0 ? rc : corpus_sandbox(context, options, &rung, &err);
    const struct cover_config config = {.command = &command,
                                        .rung = rung,
                                        .hide = context->state,
                                        .jobs = jobs,
                                        .progress = corpus_progress,
                                        .user = &copy};
    struct library_prune prune = {.config = &config, .accept = options->accept};
    rc = rc < 0 ? rc : corpus_prune_library(context, args->v[0], library, &prune, &err);
    if (rc < 0) {
        return rc == -EUCLEAN ? cmd_fail(EXIT_FOUND, "%s", err.msg) : cmd_fail_err(&err);
    }
    corpus_print_sum(context, "pruned", &prune.sum);
    return file_offenders(context, args->v[0], &command, library, &prune.sum);
}
