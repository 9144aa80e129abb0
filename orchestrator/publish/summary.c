/*
 * Markdown for a person: GitHub's step summary, a comment in a merge request, a mail.
 * What blocks stands first, with its stack; the rest are lines. GitHub drops a summary of
 * more than 1 MiB whole, so it ends before that and says how much is missing.
 */
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/page.h"
#include "orchestrator/publish/report.h"
#include "orchestrator/publish/report_text.h"

enum {
    FULL_AT = 800 * 1000, /* bytes; a finding has less than what then is left */
    FRAMES_SHOWN = 16,
    REASONS_SHOWN = 20,
};

static void
add_stack(struct page *page, const struct record *record)
{
    page_block(page);
    for (size_t i = 0; i < report_stack(record, FRAMES_SHOWN); i++) {
        AUTO(mem_free) char *line = report_frame(&record->frames[i], i);
        page_line(page, line, STYLE_PLAIN);
    }
    page_block_end(page);
}

static void
add_runs(struct page *page, const char *where, const struct finding_runs *runs)
{
    char text[64];

    if (runs->n > 0) {
        (void)snprintf(text, sizeof(text), "%d of %d runs", runs->k, runs->n);
        page_fact(page, where, text, STYLE_PLAIN);
    }
}

static void
add_blocking(struct page *page, const struct finding *finding)
{
    const struct bug *bug = &finding->bug;
    AUTO(mem_free) char *title = report_title(finding);
    AUTO(mem_free) char *why = report_why(finding);

    page_heading(page, title);
    page_fact(page, "severity", severity_name(bug->severity), STYLE_PLAIN);
    page_fact(page, "finding", finding_class_name(finding->class), STYLE_PLAIN);
    page_fact(page, "why", why, STYLE_PLAIN);
    page_fact(page, "target", bug->target, STYLE_PLAIN);
    if (finding->place.in_source) {
        AUTO(mem_free)
        char *place = mem_printf("%s:%d", finding->place.path, finding->place.line);
        page_fact(page, "place", place, STYLE_PLAIN);
    }
    add_runs(page, "here", &finding->head);
    add_runs(page, "base", &finding->base);
    page_fact(page, "artifacts", finding->artifacts == NULL ? "" : finding->artifacts,
              STYLE_PLAIN);
    if (bug->record != NULL && bug->record->n_frames > 0) {
        add_stack(page, bug->record);
    }
}

static void
add_line(struct page *page, const struct finding *finding)
{
    AUTO(mem_free) char *title = report_title(finding);
    AUTO(mem_free) char *why = report_why(finding);
    AUTO(mem_free)
    char *line =
        mem_printf("%s (%s, %s): %s", title, severity_name(finding->bug.severity),
                   finding_class_name(finding->class), why);

    page_item(page, line);
}

static void
add_targets(struct page *page, const struct findings *findings)
{
    bool said = false;

    for (size_t i = 0; i < findings->n_targets && page->out->len < FULL_AT; i++) {
        const struct finding_target *target = &findings->targets[i];
        AUTO(mem_free)
        char *line = mem_printf(
            "%s: %lld executions, %lld reproducers replayed%s%s", target->name,
            (long long)target->execs, (long long)target->replays,
            target->ran ? (target->why == NULL ? "" : "; ") : "; did not run: ",
            target->why == NULL ? "" : target->why);
        if (!said) {
            page_heading(page, "Targets");
            said = true;
        }
        page_item(page, line);
    }
}

static void
add_findings(struct page *page, const struct findings *findings)
{
    size_t i = 0;

    for (; i < findings->n && findings->v[i].blocking && page->out->len < FULL_AT; i++) {
        add_blocking(page, &findings->v[i]);
    }
    if (i < findings->n) {
        page_heading(page, i == 0 ? "Open bugs" : "Other open bugs");
    }
    for (; i < findings->n && page->out->len < FULL_AT; i++) {
        add_line(page, &findings->v[i]);
    }
    int64_t left = (int64_t)(findings->n - i) + findings->more;
    if (left > 0) {
        AUTO(mem_free)
        char *line = mem_printf("... and %lld more: nightjar bugs", (long long)left);
        page_item(page, line);
    }
}

static int
write_summary(const struct findings *findings, struct buf *out, struct err *err)
{
    AUTO(page_clear) struct page page;
    AUTO(mem_free)
    char *title = mem_printf("nightjar: %s", verdict_name(findings->verdict));

    (void)err;
    page_markdown(&page, out);
    page_title(&page, title);
    for (size_t i = 0; i < findings->reasons.n && i < REASONS_SHOWN; i++) {
        page_item(&page, findings->reasons.v[i]);
    }
    if (findings->reasons.n > REASONS_SHOWN) {
        AUTO(mem_free)
        char *more =
            mem_printf("... and %zu more reasons", findings->reasons.n - REASONS_SHOWN);
        page_item(&page, more);
    }
    add_findings(&page, findings);
    add_targets(&page, findings);
    return 0;
}

const struct report_ops report_summary = {
    .name = "summary", .file = "summary.md", .write = write_summary};
