#include "orchestrator/config.h"

#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "orchestrator/config_read.h"
#include "triage/kept.h"

enum {
    JOBS_MAX = 1024,
    RUNS_MAX = 100,
    RUNS_DEFAULT = 10,
    MINIMIZE_DEFAULT_MS = 20 * 1000,
    MINIMIZE_MAX_MS = 24 * 3600 * 1000,
    DAY_MS = 24 * 3600 * 1000,
    HANGS_DAYS = 7,
    CRASHES_DAYS = 30,
    LOGS_DAYS = 14,
    METRICS_EVERY_MS = 15 * 1000,
    METRICS_EVERY_MIN_MS = 1000,
    METRICS_EVERY_MAX_MS = 3600 * 1000,
    REVISIONS_KEPT_MAX = 10000,
};
#define KEPT_MAX_BYTES (INT64_C(10) << 30) /* of copies of programs, by default */

static const char default_name[] = "nightjar.yaml";

/* A config while it is loaded: parts of the file that are read last. */
struct loading {
    struct config config; /* must come first: the tables' offsets begin here */
    const struct config_node *out;
    const struct config_node *targets;
};

/* --- rows of their own --- */

static int
read_sandbox(const struct config_reader *reader, const struct config_key *key,
             const struct config_node *node, void *to, struct err *err)
{
    struct err why = ERR_INIT;
    const char *text = "";
    int rc = config_value(reader, key, node, &text, err);

    if (rc == 0 && sandbox_rung_parse(text, to, &why) < 0) {
        return config_node_fail(reader->shown, node, err, "%s: %s", key->name, why.msg);
    }
    return rc;
}

static int
read_keep(const struct config_reader *reader, const struct config_key *key,
          const struct config_node *node, void *to, struct err *err)
{
    struct err why = ERR_INIT;
    const char *text = "";
    int rc = config_value(reader, key, node, &text, err);

    if (rc == 0 && keep_level_parse(text, to, &why) < 0) {
        return config_node_fail(reader->shown, node, err, "%s: %s", key->name, why.msg);
    }
    return rc;
}

static int
read_cross(const struct config_reader *reader, const struct config_key *key,
           const struct config_node *node, void *to, struct err *err)
{
    static const char *const words[] = {[EXCHANGE_CROSS_NO] = "no",
                                        [EXCHANGE_CROSS_START] = "start",
                                        [EXCHANGE_CROSS_DAILY] = "daily"};
    enum exchange_cross *out = to;
    const char *text = "";
    int rc = config_value(reader, key, node, &text, err);

    for (size_t i = 0; i < COUNT(words) && rc == 0; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = (enum exchange_cross)i;
            return 0;
        }
    }
    return rc < 0
               ? rc
               : config_node_fail(reader->shown, node, err,
                                  "%s: inputs go between targets at 'start', 'daily' or "
                                  "'no'",
                                  key->name);
}

/* A part that can be read only when the others are known. */
static int
keep_node(const struct config_reader *reader, const struct config_key *key,
          const struct config_node *node, void *to, struct err *err)
{
    const struct config_node **out = to;

    if (node->kind != NODE_LIST) {
        return config_wrong_type(reader, key, node, "a list", err);
    }
    *out = node;
    return 0;
}

static int
read_out(const struct config_reader *reader, const struct config_key *key,
         const struct config_node *node, void *to, struct err *err)
{
    struct loading *loading = to;
    struct config_reader lax = *reader;

    lax.check = false; /* what is missing is said better below */
    loading->out = node;
    return config_read_paths(&lax, key, node, &loading->config.out, err);
}

/* Paths that need not exist, here or yet. */
static int
read_absent(const struct config_reader *reader, const struct config_key *key,
            const struct config_node *node, void *to, struct err *err)
{
    struct config_reader lax = *reader;

    lax.check = false;
    return config_read_paths(&lax, key, node, to, err);
}

static const struct config_key builds_keys[] = {
    {.name = "watch",
     .read = read_absent,
     .offset = offsetof(struct config, builds.watch)},
    {.name = "keep",
     .read = config_read_number,
     .offset = offsetof(struct config, builds.keep),
     .max = REVISIONS_KEPT_MAX},
    {.name = "max",
     .read = config_read_size,
     .offset = offsetof(struct config, builds.max_bytes),
     .max = INT64_MAX},
    {.name = NULL},
};

