#include "orchestrator/publish/report.h"

#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

static const struct report_ops *const formats[] = {&report_verdict};

const struct report_ops *
report_at(size_t i)
{
    return i < COUNT(formats) ? formats[i] : NULL;
}

/* --- what may be told of an untrusted change --- */

static bool is_the_changes_own(enum finding_class class)
{
    return class == FINDING_NEW || class == FINDING_REGRESSED;
}

/* Borrows all that it leaves. */
static void
withhold(struct finding *finding)
{
    static char nothing[] = "";
    struct bug *bug = &finding->bug;
    bool hidden = bug->security && !is_the_changes_own(finding->class);
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

int
report_write_all(const struct findings *findings, const char *folder, struct err *err)
{
    struct findings shown = *findings;
    AUTO(mem_free)
    struct finding *v = mem_dup(findings->n == 0 ? "" : (const void *)findings->v,
                                findings->n * sizeof(*findings->v));
    int first = fs_mkdirs(folder, 0755, err);

    for (size_t i = 0; findings->untrusted && i < findings->n; i++) {
        withhold(&v[i]);
    }
    shown.v = v;
    if (first < 0) {
        return err_wrap(err, first, "write the reports");
    }
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
