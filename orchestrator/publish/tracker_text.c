#include "orchestrator/publish/tracker_private.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/publish/report_text.h"

enum { FRAMES_SHOWN = 32 };

void
tracker_mark(const struct tracker *tracker, const char *what,
             char out[TRACKER_MARKER_MAX])
{
    AUTO(mem_free) char *text = mem_printf("%s\n%s", tracker->mark, what);
    char hex[HASH_HEX_MAX];

    hash_sha256(text, strlen(text), hex);
    (void)snprintf(out, TRACKER_MARKER_MAX, "nightjar:%.40s:", hex);
}

void
tracker_marker(const struct tracker *tracker, char out[TRACKER_MARKER_MAX])
{
    tracker_mark(tracker, tracker->bug->name, out);
}

char *
tracker_title(const struct tracker *tracker)
{
    const struct finding finding = {.bug = *tracker->bug};
    AUTO(buf_clear) struct buf out = {.max = TRACKER_TITLE_MAX};

    if (tracker->issue.until > 0) {
        char at[CLOCK_TEXT_MAX];
        clock_iso(at, tracker->issue.until);
        at[strcspn(at, "T")] = '\0';
        return mem_printf("%s: a bug of severity %s; its details are withheld until %s",
                          tracker->bug->name, severity_name(tracker->bug->severity), at);
    }
    AUTO(mem_free) char *title = report_title(&finding);
    str_visible(&out, title, strlen(title));
    return buf_steal(&out);
}

void
tracker_page(const struct tracker *tracker, struct page *page, struct buf *out)
{
    if (tracker->ops->plain) {
        page_terminal(page, out, 0, false);
    } else {
        page_markdown(page, out);
    }
}

static void
add_stack(struct page *page, const struct record *record)
{
    page_heading(page, "Where it crashes");
    page_block(page);
    for (size_t i = 0; i < record->n_frames && i < FRAMES_SHOWN &&
                       record->frames[i].stack == STACK_CRASH;
         i++) {
        AUTO(mem_free) char *line = report_frame(&record->frames[i], i);
        page_line(page, line, STYLE_PLAIN);
    }
    page_block_end(page);
}

static void
add_details(struct page *page, const struct bug *bug)
{
    AUTO(mem_free) char *type = record_type_line(bug->crash_type);
    AUTO(mem_free)
    char *runs = bug->n == 0 ? mem_strdup("")
                             : mem_printf("%s: %d of %d runs", bug->reproducibility,
                                          bug->k, bug->n);
    AUTO(mem_free) char *repro = mem_printf("nightjar repro %s", bug->name);

    page_fact(page, "crash", type, STYLE_PLAIN);
    page_fact(page, "target", bug->target, STYLE_PLAIN);
    page_fact(page, "class", bug->class_name, STYLE_PLAIN);
    page_fact(page, "CWE", bug->cwe, STYLE_PLAIN);
    page_fact(page, "reproduces", runs, STYLE_PLAIN);
    if (bug->record != NULL && bug->record->n_frames > 0) {
        add_stack(page, bug->record);
    }
    page_heading(page, "Reproduce it");
    page_block(page);
    page_line(page, repro, STYLE_PLAIN);
    page_block_end(page);
}

char *
tracker_body(const struct tracker *tracker)
{
    AUTO(buf_clear) struct buf out = {.max = tracker->ops->body_max};
    AUTO(page_clear) struct page page;
    AUTO(mem_free) char *title = tracker_title(tracker);
    char at[CLOCK_TEXT_MAX];

    tracker_page(tracker, &page, &out);
    clock_iso(at, tracker->bug->first_seen);
    page_title(&page, title);
    page_fact(&page, "severity", severity_name(tracker->bug->severity), STYLE_PLAIN);
    page_fact(&page, "found", at, STYLE_PLAIN);
    if (tracker->issue.until == 0) {
        add_details(&page, tracker->bug);
    }
    page_text(&page, "Kept in step by nightjar: it is closed when a newer build does not "
                     "crash any more.");
    return buf_steal(&out);
}

void
tracker_labels(const struct tracker *tracker, struct strv *out)
{
    strv_add(out, "nightjar");
    strv_addf(out, "severity-%s", severity_name(tracker->bug->severity));
    strv_add_all(out, &tracker->sink->labels);
}

const char *
tracker_sentence(const struct outbox_row *row)
{
    static const struct {
        const char *to, *words;
    } sentences[] = {
        {"fixed", "A newer build does not crash any more: the fix is verified."},
        {"regressed", "It was fixed, and crashes again."},
        {"wontfix", "It was decided that it will not be fixed."},
        {"ignored", "It was decided to ignore it for now."},
        {"duplicate", "It is a duplicate of another bug."},
        {"fixing", "Somebody works on a fix."},
    };

    for (size_t i = 0; i < COUNT(sentences); i++) {
        if (strcmp(row->to, sentences[i].to) == 0) {
            return sentences[i].words;
        }
    }
    return strcmp(row->kind, "bug.state") == 0 ? "It is open."
                                               : "Its severity was decided anew.";
}