static const struct config_key owners_keys[] = {
    {.name = "file",
     .read = config_read_file,
     .offset = offsetof(struct config, owners.file)},
    {.name = "roots",
     .read = read_absent,
     .offset = offsetof(struct config, owners.roots)},
    {.name = NULL},
};

static const struct config_key triage_keys[] = {
    {.name = "jobs",
     .read = config_read_number,
     .offset = offsetof(struct config, triage.jobs),
     .min = 1,
     .max = JOBS_MAX},
    {.name = "runs",
     .read = config_read_number,
     .offset = offsetof(struct config, triage.runs),
     .min = 1,
     .max = RUNS_MAX},
    {.name = "minimize",
     .read = config_read_duration,
     .offset = offsetof(struct config, triage.minimize_ms),
     .max = MINIMIZE_MAX_MS},
    {.name = "keep", .read = read_keep, .offset = offsetof(struct config, triage.keep)},
    {.name = "examples",
     .read = config_read_number,
     .offset = offsetof(struct config, triage.examples),
     .min = 1,
     .max = STORE_EXAMPLES_MAX},
    {.name = "timeout",
     .read = config_read_duration,
     .offset = offsetof(struct config, triage.timeout_ms),
     .min = CONFIG_TIMEOUT_MIN_MS,
     .max = CONFIG_TIMEOUT_MAX_MS},
    {.name = "memory",
     .read = config_read_size,
     .offset = offsetof(struct config, triage.memory_bytes),
     .min = CONFIG_MEMORY_MIN_BYTES,
     .max = CONFIG_MEMORY_MAX_BYTES},
    {.name = "ooms_and_hangs",
     .read = config_read_yesno,
     .offset = offsetof(struct config, triage.ooms_and_hangs)},
    {.name = "asserts_are_security",
     .read = config_read_yesno,
     .offset = offsetof(struct config, triage.asserts_are_security)},
    {.name = "checks_are_security",
     .read = config_read_yesno,
     .offset = offsetof(struct config, triage.checks_are_security)},
    {.name = NULL},
};

static const struct config_key retention_keys[] = {
    {.name = "hangs",
     .read = config_read_duration,
     .offset = offsetof(struct config, retention.hangs_ms),
     .max = (int64_t)3650 * DAY_MS},
    {.name = "crashes",
     .read = config_read_duration,
     .offset = offsetof(struct config, retention.crashes_ms),
     .max = (int64_t)3650 * DAY_MS},
    {.name = "logs",
     .read = config_read_duration,
     .offset = offsetof(struct config, retention.logs_ms),
     .max = (int64_t)3650 * DAY_MS},
    {.name = NULL},
};

static const struct config_key exchange_keys[] = {
    {.name = "cross",
     .read = read_cross,
     .offset = offsetof(struct config, exchange.cross)},
    {.name = NULL},
};

static const struct config_key import_keys[] = {
    {.name = "inputs",
     .read = config_read_number,
     .offset = offsetof(struct config, import.inputs),
     .min = 1,
     .max = TARGET_SEEDS_CEILING},
    {.name = "bytes",
     .read = config_read_size,
     .offset = offsetof(struct config, import.bytes),
     .min = 1,
     .max = INT64_MAX},
    {.name = "entries",
     .read = config_read_number,
     .offset = offsetof(struct config, import.entries),
     .min = 1,
     .max = INT64_MAX},
    {.name = "ratio",
     .read = config_read_number,
     .offset = offsetof(struct config, import.ratio),
     .min = 1,
     .max = INT32_MAX},
    {.name = NULL},
};

static const struct config_key disk_keys[] = {
    {.name = "budget",
     .read = config_read_size,
     .offset = offsetof(struct config, disk.budget_bytes),
     .max = INT64_MAX},
    {.name = "files",
     .read = config_read_number,
     .offset = offsetof(struct config, disk.budget_files),
     .max = INT64_MAX},
    {.name = "free",
     .read = config_read_size,
     .offset = offsetof(struct config, disk.free_bytes),
     .max = INT64_MAX},
    {.name = NULL},
};

