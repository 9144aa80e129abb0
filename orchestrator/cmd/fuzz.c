#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/bug_table.h"
#include "orchestrator/cmd/build.h"
#include "orchestrator/cmd/campaign.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/cmd/rung.h"
#include "orchestrator/cmd/tells.h"
#include "orchestrator/config.h"
#include "orchestrator/supervise/progress.h"
#include "orchestrator/supervise/supervisor.h"
#include "orchestrator/target.h"

enum { NAMES_MAX = 256 };

static int64_t for_ms;
static int64_t jobs;
static const char *sandbox;
static const char *engine;
static const char *minimize;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_DURATION, "for", 0, &for_ms, "DURATION",
         "how long to fuzz, e.g. 90s 10m 8h (default: until interrupted)"},
        {CMD_NUMBER, "jobs", 'j', &jobs, "N", "workers at a time (default: processors)"},
        {CMD_TEXT, "engine", 0, &engine, "NAME",
         "only aflpp or libfuzzer (default: all that a target is built for)"},
        {CMD_TEXT, "sandbox", 0, &sandbox, "RUNG",
         "auto bwrap landlock none (default auto)"},
        {CMD_TEXT, "minimize", 0, &minimize, "DURATION|no",
         "time for each bug's reproducer (default 20s)"},
        {.kind = CMD_END}};

    return table;
}

/* --- which targets --- */

struct choice {
    struct config *config;
    struct target_list made;   /* from binaries and folders of the command line */
    struct target_list chosen; /* borrowed from the above and the configuration */
};

static void
choice_clear(struct choice *choice)
{
    mem_free(choice->chosen.v); /* the targets themselves are somebody else's */
    target_list_clear(&choice->made);
    config_free(choice->config);
    *choice = (struct choice){0};
}
AUTO_DEFINE_CLEAR(struct choice, choice_clear)

static void
choose(struct choice *choice, struct target *target)
{
    struct target_list *list = &choice->chosen;

    for (size_t i = 0; i < list->n; i++) {
        if (list->v[i] == target) {
            return;
        }
    }
    list->v = mem_resize(list->v, (list->n + 1) * sizeof(struct target *));
    list->v[list->n++] = target;
}

static int
unknown_target(const struct choice *choice, const char *name, struct err *err)
{
    const struct target_list *known = &choice->config->targets;
    const char *names[NAMES_MAX + 1] = {NULL};
    AUTO(mem_free) char *shown = str_name_dup(name);

    for (size_t i = 0; i < known->n && i < NAMES_MAX; i++) {
        names[i] = known->v[i]->name;
    }
    const char *near = str_suggest(name, names);
    if (near != NULL) {
        return err_set(err, -EINVAL,
                       "there is no target and no file '%s' (did you mean '%s'?)", shown,
                       near);
    }
    return err_set(
        err, -EINVAL,
        "there is no target and no file '%s': name a program, a folder of fuzz targets, "
        "or a target of nightjar.yaml (`nightjar init DIR` writes one)",
        shown);
}

/* What stands behind a program, up to the next one, are its seeds. */
static bool
is_program(const char *path)
{
    struct probe probe = {0};

    return !fs_is_folder(path) && target_probe(path, &probe, NULL) == 0 &&
           probe.executable;
}

static int
take_program(struct choice *choice, const struct strv *args, size_t *at,
             const struct strv *command, struct err *err)
{
    AUTO(strv_clear) struct strv seeds = {0};
    const char *program = args->v[*at];

    while (*at + 1 < args->n && fs_exists(args->v[*at + 1]) &&
           !is_program(args->v[*at + 1])) {
        AUTO(mem_free) char *path = fs_absolute(args->v[++*at]);
        strv_add(&seeds, path);
    }
    return target_from_binary(program, command, &seeds, &choice->made, err);
}

static int
choose_all(struct choice *choice, const struct strv *args, const struct strv *command,
           struct err *err)
{
    bool program = false;

    for (size_t i = 0; i < args->n; i++) {
        struct target *target = target_list_find(&choice->config->targets, args->v[i]);
        int rc = 0;
        if (target != NULL) {
            choose(choice, target);
        } else if (is_program(args->v[i])) {
            rc = take_program(choice, args, &i, command, err);
            program = true;
        } else if (fs_exists(args->v[i])) {
            /* a folder, or a file that target_discover() refuses with the reason */
            rc = target_discover(args->v[i], &choice->made, err);
        } else {
            rc = unknown_target(choice, args->v[i], err);
        }
        if (rc < 0) {
            return rc;
        }
    }
    if (command->n > 0 && !program) {
        return err_set(err, -EINVAL,
                       "arguments behind -- belong to a program: nightjar fuzz ./target "
                       "seeds/ -- %s",
                       command->v[0]);
    }
    for (size_t i = 0; i < choice->made.n; i++) {
        choose(choice, choice->made.v[i]);
    }
    return 0;
}

static int
find_targets(struct choice *choice, const struct cmd_context *context,
             const struct strv *args, const struct strv *command, struct err *err)
{
    int rc = config_load(context->config, &choice->config, err);

    rc = rc < 0 ? rc : choose_all(choice, args, command, err);
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; args->n == 0 && i < choice->config->targets.n; i++) {
        choose(choice, choice->config->targets.v[i]);
    }
    if (choice->chosen.n == 0) {
        return err_set(
            err, -EINVAL,
            choice->config->path == NULL
                ? "nothing to fuzz: name a program (nightjar fuzz ./target seeds/) or "
                  "run `nightjar init DIR` on a folder of fuzz targets"
                : "nothing to fuzz: there is no target in '%s'",
            choice->config->path);
    }
    return 0;
}

