#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/bug_table.h"
#include "orchestrator/cmd/ci.h"
#include "orchestrator/publish/bug.h"
#include "orchestrator/publish/report_text.h"

enum { SHOWN_MAX = 50, NAME_COLUMNS = 8, CLASS_COLUMNS = 15, SEVERITY_COLUMNS = 9 };

/* " at src/x.c:12": the first frame that counts and has a place, from where we stand. */
static void
add_place(const struct findings *findings, const struct record *record, struct buf *out)
{
    size_t root = findings->source_root == NULL ? 0 : strlen(findings->source_root);

    for (size_t i = 0; record != NULL && i < record->n_frames; i++) {
        const struct frame *frame = &record->frames[i];
        if (frame->kept && frame->file != NULL) {
            bool ours = root > 0 && str_starts(frame->file, findings->source_root) &&
                        frame->file[root] == '/';
            buf_addf(out, " at %s:%d", frame->file + (ours ? root + 1 : 0), frame->line);
            return;
        }
    }
}

static void
show_finding(const struct ci *ci, const struct finding *finding)
{
    AUTO(buf_clear) struct buf line = BUF_INIT;
    AUTO(buf_clear) struct buf what = BUF_INIT;
    const struct bug *bug = &finding->bug;

    buf_adds(&line, finding->blocking ? "! " : "  ");
    bug_table_cell(&line, bug->name, NAME_COLUMNS);
    bug_table_cell(&line, finding_class_name(finding->class), CLASS_COLUMNS);
    bug_table_cell(&line, severity_name(bug->severity), SEVERITY_COLUMNS);
    if (finding_is_told(&ci->findings, finding)) {
        AUTO(mem_free) char *type = record_type_line(bug->crash_type);
        AUTO(mem_free) char *frame = record_top_frame(bug->crash_type, bug->crash_state);
        buf_addf(&what, "%s in %s", type, frame);
        add_place(&ci->findings, bug->record, &what);
        buf_addf(&what, ": %s",
                 finding->waiver != NULL ? finding->waiver : finding->reason);
    }
    report_console(&line, buf_str(&what)); /* a CI system reads what is printed here */
    (void)puts(buf_str(&line));
}

static void
show_targets(const struct ci *ci)
{
    for (size_t i = 0; i < ci->findings.n_targets; i++) {
        const struct finding_target *target = &ci->findings.targets[i];
        AUTO(buf_clear) struct buf line = BUF_INIT;
        AUTO(mem_free)
        char *text = mem_printf(
            "%s: %lld executions, %lld known inputs replayed%s%s%s%s", target->name,
            (long long)target->execs, (long long)target->replays,
            target->seeds == NULL ? "" : "; ", target->seeds == NULL ? "" : target->seeds,
            target->why == NULL ? "" : "; ", target->why == NULL ? "" : target->why);
        report_console(&line, text);
        (void)puts(buf_str(&line));
    }
}

static void
show_person(const struct ci *ci, const char *folder)
{
    static const char *const colors[] = {"32;1", "31;1", "33;1", "31;1"};
    const struct findings *findings = &ci->findings;
    int64_t ours = findings->ended - findings->started - ci->fuzz_ms - ci->replay_ms;

    show_targets(ci);
    for (size_t i = 0; i < findings->n && i < SHOWN_MAX; i++) {
        show_finding(ci, &findings->v[i]);
    }
    if (findings->n > SHOWN_MAX) {
        (void)printf("  ... and %zu more\n", findings->n - SHOWN_MAX);
    }
    for (size_t i = 0; i < findings->reasons.n; i++) {
        const char *reason = findings->reasons.v[i];
        AUTO(buf_clear) struct buf line = BUF_INIT;
        if (findings->verdict != VERDICT_FAIL || i >= findings->n ||
            !findings->v[i].blocking) {
            report_console(&line, reason);
            (void)printf("  %s\n", buf_str(&line));
        }
    }
    (void)printf(
        "%.1f s of fuzzing, %.1f s of replays, %.1f s of the gate's own; reports "
        "in %s\n",
        (double)ci->fuzz_ms / 1000, (double)ci->replay_ms / 1000, (double)ours / 1000,
        folder);
    (void)printf("%sci: %s%s\n", cmd_color(ci->context, colors[findings->verdict]),
                 verdict_name(findings->verdict), cmd_color(ci->context, "0"));
}

static void
show_json(const struct findings *findings)
{
    for (size_t i = 0; i < findings->n; i++) {
        const struct finding *finding = &findings->v[i];
        AUTO(json_decref) json_t *line = json_object();
        if (finding_is_told(findings, finding)) {
            AUTO(json_decref) json_t *bug = bug_to_json(&finding->bug);
            (void)json_object_update(line, bug);
            json_put(line, "reason", json_text(finding->reason));
            json_put(line, "waiver", json_text(finding->waiver));
        }
        json_put(line, "id", json_text(finding->bug.name));
        json_put(line, "severity", json_string(severity_name(finding->bug.severity)));
        json_put(line, "finding", json_string(finding_class_name(finding->class)));
        json_put(line, "blocking", json_boolean(finding->blocking));
        json_print(stdout, line);
    }
}

void
ci_show(const struct ci *ci, const char *folder, int status)
{
    const struct findings *findings = &ci->findings;
    AUTO(json_decref) json_t *line = json_object();
    int64_t n[FINDING_CLASSES] = {0};
    int64_t blocking = 0;

    if (ci->context->json) {
        show_json(findings);
    } else {
        show_person(ci, folder);
    }
    for (size_t i = 0; i < findings->n; i++) {
        n[findings->v[i].class]++;
        blocking += findings->v[i].blocking;
    }
    json_put(line, "verdict", json_string(verdict_name(findings->verdict)));
    json_put(line, "exit_status", json_integer(status));
    json_put(line, "blocking", json_integer(blocking));
    for (int i = 0; i < FINDING_CLASSES; i++) {
        json_put(line, finding_class_name((enum finding_class)i), json_integer(n[i]));
    }
    json_put(line, "executions", json_integer(findings->execs));
    json_put(line, "fuzz_ms", json_integer(ci->fuzz_ms));
    json_put(line, "replay_ms", json_integer(ci->replay_ms));
    json_put(line, "wall_ms", json_integer(findings->ended - findings->started));
    json_put(line, "reports", json_name(folder));
    json_print(stdout, line);
}
