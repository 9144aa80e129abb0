#include "orchestrator/publish/report.h"

#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/publish/report_text.h"

static const struct report_ops *const formats[] = {
    &report_verdict,       &report_sarif,        &report_junit_gitlab,
    &report_junit_jenkins, &report_code_quality, &report_annotations,
    &report_summary,
};

const struct report_ops *
report_at(size_t i)
{
    return i < COUNT(formats) ? formats[i] : NULL;
}

/* --- what may be told of an untrusted change --- */

/* Borrows all that it leaves. */
static void
withhold(const struct findings *findings, struct finding *finding)
{
    static char nothing[] = "";
    struct bug *bug = &finding->bug;
    bool hidden = !finding_is_told(findings, finding);
    char **const inputs[] = {&bug->reproducer, &bug->original};
    char **const texts[] = {
        &bug->crash_type,     &bug->crash_state,    &bug->signature,
        &bug->sanitizer,      &bug->class_name,     &bug->cwe,
        &bug->exploitability, &bug->decided_reason, &bug->target,
    };

    bug->record = NULL;
    finding->artifacts = NULL;
    bug->reproducer_bytes = 0;
    for (size_t i = 0; i < COUNT(inputs); i++) {
        *inputs[i] = nothing;
    }
    for (size_t i = 0; hidden && i < COUNT(texts); i++) {
        *texts[i] = nothing;
    }
    if (hidden) {
        finding->reason = NULL;
        finding->waiver = NULL;
        finding->withheld = true;
        mem_free(finding->place.path);
        finding->place = report_place(NULL, NULL);
    }
}

/* --- writing --- */

static int
write_one(const struct report_ops *ops, const struct findings *findings,
          const char *folder, struct err *err)
{
    AUTO(buf_clear) struct buf text = {.max = REPORT_BYTES_MAX};
    AUTO(mem_free) char *path = fs_join(folder, ops->file);
    int rc = ops->write(findings, &text, err);

    if (rc == 0 && text.truncated) {
        rc = err_set(err, -EFBIG, "it would have more than %d bytes", REPORT_BYTES_MAX);
    }
    rc = rc < 0 ? rc : fs_write_atomic(path, buf_str(&text), text.len, 0644, err);
    return rc < 0 ? err_wrap(err, rc, "write '%s'", ops->file) : 0;
}

/* What the formats are given: the findings with their places, without what they may not
 * tell. Owns v and the places' paths only. */
static void
show(const struct findings *findings, struct findings *out)
{
    AUTO(report_sources_clear)
    struct report_sources sources = {.root = findings->source_root};

    *out = *findings;
    out->v = mem_array(findings->n, sizeof(*out->v));
    for (size_t i = 0; i < findings->n; i++) {
        out->v[i] = findings->v[i];
        out->v[i].place = report_place(&sources, findings->v[i].bug.record);
        report_fingerprint(&findings->v[i].bug, out->v[i].fingerprint);
        if (findings->untrusted) {
            withhold(findings, &out->v[i]);
        }
    }
}

static void
shown_clear(struct findings *shown)
{
    for (size_t i = 0; i < shown->n; i++) {
        mem_free(shown->v[i].place.path);
    }
    mem_free(shown->v);
}
AUTO_DEFINE_CLEAR(struct findings, shown_clear)

int
report_write_all(const struct findings *findings, const char *folder, struct err *err)
{
    int first = fs_mkdirs(folder, 0755, err);

    if (first < 0) {
        return err_wrap(err, first, "write the reports");
    }
    AUTO(shown_clear) struct findings shown;
    show(findings, &shown);
    for (size_t i = 0; i < COUNT(formats); i++) {
        struct err own = ERR_INIT;
        int rc = write_one(formats[i], &shown, folder, &own);
        if (rc < 0 && first == 0) {
            first = rc;
            *err = own;
        }
    }
    return first;
}
