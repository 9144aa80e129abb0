#include "orchestrator/supervise/scribe.h"

#include "orchestrator/cmd/cmd.h"

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {{.kind = CMD_END}};

    return table;
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    if (args->n > 0 || command->n > 0) {
        return cmd_fail(EXIT_USAGE,
                        "scribe takes no arguments: nightjar starts it by itself");
    }
    return scribe_main(context->state);
}

const struct cmd cmd_scribe = {
    .name = "scribe",
    .summary = "write the database for a supervisor",
    .usage = "--state DIR",
    .about = "The process that writes the database while `fuzz` or `triage` runs; they "
             "start it\n"
             "themselves. JSON lines on standard input and output.",
    .options = options,
    .run = run,
    .hidden = true,
};
