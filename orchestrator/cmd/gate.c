#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "orchestrator/cmd/artifacts.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/config.h"
#include "orchestrator/gate/gate.h"
#include "orchestrator/publish/report.h"
#include "orchestrator/publish/report_text.h"

enum { REASONS_SHOWN = 10 };

static const char *fail_on;
static const char *report_dir;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_TEXT, "fail-on", 0, &fail_on, "LEVEL",
         "fail from this severity on: low medium high critical (default high)"},
        {CMD_TEXT, "report-dir", 0, &report_dir, "DIR",
         "where the reports go (default STATE/reports)"},
        {.kind = CMD_END}};

    return table;
}

static int
read_policy(const struct cmd_context *context, struct gate_policy *policy,
            struct err *err)
{
    AUTO(config_free) struct config *config = NULL;
    int rc = config_load_settings(context->config, &config, err);

    if (rc < 0) {
        return rc;
    }
    *policy = config->gate;
    config->gate = gate_policy_default(); /* what it owned is the policy's now */
    return fail_on == NULL ? 0 : severity_parse(fail_on, &policy->fail_on, err);
}

static void
print_verdict(const struct cmd_context *context, const struct findings *gate,
              const char *path)
{
    static const char *const colors[] = {"32;1", "31;1", "33;1", "31;1"};
    AUTO(buf_clear) struct buf text = BUF_INIT;

    for (size_t i = 0; i < gate->reasons.n && i < REASONS_SHOWN; i++) {
        buf_adds(&text, "  ");
        report_console(&text, gate->reasons.v[i]);
        buf_addc(&text, '\n');
    }
    if (gate->reasons.n > REASONS_SHOWN) {
        buf_addf(&text, "  ... and %zu more\n", gate->reasons.n - REASONS_SHOWN);
    }
    (void)printf("%sgate: %s%s\n%s  (%s)\n", cmd_color(context, colors[gate->verdict]),
                 verdict_name(gate->verdict), cmd_color(context, "0"), buf_str(&text),
                 path);
}

static void
record_event(const char *state, const struct findings *gate, int64_t took_ms)
{
    AUTO(store_close) struct store *store = NULL;
    AUTO(json_decref) json_t *detail = json_object();
    struct event event = {.kind = "gate.verdict",
                          .subject = "gate",
                          .to = verdict_name(gate->verdict),
                          .detail = detail};
    struct err err = ERR_INIT;

    json_put(detail, "duration_ms", json_real((double)took_ms));
    /* a verdict on a read-only state folder is still a verdict */
    if (store_open(state, DB_WRITE, &store, &err) == 0) {
        (void)store_event(store, &event, &err);
    }
}

/* What a person accepted until now is open from now on: whoever opens the store for
 * writing sees to it. Where that is impossible the verdict is of what is written. */
static void
wake(const char *state)
{
    AUTO(store_close) struct store *store = NULL;

    (void)store_open(state, DB_WRITE, &store, NULL);
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    AUTO(store_close) struct store *store = NULL;
    AUTO(findings_clear) struct findings gate = {0};
    AUTO(gate_policy_clear) struct gate_policy policy = gate_policy_default();
    struct err err = ERR_INIT;
    int64_t began = clock_mono_ms();

    (void)command;
    if (args->n > 0) {
        return cmd_fail(EXIT_USAGE, "gate takes no argument '%s'", args->v[0]);
    }
    int rc = read_policy(context, &policy, &err);
    if (rc < 0) {
        return cmd_fail(EXIT_USAGE, "%s", err.msg);
    }
    wake(context->state);
    rc = store_open(context->state, DB_READ, &store, &err);
    if (rc == 0) {
        rc = gate_decide(store, &policy, &gate, &err);
    }
    AUTO(mem_free)
    char *folder =
        report_dir != NULL ? mem_strdup(report_dir) : fs_join(context->state, "reports");
    if (rc == 0) {
        gate.source_root = report_source_root();
        rc = artifacts_write(store, &gate, folder, &err);
    }
    if (rc == 0) {
        rc = report_write_all(&gate, folder, &err);
    }
    if (rc < 0) {
        return cmd_fail(EXIT_UNDECIDED, "%s", err.msg);
    }
    AUTO(mem_free) char *path = fs_join(folder, report_verdict.file);
    record_event(context->state, &gate, clock_mono_ms() - began);
    if (context->json) {
        AUTO(buf_clear) struct buf text = BUF_INIT;
        if (fs_read(path, BUF_MAX_DEFAULT, &text, NULL) == 0) {
            (void)fputs(buf_str(&text), stdout);
        }
    } else {
        print_verdict(context, &gate, path);
    }
    if (gate.verdict == VERDICT_FAIL) {
        cmd_next(context, "nightjar show %s", gate.n > 0 ? gate.v[0].bug.name : "NJ-1");
    } else if (gate.verdict == VERDICT_INCONCLUSIVE) {
        cmd_next(context,
                 gate.queued > 0 ? "nightjar triage" : "nightjar fuzz --for 10m");
    }
    return verdict_exit(gate.verdict);
}

const struct cmd cmd_gate = {
    .name = "gate",
    .summary = "pass or fail a build by what was found",
    .usage = "[--fail-on LEVEL] [--report-dir DIR]",
    .about = "Decide from the database alone and write the reports: verdict.json, "
             "nightjar.sarif (GitHub code\nscanning), junit-gitlab.xml, "
             "junit-jenkins.xml, gl-code-quality-report.json, annotations.txt\n(GitHub's "
             "workflow commands: print it in a step) and summary.md. Exit status: 0 the "
             "gate passes, 1 it fails,\n"
             "3 it could not decide (nothing was fuzzed, or crashes wait for triage), 2 "
             "usage or configuration.\n\n"
             "  nightjar gate --fail-on medium",
    .options = options,
    .run = run,
};
