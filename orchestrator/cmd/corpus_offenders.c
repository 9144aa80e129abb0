/* What crashed or hung while a corpus was measured, on its way into the ledger. */
#include <errno.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/cmd/corpus.h"
#include "orchestrator/config.h"
#include "triage/store.h"

enum { BATCH = 64 };

struct filing {
    struct store *store;
    int64_t target;
    const char *source; /* the engine that a worker would have found it with */
    const char *folder;
    struct strv paths; /* of a batch */
    int64_t filed;
};

static void
filing_clear(struct filing *filing)
{
    store_close(filing->store);
    strv_clear(&filing->paths);
}
AUTO_DEFINE_CLEAR(struct filing, filing_clear)

/* A target that the ledger knows stays as it is. */
static int
find_target(const struct cmd_context *context, const char *name,
            const struct command *command, struct filing *filing, struct err *err)
{
    AUTO(config_free) struct config *config = NULL;
    AUTO(build_list_clear) struct build_list builds = {0};
    struct record_settings settings = {0};
    int rc = store_target(filing->store, name, &filing->target, err);

    if (rc != -ENODATA) {
        return rc;
    }
    const struct target *target = config_load(context->config, &config, NULL) < 0
                                      ? NULL
                                      : target_list_find(&config->targets, name);
    if (target == NULL) {
        return store_put_target(filing->store, name, command, &settings, &filing->target,
                                err);
    }
    settings = (struct record_settings){
        .ooms_and_hangs = config->triage.ooms_and_hangs,
        .asserts_are_security = config->triage.asserts_are_security,
        .checks_are_security = config->triage.checks_are_security,
        .ignore_frames = target->ignore_frames};
    rc = target_builds(target, &builds, err);
    rc = rc < 0 ? rc
                : store_put_target(filing->store, name, &builds.v[0].command, &settings,
                                   &filing->target, err);
    return rc < 0 ? rc : store_put_builds(filing->store, filing->target, &builds, err);
}

/* What is in the ledger leaves the folder; what was refused stays. */
static int
file_batch(struct filing *filing, struct err *err)
{
    struct intake_item items[BATCH];
    struct intake_result results[BATCH];

    for (size_t i = 0; i < filing->paths.n; i++) {
        items[i] = (struct intake_item){.path = filing->paths.v[i],
                                        .target = filing->target,
                                        .source = filing->source,
                                        .root = filing->folder};
    }
    int rc = store_intake(filing->store, items, filing->paths.n, results, err);
    for (size_t i = 0; i < filing->paths.n && rc == 0; i++) {
        if (results[i].code == 0 && unlink(items[i].path) == 0) {
            filing->filed++;
        }
    }
    strv_clear(&filing->paths);
    return rc;
}

static int
on_file(void *user, const char *path, const struct stat *st, struct err *err)
{
    struct filing *filing = user;

    if (st == NULL) {
        return 0;
    }
    strv_add(&filing->paths, path);
    return filing->paths.n < BATCH ? 0 : file_batch(filing, err);
}

int
corpus_file_offenders(const struct cmd_context *context, const char *name,
                      const struct command *command, const char *folder, int64_t *filed,
                      struct err *err)
{
    AUTO(filing_clear)
    struct filing filing = {.folder = folder,
                            .source =
                                command->mode == INPUT_LIBFUZZER ? "libfuzzer" : "aflpp"};
    AUTO(mem_free) char *database = fs_join(context->state, "nightjar.db");

    *filed = 0;
    if (!fs_exists(database) || !fs_is_folder(folder)) {
        return 0;
    }
    int rc = store_open(context->state, DB_CREATE, &filing.store, err);
    rc = rc < 0 ? rc : find_target(context, name, command, &filing, err);
    rc = rc < 0 ? rc : fs_walk(folder, on_file, &filing, err);
    rc = rc < 0 || filing.paths.n == 0 ? rc : file_batch(&filing, err);
    *filed = filing.filed;
    return rc;
}