/* A key for each sink. */
static int
read_metrics(const struct config_reader *reader, const struct config_key *key,
             const struct config_node *node, void *to, struct err *err)
{
    struct config_key sinks[SINKS_MAX + 2] = {
        {.name = "every",
         .read = config_read_duration,
         .offset = offsetof(struct config, metrics_every_ms),
         .min = METRICS_EVERY_MIN_MS,
         .max = METRICS_EVERY_MAX_MS}};
    const struct config_key nested = {.name = key->name, .keys = sinks};

    for (size_t i = 0; sink_at(i) != NULL; i++) {
        sinks[i + 1] = (struct config_key){
            .name = sink_at(i)->name,
            .read = sink_at(i)->file ? config_read_path : config_read_url,
            .offset = offsetof(struct config, metrics) + i * sizeof(char *)};
    }
    return config_read_nested(reader, &nested, node, to, err);
}

static const struct config_key keys[] = {
    {.name = "state", .read = config_read_path, .offset = offsetof(struct config, state)},
    {.name = "sandbox", .read = read_sandbox, .offset = offsetof(struct config, sandbox)},
    {.name = "jobs",
     .read = config_read_number,
     .offset = offsetof(struct config, jobs),
     .min = 1,
     .max = JOBS_MAX},
    {.name = "out", .read = read_out},
    {.name = "targets", .read = keep_node, .offset = offsetof(struct loading, targets)},
    {.name = "triage", .read = config_read_nested, .keys = triage_keys},
    {.name = "builds", .read = config_read_nested, .keys = builds_keys},
    {.name = "owners", .read = config_read_nested, .keys = owners_keys},
    {.name = "retention", .read = config_read_nested, .keys = retention_keys},
    {.name = "exchange", .read = config_read_nested, .keys = exchange_keys},
    {.name = "import", .read = config_read_nested, .keys = import_keys},
    {.name = "disk", .read = config_read_nested, .keys = disk_keys},
    {.name = "severity",
     .read = config_read_severity,
     .offset = offsetof(struct config, severity)},
    {.name = "gate", .read = config_read_gate, .offset = offsetof(struct config, gate)},
    {.name = "slo", .read = config_read_slo, .offset = offsetof(struct config, slo)},
    {.name = "metrics", .read = read_metrics},
    {.name = "notify",
     .read = config_read_notify,
     .offset = offsetof(struct config, notify)},
    {.name = NULL},
};

/* --- targets --- */

/* Names first, so that discovery knows which programs without an entry point are wanted.
 */
static int
add_names(const struct config_reader *reader, struct loading *loading,
          struct target_list *list, struct err *err)
{
    for (size_t i = 0; loading->targets != NULL && i < loading->targets->n; i++) {
        const struct config_node *entry = loading->targets->items[i];
        const char *name = NULL;
        int rc = config_target_name(reader, entry, &name, err);
        if (rc < 0) {
            return rc;
        }
        if (target_list_find(list, name) != NULL) {
            return config_node_fail(reader->shown, entry, err, "target '%s' stands twice",
                                    name);
        }
        (void)target_list_add(list, name);
        strv_add(&loading->config.names, name);
    }
    return 0;
}

static int
discover_all(const struct config_reader *reader, struct loading *loading, struct err *err)
{
    struct config *config = &loading->config;

    for (size_t i = 0; i < config->out.n; i++) {
        const struct config_node *node =
            loading->out->kind == NODE_LIST ? loading->out->items[i] : loading->out;
        struct err why = ERR_INIT;
        if (!fs_is_folder(config->out.v[i])) {
            return config_node_fail(
                reader->shown, node, err,
                "out: there is no folder '%s': build the targets first",
                config->out.v[i]);
        }
        int rc = target_discover(config->out.v[i], &config->targets, &why);
        if (rc == -ENOENT || rc == -E2BIG) {
            return config_node_fail(reader->shown, node, err, "out: %s", why.msg);
        }
        if (rc < 0) {
            return err_set(err, rc, "%s", why.msg);
        }
    }
    return 0;
}

static bool
has_build(const struct target *target)
{
    for (int i = 0; i < BUILD_KINDS; i++) {
        if (target->builds[i] != NULL) {
            return true;
        }
    }
    return false;
}

static int
apply_entries(const struct config_reader *reader, const struct loading *loading,
              struct target_list *list, struct err *err)
{
    for (size_t i = 0; i < list->n && loading->targets != NULL && i < loading->targets->n;
         i++) {
        const struct config_node *entry = loading->targets->items[i];
        struct target *target = list->v[i]; /* add_names() put them first, in order */
        int rc = config_read_target(reader, entry, target, err);
        if (rc < 0) {
            return rc;
        }
        if (reader->check && !has_build(target)) {
            return config_node_fail(
                reader->shown, entry, err,
                "target '%s' has no build: give binary: or builds:, or an "
                "out: folder that holds a program of this name",
                target->name);
        }
    }
    return 0;
}

