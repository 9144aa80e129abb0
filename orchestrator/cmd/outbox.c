#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/parallel.h"
#include "orchestrator/config.h"
#include "orchestrator/publish/dispatch.h"

enum { LIST_MAX = 10000, LOOK_MS = 1000, GRACE_MS = 15000 };

static const char *sink_name;
static int64_t for_ms;
static bool follow, all;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_TEXT, "sink", 0, &sink_name, "NAME", "only this one of `notify:`"},
        {CMD_DURATION, "for", 0, &for_ms, "DURATION",
         "send: go on trying for so long while something waits"},
        {CMD_FLAG, "follow", 0, &follow, NULL, "send: go on until interrupted"},
        {CMD_FLAG, "all", 0, &all, NULL, "retry, drop: all that wait, or died"},
        {.kind = CMD_END}};

    return table;
}

/* --- list --- */

static int
print_row(void *user, const struct outbox_row *row, struct err *err)
{
    const struct cmd_context *context = user;
    char at[CLOCK_TEXT_MAX];
    char next[CLOCK_TEXT_MAX];

    (void)err;
    clock_iso(at, row->at);
    clock_iso(next, row->next_try);
    if (context->json) {
        AUTO(json_decref) json_t *o = json_object();
        json_put(o, "id", json_integer(row->id));
        json_put(o, "sink", json_text(row->sink));
        json_put(o, "state", json_text(row->state));
        json_put(o, "kind", json_text(row->kind));
        json_put(o, "subject", json_text(row->subject));
        json_put(o, "subject_id", json_integer(row->subject_id));
        json_put(o, "at", json_text(at));
        json_put(o, "tries", json_integer(row->tries));
        json_put(o, "next_try", json_text(next));
        json_put(o, "error", json_text(row->error));
        json_print(stdout, o);
        return 0;
    }
    AUTO(mem_free) char *why = str_name_dup(row->error);
    (void)printf("%6lld %-12s %-8s %-14s %s%lld  %s", (long long)row->id, row->sink,
                 row->state, row->kind, strcmp(row->subject, "bug") == 0 ? "NJ-" : "",
                 (long long)row->subject_id, at);
    if (row->tries > 0) {
        (void)printf("  %lld tries: %s", (long long)row->tries, why);
    }
    (void)putchar('\n');
    return 0;
}

static int
print_sink(void *user, const struct sink_counts *counts, struct err *err)
{
    const struct cmd_context *context = user;

    (void)err;
    if (!context->json) {
        (void)printf("%s (%s%s): %lld wait%s, %lld dead\n", counts->name, counts->kind,
                     counts->active ? "" : ", no longer in nightjar.yaml",
                     (long long)counts->pending, counts->pending == 1 ? "s" : "",
                     (long long)counts->dead);
    }
    return 0;
}

static int
list(const struct cmd_context *context, const struct strv *args)
{
    AUTO(store_close) struct store *store = NULL;
    struct cmd_context copy = *context;
    struct err err = ERR_INIT;

    if (args->n > 0) {
        return cmd_fail(EXIT_USAGE, "outbox list takes no argument '%s'", args->v[0]);
    }
    int rc = store_open(context->state, DB_READ, &store, &err);
    rc = rc < 0 ? rc : store_sinks(store, print_sink, &copy, &err);
    rc = rc < 0 ? rc : store_outbox(store, sink_name, LIST_MAX, print_row, &copy, &err);
    return rc < 0 ? cmd_fail_err(&err) : EXIT_DONE;
}

/* --- retry, drop --- */

typedef int change_messages(struct store *store, int64_t id, const char *sink,
                            int64_t *changed, struct err *err);

static int
change(const struct cmd_context *context, const struct strv *args,
       change_messages *change_them, const char *done)
{
    AUTO(store_close) struct store *store = NULL;
    struct err err = ERR_INIT;
    int64_t sum = 0;

    if ((args->n == 0) != all) {
        return cmd_fail(EXIT_USAGE,
                        "say which: the numbers of `nightjar outbox`, or --all");
    }
    int rc = store_open(context->state, DB_WRITE, &store, &err);
    for (size_t i = 0; rc == 0 && i < (all ? 1 : args->n); i++) {
        int64_t id = 0;
        int64_t changed = 0;
        rc = all ? 0 : str_number("message", args->v[i], 1, INT64_MAX, &id, &err);
        rc = rc < 0 ? rc : change_them(store, id, sink_name, &changed, &err);
        sum += changed;
    }
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    if (!context->json) {
        (void)printf("%lld message%s %s\n", (long long)sum, sum == 1 ? "" : "s", done);
    }
    return EXIT_DONE;
}

static int
retry(const struct cmd_context *context, const struct strv *args)
{
    return change(context, args, store_outbox_again,
                  "will be tried again: nightjar outbox send");
}

static int
drop(const struct cmd_context *context, const struct strv *args)
{
    return change(context, args, store_outbox_drop, "dropped");
}

/* --- send --- */

/* One process at a time delivers to a sink, else messages could change places. */
static int
lock_sink(const struct cmd_context *context, const char *name, int *out, struct err *err)
{
    AUTO(mem_free) char *file = mem_printf("outbox-%s.lock", name);
    AUTO(mem_free) char *path = fs_join(context->state, file);
    AUTO(fd_close) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0) {
        return err_sys(err, "%s", path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        return err_set(err, -EBUSY, "another process delivers to '%s' already", name);
    }
    *out = FD_STEAL(fd);
    return 0;
}

/* When to look again; 0: nothing more is to be done. */
static int64_t
next_look(const struct dispatch_result *result, int64_t end)
{
    int64_t due =
        result->next_try > result->rest_until ? result->next_try : result->rest_until;

    if (follow) {
        return clock_wall_ms() + LOOK_MS;
    }
    return result->next_try < 0 || due > end ? 0 : due;
}

