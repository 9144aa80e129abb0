#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/cmd.h"
#include "triage/store.h"

static bool deep;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_FLAG, "deep", 0, &deep, NULL,
         "also read every blob and compare it with its name"},
        {.kind = CMD_END}};

    return table;
}

static void
print_finding(void *user, const char *name, const char *text)
{
    const struct cmd_context *context = user;

    if (context->json) {
        AUTO(json_decref) json_t *o = json_object();
        json_put(o, "invariant", json_text(name));
        json_put(o, "finding", json_text(text));
        json_print(stdout, o);
        return;
    }
    AUTO(mem_free) char *shown = str_name_dup(text);
    (void)printf("%s%s%s: %s\n", cmd_color(context, "31;1"), name,
                 cmd_color(context, "0"), shown);
}

static int
print_clean(const struct cmd_context *context, struct store *store, struct err *err)
{
    struct store_counts counts;
    int rc = context->json ? 0 : store_counts(store, &counts, err);

    if (rc == 0 && !context->json) {
        (void)printf("%sclean%s: %lld crashes, %lld bugs, their events, totals and %s\n",
                     cmd_color(context, "32;1"), cmd_color(context, "0"),
                     (long long)counts.crashes, (long long)counts.bugs_total,
                     deep ? "every byte of their files" : "their files");
    }
    return rc;
}

static int
check(const struct cmd_context *context)
{
    AUTO(store_close) struct store *store = NULL;
    struct cmd_context copy = *context;
    struct err err = ERR_INIT;
    int rc = store_open(context->state, DB_READ, &store, &err);

    rc = rc < 0 ? rc : store_check(store, deep, print_finding, &copy, &err);
    if (rc == 0) {
        rc = print_clean(context, store, &err);
    }
    if (rc < 0) {
        return cmd_fail(EXIT_UNDECIDED, "%s", err.msg);
    }
    if (rc > 0 && !context->json) {
        (void)printf(
            "%d broken promises: stop nightjar, copy '%s' away before anything else\n",
            rc, context->state);
    }
    return rc > 0 ? EXIT_FOUND : EXIT_DONE;
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    (void)command;
    if (args->n == 1 && strcmp(args->v[0], "check") == 0) {
        return check(context);
    }
    if (args->n == 0) {
        return cmd_fail(EXIT_USAGE, "db needs to know what to do: nightjar db check");
    }
    if (strcmp(args->v[0], "check") == 0) {
        return cmd_fail(EXIT_USAGE, "db check takes no argument '%s'", args->v[1]);
    }
    return cmd_fail(EXIT_USAGE, "db knows no '%s': nightjar db check", args->v[0]);
}

const struct cmd cmd_db = {
    .name = "db",
    .summary = "check the database and its files",
    .usage = "check [--deep]",
    .about =
        "Prove what nightjar promises about its state: no crash without its bytes, no "
        "bug\n"
        "without a crash, an event for every change of state, counters equal to what "
        "they\n"
        "count, every file whole. It only reads, and may run beside anything. Exit "
        "status:\n"
        "0 clean, 1 something was found, 3 it could not be read.\n\n"
        "  nightjar db check\n"
        "  nightjar db check --deep --json   read every blob, one line for each finding",
    .options = options,
    .run = run,
};
