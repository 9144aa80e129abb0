#include "orchestrator/cmd/triage_plan.h"

#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/corpus/afl_tree.h"

void
triage_plan_clear(struct triage_plan *plan)
{
    for (size_t i = 0; i < plan->n_targets; i++) {
        mem_free(plan->targets[i].name);
        mem_free(plan->targets[i].source);
        build_list_clear(&plan->targets[i].builds);
        strv_clear(&plan->targets[i].ignore_frames);
    }
    mem_free(STEAL(plan->targets));
    mem_free(STEAL(plan->target_of));
    plan->n_targets = 0;
    crash_files_clear(&plan->files);
}

/* --- targets --- */

static struct triage_target *
find_target(const struct triage_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->n_targets; i++) {
        if (strcmp(plan->targets[i].name, name) == 0) {
            return &plan->targets[i];
        }
    }
    return NULL;
}

static bool
same_builds(const struct build_list *a, const struct build_list *b)
{
    AUTO(json_decref) json_t *left = build_list_to_json(a);
    AUTO(json_decref) json_t *right = build_list_to_json(b);

    return json_equal(left, right) == 1;
}

static void
copy_builds(struct build_list *to, const struct build_list *from)
{
    for (size_t i = 0; i < from->n; i++) {
        build_list_add(to, from->v[i].kind, &from->v[i].command);
    }
}

/* A program's name made one that a target may bear. */
static char *
name_of_program(const char *program)
{
    char *name = mem_strdup(fs_base(program));

    if (strlen(name) > TARGET_NAME_MAX - 8) {
        name[TARGET_NAME_MAX - 8] = '\0';
    }
    for (char *c = name; *c != '\0'; c++) {
        char one[] = {'x', *c, '\0'};
        if (!target_name_valid(one)) {
            *c = '_';
        }
    }
    if (!target_name_valid(name)) {
        *name = 'x'; /* a leading dot or dash */
    }
    return name;
}

/* The index of a target with these builds, made if there is none; steals nothing. Two
 * programs of one name get different ones: "png", "png-2". */
static size_t
add_target(struct triage_plan *plan, const char *wanted, const struct build_list *builds)
{
    AUTO(mem_free) char *name = mem_strdup(wanted);

    for (int i = 2;; i++) {
        struct triage_target *known = find_target(plan, name);
        if (known == NULL) {
            break;
        }
        if (same_builds(&known->builds, builds)) {
            return (size_t)(known - plan->targets);
        }
        mem_free(name);
        name = mem_printf("%s-%d", wanted, i);
    }
    plan->targets =
        mem_resize(plan->targets, (plan->n_targets + 1) * sizeof(*plan->targets));
    struct triage_target *target = &plan->targets[plan->n_targets++];
    *target = (struct triage_target){.name = STEAL(name)};
    copy_builds(&target->builds, builds);
    return plan->n_targets - 1;
}

/* --- commands --- */

/* What a person wrote behind "--". */
static int
build_from_argv(const struct strv *argv, struct build_list *out, struct err *err)
{
    AUTO(command_clear) struct command command = {0};
    int rc = command_from_argv(argv, &command, err);

    if (rc == 0) {
        build_list_add(out, "given", &command);
    }
    return rc;
}

/* A command that a person gave has the limits of `triage:`. */
static void
limit_given(const struct config *config, struct build_list *given)
{
    struct command *command = &given->v[0].command;

    if (config != NULL && config->triage.timeout_ms > 0) {
        command->timeout_ms = config->triage.timeout_ms;
    }
    if (config != NULL && config->triage.memory_bytes > 0) {
        command->memory_bytes = config->triage.memory_bytes;
    }
}

/* --target without a command: what nightjar.yaml says of it. A name that is not in there
 * is merely a name. */
static int
builds_from_config(const struct triage_request *request, struct build_list *out,
                   struct strv *ignore_frames, struct err *err)
{
    const struct target *target =
        target_list_find(&request->config->targets, request->target);

    if (target == NULL) {
        return 0;
    }
    strv_add_all(ignore_frames, &target->ignore_frames);
    return target_builds(target, out, err);
}

static int
no_command(const struct triage_request *request, const struct crash_group *group,
           struct err *err)
{
    AUTO(mem_free) char *folder = str_name_dup(group->folder);
    AUTO(buf_clear) struct buf path = BUF_INIT;
    AUTO(buf_clear) struct buf unknown = BUF_INIT;

    str_shell(&path, folder);
    if (request->target != NULL) {
        buf_addf(&unknown, " (%s has no target '%s')",
                 request->config->path == NULL ? "nightjar.yaml" : request->config->path,
                 request->target);
    }
    return err_set(err, -EINVAL,
                   "which program failed on '%.250s'?%s Say it behind --: nightjar %s "
                   "%.250s -- ./target%s",
                   folder, buf_str(&unknown), request->verb, buf_str(&path),
                   group->kind == CRASH_LIBFUZZER ? "" : " @@");
}

/* What AFL++ left behind names its own build. */
static int
builds_from_afl(const struct crash_group *files, struct build_list *out, char **source,
                struct err *err)
{
    AUTO(command_clear) struct command command = {0};
    int rc = afl_tree_command(&files->instances, &command, source, err);

