#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/cmd/bug_table.h"
#include "orchestrator/cmd/verify.h"
#include "triage/record.h"

enum { NAME_COLUMNS = 8, STATE_COLUMNS = 8, RUNS_COLUMNS = 10, TARGET_COLUMNS = 16 };

void
verify_view_begin(struct verify_view *view, const struct cmd_context *context)
{
    *view = (struct verify_view){.context = context};
}

static void
print_json(const struct regression *of, const struct verified *seen)
{
    AUTO(json_decref) json_t *line = json_object();
    AUTO(mem_free)
    char *known = seen->known == 0 ? NULL : mem_printf("NJ-%lld", (long long)seen->known);

    json_put(line, "id", json_string(of->name));
    json_put(line, "target", json_text(of->target));
    json_put(line, "state", json_text(of->state));
    json_put(line, "result", json_string(verified_name(seen->as)));
    json_put(line, "moved_to", json_text(seen->to));
    json_put(line, "k", json_integer(seen->k));
    json_put(line, "n", json_integer(seen->n));
    json_put(line, "input", json_string(verified_input(seen)));
    json_put(line, "sha256",
             json_string(seen->sha256[0] == '\0' ? of->sha256 : seen->sha256));
    json_put(line, "inputs_clean", json_integer(seen->clean));
    json_put(line, "crash_type", json_text(seen->crash_type));
    json_put(line, "crash_state", json_text(seen->crash_state));
    json_put(line, "signature", json_text(seen->signature));
    json_put(line, "was", json_text(of->major));
    json_put(line, "bug", json_text(known));
    json_put(line, "build", json_text(seen->kind));
    json_put(line, "build_id", json_text(seen->build_id));
    json_put(line, "path", seen->path == NULL ? json_null() : json_name(seen->path));
    json_put(line, "reason", json_text(seen->reason));
    json_print(stdout, line);
}

/* "Heap-buffer-overflow READ 4 in foo" */
static void
add_title(struct buf *out, const char *crash_type, const char *crash_state)
{
    AUTO(mem_free) char *type = record_type_line(crash_type);
    AUTO(mem_free) char *frame = record_top_frame(crash_type, crash_state);

    buf_addf(out, "%s in %s", type, frame);
}

static void
add_what(struct buf *out, const struct regression *of, const struct verified *seen)
{
    bool changed = seen->as == VERIFIED_CHANGED;

    if (seen->as != VERIFIED_BROKEN) {
        add_title(out, changed ? seen->crash_type : of->crash_type,
                  changed ? seen->crash_state : of->crash_state);
    }
    if (changed && seen->known != 0) {
        buf_addf(out, ": that is NJ-%lld", (long long)seen->known);
    } else if (changed) {
        buf_adds(out, ": no bug that is known here");
    }
    if ((seen->original || seen->sibling) && seen->as != VERIFIED_CLEAN) {
        buf_addf(out, " (%s; the reproducer is clean)",
                 seen->sibling ? "another input that is kept" : "its first input");
    }
    if (seen->reason != NULL) {
        buf_addf(out, "%s%s", seen->as == VERIFIED_BROKEN ? "" : "; ", seen->reason);
    }
    if (seen->to != NULL) {
        buf_addf(out, ": %s -> %s", of->state, seen->to);
    }
}

static void
print_row(const struct verify_view *view, const struct regression *of,
          const struct verified *seen)
{
    static const char *const colors[VERIFIED_WAYS] = {[VERIFIED_CLEAN] = "32",
                                                      [VERIFIED_BROKEN] = "33",
                                                      [VERIFIED_CHANGED] = "35",
                                                      [VERIFIED_SAME] = "31"};
    AUTO(buf_clear) struct buf line = BUF_INIT;
    AUTO(buf_clear) struct buf what = BUF_INIT;
    AUTO(mem_free) char *counts = mem_printf("%d of %d", seen->k, seen->n);

    add_what(&what, of, seen);
    bug_table_cell(&line, of->name, NAME_COLUMNS);
    buf_adds(&line, cmd_color(view->context, colors[seen->as]));
    bug_table_cell(&line, verified_name(seen->as), STATE_COLUMNS);
    buf_adds(&line, cmd_color(view->context, "0"));
    bug_table_cell(&line, counts, RUNS_COLUMNS);
    bug_table_cell(&line, of->target, TARGET_COLUMNS);
    buf_addc(&line, ' ');
    str_visible(&line, buf_str(&what), what.len);
    (void)puts(buf_str(&line));
}

void
verify_view_row(struct verify_view *view, const struct regression *of,
                const struct verified *seen)
{
    if (view->context->json) {
        print_json(of, seen);
    } else {
        print_row(view, of, seen);
    }
    view->n[seen->as]++;
    view->fixed += seen->as == VERIFIED_CLEAN && seen->to != NULL;
    view->regressed += seen->as == VERIFIED_SAME && seen->to != NULL;
    view->runs += seen->n;
}

void
verify_view_summary(const struct verify_view *view, size_t regressions)
{
    char took[64];

    if (view->context->json) {
        AUTO(json_decref) json_t *line = json_object();
        json_put(line, "regressions", json_integer((json_int_t)regressions));
        for (int i = 0; i < VERIFIED_WAYS; i++) {
            json_put(line, verified_name((enum verified_as)i), json_integer(view->n[i]));
        }
        json_put(line, "fixed", json_integer(view->fixed));
        json_put(line, "regressed", json_integer(view->regressed));
        json_put(line, "runs", json_integer(view->runs));
        json_put(line, "wall_ms", json_integer(view->ms));
        json_print(stdout, line);
        return;
    }
    if (regressions == 0) {
        (void)puts("no regressions: no bug has an input yet");
        return;
    }
    str_duration_show(took, sizeof(took), view->ms);
    (void)printf("%zu regressions in %s: %lld clean, %lld same, %lld changed, %lld "
                 "broken; %lld fixed, %lld regressed\n",
                 regressions, took, (long long)view->n[VERIFIED_CLEAN],
                 (long long)view->n[VERIFIED_SAME], (long long)view->n[VERIFIED_CHANGED],
                 (long long)view->n[VERIFIED_BROKEN], (long long)view->fixed,
                 (long long)view->regressed);
}
