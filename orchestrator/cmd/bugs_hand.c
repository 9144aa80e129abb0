#include "orchestrator/cmd/bugs.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/bug_table.h"
#include "orchestrator/config.h"

enum { UNTIL_CRASHES_MAX = 1000000000 };

struct bugs_options bugs_options;

struct hand { /* a decision on its way */
    const struct cmd_context *context;
    struct store *store;
    char *actor;
    struct decision decision;
};

static void
hand_clear(struct hand *hand)
{
    store_close(hand->store);
    mem_free(hand->actor);
}
AUTO_DEFINE_CLEAR(struct hand, hand_clear)

static int
print_move(void *user, const struct bug_move *move, struct err *err)
{
    const struct hand *hand = user;
    AUTO(mem_free) char *from = mem_printf("NJ-%lld", (long long)move->from);
    AUTO(mem_free) char *to = mem_printf("NJ-%lld", (long long)move->to);

    (void)err;
    if (hand->context->json) {
        AUTO(json_decref) json_t *o = json_object();
        json_put(o, "from", json_string(from));
        json_put(o, "to", json_string(to));
        json_put(o, "crashes", json_integer(move->crashes));
        json_put(o, "dry_run", json_boolean(hand->decision.dry_run));
        json_print(stdout, o);
    } else {
        (void)printf("%s%s -> %s: %lld crash%s\n",
                     hand->decision.dry_run ? "would move: " : "", from, to,
                     (long long)move->crashes, move->crashes == 1 ? "" : "es");
    }
    return 0;
}

/* Who is told of what a person decides is whom nightjar.yaml names now. One that cannot
 * be read keeps nobody from deciding. */
static int
name_sinks(const struct cmd_context *context, struct store *store, struct err *err)
{
    AUTO(config_free) struct config *config = NULL;
    struct err ignored = ERR_INIT;

    return config_load_settings(context->config, &config, &ignored) < 0
               ? 0
               : config_put_sinks(config, store, err);
}

static int
hand_open(const struct cmd_context *context, struct hand *hand, struct err *err)
{
    *hand = (struct hand){.context = context,
                          .decision = {.reason = bugs_options.reason,
                                       .dry_run = bugs_options.dry_run,
                                       .bytes_only = bugs_options.bytes_only,
                                       .moved = print_move,
                                       .user = hand}};
    hand->actor = cmd_actor();
    hand->decision.actor = hand->actor;
    if (bugs_options.reason != NULL && (bugs_options.reason[0] == '\0' ||
                                        strlen(bugs_options.reason) > BUGS_REASON_MAX)) {
        return err_set(err, -EINVAL, "--reason has 1 to %d bytes", BUGS_REASON_MAX);
    }
    int rc = store_open(context->state, DB_WRITE, &hand->store, err);
    return rc < 0 ? rc : name_sinks(context, hand->store, err);
}

static int
usage(const char *text)
{
    return cmd_fail(EXIT_USAGE, "wanted: nightjar bugs %s", text);
}

/* What was given does not exist, or is wrong. */
static int
end(int rc, const struct err *err)
{
    return rc == 0          ? EXIT_DONE
           : rc == -ENODATA ? cmd_fail(EXIT_USAGE, "%s", err->msg)
                            : cmd_fail_err(err);
}

/* The words from `first` on as numbers of bugs. */
static int
read_bugs(const struct strv *args, size_t first, struct buf *out, struct err *err)
{
    int rc = 0;

    for (size_t i = first; i < args->n && rc == 0; i++) {
        int64_t id = 0;
        rc = bug_parse_id(args->v[i], &id, err);
        buf_add(out, &id, sizeof(id));
    }
    return rc;
}

int
bugs_merge(const struct cmd_context *context, const struct strv *args)
{
    AUTO(hand_clear) struct hand hand = {0};
    AUTO(buf_clear) struct buf others = BUF_INIT;
    struct err err = ERR_INIT;
    int64_t bug = 0;

    if (args->n < (bugs_options.undo ? 1 : 2)) {
        return usage("merge NJ-1 NJ-2..., or merge --undo NJ-2...");
    }
    int rc = bug_parse_id(args->v[0], &bug, &err);
    rc = rc < 0 ? rc : read_bugs(args, bugs_options.undo ? 0 : 1, &others, &err);
    rc = rc < 0 ? rc : hand_open(context, &hand, &err);
    if (rc == 0) {
        rc = bugs_options.undo
                 ? store_unmerge(hand.store, &others, &hand.decision, &err)
                 : store_merge(hand.store, bug, &others, &hand.decision, &err);
    }
    return end(rc, &err);
}

/* The words behind the bug; borrowed. */
static struct strv
behind(const struct strv *args)
{
    return (struct strv){.v = args->v + 1, .n = args->n - 1};
}

