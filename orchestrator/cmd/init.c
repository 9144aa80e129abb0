#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/config.h"

enum { NOTES_SHOWN = 8 };

static const char default_name[] = "nightjar.yaml";

/* What init has found. */
struct finds {
    struct target_list targets;
    struct strv folders; /* as they are written */
    struct strv notes;   /* what was refused */
};

static void
finds_clear(struct finds *finds)
{
    target_list_clear(&finds->targets);
    strv_clear(&finds->folders);
    strv_clear(&finds->notes);
}
AUTO_DEFINE_CLEAR(struct finds, finds_clear)

/* A folder as nightjar.yaml names it: relative where it lies below the file's own folder.
 */
static char *
as_written(const char *folder, const char *config)
{
    AUTO(mem_free) char *absolute = fs_absolute(folder);
    AUTO(mem_free) char *file = fs_absolute(config);
    size_t len = (size_t)(fs_base(file) - file); /* with the slash */

    if (strncmp(absolute, file, len) == 0) {
        return mem_strdup(absolute + len);
    }
    if (strlen(absolute) == len - 1 && strncmp(absolute, file, len - 1) == 0) {
        return mem_strdup(".");
    }
    return STEAL(absolute);
}

static int
find_all(const struct strv *folders, const char *config, struct finds *finds,
         struct err *err)
{
    for (size_t i = 0; i < folders->n; i++) {
        int rc =
            target_discover_notes(folders->v[i], &finds->targets, &finds->notes, err);
        if (rc < 0) {
            return rc;
        }
        AUTO(mem_free) char *written = as_written(folders->v[i], config);
        strv_add(&finds->folders, written);
    }
    return 0;
}

static void
list_builds(const struct target *target, struct buf *out)
{
    for (int i = 0; i < BUILD_KINDS; i++) {
        if (target->builds[i] != NULL) {
            buf_addf(out, "%s%s", out->len > 0 ? " " : "",
                     build_kind_name((enum build_kind)i));
        }
    }
}

static bool
can_be_fuzzed(const struct target *target)
{
    return target->builds[BUILD_AFL] != NULL || target->builds[BUILD_LIBFUZZER] != NULL;
}

/* The number of seeds, or "?" where they cannot be read. */
static char *
count_seeds(const struct target *target)
{
    int64_t n = 0;

    return target_count_seeds(target, &n, NULL) < 0 ? mem_strdup("?")
                                                    : mem_printf("%lld", (long long)n);
}

static void
print_target_json(const struct target *target, const char *config)
{
    AUTO(json_decref) json_t *line = json_object();
    json_t *builds = json_object();
    int64_t seeds = 0;

    for (int i = 0; i < BUILD_KINDS; i++) {
        if (target->builds[i] != NULL) {
            json_put(builds, build_kind_name((enum build_kind)i),
                     json_name(target->builds[i]));
        }
    }
    json_put(line, "target", json_text(target->name));
    json_put(line, "builds", builds);
    json_put(line, "seeds",
             target_count_seeds(target, &seeds, NULL) < 0 ? json_null()
                                                          : json_integer(seeds));
    json_put(line, "in_process", json_boolean(target->in_process));
    json_put(line, "args", json_strv(&target->args));
    json_put(line, "dictionary", json_name(target->dictionary));
    json_put(line, "config", json_name(config));
    json_print(stdout, line);
}

static void
print_target(const struct target *target)
{
    AUTO(buf_clear) struct buf builds = BUF_INIT;
    AUTO(mem_free) char *seeds = count_seeds(target);

    list_builds(target, &builds);
    (void)printf("%-24s %-42s %5s%s\n", target->name, buf_str(&builds), seeds,
                 can_be_fuzzed(target) ? "" : "  (nothing to fuzz it with)");
}

static void
print_finds(const struct cmd_context *context, const struct finds *finds,
            const char *config)
{
    if (context->json) {
        for (size_t i = 0; i < finds->targets.n; i++) {
            print_target_json(finds->targets.v[i], config);
        }
        return;
    }
    (void)printf("%s%-24s %-42s %5s%s\n", cmd_color(context, "1"), "TARGET", "BUILDS",
                 "SEEDS", cmd_color(context, "0"));
    for (size_t i = 0; i < finds->targets.n; i++) {
        print_target(finds->targets.v[i]);
    }
    for (size_t i = 0; i < finds->notes.n && i < NOTES_SHOWN; i++) {
        (void)printf("not taken: %s\n", finds->notes.v[i]);
    }
    if (finds->notes.n > NOTES_SHOWN) {
        (void)printf("not taken: %zu more\n", finds->notes.n - NOTES_SHOWN);
    }
}

/* What was written must be readable as it stands; it is not left behind otherwise. */
static int
write_config(const char *path, const struct finds *finds, struct err *err)
{
    AUTO(config_free) struct config *config = NULL;
    int rc = config_write(path, &finds->targets, &finds->folders, err);

    if (rc < 0) {
        return rc;
    }
    rc = config_load(path, &config, err);
    if (rc < 0) {
        (void)unlink(path);
        return err_wrap(err, rc, "what was written cannot be read");
    }
    return 0;
}

static const char *
next_step(const struct target_list *targets)
{
    for (size_t i = 0; i < targets->n; i++) {
        if (can_be_fuzzed(targets->v[i])) {
            return "nightjar fuzz --for 10m";
        }
    }
    return "build the targets with afl-clang-fast or -fsanitize=fuzzer, then nightjar "
           "fuzz";
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    const char *config = context->config == NULL ? default_name : context->config;
    AUTO(mem_free) char *absolute = fs_absolute(config);
    AUTO(mem_free) char *shown = str_name_dup(absolute);
    AUTO(finds_clear) struct finds finds = {0};
    struct err err = ERR_INIT;

    if (args->n == 0 || command->n > 0) {
        return cmd_fail(
            EXIT_USAGE,
            "init needs the folder that holds the fuzz targets: nightjar init DIR");
    }
    if (fs_exists(config)) {
        return cmd_fail(EXIT_USAGE, "'%s' is there already: edit it, or remove it first",
                        shown);
    }
    int rc = find_all(args, config, &finds, &err);
    if (rc == 0) {
        rc = write_config(config, &finds, &err);
    }
    if (rc == -ENOENT || rc == -E2BIG || rc == -EEXIST) {
        return cmd_fail(EXIT_USAGE, "%s", err.msg); /* the folder was named wrongly */
    }
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    print_finds(context, &finds, config);
    if (!context->json) {
        (void)printf("wrote %s\n", shown);
    }
    cmd_next(context, "%s", next_step(&finds.targets));
    return EXIT_DONE;
}

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {{.kind = CMD_END}};

    return table;
}

const struct cmd cmd_init = {
    .name = "init",
    .summary = "write nightjar.yaml for a folder of fuzz targets",
    .usage = "DIR...",
    .about =
        "Looks for fuzz targets below DIR by OSS-Fuzz's rules (a program that holds\n"
        "LLVMFuzzerTestOneInput, with NAME_seed_corpus.zip, NAME.dict, NAME.options "
        "beside\n"
        "it; a command-line program with a NAME.yaml) and writes a commented "
        "nightjar.yaml\n"
        "in the current folder, or where --config says. Never overwrites one.\n\n"
        "example: nightjar init build/targets",
    .options = options,
    .run = run,
    .stateless = true,
};