static int
load_targets(const struct config_reader *reader, struct loading *loading, struct err *err)
{
    AUTO(target_list_clear) struct target_list scratch = {0};
    struct target_list *list = reader->check ? &loading->config.targets : &scratch;

    list->limits = loading->config.import;
    list->timeout_ms = loading->config.triage.timeout_ms;
    list->memory_bytes = loading->config.triage.memory_bytes;
    int rc = add_names(reader, loading, list, err);

    if (rc == 0 && reader->check) {
        rc = discover_all(reader, loading, err);
    }
    return rc < 0 ? rc : apply_entries(reader, loading, list, err);
}

/* --- the file --- */

static void
clear_config(struct config *config)
{
    mem_free(config->path);
    mem_free(config->state);
    for (size_t i = 0; i < COUNT(config->metrics); i++) {
        mem_free(config->metrics[i]);
    }
    config_rules_clear(&config->severity);
    config_sinks_clear(&config->notify);
    gate_policy_clear(&config->gate);
    slo_services_clear(&config->slo.services);
    target_list_clear(&config->targets);
    strv_clear(&config->out);
    strv_clear(&config->names);
    mem_free(config->owners.file);
    strv_clear(&config->owners.roots);
    strv_clear(&config->builds.watch);
}

void
config_free(struct config *config)
{
    if (config != NULL) {
        clear_config(config);
        mem_free(config);
    }
}

static void
set_defaults(struct config *config)
{
    config->sandbox = SANDBOX_AUTO;
    config->jobs = proc_cpus();
    config->triage.runs = RUNS_DEFAULT;
    config->triage.minimize_ms = MINIMIZE_DEFAULT_MS;
    config->triage.examples = STORE_EXAMPLES;
    config->retention.hangs_ms = (int64_t)HANGS_DAYS * DAY_MS;
    config->retention.crashes_ms = (int64_t)CRASHES_DAYS * DAY_MS;
    config->retention.logs_ms = (int64_t)LOGS_DAYS * DAY_MS;
    config->builds.keep = KEPT_NEWEST;
    config->builds.max_bytes = KEPT_MAX_BYTES;
    config->slo = slo_policy_default();
    config->metrics_every_ms = METRICS_EVERY_MS;
    config->triage.ooms_and_hangs = true;
    config->triage.asserts_are_security = true;
    config->gate = gate_policy_default();
}

struct config *
config_default(void)
{
    struct config *config = mem_alloc(sizeof(*config));

    set_defaults(config);
    return config;
}

static int
load_file(const char *path, bool check, struct loading *loading, struct err *err)
{
    AUTO(mem_free) char *absolute = fs_absolute(path);
    AUTO(mem_free)
    char *folder = mem_dup(absolute, (size_t)(fs_base(absolute) - absolute));
    AUTO(config_node_free) struct config_node *root = NULL;
    const struct config_reader reader = {.shown = path, .folder = folder, .check = check};

    if (!fs_exists(path)) {
        AUTO(mem_free) char *name = str_name_dup(path);
        return err_set(err, -EINVAL, "there is no '%s': `nightjar init DIR` writes one",
                       name);
    }
    int rc = config_node_read(path, path, &root, err);
    if (rc == 0) {
        rc = config_read_map(&reader, keys, root, loading, err);
    }
    if (rc == 0) {
        rc = load_targets(&reader, loading, err);
    }
    loading->config.path = mem_strdup(path);
    return rc;
}

static int
load(const char *path, bool check, struct config **out, struct err *err)
{
    struct loading loading = {.out = NULL};
    int rc = 0;

    set_defaults(&loading.config);
    if (path == NULL && fs_exists(default_name)) {
        path = default_name;
    }
    if (path != NULL) {
        rc = load_file(path, check, &loading, err);
    }
    if (rc < 0) {
        clear_config(&loading.config);
        return rc;
    }
    *out = mem_dup(&loading.config, sizeof(loading.config));
    return 0;
}

int
config_load(const char *path, struct config **out, struct err *err)
{
    return load(path, true, out, err);
}

int
config_load_settings(const char *path, struct config **out, struct err *err)
{
    return load(path, false, out, err);
}
