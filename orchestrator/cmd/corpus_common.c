#include <errno.h>
#include <stdio.h>

#include "base/json.h"
#include "base/str.h"
#include "orchestrator/cmd/corpus.h"
#include "orchestrator/cmd/rung.h"
#include "orchestrator/config.h"
#include "orchestrator/target.h"

enum { RUN_MS = 5000 }; /* AFL++'s afl-cmin: -t 5000 */

/* A build with AFL++'s driver for LLVMFuzzerTestOneInput takes its input by shared memory
 * or standard input. */
static void
adapt(const struct corpus_options *options, struct command *command)
{
    struct probe probe = {0};

    if (command->mode == INPUT_LIBFUZZER &&
        (target_probe(command->argv.v[0], &probe, NULL) < 0 || probe.afl)) {
        command->mode = INPUT_STDIN;
    }
    command->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : RUN_MS;
    command->memory_bytes =
        options->memory_bytes > 0 ? options->memory_bytes : command->memory_bytes;
}

int
corpus_command(const struct corpus_options *options, const struct strv *argv,
               struct command *out, struct err *err)
{
    if (argv->n == 0) {
        return err_set(err, -EINVAL,
                       "which target? Give an AFL++ build behind --: nightjar corpus "
                       "merge -o OUT IN -- ./target @@");
    }
    int rc = command_from_argv(argv, out, err);
    if (rc == 0) {
        adapt(options, out);
    }
    return rc;
}

/* --- the build of a target --- */

/* 1: it is named; 0: it is not. */
static int
from_config(const struct config *config, const char *name, enum build_kind kind,
            struct command *out, struct err *err)
{
    AUTO(strv_clear) struct strv words = {0};
    const struct target *target = target_list_find(&config->targets, name);
    if (target == NULL || target->builds[kind] == NULL) {
        return 0;
    }
    strv_add(&words, target->builds[kind]);
    strv_add_all(&words, &target->args);
    int rc = command_from_argv(&words, out, err);
    if (rc == 0) {
        strv_add_all(&out->env, &target->env);
        strv_add_all(&out->read, &target->read);
    }
    return rc < 0 ? rc : 1;
}

static int
from_ledger(const struct cmd_context *context, const char *name, enum build_kind kind,
            struct command *out)
{
    AUTO(build_list_clear) struct build_list builds = {0};
    AUTO(store_close) struct store *store = NULL;
    int64_t id = 0;

    if (store_open(context->state, DB_READ, &store, NULL) < 0 ||
        store_target(store, name, &id, NULL) < 0 ||
        store_builds(store, id, &builds, NULL) < 0) {
        return 0; /* there is no ledger, or it knows nothing */
    }
    const struct build *build = build_list_find(&builds, build_kind_name(kind));
    if (build == NULL) {
        return 0;
    }
    command_copy(out, &build->command);
    return 1;
}

int
corpus_build_command(const struct cmd_context *context,
                     const struct corpus_options *options,
                     const struct corpus_build *build, struct command *out,
                     struct err *err)
{
    bool any = build->kind == BUILD_KINDS;
    const enum build_kind kinds[] = {any ? BUILD_AFL : build->kind, BUILD_LIBFUZZER};
    const size_t n = any ? COUNT(kinds) : 1;
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = from_config(build->config, build->target, kinds[i], out, err);
    }
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = from_ledger(context, build->target, kinds[i], out);
    }
    if (rc == 0) {
        return err_set(err, -EINVAL,
                       "nightjar.yaml names no AFL++ and no libFuzzer build of %s: give "
                       "one behind --",
                       build->target);
    }
    if (rc == 1) {
        adapt(options, out);
    }
    return rc < 0 ? rc : 0;
}

