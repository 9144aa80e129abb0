#include "orchestrator/cmd/slo.h"

#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/publish/slo_export.h"

static const char *folder;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_TEXT, "dir", 0, &folder, "DIR",
         "export: write nightjar-rules.yml and nightjar-dashboard.json there (default: "
         "the rules to standard output)"},
        {.kind = CMD_END}};

    return table;
}

/* --- print --- */

static int
print(const struct cmd_context *context)
{
    AUTO(config_free) struct config *config = NULL;
    AUTO(store_close) struct store *store = NULL;
    struct err err = ERR_INIT;
    AUTO(slo_parts_clear) struct slo_parts parts = {0};
    struct slo slo;
    int rc = config_load_settings(context->config, &config, &err);

    rc = rc < 0 ? rc : store_open(context->state, DB_READ, &store, &err);
    rc = rc < 0 ? rc
                : slo_collect(store, &config->slo, clock_wall_ms(), &slo, &parts, &err);
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    if (context->json) {
        slo_print_json(&config->slo, &slo, &parts);
    } else {
        slo_print(context, &config->slo, &slo, &parts);
    }
    bool exhausted = slo_exhausted(&slo);
    for (size_t i = 0; i < parts.n; i++) {
        exhausted = exhausted || slo_exhausted(&parts.v[i].slo);
    }
    return exhausted ? EXIT_EXHAUSTED : EXIT_DONE;
}

/* --- export --- */

static int
write_file(const struct cmd_context *context, const char *name, const char *text,
           struct err *err)
{
    AUTO(mem_free) char *path = fs_join(folder, name);
    int rc = fs_write_atomic(path, text, strlen(text), 0644, err);

    if (rc == 0 && !context->json) {
        (void)printf("%s\n", path);
    }
    return rc;
}

static int
write_files(const struct cmd_context *context, const char *rules, struct err *err)
{
    AUTO(json_decref) json_t *dashboard = dashboard_json();
    AUTO(mem_free) char *text = json_line(dashboard);
    int rc = fs_mkdirs(folder, 0755, err);

    rc = rc < 0 ? rc : write_file(context, "nightjar-rules.yml", rules, err);
    return rc < 0 ? rc : write_file(context, "nightjar-dashboard.json", text, err);
}

static int export(const struct cmd_context *context, const struct strv *args)
{
    AUTO(config_free) struct config *config = NULL;
    AUTO(buf_clear) struct buf rules = BUF_INIT;
    struct err err = ERR_INIT;

    if (args->n > 0) {
        return cmd_fail(EXIT_USAGE, "slo export takes no argument '%s'", args->v[0]);
    }
    int rc = config_load_settings(context->config, &config, &err);
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    slo_rules_print(&config->slo, &rules);
    if (folder == NULL) {
        (void)fputs(buf_str(&rules), stdout);
        return EXIT_DONE;
    }
    rc = write_files(context, buf_str(&rules), &err);
    return rc < 0 ? cmd_fail_err(&err) : EXIT_DONE;
}

/* --- note --- */

/* config NULL: whom it names was told to the store before. */
static int
note_now(const struct cmd_context *context, const struct slo_policy *policy,
         const struct config *config, struct err *err)
{
    AUTO(store_close) struct store *store = NULL;
    int rc = store_open(context->state, DB_WRITE, &store, err);

    rc = rc < 0 || config == NULL ? rc : config_put_sinks(config, store, err);
    return rc < 0 ? rc : slo_note(store, policy, clock_wall_ms(), err);
}

void
slo_note_now(const struct cmd_context *context, const struct slo_policy *policy)
{
    struct err err = ERR_INIT;

    (void)note_now(context, policy, NULL, &err);
}

static int
note(const struct cmd_context *context, const struct strv *args)
{
    AUTO(config_free) struct config *config = NULL;
    struct err err = ERR_INIT;

    if (args->n > 0) {
        return cmd_fail(EXIT_USAGE, "slo note takes no argument '%s'", args->v[0]);
    }
    int rc = config_load_settings(context->config, &config, &err);
    rc = rc < 0 ? rc : note_now(context, &config->slo, config, &err);
    return rc < 0 ? cmd_fail_err(&err) : EXIT_DONE;
}

/* --- the verb --- */

extern const struct cmd cmd_slo;

static const struct cmd_sub subs[] = {
    {"export", "[--dir DIR]", "alert rules for Prometheus, a dashboard for Grafana",
     "dir", export},
    {"note", "", "tell sinks of deadlines, outages and the state of the budget", NULL,
     note},
    {.name = NULL},
};

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    if (command->n > 0) {
        return cmd_fail(EXIT_USAGE, "slo takes no command");
    }
    if (args->n == 0 && folder != NULL) {
        return cmd_fail(EXIT_USAGE, "--dir is for slo export");
    }
    return args->n == 0 ? print(context) : cmd_run_sub(&cmd_slo, context, args);
}

const struct cmd cmd_slo = {
    .name = "slo",
    .summary = "what is burning: breach budget, fixing and detecting in time",
    .usage = "[export|note]",
    .about =
        "Security measured as reliability, over a rolling window of 28 days. Each open "
        "bug "
        "spends points of the breach budget every day, by its severity (critical 10, "
        "high "
        "5, medium 2, low 0.5); the budget is what the bugs that you tolerate would cost "
        "until their deadlines (`slo:` in nightjar.yaml). Bugs that were there before "
        "anybody looked count half for a window, those that do not reproduce nothing.\n\n"
        "Beside it stand how fast bugs are found, told and fixed, how well the fuzzers "
        "ran themselves (control: minutes of targets, capacity: time of workers), and "
        "how "
        "many alerts people got. `fuzz` notes each minute what time brings about, serve "
        "too; a cron job does it by `slo note`.\n\n"
        "Services have budgets of their own: `slo: {services: [{name: images, targets: "
        "[png*, jpeg], tolerated: {high: 1}}]}`; what is tolerated besides is of the "
        "targets in none. The first line is of all together then.\n\n"
        "Exit status: 0, or 4 when a budget is exhausted.\n\n"
        "  nightjar slo\n"
        "  nightjar slo --json\n"
        "  nightjar slo export --dir /etc/prometheus/rules",
    .subs = subs,
    .options = options,
    .run = run,
};
