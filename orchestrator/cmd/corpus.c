#include "orchestrator/cmd/corpus.h"

static struct corpus_options given;
static const struct strv *behind; /* what stands behind "--" */

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_TEXT, "output", 'o', &given.output, "DIR", "the folder that is made"},
        {CMD_TEXT, "origin", 0, &given.origin, "WORD",
         "where the inputs come from (default: what their names tell)"},
        {CMD_NUMBER, "jobs", 'j', &given.jobs, "N", "runs at a time (default: cores)"},
        {CMD_DURATION, "timeout", 0, &given.timeout_ms, "DURATION",
         "limit of one run (default 5s)"},
        {CMD_SIZE, "memory", 0, &given.memory_bytes, "SIZE",
         "limit of one run where no sanitizer has its own (default 2560M)"},
        {CMD_TEXT, "with", 0, &given.with, "PROGRAM",
         "diff one corpus on two builds: the older one of the same command"},
        {CMD_TEXT, "sandbox", 0, &given.sandbox, "RUNG",
         "auto, bwrap, landlock or none (default: `sandbox:` of nightjar.yaml)"},
        {CMD_FLAG, "accept", 0, &given.accept, NULL,
         "prune by a build that reaches far fewer edges than before, too"},
        {CMD_NUMBER, "max-inputs", 0, &given.limits.inputs, "N",
         "of one PATH of an import (`import:` of nightjar.yaml; default 100000)"},
        {CMD_SIZE, "max-bytes", 0, &given.limits.bytes, "SIZE",
         "of one PATH, and of what is unpacked of it (default 1G)"},
        {CMD_NUMBER, "max-entries", 0, &given.limits.entries, "N",
         "of an archive, whatever they are (default 1000000)"},
        {CMD_NUMBER, "max-ratio", 0, &given.limits.ratio, "N",
         "to what a byte of an archive may grow, beyond 64 MiB (default 200)"},
        {.kind = CMD_END}};

    return table;
}

static int
merge(const struct cmd_context *context, const struct strv *args)
{
    return corpus_merge(context, &given, args, behind);
}

static int
import(const struct cmd_context *context, const struct strv *args)
{
    return corpus_import(context, &given, args);
}

static int
diff(const struct cmd_context *context, const struct strv *args)
{
    return given.with == NULL ? corpus_diff(context, &given, args, behind)
                              : corpus_builds(context, &given, args, behind);
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
     "output jobs timeout memory sandbox", merge},
    {"stat", "TARGET",
     "what a target's corpus is made of: inputs, origins, growth, who alone reaches most",
     NULL, corpus_stat},
    {"import", "TARGET PATH...",
     "add files, folders, AFL++ queues, archives, Go's and cargo-fuzz's corpora",
     "origin max-inputs max-bytes max-entries max-ratio", import},
    {"export", "TARGET DIR|ARCHIVE",
     "copy a target's corpus into a new folder, .zip, .tar, .tar.gz, .tar.xz or .tar.zst",
     NULL, corpus_export},
    {"diff", "A B [-- COMMAND @@] | A --with PROGRAM -- COMMAND @@",
     "which inputs, and on a build which edges, only one of two corpora has; what one "
     "corpus reaches on two builds",
     "jobs timeout memory sandbox with", diff},
    {"prune", "TARGET [-- COMMAND @@]",
     "leave the fewest and smallest inputs of a target's corpus, for the same edges",
     "jobs timeout memory sandbox accept", prune},
    {.name = NULL},
};

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    behind = command;
    return args->n == 0 ? cmd_fail(EXIT_USAGE,
                                   "corpus needs to know what to do: "
                                   "nightjar corpus merge, stat, import, export, diff, "
                                   "prune")
                        : cmd_run_sub(&cmd_corpus, context, args);
}

const struct cmd cmd_corpus = {
    .name = "corpus",
    .summary = "keep corpora small: the fewest inputs for the same coverage",
    .usage = "merge -o DIR PATH... -- COMMAND @@ | stat TARGET | import TARGET PATH... | "
             "export TARGET DIR|ARCHIVE | diff A B [-- COMMAND @@] | diff A --with "
             "PROGRAM -- COMMAND @@ | prune TARGET [-- COMMAND "
             "@@]",
    .about =
        "merge runs every file once on an AFL++ or a libFuzzer build, in sandboxes and "
        "on all\n"
        "cores, and copies the fewest and smallest that reach the same edges, equally "
        "often (in\n"
        "the engine's buckets of hit counts), into a new folder. These are run again "
        "before\n"
        "anything is written: what they do not reach again costs further inputs, until "
        "no input\n"
        "that was left out could help. What crashes, hangs or breaks its sandbox is "
        "left\n"
        "out, counted, and copied to DIR.quarantine. A killed run goes on where it "
        "stood, "
        "by\n"
        "DIR.traces.\n\n"
        "import, export, prune and stat are for the corpora in the state folder, which "
        "campaigns\n"
        "begin with and add to; each input is once in them, with its origin and what it "
        "reaches.\n"
        " prune does to one of them "
        "what merge\n"
        "does to folders, and changes nothing before it is verified; what crashes or "
        "hangs is filed\n"
        "as a worker's finds are. Without a command it takes the build that "
        "nightjar.yaml names,\n"
        "or the one of the last campaign. A build on which the same inputs reach more "
        "than a tenth\n"
        "fewer edges than before is an event (target.edges) and exit status 1, and "
        "nothing is\n"
        "pruned by it.\n"
        "diff takes targets, files, folders and archives. Two builds number their edges "
        "in their\n"
        "own ways, so that of these diff counts edges, all and input by input; exit "
        "status 1: more\n"
        "than a tenth fewer than on the older one. Of hostile archives nothing "
        "becomes a\n"
        "path, links are left out, and what is unpacked is bounded, which is said.\n\n"
        "  nightjar corpus import png png_seed_corpus.zip out/main/queue\n"
        "  nightjar corpus export png png_seed_corpus.zip\n"
        "  nightjar corpus diff png old_corpus.tar.gz -- ./png-afl @@\n"
        "  nightjar corpus diff png --with old/png-afl -- ./png-afl @@\n"
        "  nightjar corpus prune png -- ./png-afl @@\n"
        "  nightjar corpus merge -o small/ out/*/queue more/ -- ./target-afl @@\n"
        "  nightjar corpus merge -o small/ corpus/ -- ./target-libfuzzer",
    .options = options,
    .subs = subs,
    .run = run,
};
