#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/bug_table.h"
#include "orchestrator/cmd/cmd.h"

static bool by_crash;
static const char *target;
static const char *only;
static const char *severity;

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
    struct bug_filter filter = {
        .target = target, .state = only, .at_least = SEVERITY_INFO};
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
                     target != NULL || only != NULL || severity != NULL ? " that match"
                                                                        : "",
                     (long long)counts.crashes, (long long)counts.queued);
        cmd_next(context,
                 counts.queued > 0 ? "nightjar triage" : "nightjar fuzz --for 10m");
        return 0;
    }
    cmd_next(context, "nightjar show NJ-%lld", (long long)worst);
    return 0;
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    struct err err = ERR_INIT;
    AUTO(store_close) struct store *store = NULL;

    (void)command;
    if (args->n > 0) {
        return cmd_fail(EXIT_USAGE,
                        "bugs takes no argument '%s'; for one bug: nightjar show %s",
                        args->v[0], args->v[0]);
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
    .usage = "[--severity LEVEL] [--target NAME] [--crashes]",
    .about = "List what was found: one line a bug, worst first. FILES counts the "
             "crashing files\n"
             "that joined the bug, SIZE is its smallest reproducer.\n\n"
             "  nightjar bugs --severity medium\n"
             "  nightjar bugs --crashes --json     which file went into which bug",
    .options = options,
    .run = run,
};
