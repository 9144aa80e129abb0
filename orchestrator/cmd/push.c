#include <string.h>

#include "base/mem.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/config.h"
#include "orchestrator/publish/sink.h"

static const char *url;
static const char *instance;
static int64_t timeout_ms = 10000;
static bool dry_run;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_TEXT, "to", 0, &url, "URL",
         "the Pushgateway (default: metrics.pushgateway of nightjar.yaml)"},
        {CMD_TEXT, "instance", 0, &instance, "NAME",
         "a group of its own for this farm or branch"},
        {CMD_DURATION, "timeout", 0, &timeout_ms, "DURATION",
         "give up after (default 10s)"},
        {CMD_FLAG, "print", 0, &dry_run, NULL, "print the text and send nothing"},
        {.kind = CMD_END}};

    return table;
}

static int
send(const char *to, const struct metrics *metrics, struct err *err)
{
    const struct sink_target target = {to, instance == NULL ? "" : instance, timeout_ms};

    return sink_find("pushgateway")->push(&target, metrics, err);
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    AUTO(store_close) struct store *store = NULL;
    AUTO(metrics_clear) struct metrics metrics = {0};
    AUTO(config_free) struct config *config = NULL;
    struct err err = ERR_INIT;

    (void)command;
    if (args->n != 1 || strcmp(args->v[0], "metrics") != 0) {
        return cmd_fail(EXIT_USAGE,
                        "push what? nightjar push metrics --to http://127.0.0.1:9091");
    }
    if (config_load_settings(context->config, &config, &err) < 0) {
        return cmd_fail(EXIT_USAGE, "%s", err.msg);
    }
    const char *to = url != NULL ? url : config->metrics.pushgateway;
    if (to == NULL && !dry_run) {
        return cmd_fail(
            EXIT_USAGE,
            "no Pushgateway is known: give --to URL, or write in nightjar.yaml\n"
            "  metrics: {pushgateway: \"http://127.0.0.1:9091\"}");
    }
    int rc = store_open(context->state, DB_READ, &store, &err);
    if (rc == 0) {
        rc = metrics_collect(store, &metrics, &err);
    }
    if (rc == 0 && dry_run) {
        AUTO(buf_clear) struct buf text = BUF_INIT;
        metrics_text(&metrics, &text);
        (void)fputs(buf_str(&text), stdout);
        return EXIT_DONE;
    }
    if (rc == 0) {
        rc = send(to, &metrics, &err);
    }
    if (rc < 0) {
        return cmd_fail(EXIT_UNDECIDED, "%s", err.msg);
    }
    if (!context->json) {
        (void)printf("pushed %zu metric families to %s\n", metrics.n, to);
    }
    return EXIT_DONE;
}

const struct cmd cmd_push = {
    .name = "push",
    .summary = "send the current numbers to Prometheus' Pushgateway",
    .usage = "metrics [--to URL] [--instance NAME]",
    .about = "Send the current numbers (workers, executions, coverage, crashes, bugs) to "
             "a Pushgateway.\n\n"
             "  nightjar push metrics --to http://127.0.0.1:9091",
    .options = options,
    .run = run,
};
