#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "orchestrator/builds.h"

enum { GIT_MS = 20 * 1000, GIT_BYTES = 4096 };

/* The first line that git says of a folder; new, NULL: it fails. It runs no hook, monitor
 * or signature check that the tree's settings name; the filters of its files it does run,
 * for without them nothing can be said of changes. */
static char *
ask(const char *folder, const char *const *words, size_t n)
{
    AUTO(strv_clear) struct strv argv = {0};
    struct proc_spec spec = PROC_SPEC_INIT;
    AUTO(proc_run_clear) struct proc_run run = {.output = {.max = GIT_BYTES}};

    strv_add(&argv, "git");
    strv_add(&argv, "--no-optional-locks");
    strv_add(&argv, "-C");
    strv_add(&argv, folder);
    strv_add(&argv, "-c");
    strv_add(&argv, "core.fsmonitor=false");
    strv_add(&argv, "-c");
    strv_add(&argv, "core.hooksPath=/dev/null");
    strv_add(&argv, "-c");
    strv_add(&argv, "log.showSignature=false");
    for (size_t i = 0; i < n; i++) {
        strv_add(&argv, words[i]);
    }
    spec.argv = argv.v;
    if (proc_run(&spec, GIT_MS, &run, NULL) < 0 || !WIFEXITED(run.status) ||
        WEXITSTATUS(run.status) != 0) {
        return NULL;
    }
    const char *line = buf_str(&run.output);
    size_t len = strcspn(line, "\n");
    return len == 0 ? NULL : mem_printf("%.*s", (int)len, line);
}
#define ASK(folder, ...)                              \
    ask((folder), (const char *const[]){__VA_ARGS__}, \
        COUNT(((const char *const[]){__VA_ARGS__})))

/* git may warn on the same pipe before it answers. */
static bool
is_commit(const char *text)
{
    size_t digits = strspn(text, "0123456789abcdef");

    return digits >= 40 && (text[digits] == '\0' || strcmp(text + digits, "-dirty") == 0);
}

static bool
is_time(const char *text)
{
    size_t digits = text[0] == '@' ? strspn(text + 1, "0123456789") : 0;

    return digits > 0 && text[1 + digits] == '\0';
}

int
builds_ask_git(const char *folder, struct build_words *words, char **from,
               struct err *err)
{
    AUTO(mem_free) char *tree = ASK(folder, "rev-parse", "--show-toplevel");
    AUTO(mem_free)
    char *commit = tree == NULL ? NULL
                                : ASK(folder, "describe", "--always", "--dirty",
                                      "--abbrev=40", "--exclude=*");
    AUTO(mem_free)
    char *time = commit == NULL ? NULL : ASK(folder, "log", "-1", "--format=@%ct");
    AUTO(mem_free)
    char *branch =
        commit == NULL ? NULL : ASK(folder, "symbolic-ref", "-q", "--short", "HEAD");

    *from = NULL;
    if (commit == NULL || time == NULL || !is_commit(commit) || !is_time(time)) {
        return 0;
    }
    if (words->commit != NULL &&
        strncmp(words->commit, commit, strlen(words->commit)) != 0) {
        return words->time != NULL
                   ? 0
                   : err_set(err, -EINVAL,
                             "the work tree is at commit %.12s, not the given one: "
                             "give --time too",
                             commit);
    }
    words->commit = words->commit == NULL ? STEAL(commit) : words->commit;
    words->time = words->time == NULL ? STEAL(time) : words->time;
    if (words->branch == NULL && branch != NULL) {
        words->branch = STEAL(branch);
    }
    *from = STEAL(tree);
    return 0;
}
