/*
 * GitHub's annotations: workflow commands, to be printed as they are by the step
 * ("::error file=F,line=N,title=T::message"). What blocks is an error, what else the run
 * showed a warning; bugs that were there before are in the summary only. GitHub shows ten
 * of each a step: the worst come first, and the last says how many more there are.
 *
 * A line that begins with "::", or holds "##[", is a command to the runner: hostile text
 * never stands anywhere but escaped within ours.
 */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/publish/report.h"
#include "orchestrator/publish/report_text.h"

enum { SHOWN_MAX = 10, TEXT_MAX = 2000 };

/* `also`: further characters that end a value here. */
static void
add_escaped(struct buf *out, const char *text, const char *also)
{
    AUTO(buf_clear) struct buf line = {.max = TEXT_MAX};

    report_console(&line, text);
    for (const char *c = buf_str(&line); *c != '\0'; c++) {
        if (strchr("%\r\n", *c) != NULL || strchr(also, *c) != NULL) {
            buf_addf(out, "%%%02X", (unsigned char)*c);
        } else {
            buf_addc(out, *c);
        }
    }
}

static void
add_property(struct buf *out, const char *name, const char *value)
{
    buf_addf(out, "%s=", name);
    add_escaped(out, value, ":,");
}

static void
add_annotation(struct buf *out, const char *command, const struct finding *finding)
{
    AUTO(mem_free) char *title = report_title(finding);
    AUTO(mem_free) char *why = report_why(finding);
    AUTO(mem_free)
    char *message =
        mem_printf("%s, %s: %s. Reproduce it with: nightjar repro %s",
                   severity_name(finding->bug.severity),
                   finding_class_name(finding->class), why, finding->bug.name);

    buf_addf(out, "::%s ", command);
    if (finding->place.in_source) {
        add_property(out, "file", finding->place.path);
        buf_addf(out, ",line=%d,", finding->place.line);
    }
    add_property(out, "title", title);
    buf_adds(out, "::");
    add_escaped(out, message, "");
    buf_addc(out, '\n');
}

static bool
is_shown(const struct finding *finding, bool errors)
{
    return errors ? finding->blocking
                  : !finding->blocking && finding->class != FINDING_PRE_EXISTING;
}

static void
add_all(const struct findings *findings, bool errors, struct buf *out)
{
    const char *command = errors ? "error" : "warning";
    int wanted = 0;
    int shown = 0;

    for (size_t i = 0; i < findings->n; i++) {
        wanted += is_shown(&findings->v[i], errors);
    }
    int room = wanted > SHOWN_MAX ? SHOWN_MAX - 1 : SHOWN_MAX;
    for (size_t i = 0; i < findings->n && shown < room; i++) {
        if (is_shown(&findings->v[i], errors)) {
            add_annotation(out, command, &findings->v[i]);
            shown++;
        }
    }
    if (wanted > shown) {
        buf_addf(out, "::%s title=nightjar::and %d more: see the summary\n", command,
                 wanted - shown);
    }
}

/* Where no finding says why: the run itself did not do. */
static bool
needs_reason(const struct findings *findings)
{
    return findings->verdict != VERDICT_PASS &&
           (findings->n == 0 || !findings->v[0].blocking);
}

static int
write_annotations(const struct findings *findings, struct buf *out, struct err *err)
{
    (void)err;
    if (needs_reason(findings)) {
        buf_adds(out, "::error title=nightjar::");
        add_escaped(out, verdict_name(findings->verdict), "");
        buf_adds(out, findings->reasons.n > 0 ? ": " : "");
        add_escaped(out, findings->reasons.n > 0 ? findings->reasons.v[0] : "", "");
        buf_addc(out, '\n');
    }
    add_all(findings, true, out);
    add_all(findings, false, out);
    return 0;
}

const struct report_ops report_annotations = {
    .name = "annotations", .file = "annotations.txt", .write = write_annotations};
