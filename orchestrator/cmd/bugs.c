#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/bug_table.h"
#include "orchestrator/cmd/bugs.h"

static bool by_crash;
static const char *target;
static const char *only;
static const char *severity;
static const char *class_name;
static const char *owner;
static bool overdue;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_FLAG, "crashes", 0, &by_crash, NULL,
         "a line for each file that was given, with its bug"},
        {CMD_TEXT, "target", 't', &target, "NAME", "only bugs of this target"},
        {CMD_TEXT, "only", 0, &only, "STATE",
         "only bugs in this state: new open fixed regressed ..."},
        {CMD_TEXT, "severity", 's', &severity, "LEVEL",
         "only this severity or worse: low medium high critical"},
        {CMD_TEXT, "class", 0, &class_name, "CLASS",
         "only bugs of this class: harness, heap-buffer-overflow(write) ..."},
        {CMD_TEXT, "owner", 0, &owner, "NAME",
         "only bugs of this owner; none: those without one"},
        {CMD_FLAG, "overdue", 0, &overdue, NULL, "only bugs that were due before now"},
        {CMD_TEXT, "reason", 0, &bugs_options.reason, "TEXT",
         "why: kept with what is decided, and who did"},
        {CMD_FLAG, "dry-run", 0, &bugs_options.dry_run, NULL, "only say what would move"},
        {CMD_FLAG, "undo", 0, &bugs_options.undo, NULL, "take a merge or a pin back"},
        {CMD_FLAG, "clear", 0, &bugs_options.clear, NULL, "take a severity back"},
        {CMD_FLAG, "bytes-only", 0, &bugs_options.bytes_only, NULL,
         "split off the named bytes alone, not all with the same exact stack"},
        {CMD_TEXT, "until", 0, &bugs_options.until, "TIME",
         "ignored, wontfix: open again then: 2027-01-31, 90d"},
        {CMD_NUMBER, "until-crashes", 0, &bugs_options.until_crashes, "N",
         "ignored, wontfix: open again after N more crashes"},
        {CMD_FLAG, "until-worse", 0, &bugs_options.until_worse, NULL,
         "ignored: open again when its severity rises"},
        {.kind = CMD_END}};

    return table;
}

static int
print_crash(void *user, const char *sha256, const char *path, const char *bug_name,
            const char *state, struct err *err)
{
    const struct cmd_context *context = user;

    (void)err;
    if (context->json) {
        AUTO(json_decref) json_t *o = json_object();
        json_put(o, "sha256", json_text(sha256));
        json_put(o, "path", json_name(path));
        json_put(o, "bug", json_text(bug_name));
        json_put(o, "state", json_text(state));
        json_print(stdout, o);
    } else {
        AUTO(mem_free) char *name = str_name_dup(path);
        (void)printf("%-6s %-12s %.12s %s\n", bug_name == NULL ? "-" : bug_name, state,
                     sha256, name);
    }
    return 0;
}

static int
list_bugs(const struct cmd_context *context, struct store *store, struct err *err)
{
    struct bug_filter filter = {.target = target,
                                .state = only,
                                .class_name = class_name,
                                .owner = owner,
                                .overdue = overdue,
                                .at_least = SEVERITY_INFO};
    struct store_counts counts;
    int64_t rows = 0;
    int64_t worst = 0;

    if (severity != NULL) {
        int rc = severity_parse(severity, &filter.at_least, err);
        if (rc < 0) {
            return rc;
        }
    }
    int rc = bug_table_print(context, store, &filter, &rows, &worst, err);
    if (rc < 0 || context->json) {
        return rc;
    }
    rc = store_counts(store, &counts, err);
    if (rc < 0) {
        return rc;
    }
    if (rows == 0) {
        (void)printf("no bugs%s: %lld crashes known, %lld waiting for triage\n",
                     target != NULL || only != NULL || severity != NULL ||
                             class_name != NULL || owner != NULL || overdue
                         ? " that match"
                         : "",
                     (long long)counts.crashes, (long long)counts.queued);
        cmd_next(context,
                 counts.queued > 0 ? "nightjar triage" : "nightjar fuzz --for 10m");
        return 0;
    }
    cmd_next(context, "nightjar show NJ-%lld", (long long)worst);
    return 0;
}

