#include "orchestrator/corpus/coverage.h"

#include <errno.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/bug_table.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/cmd/coverage_changes.h"
#include "orchestrator/cmd/rung.h"
#include "orchestrator/config.h"

enum { NAME_COLUMNS = 40 };

static struct strv corpus;
static const char *html, *rung_name;
static bool history, files, changes;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_LIST, "corpus", 0, &corpus, "PATH", "further inputs: a file or a folder"},
        {CMD_TEXT, "html", 0, &html, "DIR", "write a report of the sources, too"},
        {CMD_FLAG, "history", 0, &history, NULL,
         "run nothing: all measurements of the target, the oldest first"},
        {CMD_FLAG, "files", 0, &files, NULL,
         "run nothing: the files that the last one reached, to tell whom a change of one "
         "concerns"},
        {CMD_FLAG, "changes", 0, &changes, NULL,
         "run nothing: lines and functions that the last build measured reaches no more, "
         "and newly, against the build before it"},
        {CMD_TEXT, "sandbox", 0, &rung_name, "RUNG", "auto, bwrap, landlock or none"},
        {.kind = CMD_END}};

    return table;
}

static json_t *
counts_json(const struct coverage_counts *c)
{
    json_t *o = json_object();

    json_put(o, "lines", json_integer(c->lines));
    json_put(o, "lines_covered", json_integer(c->lines_covered));
    json_put(o, "functions", json_integer(c->functions));
    json_put(o, "functions_covered", json_integer(c->functions_covered));
    json_put(o, "regions", json_integer(c->regions));
    json_put(o, "regions_covered", json_integer(c->regions_covered));
    return o;
}

static void
print_json(const char *target, const struct coverage *c, bool alarm)
{
    for (size_t i = 0; i < c->n; i++) {
        AUTO(json_decref) json_t *o = counts_json(&c->files[i].counts);
        json_put(o, "file", json_text(c->files[i].name));
        json_print(stdout, o);
    }
    AUTO(json_decref) json_t *o = counts_json(&c->total);
    json_put(o, "target", json_text(target));
    json_put(o, "inputs", json_integer(c->inputs));
    json_put(o, "failed", json_integer(c->failed));
    json_put(o, "build_id", json_text(c->build_id));
    json_put(o, "dropped", json_boolean(alarm));
    json_print(stdout, o);
}

static void
print_row(const char *name, const struct coverage_counts *c)
{
    AUTO(buf_clear) struct buf line = BUF_INIT;
    double percent =
        c->lines == 0 ? 0 : 100.0 * (double)c->lines_covered / (double)c->lines;

    bug_table_cell(&line, name, NAME_COLUMNS);
    (void)printf("%s %5.1f %%  %6lld of %6lld lines  %5lld of %5lld functions\n",
                 buf_str(&line), percent, (long long)c->lines_covered,
                 (long long)c->lines, (long long)c->functions_covered,
                 (long long)c->functions);
}

static void
print(const struct cmd_context *context, const char *target, const struct coverage *c,
      bool alarm)
{
    if (context->json) {
        print_json(target, c, alarm);
        return;
    }
    for (size_t i = 0; i < c->n; i++) {
        print_row(fs_base(c->files[i].name), &c->files[i].counts);
    }
    print_row(target, &c->total);
    (void)printf("%lld inputs, %lld of them crashed or hung\n", (long long)c->inputs,
                 (long long)c->failed);
    if (alarm) {
        (void)printf(
            "%sdropped%s: more than a tenth fewer lines or regions than before: is the "
            "harness broken?\n",
            cmd_color(context, "31;1"), cmd_color(context, "0"));
    }
}

/* --- what is kept --- */

static int
print_one(void *user, const struct coverage *one, struct err *err)
{
    const struct cmd_context *context = user;
    char at[CLOCK_TEXT_MAX];

    (void)err;
    clock_iso(at, one->at);
    if (context->json) {
        AUTO(json_decref) json_t *o = counts_json(&one->total);
        json_put(o, "at", json_string(at));
        json_put(o, "inputs", json_integer(one->inputs));
        json_put(o, "failed", json_integer(one->failed));
        json_put(o, "corpus", json_text(one->corpus));
        json_put(o, "build_id", json_text(one->build_id));
        json_print(stdout, o);
        return 0;
    }
    print_row(at, &one->total);
    return 0;
}

static int
print_file(void *user, const struct coverage_file *file, struct err *err)
{
    const struct cmd_context *context = user;

    (void)err;
    if (file->counts.lines_covered == 0) {
        return 0;
    }
    if (context->json) {
        AUTO(json_decref) json_t *o = counts_json(&file->counts);
        json_put(o, "file", json_text(file->name));
        json_print(stdout, o);
    } else {
        print_row(file->name, &file->counts);
    }
    return 0;
}

