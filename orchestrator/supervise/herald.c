#include "orchestrator/supervise/herald.h"

#include <errno.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/proc.h"

struct turn {
    const struct herald_job *job;
    struct strv argv;
    struct proc proc;
    int64_t due_ms; /* monotonic */
    bool fails;     /* the last one did */
};

struct herald {
    struct herald_config config;
    struct turn *turns;
};

int
herald_new(const struct herald_config *config, struct herald **out, struct err *err)
{
    AUTO(mem_free) char *program = NULL;
    int rc = proc_self(&program, err);

    if (rc < 0) {
        return rc;
    }
    struct herald *herald = mem_alloc(sizeof(*herald));
    *herald = (struct herald){.config = *config,
                              .turns = mem_array(config->n + 1, sizeof(struct turn))};
    for (size_t i = 0; i < config->n; i++) {
        struct turn *turn = &herald->turns[i];
        *turn = (struct turn){.job = &config->jobs[i], .proc = PROC_INIT};
        strv_add(&turn->argv, program);
        strv_add(&turn->argv, "--state");
        strv_add(&turn->argv, config->state);
        if (config->config != NULL) {
            strv_add(&turn->argv, "--config");
            strv_add(&turn->argv, config->config);
        }
        strv_add_all(&turn->argv, &turn->job->words);
    }
    *out = herald;
    return 0;
}

void
herald_free(struct herald *herald)
{
    for (size_t i = 0; herald != NULL && i < herald->config.n; i++) {
        proc_clear(&herald->turns[i].proc);
        strv_clear(&herald->turns[i].argv);
    }
    if (herald != NULL) {
        mem_free(herald->turns);
        mem_free(herald);
    }
}

static void
start(struct turn *turn)
{
    struct proc_spec spec = PROC_SPEC_INIT;
    struct err err = ERR_INIT;

    spec.argv = turn->argv.v;
    turn->due_ms = clock_mono_ms() + turn->job->every_ms;
    (void)proc_spawn(&spec, &turn->proc, &err); /* the next turn is a new try */
}

static void
reap(struct herald *herald, struct turn *turn)
{
    struct err err = ERR_INIT;
    int status = 0;

    if (proc_wait(&turn->proc, 0, &status, &err) == -ETIMEDOUT) {
        return;
    }
    bool fails = status != 0;
    if (fails != turn->fails) {
        AUTO(mem_free)
        char *text = mem_printf("%s: %s", turn->job->name,
                                fails ? "cannot be told now; it is tried again"
                                      : "can be told again");
        turn->fails = fails;
        herald->config.say(herald->config.user, text);
    }
    proc_clear(&turn->proc);
}

void
herald_tick(struct herald *herald)
{
    for (size_t i = 0; i < herald->config.n; i++) {
        struct turn *turn = &herald->turns[i];
        if (turn->proc.pid != 0) {
            reap(herald, turn);
        }
        if (turn->proc.pid == 0 && clock_mono_ms() >= turn->due_ms) {
            start(turn);
        }
    }
}

bool
herald_owns(const struct herald *herald, pid_t pid)
{
    for (size_t i = 0; herald != NULL && i < herald->config.n; i++) {
        if (herald->turns[i].proc.pid == pid) {
            return true;
        }
    }
    return false;
}