int
corpus_jobs(const struct corpus_options *options, int *out, struct err *err)
{
    int cores = proc_cpus();

    if (options->jobs < 0 || options->jobs > MEASURE_JOBS_MAX) {
        return err_set(err, -EINVAL, "--jobs %lld is no number from 1 to %d",
                       (long long)options->jobs, MEASURE_JOBS_MAX);
    }
    *out = options->jobs > 0           ? (int)options->jobs
           : cores <= MEASURE_JOBS_MAX ? cores
                                       : MEASURE_JOBS_MAX;
    return 0;
}

int
corpus_sandbox(const struct cmd_context *context, const struct corpus_options *options,
               enum sandbox_rung *out, struct err *err)
{
    AUTO(config_free) struct config *config = NULL;
    int rc = config_load_settings(context->config, &config, err);

    return rc < 0 ? rc : rung_choose(context, config, options->sandbox, out, err);
}

void
corpus_progress(void *user, const struct cover_sum *sum)
{
    const struct cmd_context *context = user;

    if (context->live && !context->json) {
        (void)fprintf(stderr, "\r\033[K%lld inputs", (long long)sum->inputs);
    }
}

static void
print_json(const char *what, const struct cover_sum *sum)
{
    const struct {
        const char *name;
        int64_t value;
    } fields[] = {{"inputs", sum->inputs},
                  {"bytes", sum->bytes},
                  {"resumed", sum->known},
                  {"crashes", sum->kinds[MEASURE_CRASH]},
                  {"hangs", sum->kinds[MEASURE_HANG]},
                  {"broken", sum->kinds[MEASURE_BROKEN]},
                  {"not_run", sum->kinds[MEASURE_REFUSED]},
                  {"distinct", sum->distinct},
                  {"edges", sum->edges},
                  {"tuples", sum->tuples},
                  {"kept", sum->kept},
                  {"kept_bytes", sum->kept_bytes},
                  {"kept_edges", sum->kept_edges},
                  {"kept_tuples", sum->kept_tuples},
                  {"unstable", sum->unstable},
                  {"unstable_edges", sum->unstable_edges},
                  {"flaky", sum->flaky}};
    AUTO(json_decref) json_t *o = json_object();

    json_put(o, "done", json_text(what));
    for (size_t i = 0; i < COUNT(fields); i++) {
        json_put(o, fields[i].name, json_integer(fields[i].value));
    }
    json_print(stdout, o);
}

void
corpus_print_sum(const struct cmd_context *context, const char *what,
                 const struct cover_sum *sum)
{
    char before[32];
    char after[32];

    if (context->live && !context->json) {
        (void)fputs("\r\033[K", stderr);
    }
    if (context->json) {
        print_json(what, sum);
        return;
    }
    str_bytes_show(before, sizeof(before), sum->bytes);
    str_bytes_show(after, sizeof(after), sum->kept_bytes);
    (void)printf("%s: %lld of %lld inputs, %s of %s, for %lld edges (%lld with counts)\n",
                 what, (long long)sum->kept, (long long)sum->inputs, after, before,
                 (long long)sum->edges, (long long)sum->tuples);
    (void)printf("verified: run again they reach %lld edges (%lld with counts)\n",
                 (long long)sum->kept_edges, (long long)sum->kept_tuples);
    if (sum->flaky > 0) {
        (void)printf("unstable: %lld of the chosen took another way when they ran again; "
                     "%lld counts, and %lld edges altogether, no input shows again: all "
                     "that ever showed one are kept\n",
                     (long long)sum->flaky, (long long)sum->unstable,
                     (long long)sum->unstable_edges);
    }
    if (sum->kinds[MEASURE_CRASH] + sum->kinds[MEASURE_HANG] +
            sum->kinds[MEASURE_BROKEN] + sum->kinds[MEASURE_REFUSED] >
        0) {
        (void)printf("left out: %lld crash, %lld hang, %lld broke two sandboxes, %lld "
                     "empty or above 1 MiB\n",
                     (long long)sum->kinds[MEASURE_CRASH],
                     (long long)sum->kinds[MEASURE_HANG],
                     (long long)sum->kinds[MEASURE_BROKEN],
                     (long long)sum->kinds[MEASURE_REFUSED]);
    }
}
