#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/cmd/parallel.h"
#include "orchestrator/config.h"
#include "orchestrator/publish/collect.h"
#include "orchestrator/publish/exposition.h"
#include "orchestrator/publish/sink.h"
#include "triage/vitals.h"

enum { GRACE_MS = 5000 }; /* to start, and to read the store */

static const char *to_what;
static const char *sink_name;
static const char *instance;
static int64_t timeout_ms = 10000;
static bool dry_run, openmetrics;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_TEXT, "to", 0, &to_what, "URL",
         "one sink only, there (default: all of `metrics:` in nightjar.yaml)"},
        {CMD_TEXT, "sink", 0, &sink_name, "NAME",
         "which: pushgateway (default with --to), remote_write, otlp, textfile"},
        {CMD_TEXT, "instance", 0, &instance, "NAME", "who sends: this farm or branch"},
        {CMD_DURATION, "timeout", 0, &timeout_ms, "DURATION",
         "of each sink, give up after (default 10s)"},
        {CMD_FLAG, "print", 0, &dry_run, NULL, "print the text and send nothing"},
        {CMD_FLAG, "openmetrics", 0, &openmetrics, NULL,
         "with --print: OpenMetrics 1.0 instead of Prometheus' text 0.0.4"},
        {.kind = CMD_END}};

    return table;
}

/* --- one sink, or each of several in a process of its own --- */

struct chosen {
    const struct sink_ops *sink;
    const char *to; /* borrowed */
};

/* That it was tried; the numbers are worth more than that. */
static void
count_push(const struct cmd_context *context, const struct sink_ops *sink, bool ok)
{
    AUTO(store_close) struct store *store = NULL;
    struct err err = ERR_INIT;

    if (store_open(context->state, DB_WRITE, &store, &err) == 0) {
        (void)store_pushed(store, sink->name, ok, &err);
    }
}

static int
send_them(const struct cmd_context *context, const struct sink_target *target,
          const struct sink_ops *sink, const struct metrics *metrics, struct err *err)
{
    AUTO(mem_free)
    char *path =
        push_memory_path(context->state, sink->name, target->to, target->instance);
    AUTO(push_memory_clear) struct push_memory memory = {0};
    struct sink_target one = *target;
    struct err ignored = ERR_INIT;

    push_memory_read(path, &memory);
    if (memory.not_before_ms > clock_wall_ms() &&
        memory.not_before_ms - clock_wall_ms() <= SINK_PAUSE_MAX_MS) {
        return err_set(err, -EAGAIN, "it wants to be left alone for %lld s more",
                       (long long)(memory.not_before_ms - clock_wall_ms()) / 1000 + 1);
    }
    memory.not_before_ms = 0;
    one.memory = &memory;
    int rc = sink->push(&one, metrics, err);
    if (memory.series.n > 0 || memory.not_before_ms > 0 || fs_exists(path)) {
        (void)push_memory_write(path, &memory, &ignored); /* a read-only state folder */
    }
    count_push(context, sink, rc == 0);
    return rc;
}

static int
push_one(const struct cmd_context *context, const struct chosen *chosen,
         const struct metrics *metrics)
{
    const struct sink_target target = {.to = chosen->to,
                                       .instance = instance == NULL ? "" : instance,
                                       .timeout_ms = timeout_ms};
    struct err err = ERR_INIT;

    if (send_them(context, &target, chosen->sink, metrics, &err) < 0) {
        return cmd_fail(EXIT_UNDECIDED, "%s %s: %s", chosen->sink->name, chosen->to,
                        err.msg);
    }
    if (!context->json) {
        (void)printf("pushed %zu metric families to %s %s\n", metrics_count(metrics),
                     chosen->sink->name, chosen->to);
    }
    return EXIT_DONE;
}

static int
push_all(const struct cmd_context *context, const struct chosen *chosen, size_t n)
{
    struct strv words[SINKS_MAX] = {0};

    for (size_t i = 0; i < n; i++) {
        strv_add(&words[i], "push");
        strv_add(&words[i], "metrics");
        strv_addf(&words[i], "--sink=%s", chosen[i].sink->name);
        strv_addf(&words[i], "--to=%s", chosen[i].to);
        strv_addf(&words[i], "--instance=%s", instance == NULL ? "" : instance);
        strv_addf(&words[i], "--timeout=%lldms", (long long)timeout_ms);
    }
    int rc = parallel_run(context, words, n, timeout_ms + GRACE_MS, false);
    for (size_t i = 0; i < n; i++) {
        strv_clear(&words[i]);
    }
    return rc;
}

