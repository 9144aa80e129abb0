#include "orchestrator/cmd/triage_view.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/bug_table.h"

enum { REDRAW_MS = 200, MINUTE_MS = 60000 };

void
triage_view_begin(struct triage_view *view, const struct cmd_context *context)
{
    *view = (struct triage_view){.context = context, .begun_ms = clock_mono_ms()};
}

void
triage_view_clear(struct triage_view *view)
{
    if (view->drawn) {
        (void)fputs("\r\033[K", stderr);
        view->drawn = false;
    }
}

void
triage_view_new_bug(struct triage_view *view, const struct job_outcome *outcome)
{
    const struct cmd_context *context = view->context;
    AUTO(buf_clear) struct buf title = BUF_INIT;

    if (context->json) {
        return;
    }
    triage_view_clear(view);
    str_name(&title, outcome->title, strlen(outcome->title));
    (void)printf("%-6s %s%-8s%s %s\n", outcome->bug_name,
                 cmd_color(context, bug_severity_color(outcome->severity)),
                 severity_name(outcome->severity), cmd_color(context, "0"),
                 buf_str(&title));
    (void)fflush(stdout);
}

void
triage_view_trouble(struct triage_view *view, const char *text)
{
    if (++view->troubles <= VIEW_TROUBLES_MAX) {
        triage_view_clear(view);
        (void)cmd_fail(0, "%s", text);
    }
}

/* "1 bug", "2 bugs" */
static void
add_count(struct buf *out, int64_t n, const char *one, const char *many)
{
    buf_addf(out, "%lld %s", (long long)n, n == 1 ? one : many);
}

static void
progress_text(const struct triage_view *view, const struct pipeline_stats *stats,
              int64_t waiting, struct buf *out)
{
    int64_t done = stats->triaged + stats->unparsed + stats->untriageable + stats->broken;
    int64_t seconds = (clock_mono_ms() - view->begun_ms) / 1000;

    int64_t all = done + stats->queued + waiting;

    buf_addf(out, "triaged %lld of %lld, ", (long long)done, (long long)all);
    add_count(out, stats->bugs, "bug", "bugs");
    buf_addf(out, " (%lld new)", (long long)stats->new_bugs);
    if (stats->minimizing > 0) {
        int64_t more = stats->minimize_waiting - stats->minimizing;
        more = more > 0 ? more : 0;
        buf_addf(out, ", minimizing %lld, %lld waiting", (long long)stats->minimizing,
                 (long long)more);
    } else if (seconds > 0 && done > 0) {
        int64_t rate = done / seconds;
        buf_addf(out, ", %lld a second", (long long)rate);
    }
    buf_adds(out, stats->minimizing > 0 ? "; Ctrl-C ends it" : "");
}

void
triage_view_progress(struct triage_view *view, const struct pipeline_stats *stats,
                     int64_t waiting)
{
    int64_t now = clock_mono_ms();
    AUTO(buf_clear) struct buf text = BUF_INIT;

    if (view->context->live) {
        if (view->drawn && now - view->shown_ms < REDRAW_MS) {
            return;
        }
        progress_text(view, stats, waiting, &text);
        (void)fprintf(stderr, "\r\033[K%.79s", buf_str(&text));
        (void)fflush(stderr);
        view->drawn = true;
        view->shown_ms = now;
        return;
    }
    int64_t minute = (now - view->begun_ms) / MINUTE_MS;
    if (minute > view->last_minute) {
        view->last_minute = minute;
        progress_text(view, stats, waiting, &text);
        (void)fprintf(stderr, "nightjar: %s\n", buf_str(&text));
    }
}

static void
line(int64_t n, const char *what, const char *meaning)
{
    if (n > 0) {
        (void)printf("  %6lld %-14s %s\n", (long long)n, what, meaning);
    }
}

void
triage_view_summary(struct triage_view *view, const struct pipeline_stats *stats,
                    const char *why_broken, bool reports)
{
    AUTO(buf_clear) struct buf head = BUF_INIT;
    AUTO(buf_clear) struct buf broken = BUF_INIT;
    char took[64];

    triage_view_clear(view);
    if (view->troubles > VIEW_TROUBLES_MAX) {
        int64_t more = view->troubles - VIEW_TROUBLES_MAX;
        (void)cmd_fail(0, "%lld more messages like these", (long long)more);
    }
    if (view->context->json) {
        return;
    }
    str_duration_show(took, sizeof(took), clock_mono_ms() - view->begun_ms);
    add_count(&head, stats->submitted, "file", "files");
    buf_addf(&head, " (%lld new), ", (long long)stats->fresh);
    add_count(&head, stats->bugs, "bug", "bugs");
    buf_addf(&head, " (%lld new), %s", (long long)stats->new_bugs, took);
    (void)printf("\n%s\n", buf_str(&head));
    str_clean(&broken, why_broken == NULL ? "never truly ran" : why_broken,
              strlen(why_broken == NULL ? "never truly ran" : why_broken));
    line(stats->refused, "refused", "could not be read");
    line(stats->unreproducible, reports ? "no report" : "unreproducible",
         reports ? "no crash is told of in it" : "ran without failing");
    line(stats->unparsed, "unparsed", "failed with a report that no parser knows");
    line(stats->untriageable, "untriageable", "ended their triage worker twice");
    line(stats->broken, "broken", buf_str(&broken));
    line(stats->caught_up, "caught up",
         "bugs of before were tried on a build that came later");
    line(stats->queued, "queued", "still wait for triage");
}
