#include "triage/worker.h"

#include "orchestrator/cmd/cmd.h"

static const char *rung_name = "auto";
static struct strv hide;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_TEXT, "sandbox", 0, &rung_name, "RUNG", "how targets are confined"},
        {CMD_LIST, "hide", 0, &hide, "DIR", "what targets must not see"},
        {.kind = CMD_END}};

    return table;
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    struct worker_config config = {.hide = &hide, .roots = NULL};
    struct err err = ERR_INIT;

    (void)context;
    if (args->n > 0 || command->n > 0) {
        return cmd_fail(EXIT_USAGE,
                        "triage-worker takes no arguments: nightjar starts it by itself");
    }
    int rc = sandbox_rung_parse(rung_name, &config.rung, &err);
    if (rc == 0 && config.rung == SANDBOX_AUTO) {
        rc = sandbox_choose(SANDBOX_AUTO, &config.rung, NULL, &err);
    }
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    int status = worker_main(&config);
    strv_clear(&hide);
    return status;
}

const struct cmd cmd_triage_worker = {
    .name = "triage-worker",
    .summary = "run reproducers and parse reports for a supervisor",
    .usage = "[--sandbox RUNG] [--hide DIR]...",
    .about =
        "The sandboxed process that runs targets and reads what they print; `fuzz` and\n"
        "`triage` start it themselves. JSON lines on standard input and output.",
    .options = options,
    .run = run,
    .hidden = true,
};