/* --- the verb --- */

/* How many; 0: none, and err says why. */
static size_t
choose(const struct config *config, struct chosen *out, struct err *err)
{
    const struct sink_ops *only =
        sink_find(sink_name == NULL ? "pushgateway" : sink_name);
    const struct sink_ops *sink = NULL;
    size_t n = 0;

    if (only == NULL) {
        AUTO(buf_clear) struct buf names = BUF_INIT;
        sink_names(&names);
        (void)err_set(err, -EINVAL, "--sink: there is no '%s', only %s", sink_name,
                      buf_str(&names));
        return 0;
    }
    if (to_what != NULL) {
        out[0] = (struct chosen){only, to_what};
        return 1;
    }
    for (size_t i = 0; (sink = sink_at(i)) != NULL; i++) {
        if ((sink_name == NULL || sink == only) && config->metrics[i] != NULL) {
            out[n++] = (struct chosen){sink, config->metrics[i]};
        }
    }
    if (n == 0) {
        (void)err_set(err, -EINVAL,
                      "no %s is known: give --to URL, or write in nightjar.yaml\n"
                      "  metrics: {%s: %s}",
                      sink_name == NULL ? "sink" : only->name, only->name,
                      only->file ? "nightjar.prom" : "\"http://127.0.0.1:9091\"");
    }
    return n;
}

static int
read_metrics(const struct cmd_context *context, const struct config *config,
             struct metrics *out)
{
    AUTO(store_close) struct store *store = NULL;
    struct err err = ERR_INIT;
    int rc = store_open(context->state, DB_READ, &store, &err);

    if (rc == 0) {
        const struct collect_policy policy = {&config->slo, &config->gate.waivers};
        rc = collect_metrics(store, &policy, out, &err);
    }
    return rc < 0 ? cmd_fail(EXIT_UNDECIDED, "%s", err.msg) : EXIT_DONE;
}

static int
print_metrics(const struct cmd_context *context, const struct config *config)
{
    AUTO(metrics_clear) struct metrics metrics = {0};
    AUTO(buf_clear) struct buf text = BUF_INIT;
    int rc = read_metrics(context, config, &metrics);

    if (rc == EXIT_DONE) {
        exposition_print(&metrics,
                         openmetrics ? EXPOSITION_OPENMETRICS : EXPOSITION_PROMETHEUS,
                         &text);
        (void)fputs(buf_str(&text), stdout);
    }
    return rc;
}

static int
push_metrics(const struct cmd_context *context, const struct config *config)
{
    AUTO(metrics_clear) struct metrics metrics = {0};
    struct chosen chosen[SINKS_MAX] = {0};
    struct err err = ERR_INIT;
    size_t n = choose(config, chosen, &err);

    if (n == 0) {
        return cmd_fail_err(&err);
    }
    if (n > 1) {
        return push_all(context, chosen, n);
    }
    int rc = read_metrics(context, config, &metrics);
    return rc == EXIT_DONE ? push_one(context, &chosen[0], &metrics) : rc;
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
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
    return dry_run ? print_metrics(context, config) : push_metrics(context, config);
}

const struct cmd cmd_push = {
    .name = "push",
    .summary = "send the current numbers to where they are watched",
    .usage = "metrics [--to URL] [--sink NAME] [--instance NAME]",
    .about =
        "Send the current numbers (workers, executions, coverage, crashes, bugs) to each "
        "sink of `metrics:` in nightjar.yaml: Prometheus' Pushgateway, Prometheus remote "
        "write (also VictoriaMetrics, Mimir, InfluxDB), OpenTelemetry over HTTP, a file "
        "for node_exporter. Sinks do not wait for each other; exit status 3 when one of "
        "them failed.\n\n"
        "  nightjar push metrics --to http://127.0.0.1:9091\n"
        "  nightjar push metrics --sink remote_write --to "
        "http://127.0.0.1:9090/api/v1/write",
    .options = options,
    .run = run,
};