static int
print_kept(const struct cmd_context *context, const char *target)
{
    AUTO(store_close) struct store *store = NULL;
    AUTO(mem_free) char *shown = str_name_dup(target);
    struct cmd_context copy = *context;
    struct err err = ERR_INIT;
    int64_t id = 0;
    int rc = store_open(context->state, DB_READ, &store, &err);

    rc = rc < 0 ? rc : store_target(store, target, &id, &err);
    if (rc == -ENODATA) {
        return cmd_fail(EXIT_USAGE, "nothing was measured of '%.100s' yet", shown);
    }
    if (rc == 0 && history) {
        rc = coverage_history(store, id, print_one, &copy, &err);
    }
    if (rc == 0 && files) {
        rc = coverage_last_files(store, id, print_file, &copy, &err);
    }
    return rc < 0 ? cmd_fail_err(&err) : EXIT_DONE;
}

static int
measure(const struct cmd_context *context, const char *name, struct coverage *out,
        bool *alarm, struct err *err)
{
    AUTO(config_free) struct config *config = NULL;
    AUTO(store_close) struct store *store = NULL;
    struct coverage_call call = {.paths = &corpus, .html = html};
    AUTO(mem_free) char *shown = str_name_dup(name);
    int64_t id = 0;
    int rc = config_load(context->config, &config, err);

    if (rc < 0) {
        return rc;
    }
    call.target = target_list_find(&config->targets, name);
    if (call.target == NULL) {
        return err_set(err, -EINVAL, "nightjar.yaml has no target '%.100s'", shown);
    }
    rc = store_open(context->state, DB_CREATE, &store, err);
    rc = rc < 0 ? rc : rung_choose(context, config, rung_name, &call.rung, err);
    if (rc < 0) {
        return rc;
    }
    call.state = store_folder(store);
    const struct record_settings settings = {
        .ooms_and_hangs = config->triage.ooms_and_hangs,
        .asserts_are_security = config->triage.asserts_are_security,
        .checks_are_security = config->triage.checks_are_security,
        .ignore_frames = call.target->ignore_frames};
    rc = coverage_measure(&call, out, err);
    rc = rc < 0 ? rc : store_target(store, name, &id, err);
    if (rc == -ENODATA && out->build_id != NULL) {
        rc = store_put_target(store, name, NULL, &settings, &id, err);
    }
    return rc < 0 ? rc : coverage_put(store, id, out, alarm, err);
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    AUTO(coverage_clear) struct coverage coverage = {0};
    struct err err = ERR_INIT;
    bool alarm = false;

    (void)command;
    if (args->n != 1) {
        return cmd_fail(EXIT_USAGE, "of which target? nightjar coverage TARGET");
    }
    if (changes) {
        return target_name_valid(args->v[0])
                   ? coverage_changes_print(context, args->v[0])
                   : cmd_fail(EXIT_USAGE, "that is no target's name");
    }
    if (history || files) {
        return print_kept(context, args->v[0]);
    }
    int rc = measure(context, args->v[0], &coverage, &alarm, &err);
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    print(context, args->v[0], &coverage, alarm);
    if (!context->json) {
        coverage_changes_hint(context, args->v[0]);
    }
    return alarm ? EXIT_FOUND : EXIT_DONE;
}

const struct cmd cmd_coverage = {
    .name = "coverage",
    .summary = "what a target's corpus reaches, in lines, functions and regions",
    .usage =
        "TARGET [--corpus PATH]... [--html DIR] | TARGET --history | TARGET --files | "
        "TARGET --changes",
    .about =
        "Run the seeds of a target, its library (`corpus import`) and what its workers "
        "keep\n"
        "through its coverage "
        "build "
        "(clang\n"
        "-fprofile-instr-generate -fcoverage-mapping) in the sandbox, and keep what they "
        "reach, file\n"
        "by file, in the database. Inputs that crash cost their own profile and no "
        "other's.\n\n"
        "Lines are kept of the last two builds, in lcov's format "
        "(STATE/coverage/TARGET): "
        "a function that was not\n"
        "edited is compared line by line, wherever it begins now.\n\n"
        "Exit status 1, and an event (target.coverage): the same or a larger corpus "
        "reaches more\n"
        "than a tenth fewer lines or regions than the last time, so that the harness may "
        "be broken.\n\n"
        "  nightjar coverage stb_vorbis\n"
        "  nightjar coverage stb_vorbis --html report --json\n"
        "  nightjar coverage stb_vorbis --history\n"
        "  nightjar coverage stb_vorbis --files --json\n"
        "  nightjar coverage stb_vorbis --changes",
    .options = options,
    .run = run,
};
