#include "orchestrator/publish/exposition.h"

#include <string.h>

static const char total[] = "_total";

/* Both formats: backslash, quote and newline are escaped in label values. */
static void
print_label(const char *name, const char *value, bool first, struct buf *out)
{
    buf_addf(out, "%s%s=\"", first ? "{" : ",", name);
    for (const char *c = value; *c != '\0'; c++) {
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

static int
print_series(void *user, const struct series *series, struct err *err)
{
    struct buf *out = user;
    const struct sample *sample = series->sample;

    (void)err;
    buf_addf(out, "%s%s", series->metric->kind->name, series->suffix);
    for (size_t i = 0; i < sample->n_labels; i++) {
        print_label(sample->labels[i].name, sample->labels[i].value, i == 0, out);
    }
    if (series->le != NULL) {
        print_label("le", series->le, sample->n_labels == 0, out);
    }
    buf_addf(out, "%s %.17g\n", sample->n_labels > 0 || series->le != NULL ? "}" : "",
             series->value);
    return 0;
}

void
exposition_print(const struct metrics *metrics, enum exposition format, struct buf *out)
{
    static const char *const types[] = {[METRIC_GAUGE] = "gauge",
                                        [METRIC_COUNTER] = "counter",
                                        [METRIC_HISTOGRAM] = "histogram"};

    for (size_t i = 0; i < METRICS; i++) {
        const struct metric_kind *kind = metrics->v[i].kind;
        if (kind == NULL) {
            continue;
        }
        int len = (int)strlen(kind->name);
        if (format == EXPOSITION_OPENMETRICS && kind->type == METRIC_COUNTER) {
            len -= (int)strlen(total);
        }
        buf_addf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", len, kind->name, kind->help,
                 len, kind->name, types[kind->type]);
        (void)metric_series(&metrics->v[i], print_series, out, NULL);
    }
    if (format == EXPOSITION_OPENMETRICS) {
        buf_adds(out, "# EOF\n");
    }
}