    if (rc == 0) {
        build_list_add(out, "afl", &command);
    }
    return rc;
}

/* The builds of one group: given behind "--", of --target, or what AFL++ left behind. */
static int
plan_group(const struct triage_request *request, struct triage_plan *plan,
           const struct build_list *given, size_t group, struct err *err)
{
    const struct crash_group *files = &plan->files.v[group];
    AUTO(build_list_clear) struct build_list builds = {0};
    AUTO(mem_free) char *source = NULL;
    AUTO(mem_free) char *name = NULL;
    int rc = 0;

    if (given->n > 0 || request->reports) {
        copy_builds(&builds, given);
    } else if (files->kind == CRASH_AFL) {
        rc = builds_from_afl(files, &builds, &source, err);
    } else {
        rc = no_command(request, files, err);
    }
    if (rc < 0) {
        return rc;
    }
    const char *program = builds.n == 0 ? "reports" : builds.v[0].command.argv.v[0];
    for (size_t i = 0; i < builds.n && request->timeout_ms > 0; i++) {
        builds.v[i].command.timeout_ms = request->timeout_ms;
    }
    name =
        request->target != NULL ? mem_strdup(request->target) : name_of_program(program);
    size_t index = add_target(plan, name, &builds);
    plan->target_of[group] = index;
    if (plan->targets[index].source == NULL) {
        plan->targets[index].source = STEAL(source);
    }
    return 0;
}

static int
check_request(const struct triage_request *request, struct err *err)
{
    if (request->target != NULL && !target_name_valid(request->target)) {
        AUTO(mem_free) char *shown = str_name_dup(request->target);
        return err_set(
            err, -EINVAL,
            "--target: '%.100s' cannot be a target's name: letters, digits and "
            "_-.@ only, at most %d, not beginning with a dot or a dash",
            shown, TARGET_NAME_MAX);
    }
    if (request->reports && request->command->n > 0) {
        return err_set(err, -EINVAL,
                       "--reports reads texts and runs nothing: leave the command out");
    }
    if (request->paths->n == 0 && (request->command->n > 0 || request->reports)) {
        return err_set(err, -EINVAL, "which files? nightjar triage %sPATH...%s",
                       request->reports ? "--reports " : "",
                       request->reports ? "" : " -- ./target @@");
    }
    return 0;
}

/* Another kind of folder than the one that was named would be read in another way. */
static int
check_kind(const struct triage_request *request, const struct crash_files *files,
           struct err *err)
{
    static const char *const names[] = {[CRASH_PLAIN] = "plain folder",
                                        [CRASH_AFL] = "AFL++ output folder",
                                        [CRASH_LIBFUZZER] =
                                            "folder of libFuzzer artifacts"};
    bool fits = request->kind == NULL || files->n > 0;

    for (size_t i = 0; request->kind != NULL && i < files->n; i++) {
        fits = fits && files->v[i].kind == *request->kind;
    }
    if (fits || files->problems.n > 0) {
        return 0;
    }
    AUTO(mem_free) char *shown = str_name_dup(request->paths->v[0]);
    return err_set(err, -EINVAL, "'%s' is no %s: nightjar triage takes any files", shown,
                   names[*request->kind]);
}

int
triage_plan_make(const struct triage_request *request, struct triage_plan *out,
                 struct err *err)
{
    AUTO(triage_plan_clear) struct triage_plan plan = {.reports = request->reports};
    AUTO(build_list_clear) struct build_list given = {0};
    AUTO(strv_clear) struct strv ignore_frames = {0};
    int rc = check_request(request, err);

    if (rc == 0 && request->command->n > 0) {
        rc = build_from_argv(request->command, &given, err);
        if (rc == 0) {
            limit_given(request->config, &given);
        }
    } else if (rc == 0 && request->target != NULL && !request->reports) {
        rc = builds_from_config(request, &given, &ignore_frames, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (request->paths->n == 0 && given.n > 0) {
        (void)add_target(&plan, request->target, &given); /* its builds may be new */
    }
    for (size_t i = 0; i < request->paths->n; i++) {
        crash_files_collect(&plan.files, request->paths->v[i]);
    }
    rc = check_kind(request, &plan.files, err);
    plan.target_of = mem_array(plan.files.n, sizeof(*plan.target_of));
    for (size_t i = 0; i < plan.files.n && rc == 0; i++) {
        rc = plan_group(request, &plan, &given, i, err);
    }
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < plan.n_targets; i++) {
        strv_add_all(&plan.targets[i].ignore_frames, &ignore_frames);
    }
    *out = plan;
    plan = (struct triage_plan){0};
    return 0;
}

const char *
triage_plan_next(const struct triage_plan *plan, struct triage_cursor *cursor,
                 const struct triage_target **target)
{
    for (;; cursor->hangs = true, cursor->group = 0) {
        for (; cursor->group < plan->files.n; cursor->group++, cursor->file = 0) {
            const struct crash_group *group = &plan->files.v[cursor->group];
            const struct strv *list = cursor->hangs ? &group->hangs : &group->files;
            if (cursor->file < list->n) {
                *target = &plan->targets[plan->target_of[cursor->group]];
                return list->v[cursor->file++];
            }
        }
        if (cursor->hangs) {
            return NULL;
        }
    }
}
