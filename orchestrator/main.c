#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/config.h"
#include "orchestrator/corpus/measure.h"
#include "orchestrator/version.h"
#include "triage/runner.h"
#include "triage/sandbox.h"

/* In the order in which a newcomer meets them: `nightjar help` prints the table as it
 * stands. */
/* clang-format off */
#define VERBS(X) \
    X(triage) X(import) X(fuzz) X(bugs) X(show) X(repro) X(minimize) X(corpus) X(build) X(verify) X(gate) X(ci) X(push) \
    X(timeline) X(digest) X(slo) X(outbox) X(serve) X(status) \
    X(init) X(doctor) X(db) X(disk) X(coverage) X(parse_verb) X(help_verb) X(scribe) X(triage_worker)
/* clang-format on */

#define DECLARE(name) extern const struct cmd cmd_##name;
#define ROW(name)     &cmd_##name,
VERBS(DECLARE)
const struct cmd *const cmd_table[] = {VERBS(ROW) NULL};

static const struct cmd *
find_verb(const char *name)
{
    for (const struct cmd *const *cmd = cmd_table; *cmd != NULL; cmd++) {
        if (strcmp((*cmd)->name, name) == 0) {
            return *cmd;
        }
    }
    return NULL;
}

static int
unknown_verb(const char *name)
{
    const char *names[64] = {NULL};
    size_t n = 0;

    for (const struct cmd *const *cmd = cmd_table; *cmd != NULL && n + 1 < COUNT(names);
         cmd++) {
        if (!(*cmd)->hidden) {
            names[n++] = (*cmd)->name;
        }
    }
    const char *near = str_suggest(name, names);
    if (near != NULL) {
        return cmd_fail(EXIT_USAGE, "there is no verb '%s' (did you mean '%s'?)", name,
                        near);
    }
    return cmd_fail(EXIT_USAGE, "there is no verb '%s'; `nightjar help` lists them",
                    name);
}

/* An option that is the same for all verbs, anywhere before "--". Moves *at over its
 * value; 0: taken, 1: not one of these. */
static int
common_option(struct cmd_context *context, int argc, char **argv, int *at,
              struct err *err)
{
    static const struct {
        const char *name;
        size_t offset;
    } valued[] = {{"--state", offsetof(struct cmd_context, state)},
                  {"--config", offsetof(struct cmd_context, config)}};
    const char *arg = argv[*at];

    if (strcmp(arg, "--json") == 0) {
        context->json = true;
        return 0;
    }
    if (strcmp(arg, "--verbose") == 0) {
        log_set_level(LOG_DEBUG);
        return 0;
    }
    for (size_t i = 0; i < COUNT(valued); i++) {
        size_t len = strlen(valued[i].name);
        if (strncmp(arg, valued[i].name, len) != 0 ||
            (arg[len] != '\0' && arg[len] != '=')) {
            continue;
        }
        const char *value = arg[len] == '=' ? arg + len + 1 : NULL;
        if (value == NULL && *at + 1 < argc) {
            value = argv[++*at];
        }
        if (value == NULL || *value == '\0') {
            return err_set(err, -EINVAL, "%s needs a value", valued[i].name);
        }
        memcpy((char *)context + valued[i].offset, &value, sizeof(value));
        return 0;
    }
    return 1;
}

/* Takes the common options out of argv[1..); --help and --version are told by *wants. */
static int
split_arguments(struct cmd_context *context, int *argc, char **argv, const char **wants,
                struct err *err)
{
    int kept = 1;

    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            while (i < *argc) {
                argv[kept++] = argv[i++];
            }
            break;
        }
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            *wants = "help";
            continue;
        }
        if (strcmp(argv[i], "--version") == 0) {
            *wants = "version";
            continue;
        }
        int rc = common_option(context, *argc, argv, &i, err);
        if (rc < 0) {
            return rc;
        }
        if (rc == 1) {
            argv[kept++] = argv[i];
        }
    }
    argv[kept] = NULL;
    *argc = kept;
    return 0;
}

