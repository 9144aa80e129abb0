#include "orchestrator/cmd/corpus.h"

static struct corpus_options given;
static const struct strv *behind; /* what stands behind "--" */

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_TEXT, "output", 'o', &given.output, "DIR", "the folder that is made"},
        {CMD_NUMBER, "jobs", 'j', &given.jobs, "N", "runs at a time (default: cores)"},
        {CMD_DURATION, "timeout", 0, &given.timeout_ms, "DURATION",
         "limit of one run (default 5s)"},
        {CMD_SIZE, "memory", 0, &given.memory_bytes, "SIZE",
         "limit of one run where no sanitizer has its own (default 2560M)"},
        {.kind = CMD_END}};

    return table;
}

static int
merge(const struct cmd_context *context, const struct strv *args)
{
    return corpus_merge(context, &given, args, behind);
}

static int
prune(const struct cmd_context *context, const struct strv *args)
{
    return corpus_prune(context, &given, args, behind);
}

extern const struct cmd cmd_corpus;

static const struct cmd_sub subs[] = {
    {"merge", "-o DIR PATH... -- COMMAND @@",
     "the fewest and smallest inputs of files and folders, for the same edges",
     "output jobs timeout memory", merge},
    {"stat", "TARGET", "how many inputs a target's corpus has, and how large", NULL,
     corpus_stat},
    {"import", "TARGET PATH...",
     "add files, folders, AFL++ queues and archives to a target's corpus", NULL,
     corpus_import},
    {"export", "TARGET DIR", "copy a target's corpus into a new folder", NULL,
     corpus_export},
    {"prune", "TARGET [-- COMMAND @@]",
     "leave the fewest and smallest inputs of a target's corpus, for the same edges",
     "jobs timeout memory", prune},
    {.name = NULL},
};

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    behind = command;
    return args->n == 0 ? cmd_fail(EXIT_USAGE,
                                   "corpus needs to know what to do: "
                                   "nightjar corpus merge, stat, import, export, prune")
                        : cmd_run_sub(&cmd_corpus, context, args);
}

const struct cmd cmd_corpus = {
    .name = "corpus",
    .summary = "keep corpora small: the fewest inputs for the same coverage",
    .usage = "merge -o DIR PATH... -- COMMAND @@ | stat TARGET | import TARGET PATH... | "
             "export TARGET DIR | prune TARGET [-- COMMAND @@]",
    .about =
        "merge runs every file once on an AFL++ or a libFuzzer build, in sandboxes and "
        "on all\n"
        "cores, and copies the fewest and smallest that reach the same edges, equally "
        "often (in\n"
        "the engine's buckets of hit counts), into a new folder. These are run again "
        "before\n"
        "anything is written: what they do not reach again costs further inputs, until "
        "no input\n"
        "that was left out could help. What crashes, hangs or breaks its sandbox is left "
        "out and\n"
        "counted. A killed run goes on where it stood, by DIR.traces.\n\n"
        "import, export, prune and stat are for the corpora in the state folder, where "
        "each\n"
        "input is once. prune does to one of them what merge does to folders, and "
        "changes\n"
        "nothing before it is verified; what crashes or hangs goes to its quarantine, "
        "for\n"
        "nightjar triage. Without a command it takes the build that nightjar.yaml "
        "names.\n\n"
        "  nightjar corpus import png png_seed_corpus.zip out/main/queue\n"
        "  nightjar corpus prune png -- ./png-afl @@\n"
        "  nightjar corpus merge -o small/ out/*/queue more/ -- ./target-afl @@\n"
        "  nightjar corpus merge -o small/ corpus/ -- ./target-libfuzzer",
    .options = options,
    .subs = subs,
    .run = run,
};
