#include "orchestrator/supervise/verifier_check.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "triage/program.h"
#include "triage/worker.h"

enum {
    TIMEOUT_RUNS = 2, /* the second with twice the limit: triage/repeat.h */
};

void
checking_clear(struct checking *checking)
{
    for (size_t i = 0; i < checking->n_builds; i++) {
        mem_free(checking->builds[i].path);
        mem_free(checking->builds[i].id);
    }
    mem_free(checking->builds);
}

static void
command_gone(struct check *check)
{
    command_clear(&check->command);
    strv_clear(&check->settings.ignore_frames);
    check->settings = (struct record_settings){0};
}

void
check_clear(struct check *check)
{
    witness_list_clear(&check->witnesses);
    command_gone(check);
    verified_clear(&check->seen);
}

/* "": it has none. */
static const char *
build_id(struct checking *checking, const char *path)
{
    for (size_t i = 0; i < checking->n_builds; i++) {
        if (strcmp(checking->builds[i].path, path) == 0) {
            return checking->builds[i].id;
        }
    }
    checking->builds = mem_resize(checking->builds,
                                  (checking->n_builds + 1) * sizeof(*checking->builds));
    char *id = program_build_id(path);
    checking->builds[checking->n_builds] =
        (struct build_name){mem_strdup(path), id == NULL ? mem_strdup("") : id};
    return checking->builds[checking->n_builds++].id;
}

/* --- the command --- */

/* What a bug needs to show, beside the command of another build. */
static int
add_options(const struct checking *checking, struct check *check, struct err *err)
{
    AUTO(bug_clear) struct bug bug = {0};
    int rc = store_bug(checking->store, check->of->bug, &bug, err);

    if (rc == 0 && bug.record != NULL) {
        command_add_options(&check->command, bug.record->replay_options);
    }
    return rc;
}

/* The same kind of build of the other version, where there is one. */
static int
take_elsewhere(const struct checking *checking, struct check *check, struct err *err)
{
    const struct regression *of = check->of;
    const struct target *target = target_list_find(checking->elsewhere, of->target);
    AUTO(build_list_clear) struct build_list builds = {0};
    const char *kind = NULL;

    if (target == NULL) {
        return err_set(err, -ENOENT, "there is no target '%s' among the other builds",
                       of->target);
    }
    int rc = regression_build(checking->store, of, check->command.argv.v[0], &kind, err);
    rc = rc < 0 ? rc : target_builds(target, &builds, err);
    if (rc < 0) {
        return rc;
    }
    const struct build *build = build_list_find(&builds, kind);
    command_copy(&check->command, build != NULL ? &build->command : &builds.v[0].command);
    return 0;
}

static bool
is_given(const struct checking *checking)
{
    return checking->command != NULL && checking->command->n > 0;
}

/* Another command than the one that is stored. */
static int
take_other(const struct checking *checking, struct check *check, struct err *err)
{
    if (!is_given(checking) && checking->elsewhere == NULL) {
        return 0;
    }
    int rc = is_given(checking)
                 ? command_from_argv(checking->command, &check->command, err)
                 : take_elsewhere(checking, check, err);
    return rc < 0 ? rc : add_options(checking, check, err);
}

/* The program of the build that was named in place of the present one. */
static int
take_build(const struct checking *checking, struct check *check, struct err *err)
{
    AUTO(program_found_clear) struct program_found found = {0};
    int rc = kept_program(checking->store, checking->build, check->of->target,
                          check->seen.kind, &found, err);

    if (rc < 0) {
        return rc;
    }
    mem_free(check->command.argv.v[0]);
    check->command.argv.v[0] = STEAL(found.path);
    check->seen.kind = found.kind;
    return 0;
}

static int
read_command(const struct checking *checking, struct check *check, struct err *err)
{
    const struct witness *witness = &check->witnesses.v[check->at];

    command_gone(check);
    check->target = check->of->target_id;
    return witness->crash == 0
               ? store_bug_command(checking->store, check->of->bug, &check->command,
                                   &check->settings, err)
               : store_crash_command(checking->store, witness->crash, &check->command,
                                     &check->settings, &check->target, err);
}

static int
load_command(struct checking *checking, struct check *check, struct err *err)
{
    const struct regression of = {.target_id = check->of->target_id};
    int rc = check->witnesses.n > 0 ? 0
                                    : regression_witnesses(checking->store, check->of,
                                                           &check->witnesses, err);

    rc = rc < 0 ? rc : read_command(checking, check, err);
    rc = rc < 0 ? rc : take_other(checking, check, err);
    rc = rc < 0 ? rc
                : regression_build(checking->store, &of, check->command.argv.v[0],
                                   &check->seen.kind, err);
    if (rc == 0 && checking->build != NULL) {
        rc = take_build(checking, check, err);
    }
    if (rc < 0) {
        return rc;
    }
    const struct witness *witness = &check->witnesses.v[check->at];
    const char *program = check->command.argv.v[0];
    mem_free(check->seen.path);
    mem_free(check->seen.build_id);
    check->seen.path = mem_strdup(program);
    check->seen.build_id = mem_strdup(build_id(checking, program));
    check->runs = checking->runs > 0 ? (int)checking->runs
                                     : regression_runs(witness->k, witness->n);
    if (check->runs < TIMEOUT_RUNS && strcmp(check->of->crash_type, "Timeout") == 0) {
        check->runs = TIMEOUT_RUNS;
    }
    check->loaded = true;
    return 0;
}

int
check_request(struct checking *checking, struct check *check, json_t **request,
              struct buf *input, struct err *err)
{
    int rc = check->loaded ? 0 : load_command(checking, check, err);

