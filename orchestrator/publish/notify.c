#include "orchestrator/publish/notify.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static const struct notifier_ops *const notifiers[] = {
    &notifier_webhook, &notifier_slack, &notifier_github,
    &notifier_gitlab,  &notifier_jira,
};

const struct notifier_ops *
notify_find(const char *kind)
{
    for (size_t i = 0; i < COUNT(notifiers); i++) {
        if (strcmp(notifiers[i]->name, kind) == 0) {
            return notifiers[i];
        }
    }
    return NULL;
}

void
notify_kinds(struct buf *out)
{
    for (size_t i = 0; i < COUNT(notifiers); i++) {
        buf_addf(out, "%s%s", i == 0 ? "" : ", ", notifiers[i]->name);
    }
}

/* What somebody would want to be told of; `to` NULL: whatever it becomes. */
static const struct {
    const char *kind, *to, *words;
} told[] = {
    {"bug.new", NULL, "is new"},
    {"bug.backlog", "fresh", "is found anew"},
    {"bug.state", "fixed", "is fixed"},
    {"bug.state", "regressed", "is back"},
    {"bug.state", NULL, "is"},
    {"bug.override", NULL, "has another severity"},
    {"bug.severity", NULL, "has another severity"},
    {"bug.deadline", "missed", "is not fixed in time"},
    {"bug.incident", NULL, "is in what is shipped"},
    {"target.replay", NULL, "replays are"},
    {"target.coverage", "dropped", "coverage is"},
    {"target.coverage", "ok", "coverage is"},
    {"target.disk", "full", "disk is"},
    {"target.outage", NULL, "fuzzing is in"},
    {"budget.state", NULL, "is"},
    {"worker.state", "quarantined", "is given up"},
    {"worker.state", "dead", "is dead"},
};

static const char *
words_for(const struct outbox_row *row)
{
    for (size_t i = 0; i < COUNT(told); i++) {
        if (strcmp(told[i].kind, row->kind) == 0 &&
            (told[i].to == NULL || strcmp(told[i].to, row->to) == 0)) {
            return told[i].words;
        }
    }
    return NULL;
}

bool
notify_wants(const struct notify_sink *sink, const struct notice *notice)
{
    if (notice->bug != NULL && notice->bug->severity < sink->at_least) {
        return false;
    }
    return sink->events.n == 0 ? words_for(notice->row) != NULL
                               : strv_has(&sink->events, notice->row->kind);
}

/* "target png", "breach budget", "worker 7" where its name was not kept. */
static void
put_subject(const struct outbox_row *row, struct buf *out)
{
    const char *name = json_get_str(row->detail, row->subject, "");

    if (strcmp(row->subject, "budget") == 0) {
        buf_adds(out, "breach budget");
        return;
    }
    buf_addf(out, "%s ", row->subject);
    if (name[0] == '\0') {
        buf_addf(out, "%lld", (long long)row->subject_id);
    } else {
        str_name(out, name, strlen(name));
    }
}

void
notify_line(const struct notice *notice, struct buf *out)
{
    const struct outbox_row *row = notice->row;
    const char *words = words_for(row);

    if (notice->bug == NULL) {
        put_subject(row, out);
        buf_addf(out, " %s%s%s", words == NULL ? row->kind : words,
                 row->to[0] == '\0' ? "" : " ", row->to);
        return;
    }
    bool plain = words != NULL && strcmp(words, "is") == 0;
    buf_addf(out, "%s %s%s%s: %s, ", notice->bug->name, words == NULL ? row->kind : words,
             plain ? " " : "", plain ? row->to : "",
             severity_name(notice->bug->severity));
    for (const char *type = notice->bug->crash_type; *type != '\0';) {
        size_t len = strcspn(type, "\n");
        str_name(out, type, len);
        buf_adds(out, " ");
        type += len + (type[len] == '\n');
    }
    const char *state = notice->bug->crash_state;
    buf_adds(out, "in ");
    str_name(out, state, strcspn(state, "\n"));
    buf_addf(out, " (%s)", notice->bug->target);
}