extern const struct cmd cmd_bugs;

static const struct cmd_sub subs[] = {
    {"merge", "NJ-1 NJ-2...", "one bug: the others become its duplicates",
     "reason dry-run undo", bugs_merge},
    {"split", "NJ-1 SHA256|PATH|SIGNATURE...",
     "two bugs: these crashes, and all with the same exact stack, become a new one",
     "reason dry-run bytes-only", bugs_split},
    {"pin", "NJ-1 SHA256|PATH...",
     "these crashes belong to this bug, whatever any rule says", "reason dry-run undo",
     bugs_pin},
    {"similar", "NJ-1",
     "bugs with a similar stack (* so alike that CASR would join them)", NULL,
     bugs_similar},
    {"severity", "[NJ-1 LEVEL]",
     "a severity by hand; alone: apply the rules of nightjar.yaml now", "reason clear",
     bugs_severity},
    {"state", "NJ-1 STATE", "open, fixing, fixed, ignored or wontfix",
     "reason until until-crashes until-worse", bugs_state},
    {"ack", "NJ-1", "somebody has looked at it; a new one is open then", "reason",
     bugs_ack},
    {"owner", "NJ-1 NAME", "whose it is, above CODEOWNERS; --clear: ask that again",
     "reason clear", bugs_owner},
    {.name = NULL},
};

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    struct err err = ERR_INIT;
    AUTO(store_close) struct store *store = NULL;

    (void)command;
    if (args->n > 0 && bug_parse_id(args->v[0], &(int64_t){0}, NULL) == 0) {
        return cmd_fail(EXIT_USAGE,
                        "bugs takes no argument '%s'; for one bug: nightjar show %s",
                        args->v[0], args->v[0]);
    }
    if (args->n > 0) {
        return cmd_run_sub(&cmd_bugs, context, args);
    }
    if (bugs_options.reason != NULL || bugs_options.dry_run || bugs_options.undo ||
        bugs_options.clear || bugs_options.bytes_only || bugs_options.until != NULL ||
        bugs_options.until_crashes != 0 || bugs_options.until_worse) {
        return cmd_fail(EXIT_USAGE,
                        "--reason --dry-run --undo --clear --bytes-only --until... "
                        "belong to bugs merge, split, pin, severity, state and owner");
    }
    struct cmd_context copy = *context;
    int rc = store_open(context->state, DB_READ, &store, &err);
    if (rc == 0) {
        rc = by_crash ? store_crash_paths(store, print_crash, &copy, &err)
                      : list_bugs(context, store, &err);
    }
    return rc < 0 ? cmd_fail_err(&err) : EXIT_DONE;
}

const struct cmd cmd_bugs = {
    .name = "bugs",
    .summary = "list the bugs, worst first",
    .usage = "[--severity LEVEL] [--target NAME] [--class CLASS] [--crashes]\n"
             "       nightjar bugs COMMAND NJ-1 ...",
    .about =
        "List what was found: one line a bug, worst first. FILES counts the crashing "
        "files\n"
        "that joined the bug, SIZE is its smallest reproducer.\n\n"
        "What people know better is said with the commands below. It is remembered with "
        "who\n"
        "said it and why, holds for later crashes, and can be taken back.\n\n"
        "  nightjar bugs --severity medium\n"
        "  nightjar bugs --crashes --json     which file went into which bug\n"
        "  nightjar bugs merge NJ-1 NJ-4 --reason \"both are the missing check in "
        "parse()\"\n"
        "  nightjar bugs split NJ-1 crashes/id_000007 --dry-run\n"
        "  nightjar bugs severity NJ-2 low --reason \"the test tool only\"\n"
        "  nightjar bugs state NJ-3 wontfix --until 90d --reason \"goes with 2.0\"\n"
        "  nightjar bugs state NJ-4 ignored --until-crashes 100\n"
        "  nightjar bugs --owner @org/parsers --overdue",
    .options = options,
    .subs = subs,
    .run = run,
};
