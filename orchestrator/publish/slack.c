/*
 * Slack's incoming webhooks, which Mattermost, Rocket.Chat and Discord (/slack) take too:
 * a text in mrkdwn, where & < > are escaped so that nothing in it is a link or a mention.
 * No bytes of an input and no stack: a channel is read by many.
 */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "orchestrator/publish/notify.h"

static const char *
mark_of(const struct notice *notice)
{
    if (notice->bug == NULL) {
        return ":wrench:";
    }
    return notice->bug->severity >= SEVERITY_HIGH     ? ":red_circle:"
           : notice->bug->severity == SEVERITY_MEDIUM ? ":large_orange_circle:"
                                                      : ":white_circle:";
}

static void
escape(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&':
            buf_adds(out, "&amp;");
            break;
        case '<':
            buf_adds(out, "&lt;");
            break;
        case '>':
            buf_adds(out, "&gt;");
            break;
        default:
            buf_addc(out, *text);
        }
    }
}

static int
request(const struct notify_sink *sink, const struct notice *notice, int64_t now,
        struct strv *headers, struct buf *body, struct err *err)
{
    AUTO(buf_clear) struct buf line = BUF_INIT;
    AUTO(buf_clear) struct buf text = BUF_INIT;

    (void)sink;
    (void)now;
    (void)err;
    notify_line(notice, &line);
    escape(&text, buf_str(&line));
    AUTO(mem_free) char *marked = mem_printf("%s %s", mark_of(notice), buf_str(&text));
    json_t *section = json_pack("{s:s, s:{s:s, s:o}}", "type", "section", "text", "type",
                                "mrkdwn", "text", json_text(marked));
    json_t *o = json_object();
    json_put(o, "text", json_text(buf_str(&text))); /* where blocks are not shown */
    json_put(o, "blocks", json_pack("[o]", section));
    AUTO(mem_free) char *json = json_line(o);
    json_decref(o);
    buf_adds(body, json);
    strv_add(headers, "Content-Type: application/json");
    return 0;
}

const struct notifier_ops notifier_slack = {.name = "slack", .request = request};
