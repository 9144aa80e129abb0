#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/bug_table.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/config.h"
#include "orchestrator/corpus/disk.h"

enum { NAME_COLUMNS = 24 };

static bool relieve, quiet;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_FLAG, "relieve", 0, &relieve, NULL,
         "do what the grades ask for: drop leftovers, hold targets or let them go"},
        {CMD_FLAG, "quiet", 'q', &quiet, NULL, "print nothing"},
        {.kind = CMD_END}};

    return table;
}

static void
print_row(const struct cmd_context *context, const char *target,
          const struct disk_report *report)
{
    AUTO(buf_clear) struct buf line = BUF_INIT;
    char used[32];

    if (quiet) {
        return;
    }
    if (context->json) {
        AUTO(json_decref) json_t *o = json_object();
        json_put(o, "target", json_text(target));
        json_put(o, "grade", json_string(disk_grade_name(report->now)));
        json_put(o, "percent", json_integer(report->percent));
        json_put(o, "bytes", json_integer(report->usage.bytes));
        json_put(o, "files", json_integer(report->usage.files));
        json_put(o, "free_bytes", json_integer(report->usage.free_bytes));
        json_put(o, "free_files", json_integer(report->usage.free_files));
        json_print(stdout, o);
        return;
    }
    str_bytes_show(used, sizeof(used), report->usage.bytes);
    bug_table_cell(&line, target, NAME_COLUMNS);
    (void)printf("%s %-6s %4d %%  %10s  %9lld files\n", buf_str(&line),
                 disk_grade_name(report->now), report->percent, used,
                 (long long)report->usage.files);
}

/* Without --relieve nothing is changed, not even what is told. */
static int
look(struct store *store, const char *target, const struct disk_limits *limits,
     struct disk_report *out, struct err *err)
{
    int rc = disk_last(store, target, &out->before, err);

    rc = rc < 0 ? rc : disk_measure(store, target, &out->usage, err);
    out->percent = disk_percent(limits, &out->usage);
    out->now = disk_grade(out->before, out->percent);
    return rc;
}

static int
each_target(const struct cmd_context *context, struct store *store,
            const struct disk_limits *limits, struct err *err)
{
    AUTO(strv_clear) struct strv targets = {0};
    int rc = leftovers_targets(store, &targets, err);

    for (size_t i = 0; i < targets.n && rc == 0; i++) {
        struct disk_report report = {0};
        rc = relieve ? disk_relieve(store, targets.v[i], limits, &report, err)
                     : look(store, targets.v[i], limits, &report, err);
        if (rc == 0) {
            print_row(context, targets.v[i], &report);
        }
    }
    return rc;
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    AUTO(config_free) struct config *config = NULL;
    AUTO(store_close) struct store *store = NULL;
    struct err err = ERR_INIT;

    (void)command;
    if (args->n > 0) {
        return cmd_fail(EXIT_USAGE, "disk takes no argument '%s'", args->v[0]);
    }
    int rc = config_load_settings(context->config, &config, &err);
    rc = rc < 0 ? rc
                : store_open(context->state, relieve ? DB_WRITE : DB_READ, &store, &err);
    rc = rc < 0 ? rc : each_target(context, store, &config->disk, &err);
    return rc < 0 ? cmd_fail_err(&err) : EXIT_DONE;
}

const struct cmd cmd_disk = {
    .name = "disk",
    .summary = "what the workers of each target take, against `disk:` of nightjar.yaml",
    .usage = "[--relieve]",
    .about =
        "How full each target is: of its budget in bytes and in files, and of what the "
        "disk has\n"
        "left down to its floor, the worst of them. From 80 % (tight) hangs, crashes and "
        "logs\n"
        "that workers left and that are in the ledger go; from 100 % (full) the target's "
        "workers\n"
        "pause until it is below 90 %. `fuzz` does that every 10 seconds by --relieve; "
        "changes\n"
        "are events (target.disk).\n\n"
        "  nightjar disk\n"
        "  nightjar disk --relieve --json",
    .options = options,
    .run = run,
};
