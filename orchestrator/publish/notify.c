#include "orchestrator/publish/notify.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* Words that the event completes. */
#define STATE_IS    "is"
#define SEVERITY_IS "severity"

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

/* What somebody would want to be told of: from and to NULL are any. Of a change that has
 * an event of its own (a hand's severity: bug.override) only one is told. */
static const struct {
    const char *kind, *from, *to, *words;
} told[] = {
    {"bug.new", NULL, NULL, "is new"},
    {"bug.backlog", NULL, "fresh", "is found anew"},
    {"bug.state", NULL, "fixed", "is fixed"},
    {"bug.state", NULL, "regressed", "is back"},
    {"bug.state", NULL, NULL, STATE_IS},
    {"bug.severity", NULL, NULL, SEVERITY_IS},
    {"bug.deadline", NULL, "missed", "is not fixed in time"},
    {"bug.incident", NULL, NULL, "is in what is shipped"},
    {"target.replay", NULL, "ok", "is replayed again"},
    {"target.replay", NULL, NULL, "cannot be replayed, so its crashes are not judged"},
    {"target.coverage", NULL, "dropped", "reaches less than it did"},
    {"target.coverage", NULL, "ok", "reaches what it did again"},
    {"target.disk", NULL, "full", "is held, for its disk is full"},
    {"target.disk", "full", NULL, "has room on the disk again"},
    {"target.outage", NULL, "ok", "is fuzzed again"},
    {"target.outage", NULL, NULL, "is not being fuzzed"},
    {"budget.state", NULL, "ok", "is more than half left"},
    {"budget.state", NULL, "half", "is more than half spent"},
    {"budget.state", NULL, "low", "is nearly spent"},
    {"budget.state", NULL, "exhausted", "is exhausted"},
    {"worker.state", NULL, "quarantined", "is given up, for it fails again and again"},
    {"worker.state", NULL, "dead", "is dead"},
};

static bool
fits(const char *wanted, const char *is)
{
    return wanted == NULL || strcmp(wanted, is) == 0;
}

static const char *
words_for(const struct outbox_row *row)
{
    for (size_t i = 0; i < COUNT(told); i++) {
        if (strcmp(told[i].kind, row->kind) == 0 && fits(told[i].from, row->from) &&
            fits(told[i].to, row->to)) {
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
    if (strcmp(row->subject, "budget") == 0) {
        buf_adds(out, row->name[0] == '\0' ? "breach budget" : "breach budget of ");
        str_name(out, row->name, strlen(row->name));
        return;
    }
    buf_addf(out, "%s ", row->subject);
    if (row->name[0] == '\0') {
        buf_addf(out, "%lld", (long long)row->subject_id);
    } else {
        str_name(out, row->name, strlen(row->name));
    }
}

/* "is fixing", "is more severe than it was (high)"; an event that is asked for by its
 * name. */
static void
put_words(const struct outbox_row *row, struct buf *out)
{
    const char *words = words_for(row);
    enum severity before = SEVERITY_INFO;
    enum severity now = SEVERITY_INFO;

    if (words == NULL) {
        buf_addf(out, "%s%s%s", row->kind, row->to[0] == '\0' ? "" : " ", row->to);
    } else if (strcmp(words, STATE_IS) == 0) {
        buf_addf(out, "is %s", row->to);
    } else if (strcmp(words, SEVERITY_IS) == 0) {
        bool known = severity_parse(row->from, &before, NULL) == 0 &&
                     severity_parse(row->to, &now, NULL) == 0;
        buf_addf(out, "is %s severe than it was (%s)",
                 known && now < before ? "less" : "more", row->from);
    } else {
        buf_adds(out, words);
    }
}

void
notify_line(const struct notice *notice, struct buf *out)
{
    const struct outbox_row *row = notice->row;

    if (notice->bug == NULL) {
        put_subject(row, out);
        buf_addc(out, ' ');
        put_words(row, out);
        return;
    }
    buf_addf(out, "%s ", notice->bug->name);
    put_words(row, out);
    buf_addf(out, ": %s, ", severity_name(notice->bug->severity));
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
