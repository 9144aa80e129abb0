#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/bug_table.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/cmd/page.h"
#include "orchestrator/cmd/show.h"
#include "triage/record.h"
#include "triage/store.h"

enum { EVENTS_MAX = 10000 /* newest of a bug */ };

static bool markdown;

static const struct cmd_option *
options(void)
{
    static const struct cmd_option table[] = {
        {CMD_FLAG, "markdown", 0, &markdown, NULL,
         "for a ticket or a postmortem: Markdown, no colours"},
        {.kind = CMD_END}};

    return table;
}

struct timeline {
    const struct cmd_context *context;
    struct store *store;
    const struct bug *bug;
    struct strv lines;
    int64_t fixed, back; /* last fix; last return; 0 */
};

static void
timeline_clear(struct timeline *timeline)
{
    strv_clear(&timeline->lines);
}
AUTO_DEFINE_CLEAR(struct timeline, timeline_clear)

/* --- an event in words --- */

static const char *
text_of(const json_t *detail, const char *key)
{
    return json_get_str(detail, key, "");
}

static void
say_new(struct store *store, const struct event_row *event, struct buf *out)
{
    (void)store;
    const char *title = text_of(event->detail, "title");

    buf_addf(out, "filed as a new bug%s%s%s%s", title[0] == '\0' ? "" : ": ",
             text_of(event->detail, "severity"), title[0] == '\0' ? "" : ", ", title);
}

/* "crashed in 0 of 3 runs on build aabbccddeeff, commit 0123456789ab (main)" */
static void
say_runs(struct store *store, const json_t *detail, struct buf *out)
{
    buf_addf(out, "crashed in %" PRId64 " of %" PRId64 " runs on ",
             json_get_int(detail, "k", 0), json_get_int(detail, "n", 0));
    show_build_words(store, text_of(detail, "build_id"), out);
}

static void
say_verify(struct store *store, const struct event_row *event, struct buf *out)
{
    const char *as = text_of(event->detail, "result");
    const char *other = text_of(event->detail, "crash_type");

    buf_addf(out, "verified: %s, ", as);
    say_runs(store, event->detail, out);
    if (other[0] != '\0') {
        AUTO(mem_free) char *type = record_type_line(other);
        AUTO(mem_free)
        char *top = record_top_frame(other, text_of(event->detail, "crash_state"));
        buf_addf(out, "; now %s in %s", type, top);
    }
}

static void
say_state(struct store *store, const struct event_row *event, struct buf *out)
{
    buf_addf(out, "%s -> %s", event->from, event->to);
    if (text_of(event->detail, "until")[0] != '\0') {
        buf_addf(out, " until %s", text_of(event->detail, "until"));
    }
    if (text_of(event->detail, "result")[0] != '\0') {
        buf_adds(out, ": ");
        say_runs(store, event->detail, out);
    }
}

static const struct {
    const char *kind;
    void (*say)(struct store *store, const struct event_row *event,
                struct buf *out); /* NULL: the words */
    const char *words;
} table[] = {
    {"bug.new", say_new, NULL},
    {"bug.state", say_state, NULL},
    {"bug.verify", say_verify, NULL},
    {"bug.backlog", NULL, "known from elsewhere"},
    {"bug.severity", NULL, "severity"},
    {"bug.override", NULL, "severity decided"},
    {"bug.minimize", NULL, "reproducer minimized"},
    {"bug.merge", NULL, "another bug was merged into it"},
    {"bug.split", NULL, "crashes were split off"},
    {"bug.pin", NULL, "crashes were pinned to it"},
    {"bug.unpin", NULL, "a pin was taken back"},
    {"bug.regroup", NULL, "grouped anew"},
    {"bug.owner", NULL, "owner"},
    {"bug.acknowledged", NULL, "acknowledged"},
};

static void
say(struct store *store, const struct event_row *event, struct buf *out)
{
    size_t i = 0;

    while (i < COUNT(table) && strcmp(table[i].kind, event->kind) != 0) {
        i++;
    }
    if (i < COUNT(table) && table[i].say != NULL) {
        table[i].say(store, event, out);
    } else {
        buf_adds(out, i < COUNT(table) ? table[i].words : event->kind);
        if (event->to[0] != '\0') {
            buf_addf(out, ": %s%s%s", event->from, event->from[0] == '\0' ? "" : " -> ",
                     event->to);
        }
    }
    const char *reason = text_of(event->detail, "reason");
    if (reason[0] != '\0') {
        buf_addf(out, ": %s", reason);
    }
    if (strcmp(event->actor, "nightjar") != 0) {
        buf_addf(out, " (%s)", event->actor);
    }
}

