#include "orchestrator/git.h"

#include <errno.h>
#include <string.h>

#include "base/proc.h"
#include "base/str.h"

bool
git_is_commit(const char *text)
{
    return text[0] != '\0' && text[0] != '-';
}

int
git_run(const char *folder, const char *const *words, size_t n, struct buf *out,
        bool *good, struct err *err)
{
    static const char *const settings[] = {
        "core.fsmonitor=false", "core.hooksPath=/dev/null", "log.showSignature=false"};
    AUTO(proc_run_clear) struct proc_run git = {.output = {.max = GIT_OUTPUT_MAX}};
    AUTO(strv_clear) struct strv argv = {0};
    struct proc_spec spec = PROC_SPEC_INIT;

    strv_add(&argv, "git");
    strv_add(&argv, "--no-optional-locks");
    strv_add(&argv, "-C");
    strv_add(&argv, folder == NULL ? "." : folder);
    for (size_t i = 0; i < COUNT(settings); i++) {
        strv_add(&argv, "-c");
        strv_add(&argv, settings[i]);
    }
    for (size_t i = 0; i < n; i++) {
        strv_add(&argv, words[i]);
    }
    spec.argv = argv.v;
    int rc = proc_run(&spec, GIT_MS, &git, err);
    if (rc < 0) {
        return rc;
    }
    buf_add(out, buf_str(&git.output), git.output.len);
    *good = git.status == 0 && !git.output.truncated;
    return 0;
}

int
git_ask(const char *const *words, size_t n, struct buf *out, struct err *err)
{
    AUTO(buf_clear) struct buf said = BUF_INIT;
    bool good = false;
    int rc = git_run(NULL, words, n, out, &good, err);

    if (rc < 0 || good) {
        return rc;
    }
    str_visible(&said, buf_str(out), strcspn(buf_str(out), "\n"));
    return err_set(err, -EINVAL, "git %s: %s", words[0], buf_str(&said));
}
