#include "orchestrator/cmd/parallel.h"

#include <assert.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/proc.h"

static int
spawn(const struct cmd_context *context, const struct strv *words, bool quiet,
      struct proc *out, struct err *err)
{
    AUTO(strv_clear) struct strv argv = {0};
    AUTO(mem_free) char *self = NULL;
    struct proc_spec spec = PROC_SPEC_INIT;
    int rc = proc_self(&self, err);

    if (rc < 0) {
        return rc;
    }
    strv_add(&argv, self);
    strv_add(&argv, "--state");
    strv_add(&argv, context->state);
    if (context->config != NULL) {
        strv_add(&argv, "--config");
        strv_add(&argv, context->config);
    }
    if (context->json) {
        strv_add(&argv, "--json");
    }
    strv_add_all(&argv, words);
    spec.argv = argv.v;
    spec.out_fd = quiet ? -1 : STDOUT_FILENO;
    spec.err_fd = quiet ? -1 : STDERR_FILENO;
    return proc_spawn(&spec, out, err);
}

int
parallel_run(const struct cmd_context *context, const struct strv *words, size_t n,
             int64_t timeout_ms, bool quiet)
{
    struct proc children[PARALLEL_MAX];
    int64_t end = clock_mono_ms() + timeout_ms;
    int worst = EXIT_DONE;

    assert(n <= PARALLEL_MAX);
    for (size_t i = 0; i < n; i++) {
        struct err err = ERR_INIT;
        children[i] = (struct proc)PROC_INIT;
        if (spawn(context, &words[i], quiet, &children[i], &err) < 0) {
            worst = cmd_fail_err(&err);
        }
    }
    for (size_t i = 0; i < n; i++) {
        struct err err = ERR_INIT;
        int64_t left = end - clock_mono_ms();
        int status = 0;
        if (children[i].pid != 0 && (proc_wait(&children[i],
                                               timeout_ms < 0 ? -1
                                               : left > 0     ? left
                                                              : 0,
                                               &status, &err) < 0 ||
                                     !WIFEXITED(status))) {
            worst = EXIT_UNDECIDED;
        } else if (WEXITSTATUS(status) != EXIT_DONE && worst != EXIT_USAGE) {
            worst = WEXITSTATUS(status);
        }
        proc_clear(&children[i]);
    }
    return worst;
}