int
bugs_split(const struct cmd_context *context, const struct strv *args)
{
    AUTO(hand_clear) struct hand hand = {0};
    struct err err = ERR_INIT;
    int64_t bug = 0;
    int64_t out = 0;

    if (args->n < 2) {
        return usage("split NJ-1 SHA256|PATH|SIGNATURE...");
    }
    const struct strv which = behind(args);
    int rc = bug_parse_id(args->v[0], &bug, &err);
    rc = rc < 0 ? rc : hand_open(context, &hand, &err);
    rc = rc < 0 ? rc : store_split(hand.store, bug, &which, &hand.decision, &out, &err);
    if (rc == 0 && !hand.decision.dry_run) {
        cmd_next(context, "nightjar show NJ-%lld", (long long)out);
    }
    return end(rc, &err);
}

int
bugs_pin(const struct cmd_context *context, const struct strv *args)
{
    AUTO(hand_clear) struct hand hand = {0};
    struct err err = ERR_INIT;
    int64_t bug = 0;

    if (args->n < 2) {
        return usage("pin [--undo] NJ-1 SHA256|PATH...");
    }
    const struct strv which = behind(args);
    int rc = bug_parse_id(args->v[0], &bug, &err);
    rc = rc < 0 ? rc : hand_open(context, &hand, &err);
    if (rc == 0) {
        rc = bugs_options.undo
                 ? store_unpin(hand.store, bug, &which, &hand.decision, &err)
                 : store_pin(hand.store, bug, &which, &hand.decision, &err);
    }
    return end(rc, &err);
}

/* --- severity, state --- */

/* The bug as it is now, in one line. */
static int
print_bug(const struct hand *hand, int64_t id, struct err *err)
{
    AUTO(bug_clear) struct bug bug = {0};
    int rc = store_bug(hand->store, id, &bug, err);

    if (rc < 0) {
        return rc;
    }
    if (hand->context->json) {
        AUTO(json_decref) json_t *o = bug_to_json(&bug);
        json_print(stdout, o);
        return 0;
    }
    AUTO(buf_clear) struct buf until = BUF_INIT;
    bug_add_until(&bug, &until);
    (void)printf("%s: %s%s, %s%s%s", bug.name, bug.state, buf_str(&until),
                 severity_name(bug.severity), bug.decided_by == NULL ? "" : " by ",
                 bug.decided_by == NULL ? "" : bug.decided_by);
    if (bug.decided_by != NULL) {
        (void)printf(": %s (computed: %s)", bug.decided_reason,
                     severity_name(bug.computed_severity));
    }
    if (bug.owner[0] != '\0') {
        (void)printf(", owned by %s (%s)", bug.owner, bug.owner_origin);
    }
    (void)putchar('\n');
    return 0;
}

static int
apply_rules(const struct cmd_context *context)
{
    AUTO(config_free) struct config *config = NULL;
    AUTO(hand_clear) struct hand hand = {0};
    struct err err = ERR_INIT;
    int rc = config_load_settings(context->config, &config, &err);

    rc = rc < 0 ? rc : hand_open(context, &hand, &err);
    rc = rc < 0 ? rc : config_put_store(config, hand.store, &err);
    if (rc == 0 && !context->json) {
        (void)printf("%zu rule%s of %s applied to every bug\n", config->severity.n,
                     config->severity.n == 1 ? "" : "s",
                     config->path == NULL ? "no nightjar.yaml" : config->path);
    }
    return end(rc, &err);
}

int
bugs_severity(const struct cmd_context *context, const struct strv *args)
{
    AUTO(hand_clear) struct hand hand = {0};
    struct err err = ERR_INIT;
    enum severity severity = SEVERITY_INFO;
    int64_t bug = 0;

    if (args->n == 0 && !bugs_options.clear) {
        return apply_rules(context);
    }
    if (args->n != (bugs_options.clear ? 1 : 2)) {
        return usage("severity NJ-1 LEVEL --reason TEXT, severity --clear NJ-1, or "
                     "severity alone");
    }
    int rc = bug_parse_id(args->v[0], &bug, &err);
    rc = rc < 0 || bugs_options.clear ? rc : severity_parse(args->v[1], &severity, &err);
    if (rc == 0 && !bugs_options.clear && bugs_options.reason == NULL) {
        return cmd_fail(EXIT_USAGE, "a severity by hand needs a reason: nightjar bugs "
                                    "severity NJ-1 high --reason \"...\"");
    }
    rc = rc < 0 ? rc : hand_open(context, &hand, &err);
    if (rc == 0) {
        rc = bugs_options.clear
                 ? store_clear_severity(hand.store, bug, &hand.decision, &err)
                 : store_set_severity(hand.store, bug, severity, &hand.decision, &err);
    }
    rc = rc < 0 ? rc : print_bug(&hand, bug, &err);
    return end(rc, &err);
}