/* --- the campaign --- */

static int
configure(struct supervisor_config *out, const struct choice *choice,
          const struct cmd_context *context, struct err *err)
{
    int rc = 0;

    campaign_configure(choice->config, &choice->chosen, for_ms, jobs, out);
    out->live = context->live;
    if (minimize != NULL && strcmp(minimize, "no") == 0) {
        out->minimize_ms = 0;
    } else if (minimize != NULL) {
        rc = str_duration(minimize, &out->minimize_ms, err);
        rc = rc < 0 ? err_wrap(err, rc, "--minimize") : 0;
    }
    if (rc == 0 && engine != NULL) {
        rc = engine_find(engine, &out->engine, err);
    }
    return rc;
}

static void
announce(const struct supervisor_config *config)
{
    char time[32] = "until interrupted";

    if (config->for_ms > 0) {
        str_duration_show(time, sizeof(time), config->for_ms);
    }
    (void)fprintf(stderr, "fuzzing %zu target%s, %d job%s, %s%s, sandbox %s, state %s\n",
                  config->targets->n, config->targets->n == 1 ? "" : "s", config->jobs,
                  config->jobs == 1 ? "" : "s", config->for_ms > 0 ? "for " : "", time,
                  sandbox_rung_name(config->rung), config->state);
}

static int
finish(const struct cmd_context *context, const char *state,
       const struct supervisor_result *result)
{
    AUTO(store_close) struct store *store = NULL;
    struct err err = ERR_INIT;
    int64_t rows = 0;
    int64_t worst = 0;
    char execs[32];

    int rc = store_open(state, DB_READ, &store, &err);
    rc = rc < 0 ? rc
                : bug_table_print(context, store, &(struct bug_filter){0}, &rows, &worst,
                                  &err);
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    (void)fflush(stdout);
    progress_count(execs, sizeof(execs), (double)result->execs);
    (void)fprintf(
        stderr,
        "%s executions, %lld crashes, %lld new bugs, %lld bugs in %s/nightjar.db\n",
        execs, (long long)result->crashes, (long long)result->new_bugs, (long long)rows,
        state);
    if (result->how == SUPERVISOR_FAILED) {
        return cmd_fail_err(&result->failure);
    }
    if (!result->fuzzed) {
        return cmd_fail(EXIT_UNDECIDED,
                        "no worker has fuzzed at all; see the lines above");
    }
    if (result->bounded) {
        cmd_next(context, "nightjar triage (takes up what is left)");
    } else if (worst != 0) {
        cmd_next(context, "nightjar show NJ-%lld", (long long)worst);
    } else {
        cmd_next(context, "nightjar status");
    }
    return EXIT_DONE;
}

static int
campaign(const struct cmd_context *context, const struct choice *choice,
         struct supervisor_config *config)
{
    AUTO(supervisor_result_clear) struct supervisor_result result = {0};
    AUTO(tells_clear) struct tells tells = {0};
    AUTO(fd_close) int lock = -1;
    AUTO(mem_free) char *state = NULL;
    struct err err = ERR_INIT;
    int rc = rung_choose(context, choice->config, sandbox, &config->rung, &err);

    rc = rc < 0 ? rc : store_lock(context->state, "fuzz", &lock, &err);
    if (rc == 0) {
        AUTO(store_close) struct store *store = NULL;
        rc = store_open(context->state, DB_CREATE, &store, &err);
        rc = rc < 0 ? rc : config_put_store(choice->config, store, &err);
        if (rc == 0) {
            build_tend(context, choice->config, store);
        }
        state = rc < 0 ? NULL : mem_strdup(store_folder(store));
    }
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    tells_during(choice->config, &tells);
    config->state = state;
    config->herald =
        (struct herald_config){.config = context->config, .jobs = tells.v, .n = tells.n};
    announce(config);
    rc = supervisor_run(config, &result, &err);
    build_tend_state(context, choice->config);
    tells_finish(context, choice->config, true);
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    for (size_t i = 0; i < result.casualties.n; i++) {
        (void)cmd_fail(0, "%s", result.casualties.v[i]);
    }
    return finish(context, state, &result);
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    AUTO(choice_clear) struct choice choice = {0};
    struct supervisor_config config;
    struct err err = ERR_INIT;
    int rc = find_targets(&choice, context, args, command, &err);

    rc = rc < 0 ? rc : configure(&config, &choice, context, &err);
    return rc < 0 ? cmd_fail_err(&err) : campaign(context, &choice, &config);
}

const struct cmd cmd_fuzz = {
    .name = "fuzz",
    .summary = "fuzz targets with AFL++ and libFuzzer, triage what they find",
    .usage = "[TARGET...] [SEEDS...] [-- ARGUMENT...]",
    .about =
        "Keep fuzzing workers running on the targets, file every crash once, and group "
        "crashes into\n"
        "bugs while fuzzing goes on. A TARGET is a program (what stands behind it are "
        "its seeds), a\n"
        "folder of fuzz targets in OSS-Fuzz's layout, or a name of nightjar.yaml; none "
        "means all of\n"
        "nightjar.yaml. Behind -- stand a program's arguments, with @@ for the input; "
        "none means\n"
        "standard input. Run again with the same --state, it goes on where it was.\n\n"
        "Interrupt once to stop and triage what is left, twice to end now.\n\n"
        "  nightjar fuzz --for 10m ./target seeds/ -- -a @@",
    .options = options,
    .run = run,
};
