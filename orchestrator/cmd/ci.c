#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/ci.h"
#include "orchestrator/gate/cifuzz.h"
#include "orchestrator/gate/workflow.h"
#include "orchestrator/git.h"

enum {
    FOR_DEFAULT_MS = 600 * 1000, /* CIFuzz's fuzz-seconds */
    MINIMIZE_MS = 20 * 1000,
};

static struct ci_options given;
static const char *on_inconclusive = "fail";
static const char *exit_style = "nightjar";
static const char *print, *token_env;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_DURATION, "for", 0, &given.for_ms, "DURATION",
         "how long to fuzz, all targets together (default 10m)"},
        {CMD_TEXT, "base", 0, &given.base, "OUT",
         "builds of what the change stems from: what they show as well is not new"},
        {CMD_TEXT, "diff", 0, &given.diff, "FILE",
         "the change, as `git diff` writes it: targets that it cannot touch are not run"},
        {CMD_TEXT, "base-commit", 0, &given.base_commit, "COMMIT",
         "the same, from `git diff COMMIT` in this folder"},
        {CMD_TEXT, "state-from", 0, &given.state_from, "DIR",
         "fetch what earlier runs left: what is known, corpora, base builds"},
        {CMD_TEXT, "state-to", 0, &given.state_to, "DIR",
         "leave it for later runs; for runs of the base branch"},
        {CMD_TEXT, "override", 0, &given.override, "REASON",
         "let the change pass a frozen budget; with --token-env"},
        {CMD_TEXT, "token-env", 0, &token_env, "NAME",
         "where in the environment the token is that gate: budget: override_tokens: "
         "knows"},
        {CMD_TEXT, "policy-from", 0, &given.policy_from, "FILE|DIR",
         "read `gate:` from the base branch's nightjar.yaml, not from the change's"},
        {CMD_TEXT, "fail-on", 0, &given.fail_on, "LEVEL",
         "new bugs of this severity or worse fail: low medium high critical"},
        {CMD_FLAG, "strict", 0, &given.strict, NULL,
         "what cannot be attributed to the change fails it, too"},
        {CMD_TEXT, "on-inconclusive", 0, &on_inconclusive, "fail|warn",
         "exit status where it did not truly run: 3 (default) or 0"},
        {CMD_TEXT, "exit-style", 0, &exit_style, "STYLE",
         "nightjar, or cifuzz: 0 nothing, 1 an error, 2 bugs, and CIFuzz's environment"},
        {CMD_TEXT, "print", 0, &print, "github|gitlab",
         "print a workflow to begin with, and do nothing else"},
        {CMD_FLAG, "all-targets", 0, &given.all_targets, NULL,
         "run those that the change cannot have touched as well"},
        {CMD_FLAG, "untrusted", 0, &given.untrusted, NULL,
         "a stranger's change: shown nothing of bugs that were there before"},
        {CMD_TEXT, "report-dir", 0, &given.report_dir, "DIR",
         "where the reports go (default STATE/reports)"},
        {CMD_DURATION, "minimize", 0, &given.minimize_ms, "DURATION",
         "time for each bug's reproducer (default 0: `nightjar minimize`, or a nightly "
         "run)"},
        {CMD_NUMBER, "jobs", 'j', &given.jobs, "N",
         "workers and replays at a time (default: processors)"},
        {CMD_TEXT, "sandbox", 0, &given.rung, "RUNG",
         "auto bwrap landlock none (default auto)"},
        {.kind = CMD_END}};

    return table;
}

static int
read_word(const char *option, const char *word, const char *const words[2], bool *second,
          struct err *err)
{
    *second = strcmp(word, words[1]) == 0;
    if (*second || strcmp(word, words[0]) == 0) {
        return 0;
    }
    AUTO(mem_free) char *shown = str_name_dup(word);
    return err_set(err, -EINVAL, "--%s '%s': wanted %s or %s", option, shown, words[0],
                   words[1]);
}