static int
take(void *user, const struct event_row *event, struct err *err)
{
    struct timeline *timeline = user;
    AUTO(buf_clear) struct buf line = BUF_INIT;
    char at[CLOCK_TEXT_MAX];

    (void)err;
    if (strcmp(event->kind, "bug.state") == 0) {
        timeline->fixed = strcmp(event->to, "fixed") == 0 ? event->at : timeline->fixed;
        timeline->back = strcmp(event->to, "regressed") == 0 ? event->at : timeline->back;
    }
    if (timeline->context->json) {
        AUTO(json_decref) json_t *o = show_event_json(event);
        json_put(o, "bug", json_string(timeline->bug->name));
        json_print(stdout, o);
        return 0;
    }
    clock_iso(at, event->at);
    buf_addf(&line, "%s  ", at);
    say(timeline->store, event, &line);
    strv_add(&timeline->lines, buf_str(&line));
    return 0;
}

/* --- the page --- */

static void
span_fact(struct page *page, const char *key, int64_t from, int64_t to)
{
    char text[64];

    if (to != 0 && to >= from) {
        str_duration_show(text, sizeof(text), to - from);
        page_fact(page, key, text, STYLE_PLAIN);
    }
}

static void
put_facts(struct page *page, const struct timeline *timeline)
{
    const struct bug *bug = timeline->bug;
    AUTO(mem_free)
    char *severity =
        mem_printf("%s (%.1f)", severity_name(bug->severity), bug->severity_score);
    AUTO(mem_free) char *crashes = mem_printf("%" PRId64, bug->crashes);
    char seen[CLOCK_TEXT_MAX];

    AUTO(buf_clear) struct buf due = BUF_INIT;
    bug_add_due(bug, &due);
    clock_iso(seen, bug->first_seen);
    page_fact(page, "severity", severity, STYLE_PLAIN);
    page_fact(page, "state", bug->state, STYLE_STRONG);
    page_fact(page, "owner", bug->owner, STYLE_PLAIN);
    page_fact(page, "due", buf_str(&due), STYLE_PLAIN);
    page_fact(page, "target", bug->target, STYLE_PLAIN);
    page_fact(page, "crashes", crashes, STYLE_PLAIN);
    page_fact(page, "found", seen, STYLE_PLAIN);
    span_fact(page, "until filed", bug->first_seen, bug->filed);
    span_fact(page, "until looked at", bug->filed, bug->acknowledged);
    span_fact(page, "until claimed", bug->filed, bug->claimed);
    span_fact(page, "until fixed", bug->filed, timeline->fixed);
    if (timeline->back > timeline->fixed) {
        span_fact(page, "until back", bug->filed, timeline->back);
    }
}

static void
put_page(struct page *page, const struct timeline *timeline, int64_t older)
{
    const struct bug *bug = timeline->bug;
    AUTO(mem_free) char *type = record_type_line(bug->crash_type);
    AUTO(mem_free) char *top = record_top_frame(bug->crash_type, bug->crash_state);
    AUTO(mem_free) char *title = mem_printf("%s: %s in %s", bug->name, type, top);

    page_title(page, title);
    put_facts(page, timeline);
    page_heading(page, "Timeline (UTC)");
    if (older > 0) {
        AUTO(mem_free) char *text = mem_printf("%" PRId64 " earlier events", older);
        page_text(page, text);
    }
    for (size_t i = 0; i < timeline->lines.n; i++) {
        page_item(page, timeline->lines.v[i]);
    }
}

static int
timeline_one(const struct cmd_context *context, struct store *store, const char *name,
             struct err *err)
{
    AUTO(bug_clear) struct bug bug = {0};
    AUTO(timeline_clear)
    struct timeline timeline = {.context = context, .store = store, .bug = &bug};
    AUTO(buf_clear) struct buf out = BUF_INIT;
    AUTO(page_clear) struct page page = {0};
    struct event_range range = {.subject = "bug", .limit = EVENTS_MAX};
    int64_t id = 0;
    int rc = bug_parse_id(name, &id, err);

    rc = rc < 0 ? rc : store_bug(store, id, &bug, err);
    range.subject_id = id;
    rc = rc < 0 ? rc : store_events(store, &range, take, &timeline, err);
    if (rc < 0 || context->json) {
        return rc;
    }
    if (markdown) {
        page_markdown(&page, &out);
    } else {
        page_terminal(&page, &out, 0, context->color);
    }
    put_page(&page, &timeline, range.older);
    (void)fputs(buf_str(&out), stdout);
    return 0;
}

static int
run(const struct cmd_context *context, const struct strv *args,
    const struct strv *command)
{
    (void)command;
    return show_each(context, "timeline", args, timeline_one);
}

const struct cmd cmd_timeline = {
    .name = "timeline",
    .summary = "what happened to a bug, from its first crash on",
    .usage = "NJ-ID...",
    .about = "The history of a bug in plain words, with how long it took until it was "
             "filed,\n"
             "looked at and fixed: the timeline of a postmortem. --json has an event a "
             "line.\n\n"
             "  nightjar timeline NJ-12 --markdown",
    .options = options,
    .run = run,
};