/* "90d" from now, or a time. */
static int
read_until(struct bug_until *out, struct err *err)
{
    int64_t ms = 0;

    out->crashes = bugs_options.until_crashes;
    out->worse = bugs_options.until_worse;
    if (out->crashes < 0 || out->crashes > UNTIL_CRASHES_MAX) {
        return err_set(err, -EINVAL, "--until-crashes is from 1 to %d",
                       UNTIL_CRASHES_MAX);
    }
    if (bugs_options.until == NULL) {
        return 0;
    }
    if (strchr(bugs_options.until, '-') == NULL && bugs_options.until[0] != '@' &&
        str_duration(bugs_options.until, &ms, err) == 0) {
        out->at = clock_wall_ms() + ms;
        return 0;
    }
    int rc = clock_read(bugs_options.until, &out->at, err);
    return rc < 0 ? err_wrap(err, rc, "--until") : 0;
}

int
bugs_state(const struct cmd_context *context, const struct strv *args)
{
    AUTO(hand_clear) struct hand hand = {0};
    struct bug_until until = {0};
    struct err err = ERR_INIT;
    int64_t bug = 0;

    if (args->n != 2) {
        return usage("state NJ-1 open|fixing|fixed|ignored|wontfix [--reason TEXT] "
                     "[--until TIME]");
    }
    int rc = bug_parse_id(args->v[0], &bug, &err);
    rc = rc < 0 ? rc : read_until(&until, &err);
    rc = rc < 0 ? rc : hand_open(context, &hand, &err);
    if (until.at != 0 || until.crashes != 0 || until.worse) {
        hand.decision.until = &until;
    }
    rc = rc < 0 ? rc
                : store_set_bug_state(hand.store, bug, args->v[1], &hand.decision, &err);
    rc = rc < 0 ? rc : print_bug(&hand, bug, &err);
    return end(rc, &err);
}

int
bugs_ack(const struct cmd_context *context, const struct strv *args)
{
    AUTO(hand_clear) struct hand hand = {0};
    struct err err = ERR_INIT;
    int64_t bug = 0;

    if (args->n != 1) {
        return usage("ack NJ-1 [--reason TEXT]");
    }
    int rc = bug_parse_id(args->v[0], &bug, &err);
    rc = rc < 0 ? rc : hand_open(context, &hand, &err);
    rc = rc < 0 ? rc : store_acknowledge_bug(hand.store, bug, &hand.decision, &err);
    rc = rc < 0 ? rc : print_bug(&hand, bug, &err);
    return end(rc, &err);
}

int
bugs_owner(const struct cmd_context *context, const struct strv *args)
{
    AUTO(hand_clear) struct hand hand = {0};
    struct err err = ERR_INIT;
    int64_t bug = 0;

    if (args->n != (bugs_options.clear ? 1 : 2)) {
        return usage("owner NJ-1 NAME, or owner --clear NJ-1");
    }
    int rc = bug_parse_id(args->v[0], &bug, &err);
    rc = rc < 0 ? rc : hand_open(context, &hand, &err);
    rc = rc < 0 ? rc
                : store_set_owner(hand.store, bug, bugs_options.clear ? NULL : args->v[1],
                                  &hand.decision, &err);
    rc = rc < 0 ? rc : print_bug(&hand, bug, &err);
    return end(rc, &err);
}

/* --- similar --- */

static int
print_similar(void *user, const struct similar_bug *similar, struct err *err)
{
    const struct cmd_context *context = user;

    (void)err;
    if (context->json) {
        AUTO(json_decref) json_t *o = json_object();
        json_put(o, "id", json_string(similar->name));
        json_put(o, "score", json_real(similar->score));
        json_put(o, "cluster", json_boolean(similar->cluster));
        json_put(o, "state", json_string(similar->state));
        json_put(o, "title", json_text(similar->title));
        json_put(o, "why", json_text(similar->why));
        json_print(stdout, o);
        return 0;
    }
    AUTO(mem_free) char *title = str_name_dup(similar->title);
    AUTO(mem_free) char *why = str_name_dup(similar->why);
    (void)printf("%-6s %.2f%s %s\n            %s\n", similar->name, similar->score,
                 similar->cluster ? "*" : " ", title, why);
    return 0;
}

int
bugs_similar(const struct cmd_context *context, const struct strv *args)
{
    AUTO(store_close) struct store *store = NULL;
    struct cmd_context copy = *context;
    struct err err = ERR_INIT;
    int64_t bug = 0;

    if (args->n != 1) {
        return usage("similar NJ-1");
    }
    int rc = bug_parse_id(args->v[0], &bug, &err);
    rc = rc < 0 ? rc : store_open(context->state, DB_READ, &store, &err);
    rc = rc < 0 ? rc : store_similar(store, bug, print_similar, &copy, &err);
    if (rc == 0) {
        cmd_next(context,
                 "nightjar bugs merge NJ-%lld NJ-ID joins what is the same fault",
                 (long long)bug);
    }
    return end(rc, &err);
}
