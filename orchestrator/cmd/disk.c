#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/bug_table.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/cmd/corpus.h"
#include "orchestrator/cmd/rung.h"
#include "orchestrator/config.h"
#include "orchestrator/corpus/disk.h"
#include "orchestrator/corpus/library.h"
#include "orchestrator/corpus/queues.h"
#include "orchestrator/engine/engine.h"

enum { NAME_COLUMNS = 24 };

struct work {
    const struct cmd_context *context;
    struct store *store;
    struct config *config;  /* with all targets; NULL: not needed so far */
    enum sandbox_rung rung; /* chosen with it */
};

static void
work_clear(struct work *work)
{
    store_close(work->store);
    config_free(work->config);
}
AUTO_DEFINE_CLEAR(struct work, work_clear)

static bool relieve, prune, quiet;
static const struct corpus_options limits_of_runs = {.jobs = 1};

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_FLAG, "relieve", 0, &relieve, NULL,
         "do what the grades ask for at once: drop leftovers, hold targets or let them "
         "go"},
        {CMD_FLAG, "prune", 0, &prune, NULL,
         "do what takes longer: prune corpora, and what workers of held targets fuzz "
         "with"},
        {CMD_FLAG, "quiet", 'q', &quiet, NULL, "print nothing"},
        {.kind = CMD_END}};

    return table;
}

static void
print_row(const struct cmd_context *context, const char *target,
          const struct disk_report *report)
{
    AUTO(buf_clear) struct buf line = BUF_INIT;
    char used[32];

    if (quiet) {
        return;
    }
    if (context->json) {
        AUTO(json_decref) json_t *o = json_object();
        json_put(o, "target", json_text(target));
        json_put(o, "grade", json_string(disk_grade_name(report->now)));
        json_put(o, "percent", json_integer(report->percent));
        json_put(o, "bytes", json_integer(report->usage.bytes));
        json_put(o, "files", json_integer(report->usage.files));
        json_put(o, "free_bytes", json_integer(report->usage.free_bytes));
        json_put(o, "free_files", json_integer(report->usage.free_files));
        json_print(stdout, o);
        return;
    }
    str_bytes_show(used, sizeof(used), report->usage.bytes);
    bug_table_cell(&line, target, NAME_COLUMNS);
    (void)printf("%s %-6s %4d %%  %10s  %9lld files\n", buf_str(&line),
                 disk_grade_name(report->now), report->percent, used,
                 (long long)report->usage.files);
}

/* Without --relieve nothing is changed, not even what is told. */
static int
look(struct store *store, const char *target, const struct disk_limits *limits,
     struct disk_report *out, struct err *err)
{
    int rc = disk_last(store, target, &out->before, err);

    rc = rc < 0 ? rc : disk_measure(store, target, &out->usage, err);
    out->percent = disk_percent(limits, &out->usage);
    out->now = disk_grade(out->before, out->percent);
    return rc;
}

/* --- prune --- */

static void
say_pruned(const char *target, const char *what, int64_t removed, int64_t inputs,
           int64_t freed)
{
    char size[32];

    str_bytes_show(size, sizeof(size), freed);
    log_line(LOG_INFO, "disk", "target=%s %s pruned: %lld of %lld inputs went, %s",
             target, what, (long long)removed, (long long)inputs, size);
}

static struct cover_config
how(const struct work *work, const struct command *command)
{
    return (struct cover_config){
        .command = command, .rung = work->rung, .hide = work->context->state, .jobs = 1};
}

/* What pruning needs, and only when something is to be pruned: this runs every 10 s. */
static int
need_builds(struct work *work, struct err *err)
{
    if (work->config != NULL) {
        return 0;
    }
    int rc = config_load(work->context->config, &work->config, err);
    return rc < 0 ? rc : rung_choose(work->context, work->config, NULL, &work->rung, err);
}

static int
prune_library(struct work *work, const char *target, struct err *err)
{
    AUTO(command_clear) struct command command = {0};
    AUTO(library_close) struct library *library = NULL;
    bool grew = false;
    int64_t filed = 0;
    int rc = library_open(work->context->state, target, false, &library, err);

    rc = rc < 0 ? rc : library_grew(library, &grew, err);
    if (rc < 0 || !grew) {
        return rc == -ENOENT ? 0 : rc; /* it has no corpus of its own */
    }
    rc = need_builds(work, err);
    const struct corpus_build build = {work->config, target, BUILD_KINDS};
    rc = rc < 0 ? rc
                : corpus_build_command(work->context, &limits_of_runs, &build, &command,
                                       err);
    const struct cover_config config = how(work, &command);
    struct library_prune order = {.config = &config};
    rc = rc < 0 ? rc : corpus_prune_library(work->context, target, library, &order, err);
    if (rc < 0) {
        return rc;
    }
    const struct cover_sum *sum = &order.sum;
    say_pruned(target, "corpus", sum->inputs - sum->kept, sum->inputs,
               sum->bytes - sum->kept_bytes);
    return corpus_file_offenders(work->context, target, &command,
                                 library_quarantine(library), &filed, err);
}

