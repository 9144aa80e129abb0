#include <signal.h>
#include <stdlib.h>

#include "orchestrator/cmd/slo.h"
#include "orchestrator/web/server.h"
#include "triage/store.h"

enum { NOTE_EVERY_S = 60 };

static const char *listen_on = "127.0.0.1:9190";
static const char *token_env;
static struct strv hosts;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_TEXT, "listen", 0, &listen_on, "ADDRESS:PORT",
         "where (default 127.0.0.1:9190; port 0: any that is free)"},
        {CMD_TEXT, "token-env", 0, &token_env, "NAME",
         "the environment's variable with the token that is wanted of who asks"},
        {CMD_LIST, "host", 0, &hosts, "NAME", "a name that this server is asked by, too"},
        {.kind = CMD_END}};

    return table;
}

/* Until somebody interrupts; each minute what time brings about is noted, unless the
 * state folder cannot be written. */
static void
wait_for_end(const struct cmd_context *context, const struct slo_policy *policy,
             const sigset_t *signals)
{
    const struct timespec minute = {.tv_sec = NOTE_EVERY_S};

    do {
        slo_note_now(context, policy);
    } while (sigtimedwait(signals, NULL, &minute) < 0);
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    AUTO(config_free) struct config *settings = NULL;
    AUTO(server_stop) struct server *server = NULL;
    AUTO(store_close) struct store *store = NULL;
    struct server_config config = {
        .state = context->state,
        .listen = listen_on,
        .token = token_env == NULL ? NULL : getenv(token_env),
        .hosts = &hosts,
    };
    struct err err = ERR_INIT;
    sigset_t signals;

    if (args->n > 0 || command->n > 0) {
        return cmd_fail(EXIT_USAGE, "serve takes no arguments");
    }
    if (token_env != NULL && (config.token == NULL || config.token[0] == '\0')) {
        return cmd_fail(EXIT_USAGE, "--token-env: the environment has no '%s'",
                        token_env);
    }
    if (config_load_settings(context->config, &settings, &err) < 0) {
        return cmd_fail(EXIT_USAGE, "%s", err.msg);
    }
    config.numbers = (struct collect_policy){&settings->slo, &settings->gate.waivers};
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL); /* the server's thread gets none */
    int rc = store_open(context->state, DB_READ, &store, &err); /* fail now, not later */
    rc = rc < 0 ? rc : server_start(&config, &server, &err);
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    (void)printf("serving http://%s/metrics\n", server_address(server));
    (void)fflush(stdout);
    wait_for_end(context, &settings->slo, &signals);
    return EXIT_DONE;
}

const struct cmd cmd_serve = {
    .name = "serve",
    .summary = "let Prometheus scrape the current numbers",
    .usage = "[--listen ADDRESS:PORT] [--token-env NAME]",
    .about =
        "Answer /metrics (Prometheus' text 0.0.4, or OpenMetrics for who accepts it) and "
        "/healthz over HTTP,\nfrom the database as it is, until interrupted. It may run "
        "beside anything; each minute it\nnotes what time brings about (`slo note`).\n\n"
        "  nightjar serve\n"
        "  nightjar serve --listen 0.0.0.0:9190 --token-env NIGHTJAR_TOKEN --host "
        "farm.example.org",
    .options = options,
    .run = run,
};