static int
deliver(struct store *store, const struct notify_sink *sink,
        struct dispatch_result *result, struct err *err)
{
    int64_t end = clock_wall_ms() + for_ms;
    int64_t look = 0;

    do {
        int rc = dispatch_due(store, sink, result, err);
        if (rc < 0) {
            return rc;
        }
        look = next_look(result, end);
        int64_t wait = look - clock_wall_ms();
        if (look > 0 && wait > 0) {
            (void)poll(NULL, 0, (int)(wait < LOOK_MS ? wait : LOOK_MS));
        }
    } while (look > 0);
    return 0;
}

static int
send_one(const struct cmd_context *context, const struct notify_sink *sink)
{
    AUTO(store_close) struct store *store = NULL;
    AUTO(fd_close) int lock = -1;
    struct dispatch_result result = {0};
    struct err err = ERR_INIT;
    int rc = store_open(context->state, DB_WRITE, &store, &err);

    rc = rc < 0 ? rc : lock_sink(context, sink->name, &lock, &err);
    rc = rc < 0 ? rc : deliver(store, sink, &result, &err);
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    if (!context->json) {
        (void)printf("%s: %lld sent, %lld not wanted, %lld refused for good\n",
                     sink->name, (long long)result.sent, (long long)result.unwanted,
                     (long long)result.dead);
    }
    return result.next_try < 0 && result.dead == 0
               ? EXIT_DONE
               : cmd_fail(EXIT_UNDECIDED, "%s: %s%s%s; nightjar outbox lists them",
                          sink->name,
                          result.next_try >= 0 ? "not all could be told now"
                                               : "some were refused",
                          result.why.msg[0] == '\0' ? "" : ": ", result.why.msg);
}

static int
send_all(const struct cmd_context *context, const struct config_sinks *sinks)
{
    struct strv words[PARALLEL_MAX] = {0};

    for (size_t i = 0; i < sinks->n; i++) {
        strv_add(&words[i], "outbox");
        strv_add(&words[i], "send");
        strv_addf(&words[i], "--sink=%s", sinks->v[i].name);
        strv_addf(&words[i], "--for=%lldms", (long long)for_ms);
        if (follow) {
            strv_add(&words[i], "--follow");
        }
    }
    int rc =
        parallel_run(context, words, sinks->n, follow ? -1 : for_ms + GRACE_MS, false);
    for (size_t i = 0; i < sinks->n; i++) {
        strv_clear(&words[i]);
    }
    return rc;
}

/* What happens from now on is for those that nightjar.yaml names now. */
static int
name_sinks(const struct cmd_context *context, const struct config *config,
           struct err *err)
{
    AUTO(store_close) struct store *store = NULL;
    int rc = store_open(context->state, DB_WRITE, &store, err);

    return rc < 0 ? rc : config_put_sinks(config, store, err);
}

static int
send(const struct cmd_context *context, const struct strv *args)
{
    AUTO(config_free) struct config *config = NULL;
    struct err err = ERR_INIT;

    if (args->n > 0) {
        return cmd_fail(EXIT_USAGE, "outbox send takes no argument '%s'", args->v[0]);
    }
    if (config_load_settings(context->config, &config, &err) < 0) {
        return cmd_fail(EXIT_USAGE, "%s", err.msg);
    }
    int rc = name_sinks(context, config, &err);
    if (rc < 0) {
        return cmd_fail_err(&err);
    }
    const struct config_sinks *sinks = &config->notify;
    for (size_t i = 0; i < sinks->n; i++) {
        if (sinks->n == 1 ||
            (sink_name != NULL && strcmp(sinks->v[i].name, sink_name) == 0)) {
            return send_one(context, &sinks->v[i]);
        }
    }
    if (sink_name != NULL || sinks->n == 0) {
        return cmd_fail(EXIT_USAGE,
                        "there is no such sink: write in nightjar.yaml\n"
                        "  notify:\n"
                        "    - {name: ops, kind: webhook, url: \"https://...\"}");
    }
    return send_all(context, sinks);
}

/* --- the verb --- */

extern const struct cmd cmd_outbox;

static const struct cmd_sub subs[] = {
    {"list", "[--sink NAME]", "what waits, and what was refused", "sink", list},
    {"send", "[--sink NAME] [--for DURATION] [--follow]",
     "tell the sinks what waits for them", "sink for follow", send},
    {"retry", "NUMBER...|--all [--sink NAME]", "try again now, also what was refused",
     "sink all", retry},
    {"drop", "NUMBER...|--all [--sink NAME]", "never send these", "sink all", drop},
    {.name = NULL},
};

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    (void)command;
    return args->n == 0 ? list(context, args) : cmd_run_sub(&cmd_outbox, context, args);
}

const struct cmd cmd_outbox = {
    .name = "outbox",
    .summary = "what people have yet to be told, and telling them",
    .usage = "[list|send|retry|drop]",
    .about =
        "What happens (a new bug, one that is fixed or back, a target whose replays "
        "broke)\n"
        "is written into the outbox of each entry of `notify:` in nightjar.yaml together "
        "with\n"
        "the change itself, and told at least once, in order for each bug. A receiver "
        "that is\n"
        "down gets it later; what it refuses is kept as dead. Issue trackers (kind: "
        "github, "
        "gitlab,\n"
        "jira) get one issue a bug, which is kept in step with it; see "
        "nightjar.yaml.example.\n\n"
        "  nightjar outbox                    what waits, and why\n"
        "  nightjar outbox send --for 1m\n"
        "  nightjar outbox retry --all --sink ops",
    .options = options,
    .subs = subs,
    .run = run,
};
