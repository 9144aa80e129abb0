#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "orchestrator/builds.h"
#include "orchestrator/git.h"

/* The first line that git says of a folder; new, NULL: it fails, or there is none. */
static char *
ask(const char *folder, const char *const *words, size_t n)
{
    AUTO(buf_clear) struct buf said = {.max = GIT_OUTPUT_MAX};
    bool good = false;

    if (git_run(folder, words, n, &said, &good, NULL) < 0 || !good) {
        return NULL;
    }
    size_t len = strcspn(buf_str(&said), "\n");
    return len == 0 ? NULL : mem_dup(buf_str(&said), len);
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