/* --state, else what nightjar.yaml says, else the default; config keeps the text alive.
 */
static int
resolve_state(const struct cmd *cmd, struct cmd_context *context, struct config **config,
              struct err *err)
{
    int rc = 0;

    if (context->state == NULL && !cmd->hidden && !cmd->stateless) {
        rc = config_load_settings(context->config, config, err);
        context->state = rc < 0 ? NULL : (*config)->state;
    }
    if (context->state == NULL) {
        context->state = ".nightjar";
    }
    return rc;
}

/* Whoever read standard output, as head(1), has seen enough. */
static bool
reader_is_gone(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

    return poll(&out, 1, 0) > 0 && (out.revents & POLLERR) != 0;
}

/* The exit status, once all is written or cannot be. */
static int
end_output(int status)
{
    int error = fflush(stdout) == 0 ? 0 : errno;

    if ((error == 0 && !ferror(stdout)) || error == EPIPE || reader_is_gone()) {
        return status;
    }
    return cmd_fail(EXIT_UNDECIDED, "standard output: %s",
                    error == 0 ? "a part of it could not be written" : strerror(error));
}

static int
run_verb(const struct cmd *cmd, const struct cmd_context *context, int argc, char **argv)
{
    AUTO(strv_clear) struct strv args = {0};
    AUTO(strv_clear) struct strv command = {0};
    struct err err = ERR_INIT;

    if (cmd_parse(cmd, argc, argv, &args, &command, &err) < 0) {
        return cmd_fail(EXIT_USAGE, "%s", err.msg);
    }
    int status = cmd->run(context, &args, &command);
    return end_output(status);
}

/* Descriptors 0 to 2 must be open, or the next file that is opened would receive our
 * messages. */
static void
hold_standard_descriptors(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    (void)close(fd);
}

int
main(int argc, char **argv)
{
    struct cmd_context context = {0};
    AUTO(config_free) struct config *config = NULL;
    struct err err = ERR_INIT;
    const char *wants = "";

    if (argc > 1 && strcmp(argv[1], RUNNER_VERB) == 0) {
        return runner_inside_main();
    }
    if (argc > 1 && strcmp(argv[1], MEASURE_VERB) == 0) {
        return measure_inside_main();
    }
    if (argc > 1 && strcmp(argv[1], "sandbox-init") == 0) {
        return sandbox_init_main(argc - 1, argv + 1);
    }
    hold_standard_descriptors();
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    (void)signal(SIGPIPE, SIG_IGN);
    if (split_arguments(&context, &argc, argv, &wants, &err) < 0) {
        return cmd_fail(EXIT_USAGE, "%s", err.msg);
    }
    const char *no_color = getenv("NO_COLOR");
    context.color = isatty(STDOUT_FILENO) && (no_color == NULL || *no_color == '\0');
    context.live = isatty(STDERR_FILENO);
    if (strcmp(wants, "version") == 0) {
        (void)puts("nightjar " NIGHTJAR_VERSION);
        return EXIT_DONE;
    }
    if (argc < 2) {
        cmd_help_all(strcmp(wants, "help") == 0 ? stdout : stderr, cmd_table);
        return strcmp(wants, "help") == 0 ? EXIT_DONE : EXIT_USAGE;
    }
    const struct cmd *cmd = find_verb(argv[1]);
    if (cmd == NULL) {
        return unknown_verb(argv[1]);
    }
    if (strcmp(wants, "help") == 0) {
        cmd_help(stdout, cmd);
        return EXIT_DONE;
    }
    if (resolve_state(cmd, &context, &config, &err) < 0) {
        return cmd_fail(EXIT_USAGE, "%s", err.msg);
    }
    return run_verb(cmd, &context, argc - 2, argv + 2);
}
