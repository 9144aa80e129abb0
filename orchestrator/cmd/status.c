#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/bug_table.h"
#include "orchestrator/cmd/cmd.h"

/* A worker that has not been heard of for this long is shown as silent, whatever its last
 * state. */
enum { SILENT_AFTER_MS = 60000 };

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {{.kind = CMD_END}};

    return table;
}

struct printer {
    const struct cmd_context *context;
    int64_t rows;
};

static json_t *
worker_to_json(const struct worker_row *row, const char *target, int64_t updated)
{
    json_t *o = json_object();
    char at[CLOCK_TEXT_MAX];

    clock_iso(at, updated);
    json_put(o, "worker", json_text(row->name));
    json_put(o, "target", json_text(target));
    json_put(o, "engine", json_text(row->engine));
    json_put(o, "state", json_text(row->state));
    json_put(o, "reason", json_text(row->reason));
    json_put(o, "pid", json_integer(row->pid));
    json_put(o, "restarts", json_integer(row->restarts));
    json_put(o, "executions", json_integer(row->execs));
    json_put(o, "executions_per_second", json_real(row->execs_per_sec));
    json_put(o, "edges", json_integer(row->edges));
    json_put(o, "edges_known",
             row->edges_known > 0 ? json_integer(row->edges_known) : json_null());
    json_put(o, "stability",
             row->stability >= 0 ? json_real(row->stability) : json_null());
    json_put(o, "corpus", json_integer(row->corpus));
    json_put(o, "productive_seconds", json_real((double)row->productive_ms / 1000));
    json_put(o, "updated", json_string(at));
    return o;
}

static int
print_worker(void *user, const struct worker_row *row, const char *target,
             int64_t updated, struct err *err)
{
    struct printer *printer = user;
    AUTO(buf_clear) struct buf line = BUF_INIT;

    (void)err;
    if (printer->context->json) {
        AUTO(json_decref) json_t *o = worker_to_json(row, target, updated);
        json_print(stdout, o);
        return 0;
    }
    bool over = strcmp(row->state, "finished") == 0 || strcmp(row->state, "dead") == 0;
    bool silent = !over && clock_wall_ms() - updated > SILENT_AFTER_MS;
    if (printer->rows++ == 0) {
        (void)printf("%s%-26s %-11s %8s %11s %7s %7s%s\n",
                     cmd_color(printer->context, "1"), "WORKER", "STATE", "EXEC/S",
                     "EXECS", "EDGES", "CORPUS", cmd_color(printer->context, "0"));
    }
    bug_table_cell(&line, row->name, 26);
    buf_addc(&line, ' ');
    bug_table_cell(&line, silent ? "silent" : row->state, 11);
    buf_addf(&line, " %8.0f %11lld %7lld %7lld\n", row->execs_per_sec,
             (long long)row->execs, (long long)row->edges, (long long)row->corpus);
    if (row->reason != NULL && row->reason[0] != '\0') {
        buf_adds(&line, "  ");
        str_name(&line, row->reason, strlen(row->reason));
        buf_addc(&line, '\n');
    }
    (void)fputs(buf_str(&line), stdout);
    return 0;
}

static int
print_trouble(void *user, const char *target, const char *coverage, const char *disk,
              struct err *err)
{
    const struct printer *printer = user;
    bool dropped = strcmp(coverage, "ok") != 0;

    (void)err;
    if (printer->context->json) {
        AUTO(json_decref) json_t *o = json_object();
        json_put(o, "target", json_text(target));
        json_put(o, "coverage", json_text(coverage));
        json_put(o, "disk", json_text(disk));
        json_print(stdout, o);
        return 0;
    }
    if (dropped) {
        (void)printf(
            "%s: its corpus reaches far less than before: nightjar coverage %s\n", target,
            target);
    }
    if (strcmp(disk, "full") == 0) {
        (void)printf("%s: held until there is room: nightjar disk\n", target);
    }
    return 0;
}

static int
print_exchange(void *user, const char *name, const char *labels, int64_t value,
               struct err *err)
{
    const struct printer *printer = user;
    AUTO(json_decref) json_t *o = NULL;
    int rc = 0;

    if (strcmp(name, "exchange_inputs_total") != 0) {
        return 0;
    }
    rc = json_parse(labels, strlen(labels), &o, err);
    if (rc < 0) {
        return rc;
    }
    if (printer->context->json) {
        json_put(o, "exchanged", json_integer(value));
        json_print(stdout, o);
        return 0;
    }
    (void)printf("%s: %lld inputs %s, %s\n", json_get_str(o, "target", ""),
                 (long long)value, json_get_str(o, "direction", ""),
                 json_get_str(o, "result", ""));
    return 0;
}

static void
print_counts(const struct cmd_context *context, const struct store_counts *counts)
{
    if (context->json) {
        AUTO(json_decref) json_t *o = json_object();
        json_put(o, "crashes", json_integer(counts->crashes));
        json_put(o, "queued", json_integer(counts->queued));
        json_put(o, "triaged", json_integer(counts->triaged));
        json_put(o, "unparsed", json_integer(counts->unparsed));
        json_put(o, "untriageable", json_integer(counts->untriageable));
        json_put(o, "broken", json_integer(counts->broken));
        json_put(o, "bugs", json_integer(counts->bugs_total));
        json_put(o, "minimize_waiting", json_integer(counts->minimize_waiting));
        json_print(stdout, o);
        return;
    }
    (void)printf("crashes: %lld distinct inputs, %lld wait for triage, %lld unparsed, "
                 "%lld untriageable, %lld broken replays\n",
                 (long long)counts->crashes, (long long)counts->queued,
                 (long long)counts->unparsed, (long long)counts->untriageable,
                 (long long)counts->broken);
    (void)printf("bugs:    %lld", (long long)counts->bugs_total);
    for (int s = SEVERITY_CRITICAL; s >= SEVERITY_INFO; s--) {
        if (counts->bugs[s] > 0) {
            (void)printf("  %s%s %lld%s",
                         cmd_color(context, bug_severity_color((enum severity)s)),
                         severity_name((enum severity)s), (long long)counts->bugs[s],
                         cmd_color(context, "0"));
        }
    }
    (void)printf("%s\n", counts->bugs_total == 0 ? "" : " open");
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    AUTO(store_close) struct store *store = NULL;
    struct printer printer = {context, 0};
    struct store_counts counts = {0};
    struct err err = ERR_INIT;

    (void)command;
    if (args->n > 0) {
        return cmd_fail(EXIT_USAGE, "status takes no argument '%s'", args->v[0]);
    }
    int rc = store_open(context->state, DB_READ, &store, &err);
    if (rc == 0) {
        rc = store_workers(store, print_worker, &printer, &err);
    }
    rc = rc < 0 ? rc : store_counters(store, print_exchange, &printer, &err);
    rc = rc < 0 ? rc : store_target_troubles(store, print_trouble, &printer, &err);
    if (rc == 0) {
        rc = store_counts(store, &counts, &err);
    }
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    print_counts(context, &counts);
    cmd_next(context, counts.bugs_total > 0 ? "nightjar bugs"
                      : counts.queued > 0   ? "nightjar triage"
                                            : "nightjar fuzz --for 10m");
    return EXIT_DONE;
}

const struct cmd cmd_status = {
    .name = "status",
    .summary = "workers, crashes and bugs now",
    .usage = "",
    .about = "Show what each fuzzing worker does, how many crashes wait for triage, and "
             "the bugs by severity; and how many inputs went from one engine of a target "
             "to another, and\n"
             "how many of them it kept (useful).\n\n"
             "  nightjar status --json",
    .options = options,
    .run = run,
};
