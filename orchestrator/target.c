#include "orchestrator/target.h"

#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

const char *
build_kind_name(enum build_kind kind)
{
    static const char *const names[BUILD_KINDS] = {
        [BUILD_AFL] = "afl",
        [BUILD_CMPLOG] = "cmplog",
        [BUILD_SANITIZER] = "sanitizer",
        [BUILD_LIBFUZZER] = "libfuzzer",
        [BUILD_COVERAGE] = "coverage",
        [BUILD_RELEASE] = "release",
    };

    return names[kind];
}

bool
target_name_valid(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_-.@";
    size_t len = strspn(name, allowed);

    return len > 0 && len <= TARGET_NAME_MAX && name[len] == '\0' && name[0] != '.' &&
           name[0] != '-';
}

void
target_free(struct target *target)
{
    if (target == NULL) {
        return;
    }
    mem_free(target->name);
    for (int i = 0; i < BUILD_KINDS; i++) {
        mem_free(target->builds[i]);
    }
    mem_free(target->dictionary);
    strv_clear(&target->args);
    strv_clear(&target->seeds);
    strv_clear(&target->first);
    strv_clear(&target->read);
    strv_clear(&target->env);
    strv_clear(&target->libfuzzer);
    strv_clear(&target->ignore_frames);
    mem_free(target);
}

/* The entry "NAME=..." of an environment, or NULL. */
static char **
find_env(const struct strv *env, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < env->n; i++) {
        if (strncmp(env->v[i], name, len) == 0 && env->v[i][len] == '=') {
            return &env->v[i];
        }
    }
    return NULL;
}

void
target_set_env(struct target *target, const char *name, const char *value)
{
    char **entry = find_env(&target->env, name);

    if (entry == NULL) {
        strv_addf(&target->env, "%s=%s", name, value);
        return;
    }
    bool merges = str_ends(name, "SAN_OPTIONS") && (*entry)[strlen(name) + 1] != '\0';
    char *changed =
        merges ? mem_printf("%s:%s", *entry, value) : mem_printf("%s=%s", name, value);
    mem_free(*entry);
    *entry = changed;
}

void
target_complete(struct target *target)
{
    if (target->builds[BUILD_AFL] == NULL) {
        target->builds[BUILD_AFL] = mem_strdup(target->builds[BUILD_CMPLOG]);
    }
    target->in_process &= target->args.n == 0;
}

bool
target_flag_is_ours(const char *name)
{
    static const char *const flags[] = {
        "artifact_prefix",
        "exact_artifact_path",
        "max_total_time",
        "runs",
        "jobs",
        "workers",
        "fork",
        "merge",
        "merge_control_file",
        "set_cover_merge",
        "minimize_crash",
        "cleanse_crash",
        "print_final_stats",
        "reload",
        "seed_inputs",
        "ignore_crashes",
        "ignore_timeouts",
        "ignore_ooms",
        "stop_file",
        "handle_abrt",
        "handle_segv",
        "handle_bus",
        "handle_fpe",
        "handle_ill",
        "handle_int",
        "handle_term",
        "help",
        "version",
        "timeout",
        "rss_limit_mb",
        "dict",
    };

    for (size_t i = 0; i < COUNT(flags); i++) {
        if (strcmp(name, flags[i]) == 0) {
            return true;
        }
    }
    return false;
}

struct target *
target_list_find(const struct target_list *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->v[i]->name, name) == 0) {
            return list->v[i];
        }
    }
    return NULL;
}

struct target *
target_list_add(struct target_list *list, const char *name)
{
    struct target *target = mem_alloc(sizeof(*target));

    target->name = mem_strdup(name);
    target->limits = list->limits;
    target->timeout_ms = list->timeout_ms > 0 ? list->timeout_ms : COMMAND_TIMEOUT_MS;
    target->memory_bytes =
        list->memory_bytes > 0 ? list->memory_bytes : (int64_t)COMMAND_MEMORY_MB << 20;
    list->v = mem_resize(list->v, (list->n + 1) * sizeof(struct target *));
    list->v[list->n++] = target;
    return target;
}

void
target_list_clear(struct target_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        target_free(list->v[i]);
    }
    mem_free(list->v);
    list->v = NULL;
    list->n = 0;
}

