#include "orchestrator/cmd/db_gc.h"

#include <errno.h>

#include "base/json.h"
#include "base/str.h"
#include "orchestrator/builds.h"
#include "orchestrator/config.h"
#include "orchestrator/corpus/leftovers.h"
#include "triage/upkeep.h"

static void
print(const struct cmd_context *context, bool dry_run, const char *what, int64_t files,
      int64_t bytes)
{
    char size[32];

    if (context->json) {
        AUTO(json_decref) json_t *o = json_object();
        json_put(o, "kind", json_string(what));
        json_put(o, "files", json_integer(files));
        json_put(o, "bytes", bytes < 0 ? json_null() : json_integer(bytes));
        json_put(o, "removed", json_boolean(!dry_run));
        json_print(stdout, o);
        return;
    }
    str_bytes_show(size, sizeof(size), bytes);
    (void)printf("%-8s %8lld files  %s\n", what, (long long)files, bytes < 0 ? "" : size);
}

static int
drop_leftovers(struct store *store, const struct config *config, bool dry_run,
               struct leftovers *out, struct err *err)
{
    const struct leftovers_policy policy = {
        .keep_ms = {[LEFTOVER_HANGS] = config->retention.hangs_ms,
                    [LEFTOVER_CRASHES] = config->retention.crashes_ms,
                    [LEFTOVER_LOGS] = config->retention.logs_ms},
        .dry_run = dry_run};
    AUTO(strv_clear) struct strv targets = {0};
    int rc = leftovers_targets(store, &targets, err);

    for (size_t i = 0; i < targets.n && rc == 0; i++) {
        rc = leftovers_drop(store, targets.v[i], &policy, out, err);
    }
    return rc;
}

static int
drop_copies(const struct cmd_context *context, struct store *store,
            const struct config *config, bool dry_run, struct err *err)
{
    struct kept_policy policy = builds_policy(config);
    struct kept_tally tally = {0};

    policy.dry_run = dry_run;
    int rc = kept_gc(store, &policy, &tally, err);
    if (rc == 0) {
        print(context, dry_run, "copies", tally.copies, tally.bytes);
    }
    return rc;
}

int
db_gc(const struct cmd_context *context, bool dry_run)
{
    AUTO(config_free) struct config *config = NULL;
    AUTO(store_close) struct store *store = NULL;
    struct leftovers left = {0};
    struct garbage garbage = {0};
    struct err err = ERR_INIT;
    int rc = config_load_settings(context->config, &config, &err);

    rc = rc < 0 ? rc : store_open(context->state, DB_WRITE, &store, &err);
    rc = rc < 0 ? rc : drop_leftovers(store, config, dry_run, &left, &err);
    for (int i = 0; i < LEFTOVER_KINDS && rc == 0; i++) {
        print(context, dry_run, leftover_name((enum leftover)i), left.files[i],
              left.bytes[i]);
    }
    rc = rc < 0 ? rc : drop_copies(context, store, config, dry_run, &err);
    rc = rc < 0 ? rc : store_gc(store, dry_run, &garbage, &err);
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    print(context, dry_run, "orphans", garbage.orphans, garbage.orphan_bytes);
    print(context, dry_run, "surplus", garbage.surplus, -1);
    if (dry_run && !context->json) {
        (void)puts("nothing was removed");
    }
    return EXIT_DONE;
}