    rc = rc < 0 ? rc
                : regression_bytes(checking->store, check->of,
                                   check->witnesses.v[check->at].sha256, input, err);
    if (rc < 0) {
        return rc;
    }
    const struct record_settings *settings = &check->settings;
    json_t *record = json_object();
    *request = json_object();
    json_put(record, "fuzz_target", json_text(check->of->target));
    json_put(record, "ooms_and_hangs", json_boolean(settings->ooms_and_hangs));
    json_put(record, "asserts_are_security",
             json_boolean(settings->asserts_are_security));
    json_put(record, "checks_are_security", json_boolean(settings->checks_are_security));
    json_put(record, "ignore_frames", json_strv(&settings->ignore_frames));
    json_put(*request, "op", json_string("triage"));
    json_put(*request, "command", command_to_json(&check->command));
    json_put(*request, "options", record);
    json_put(*request, "runs", json_integer(check->runs));
    return 0;
}

/* --- the answer --- */

static bool
is_original(const struct check *check, size_t at)
{
    return at == 1 && check->of->original[0] != '\0';
}

/* What is known of the build stays, and how much is clean already. */
static void
begin_answer(struct check *check)
{
    const struct witness *witness =
        check->witnesses.n == 0 ? NULL : &check->witnesses.v[check->at];
    struct verified fresh = {.kind = check->seen.kind,
                             .path = check->seen.path,
                             .build_id = check->seen.build_id,
                             .clean = check->seen.clean,
                             .original = is_original(check, check->at),
                             .sibling = witness != NULL && witness->crash != 0};

    if (witness != NULL) {
        memcpy(fresh.sha256, witness->sha256, sizeof(fresh.sha256));
    }
    check->seen.path = NULL;
    check->seen.build_id = NULL;
    verified_clear(&check->seen);
    check->seen = fresh;
}

/* A change that nobody knows is filed where it is the present builds' own: what a person
 * tries by hand is not. */
static int
judge(struct checking *checking, struct check *check, int64_t job, const json_t *answer,
      struct err *err)
{
    struct verified *seen = &check->seen;
    bool later = false;
    int rc = regression_judge(checking->store, check->of, job, answer, seen, err);

    if (rc == 0 && seen->as == VERIFIED_CHANGED && seen->known == 0 &&
        checking->elsewhere == NULL) {
        rc = regression_is_later(checking->store, check->of, check->target, seen, &later,
                                 err);
        rc = rc < 0 || !later ? rc
                              : regression_file_changed(checking->store, check->of, job,
                                                        answer, seen, err);
    }
    return rc;
}

/* Would it be fixed if all that is not asked yet were clean? */
static int
would_fix(struct checking *checking, struct check *check, bool *fixes, struct err *err)
{
    int clean = check->seen.clean;

    if (checking->elsewhere != NULL) {
        *fixes = false;
        return 0;
    }
    check->seen.clean = (int)check->witnesses.n;
    int rc = regression_moves(checking->store, check->of, &check->seen, err);
    check->seen.clean = clean;
    *fixes = rc == 0 && check->seen.to != NULL;
    check->seen.to = NULL;
    return rc;
}

/* A further input is clean: on a build that is no later it says nothing. */
static int
weigh_sibling(struct checking *checking, struct check *check, bool *counts,
              struct err *err)
{
    struct verified *seen = &check->seen;
    int rc =
        regression_is_later(checking->store, check->of, check->target, seen, counts, err);

    if (rc == 0 && !*counts) {
        seen->clean--;
        mem_free(seen->reason);
        seen->reason = mem_printf("it was found on the %s build, too, which is no later "
                                  "one",
                                  seen->kind);
    }
    return rc;
}

/* The next witness; 0: there is none to be asked. */
static int
go_on(struct checking *checking, struct check *check, struct err *err)
{
    size_t own = check->of->original[0] != '\0' ? 2 : 1;
    bool counts = true;
    int rc = 0;

    if (check->at + 1 == own) {
        rc = would_fix(checking, check, &check->fixes, err);
    } else if (check->at >= own) {
        rc = weigh_sibling(checking, check, &counts, err);
    }
    if (rc < 0 || !counts || check->at + 1 >= check->witnesses.n ||
        (check->at + 1 >= own && !check->fixes)) {
        return rc;
    }
    check->at++;
    check->loaded = check->at < own; /* the same command */
    return 1;
}

/* What came to its limit of time once may have been slow, and three runs that agreed when
 * a bug was filed may have been luck. */
static bool
wants_more_runs(const struct checking *checking, struct check *check)
{
    int runs = check->runs;

    if (check->seen.timed_out && runs == 1) {
        check->runs = TIMEOUT_RUNS;
    } else if (check->seen.as == VERIFIED_CLEAN && !check->seen.sibling &&
               checking->runs == 0 && runs < checking->fix_runs &&
               bug_is_open(check->of->state)) {
        check->runs = checking->fix_runs;
    }
    return check->runs > runs;
}

int
check_answer(struct checking *checking, struct check *check, int64_t job,
             const json_t *answer, const char *why, struct err *err)
{
    int before = check->seen.n;

    begin_answer(check);
    if (answer == NULL) {
        check->seen.as = VERIFIED_BROKEN;
        check->seen.reason = mem_strdup(why);
        return 0;
    }
    int rc = judge(checking, check, job, answer, err);
    if (rc < 0) {
        return rc;
    }
    if (wants_more_runs(checking, check)) {
        check->seen.n = before;
        return 1;
    }
    if (check->seen.as == VERIFIED_CLEAN) {
        check->seen.clean++;
        check->seen.n += check->seen.sibling ? before : 0;
        rc = go_on(checking, check, err);
        if (rc != 0) {
            return rc;
        }
    }
    return checking->elsewhere != NULL
               ? 0
               : regression_moves(checking->store, check->of, &check->seen, err);
}