/* A token in the arguments would be anybody's who lists processes. */
static int
read_token(struct err *err)
{
    if ((token_env == NULL) != (given.override == NULL)) {
        return err_set(err, -EINVAL,
                       "--override REASON and --token-env NAME go together");
    }
    if (token_env == NULL) {
        return 0;
    }
    given.token = getenv(token_env);
    if (given.token == NULL || strlen(given.token) < GATE_TOKEN_BYTES_MIN) {
        AUTO(mem_free) char *shown = str_name_dup(token_env);
        return err_set(err, -EINVAL,
                       "--token-env: the environment has no token of %d bytes at least "
                       "in '%s'",
                       GATE_TOKEN_BYTES_MIN, shown);
    }
    return 0;
}

static int
check_options(const struct strv *args, const struct strv *command, struct err *err)
{
    static const char *const reactions[2] = {"fail", "warn"};
    static const char *const styles[2] = {"nightjar", "cifuzz"};
    int rc = read_word("on-inconclusive", on_inconclusive, reactions, &given.warn, err);

    rc = rc < 0 ? rc : read_word("exit-style", exit_style, styles, &given.cifuzz, err);
    if (rc < 0) {
        return rc;
    }
    if (args->n > 1 || command->n > 0) {
        return err_set(err, -EINVAL, "ci takes one folder of builds: nightjar ci OUT");
    }
    if (given.for_ms > 0 && given.for_ms < 1000) {
        return err_set(err, -EINVAL, "--for: a second at least, or nothing is fuzzed");
    }
    if (given.base_commit != NULL &&
        (!git_is_commit(given.base_commit) || given.diff != NULL)) {
        return err_set(err, -EINVAL, "--base-commit takes a commit, in place of --diff");
    }
    given.out = args->n == 0 ? NULL : args->v[0];
    return read_token(err);
}

/* What a step of CIFuzz would do; an option of the command line wins. */
static void
adopt(const struct cifuzz *step)
{
    given.out = given.out != NULL ? given.out : step->out;
    given.base = given.base != NULL || step->batch ? given.base : step->base;
    given.report_dir = given.report_dir != NULL ? given.report_dir : step->artifacts;
    given.for_ms = given.for_ms > 0 ? given.for_ms : step->for_ms;
    given.jobs = given.jobs > 0 || step->parallel ? given.jobs : 1;
    given.minimize_ms =
        given.minimize_ms > 0 || !step->minimize ? given.minimize_ms : MINIMIZE_MS;
    given.all_targets = given.all_targets || step->all_targets;
    given.timeouts = step->timeouts;
    given.ooms = step->ooms;
    given.unreproducible = step->unreproducible;
    given.dry_run = step->dry_run;
    for (size_t i = 0; i < step->ignored.n; i++) {
        (void)cmd_fail(0, "%s has no counterpart here", step->ignored.v[i]);
    }
}

static int
read_step(struct cifuzz *step, struct err *err)
{
    int rc = given.cifuzz ? cifuzz_read(step, err) : 0;

    if (rc == 0 && given.cifuzz) {
        adopt(step);
    }
    given.for_ms = given.for_ms > 0 ? given.for_ms : FOR_DEFAULT_MS;
    return rc;
}

/* Where CIFuzz's upload step looks for it. */
static void
copy_sarif(const struct cifuzz *step, const char *folder)
{
    AUTO(mem_free) char *from = fs_join(folder, "nightjar.sarif");
    AUTO(mem_free)
    char *to = step->sarif == NULL ? NULL : mem_strdup(step->sarif);
    AUTO(buf_clear) struct buf text = BUF_INIT;
    struct err err = ERR_INIT;

    if (to == NULL) {
        return;
    }
    *strrchr(to, '/') = '\0';
    if (fs_read(from, BUF_MAX_DEFAULT, &text, &err) < 0 ||
        fs_mkdirs(to, 0755, &err) < 0 ||
        fs_write(step->sarif, buf_str(&text), text.len, 0644, &err) < 0) {
        (void)cmd_fail(0, "%s", err.msg);
    }
}

