#include "orchestrator/cmd/triage_run.h"

static struct triage_call call;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_NUMBER, "jobs", 'j', &call.jobs, "N",
         "triage workers at a time (default: cores)"},
        {CMD_TEXT, "target", 't', &call.target, "NAME",
         "name of the target, or which of nightjar.yaml"},
        {CMD_NUMBER, "runs", 'n', &call.runs, "N",
         "replays of what may be a new bug (default 3)"},
        {CMD_DURATION, "timeout", 0, &call.timeout_ms, "DURATION",
         "limit of one run (default 25s)"},
        {CMD_TEXT, "minimize", 0, &call.minimize, "DURATION|no",
         "time for each bug (default 5s)"},
        {CMD_FLAG, "reports", 0, &call.reports, NULL,
         "the files are reports' texts: run nothing"},
        {CMD_TEXT, "sandbox", 0, &call.rung, "RUNG", "auto, bwrap, landlock or none"},
        {.kind = CMD_END}};

    return table;
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    call.paths = args;
    call.command = command;
    call.verb = "triage";
    call.source = call.reports ? "reports" : "triage";
    return triage_run(context, &call);
}

const struct cmd cmd_triage = {
    .name = "triage",
    .summary = "turn crashing inputs into distinct bugs, worst first",
    .usage = "[PATH...] [-- COMMAND @@]",
    .about =
        "Replay every input in a sandbox, group what fails into bugs and rate them.\n"
        "PATH is a file, a folder, an AFL++ output folder or a folder of libFuzzer\n"
        "artifacts; of AFL++ the command is known, and the limit of one run is five\n"
        "times its own. @@ stands for the input's path; without it the input is\n"
        "standard input, or the argument of a libFuzzer program. Without PATH what is\n"
        "queued is triaged. Needs no other command before.\n\n"
        "--reports takes what programs printed: CI logs, of which each sanitizer's "
        "report\n"
        "becomes a crash of its own, and .casrep files. Nothing is run.\n\n"
        "  nightjar triage ~/afl-out\n"
        "  nightjar triage crashes/ -- ./target --flag @@\n"
        "  nightjar triage artifacts/ -- ./fuzz_target\n"
        "  nightjar triage --reports ci-logs/",
    .options = options,
    .run = run,
};