/* An engine that the target has no build for, or whose workers run, is passed over. */
static int
prune_queues(struct work *work, const char *target, const struct engine_ops *ops,
             struct err *err)
{
    AUTO(command_clear) struct command command = {0};
    struct queues_sum sum;
    int rc = need_builds(work, err);
    const struct corpus_build build = {work->config, target, ops->build};

    if (rc < 0 || corpus_build_command(work->context, &limits_of_runs, &build, &command,
                                       NULL) < 0) {
        return rc;
    }
    const struct cover_config config = how(work, &command);
    rc = queues_prune(store_folder(work->store), target, ops, &config, &sum, err);
    if (rc == 0 && sum.removed > 0) {
        say_pruned(target, ops->title, sum.removed, sum.inputs, sum.freed);
    }
    return rc == -EBUSY || rc == -ENOENT ? 0 : rc;
}

/* By the grade that the last --relieve gave. What fails of one target is told, and costs
 * the others nothing. */
static int
prune_target(struct work *work, const char *target, struct err *err)
{
    AUTO(mem_free) char *hold = disk_hold_path(store_folder(work->store), target);
    enum disk_grade grade = DISK_OK;
    struct err why = ERR_INIT;
    int rc = disk_last(work->store, target, &grade, err);

    if (rc < 0) {
        return rc;
    }
    if (grade >= DISK_SCARCE && prune_library(work, target, &why) < 0) {
        log_line(LOG_WARN, "disk", "target=%s corpus not pruned: %s", target, why.msg);
    }
    for (size_t i = 0; engine_table[i] != NULL && fs_exists(hold); i++) {
        const struct engine_ops *ops = engine_table[i];
        if (prune_queues(work, target, ops, &why) < 0) {
            log_line(LOG_WARN, "disk", "target=%s %s not pruned: %s", target, ops->title,
                     why.msg);
        }
    }
    return 0;
}

static int
each_target(struct work *work, const struct disk_limits *limits, struct err *err)
{
    AUTO(strv_clear) struct strv targets = {0};
    struct store *store = work->store;
    int rc = leftovers_targets(store, &targets, err);

    for (size_t i = 0; i < targets.n && rc == 0; i++) {
        struct disk_report report = {0};
        rc = relieve ? disk_relieve(store, targets.v[i], limits, &report, err) : 0;
        rc = rc < 0 || !prune ? rc : prune_target(work, targets.v[i], err);
        if (rc == 0 && prune && relieve) {
            rc = disk_relieve(store, targets.v[i], limits, &report, err);
        } else if (rc == 0 && !relieve && !quiet) {
            rc = look(store, targets.v[i], limits, &report, err);
        }
        if (rc == 0) {
            print_row(work->context, targets.v[i], &report);
        }
    }
    return rc;
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    AUTO(config_free) struct config *config = NULL;
    AUTO(work_clear) struct work work = {.context = context};
    struct err err = ERR_INIT;

    (void)command;
    if (args->n > 0) {
        return cmd_fail(EXIT_USAGE, "disk takes no argument '%s'", args->v[0]);
    }
    int rc = config_load_settings(context->config, &config, &err);
    rc = rc < 0 ? rc
                : store_open(context->state, relieve || prune ? DB_WRITE : DB_READ,
                             &work.store, &err);
    rc = rc < 0 ? rc : each_target(&work, &config->disk, &err);
    return rc < 0 ? cmd_fail_err(&err) : EXIT_DONE;
}

const struct cmd cmd_disk = {
    .name = "disk",
    .summary = "what each target takes of the disk, against `disk:` of nightjar.yaml",
    .usage = "[--relieve] [--prune]",
    .about =
        "How full each target is: of its budget in bytes and in files (what its workers,"
        " its inbox\n"
        "and its corpus take), and of what the disk has left down to its floor, the "
        "worst "
        "of them.\n"
        "From 80 % (tight) hangs, crashes and logs that workers left and that are in the "
        "ledger go;\n"
        "from 90 % (scarce) the corpus is pruned; from 100 % (full) the target's workers "
        "pause until\n"
        "it is below 90 %, and what they fuzz with is pruned meanwhile. `fuzz` runs "
        "--relieve and\n"
        "--prune every 10 seconds; changes are events (target.disk).\n\n"
        "  nightjar disk\n"
        "  nightjar disk --relieve --json\n"
        "  nightjar disk --relieve --prune",
    .options = options,
    .run = run,
};
