#include "orchestrator/publish/exposition.h"

#include <string.h>

static const char total[] = "_total";

/* Both formats: backslash, quote and newline are escaped in label values. */
static void
print_label(const struct metric_label *label, bool first, struct buf *out)
{
    buf_addf(out, "%s%s=\"", first ? "" : ",", label->name);
    for (const char *c = label->value; *c != '\0'; c++) {
        if (*c == '\n') {
            buf_adds(out, "\\n");
            continue;
        }
        if (*c == '\\' || *c == '"') {
            buf_addc(out, '\\');
        }
        buf_addc(out, *c);
    }
    buf_addc(out, '"');
}

static void
print_sample(const char *name, const struct sample *sample, struct buf *out)
{
    buf_adds(out, name);
    for (size_t i = 0; i < sample->n_labels; i++) {
        buf_adds(out, i == 0 ? "{" : "");
        print_label(&sample->labels[i], i == 0, out);
    }
    buf_addf(out, "%s %.17g\n", sample->n_labels == 0 ? "" : "}", sample->value);
}

void
exposition_print(const struct metrics *metrics, enum exposition format, struct buf *out)
{
    for (size_t i = 0; i < metrics->n; i++) {
        const struct metric *m = metrics->v[i];
        int len = (int)strlen(m->name);
        if (format == EXPOSITION_OPENMETRICS && m->type == METRIC_COUNTER) {
            len -= (int)strlen(total);
        }
        buf_addf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", len, m->name, m->help, len,
                 m->name, m->type == METRIC_COUNTER ? "counter" : "gauge");
        for (size_t k = 0; k < m->n; k++) {
            print_sample(m->name, &m->samples[k], out);
        }
    }
    if (format == EXPOSITION_OPENMETRICS) {
        buf_adds(out, "# EOF\n");
    }
}