/* --- commands --- */

/* Builds that replays can run on, the best first: without an engine around it a report is
 * the plainest, and what is shipped has none. */
static const enum build_kind replay_order[] = {BUILD_SANITIZER, BUILD_LIBFUZZER,
                                               BUILD_AFL, BUILD_CMPLOG, BUILD_RELEASE};

static int
no_build(const struct target *target, struct err *err)
{
    if (target->builds[BUILD_COVERAGE] != NULL) {
        return err_set(
            err, -ENOEXEC,
            "target '%s' has only a coverage build, which reports no bug: build it "
            "with a sanitizer too",
            target->name);
    }
    return err_set(err, -ENOEXEC,
                   "target '%s' has no build to run: give builds: in nightjar.yaml, or "
                   "discover it in a folder with out:",
                   target->name);
}

/* What a target's arguments name by absolute paths it may read. */
static void
add_readable(const struct target *target, struct command *command)
{
    strv_add_all(&command->read, &target->read);
    for (size_t i = 0; i < target->args.n; i++) {
        const char *arg = target->args.v[i];
        if (arg[0] == '/' && fs_exists(arg) && !strv_has(&command->read, arg)) {
            strv_add(&command->read, arg);
        }
    }
}

static void
set_arguments(const struct target *target, enum build_kind kind, struct command *command)
{
    command->mode = INPUT_STDIN;
    if (target->in_process) {
        command->mode = kind == BUILD_LIBFUZZER ? INPUT_LIBFUZZER : INPUT_ARGUMENT;
        if (command->mode == INPUT_ARGUMENT) {
            strv_add(&command->argv, "@@");
        }
        return;
    }
    strv_add_all(&command->argv, &target->args);
    for (size_t i = 0; i < target->args.n; i++) {
        if (strstr(target->args.v[i], "@@") != NULL) {
            command->mode = INPUT_ARGUMENT;
        }
    }
}

static int
command_of(const struct target *target, enum build_kind kind, struct command *out,
           struct err *err)
{
    const char *path = target->builds[kind];
    struct probe probe;
    int rc = target_probe(path, &probe, err);

    if (rc < 0) {
        return err_wrap(err, rc, "target '%s'", target->name);
    }
    if (!probe.executable) {
        return err_set(err, -ENOEXEC, "target '%s': '%s' cannot be run: %s", target->name,
                       path, probe.flaw);
    }
    command_clear(out);
    strv_add(&out->argv, path);
    set_arguments(target, kind, out);
    strv_add_all(&out->env, &target->env);
    add_readable(target, out);
    out->timeout_ms = target->timeout_ms;
    out->memory_bytes = target->memory_bytes;
    /* what a script starts may be anything: its memory is limited as ASan's is */
    out->asan = probe.asan || probe.msan || probe.tsan || probe.script;
    return 0;
}

/* Whether the program of a kind is that of one before it: a CMPLOG build stands in for
 * AFL's. */
static bool
is_repeated(const struct target *target, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        const char *earlier = target->builds[replay_order[i]];
        if (earlier != NULL && strcmp(earlier, target->builds[replay_order[at]]) == 0) {
            return true;
        }
    }
    return false;
}

int
target_builds(const struct target *target, struct build_list *out, struct err *err)
{
    struct err why = ERR_INIT;

    for (size_t i = 0; i < COUNT(replay_order); i++) {
        AUTO(command_clear) struct command command = {0};
        enum build_kind kind = replay_order[i];
        if (target->builds[kind] == NULL || is_repeated(target, i)) {
            continue;
        }
        int rc = command_of(target, kind, &command, &why);
        if (rc < 0 && out->n == 0) {
            return err_set(err, rc, "%s", why.msg);
        }
        if (rc == 0) {
            build_list_add(out, build_kind_name(kind), &command);
        }
    }
    return out->n == 0 ? no_build(target, err) : 0;
}

int
target_command(const struct target *target, struct command *out, struct err *err)
{
    AUTO(build_list_clear) struct build_list builds = {0};
    int rc = target_builds(target, &builds, err);

    if (rc == 0) {
        command_copy(out, &builds.v[0].command);
    }
    return rc;
}