static int
print_workflow(void)
{
    const char *text = workflow_text(print);

    if (text == NULL) {
        AUTO(mem_free) char *shown = str_name_dup(print);
        return cmd_fail(EXIT_USAGE, "--print '%s': github or gitlab", shown);
    }
    (void)fputs(text, stdout);
    return EXIT_DONE;
}

static int
exit_status(const struct ci *ci)
{
    enum verdict verdict = ci->findings.verdict;

    if (verdict == VERDICT_INCONCLUSIVE && given.warn) {
        return EXIT_DONE;
    }
    return given.cifuzz ? cifuzz_exit(verdict, given.dry_run) : verdict_exit(verdict);
}

static int
run_steps(struct ci *ci, struct err *err)
{
    int rc = ci_open(ci, err);

    rc = rc < 0 ? rc : ci_choose(ci, err);
    rc = rc < 0 ? rc : ci_health(ci, err);
    rc = rc < 0 ? rc : ci_replay(ci, err);
    rc = rc < 0 ? rc : ci_fuzz(ci, err);
    return rc < 0 ? rc : ci_judge(ci, err);
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    AUTO(ci_clear) struct ci ci = {.context = context, .options = &given, .lock = -1};
    AUTO(mem_free) char *folder = NULL;
    struct err err = ERR_INIT;
    AUTO(cifuzz_clear) struct cifuzz step = {0};
    if (print != NULL) {
        return print_workflow();
    }
    int rc = check_options(args, command, &err);

    rc = rc < 0 ? rc : read_step(&step, &err);
    rc = rc < 0 ? rc : run_steps(&ci, &err);
    if (rc == -EINVAL) {
        return cmd_fail(given.cifuzz ? 1 : EXIT_USAGE, "%s", err.msg);
    }
    if (rc < 0) {
        ci_give_up(&ci, &err);
    }
    if (ci_write(&ci, &folder, &err) < 0) {
        return cmd_fail(given.cifuzz ? 1 : EXIT_UNDECIDED, "%s", err.msg);
    }
    copy_sarif(&step, folder);
    ci_save(&ci);
    int status = exit_status(&ci);
    ci_show(&ci, folder, status);
    return status;
}

const struct cmd cmd_ci = {
    .name = "ci",
    .summary = "replay, fuzz and judge the builds of a change",
    .usage = "[--for DURATION] [--base OUT] [OUT]",
    .about =
        "OUT is a folder of fuzz targets as OSS-Fuzz builds them (none: those of "
        "nightjar.yaml).\n"
        "Known inputs are replayed on them, they are fuzzed, what is found is triaged "
        "and compared\n"
        "with what was known and with the base builds, and the policy (`gate:` of "
        "nightjar.yaml)\n"
        "decides. Each finding is one of\n\n"
        "  new             unknown, and the base build does not show it\n"
        "  regressed       it was fixed, and shows again\n"
        "  changed         what was known crashes differently; fails only when it is "
        "worse\n"
        "  pre_existing    it was known, or the base build shows it as well\n"
        "  flaky           it shows in fewer runs than gate: min_repro: says\n"
        "  unreproducible  it shows in no run\n"
        "  unattributed    unknown, but nothing is known to compare with; --strict "
        "fails\n\n"
        "Exit status: 0 the gate passes, 1 it fails, 2 usage or configuration, 3 it did "
        "not truly\n"
        "run and cannot tell, 4 the breach budget is exhausted and frozen. The last line "
        "of output\n"
        "is one JSON object; the reports lie in --report-dir.\n\n"
        "--state-from and --state-to carry what is known from run to run as a plain "
        "folder; let\n"
        "only runs of the base branch write it. A frozen budget (`gate: budget:`) still "
        "lets pass\n"
        "commits that say `Nightjar-Fixes: NJ-12` where a replay proves it, reverts, and "
        "overrides,\n"
        "signed or by token; it needs --base-commit.\n\n"
        "  nightjar ci --for 10m --base out-main/ out/",
    .options = options,
    .run = run,
};
