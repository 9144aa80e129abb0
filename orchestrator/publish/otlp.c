/*
 * OpenTelemetry, OTLP/HTTP with JSON: ExportMetricsServiceRequest of opentelemetry-proto,
 * keys in lowerCamelCase, 64-bit integers as strings, enums as numbers. Names lose what
 * OpenTelemetry's conventions put elsewhere: `nightjar_fuzz_seconds_total` is
 * `nightjar.fuzz`, unit "s", a monotonic sum, from which a translation back to Prometheus
 * makes the first name again. Sent again are 429, 502, 503, 504, as the protocol has it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/publish/http.h"
#include "orchestrator/publish/sink.h"
#include "orchestrator/version.h"

enum { AGGREGATION_CUMULATIVE = 2, MESSAGE_MAX = 300 };

static json_t *
nanoseconds(int64_t ms)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "%lld000000", (long long)ms);
    return json_text(text);
}

static json_t *
attribute(const char *name, const char *value)
{
    return json_pack("{s:s, s:{s:o}}", "key", name, "value", "stringValue",
                     json_text(value));
}

static json_t *
count_text(double count)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "%.0f", count);
    return json_text(text);
}

/* Counts are each bucket's own, one more than there are bounds. */
static void
put_histogram(json_t *point, const struct histogram *shape, const struct sample *sample)
{
    json_t *counts = json_array();
    json_t *bounds = json_array();
    double sum = 0;

    for (size_t i = 0; i <= shape->n; i++) {
        (void)json_array_append_new(counts, count_text(sample->buckets[i]));
        sum += sample->buckets[i];
    }
    for (size_t i = 0; i < shape->n; i++) {
        (void)json_array_append_new(bounds, json_real(shape->bounds[i]));
    }
    json_put(point, "count", count_text(sum));
    json_put(point, "sum", json_real(sample->value));
    json_put(point, "bucketCounts", counts);
    json_put(point, "explicitBounds", bounds);
}

static json_t *
data_point(const struct metrics *metrics, const struct metric *metric,
           const struct sample *sample)
{
    json_t *attributes = json_array();
    json_t *point = json_object();

    for (size_t k = 0; k < sample->n_labels; k++) {
        (void)json_array_append_new(
            attributes, attribute(sample->labels[k].name, sample->labels[k].value));
    }
    json_put(point, "attributes", attributes);
    if (metric->kind->type != METRIC_GAUGE) {
        json_put(point, "startTimeUnixNano", nanoseconds(metrics->since_ms));
    }
    json_put(point, "timeUnixNano", nanoseconds(metrics->at_ms));
    if (metric->kind->type == METRIC_HISTOGRAM) {
        put_histogram(point, metric->kind->shape, sample);
    } else {
        json_put(point, "asDouble", json_real(sample->value));
    }
    return point;
}

static json_t *
data_points(const struct metrics *metrics, const struct metric *metric)
{
    json_t *list = json_array();

    for (size_t i = 0; i < metric->n; i++) {
        (void)json_array_append_new(list,
                                    data_point(metrics, metric, &metric->samples[i]));
    }
    return list;
}

static const struct {
    const char *suffix, *unit;
} units[] = {{"_seconds", "s"}, {"_bytes", "By"}, {"_ratio", "1"}};

/* name becomes OpenTelemetry's, in place. */
static const char *
split_name(char *name, enum metric_type type)
{
    const char *unit = "";
    size_t len = strlen(name);

    if (type == METRIC_COUNTER && str_ends(name, "_total")) {
        len -= strlen("_total");
    }
    name[len] = '\0';
    for (size_t i = 0; i < COUNT(units); i++) {
        if (str_ends(name, units[i].suffix)) {
            unit = units[i].unit;
            name[len - strlen(units[i].suffix)] = '\0';
            break;
        }
    }
    for (char *c = strchr(name, '_'); c != NULL; c = strchr(c, '_')) {
        *c = '.';
    }
    return unit;
}

static json_t *
metric_to_json(const struct metrics *metrics, const struct metric *metric)
{
    static const char *const kinds[] = {[METRIC_GAUGE] = "gauge",
                                        [METRIC_COUNTER] = "sum",
                                        [METRIC_HISTOGRAM] = "histogram"};
    enum metric_type type = metric->kind->type;
    AUTO(mem_free) char *name = mem_strdup(metric->kind->name);
    const char *unit = split_name(name, type);
    json_t *out = json_object();
    json_t *data = json_object();

    json_put(out, "name", json_text(name));
    json_put(out, "description", json_text(metric->kind->help));
    json_put(out, "unit", json_text(unit));
    json_put(data, "dataPoints", data_points(metrics, metric));
    if (type != METRIC_GAUGE) {
        json_put(data, "aggregationTemporality", json_integer(AGGREGATION_CUMULATIVE));
    }
    if (type == METRIC_COUNTER) {
        json_put(data, "isMonotonic", json_true());
    }
    json_put(out, kinds[type], data);
    return out;
}

static json_t *
request_of(const struct sink_target *to, const struct metrics *metrics)
{
    json_t *list = json_array();
    json_t *resource = json_array();

    for (size_t i = 0; i < METRICS; i++) {
        if (metrics->v[i].kind != NULL) {
            (void)json_array_append_new(list, metric_to_json(metrics, &metrics->v[i]));
        }
    }
    (void)json_array_append_new(resource, attribute("service.name", "nightjar"));
    (void)json_array_append_new(resource, attribute("service.version", NIGHTJAR_VERSION));
    if (to->instance[0] != '\0') {
        (void)json_array_append_new(resource,
                                    attribute("service.instance.id", to->instance));
    }
    return json_pack("{s:[{s:{s:o}, s:[{s:{s:s, s:s}, s:o}]}]}", "resourceMetrics",
                     "resource", "attributes", resource, "scopeMetrics", "scope", "name",
                     "nightjar", "version", NIGHTJAR_VERSION, "metrics", list);
}

/* A receiver that took some and refused some says so with status 200: what it refused is
 * not sent again, but a person should know. */
static int
read_partial(const struct http_answer *answer, struct err *err)
{
    AUTO(json_decref) json_t *object = NULL;
    AUTO(buf_clear) struct buf clean = BUF_INIT;
    struct err ignored = ERR_INIT;

    if (json_parse(buf_str(&answer->body), answer->body.len, &object, &ignored) < 0) {
        return 0;
    }
    const json_t *partial = json_object_get(object, "partialSuccess");
    const json_t *rejected = json_object_get(partial, "rejectedDataPoints");
    const char *text = json_string_value(rejected); /* int64: a string */
    int64_t n = json_integer_value(rejected);
    if (text != NULL && str_number("", text, 0, INT64_MAX, &n, &ignored) < 0) {
        return 0;
    }
    const char *why = json_get_str(partial, "errorMessage", "");
    str_name(&clean, why, strnlen(why, MESSAGE_MAX));
    return n <= 0 ? 0
                  : err_set(err, -EPROTO, "it refused %lld data points: %s", (long long)n,
                            buf_str(&clean));
}

static int
push(const struct sink_target *to, const struct metrics *metrics, struct err *err)
{
    static const long statuses[] = {429, 502, 503, 504, 0};
    const struct http_retry retry = {.statuses = statuses};
    AUTO(json_decref) json_t *request = request_of(to, metrics);
    AUTO(mem_free) char *body = json_line(request);
    AUTO(http_answer_clear) struct http_answer answer = {0};
    AUTO(strv_clear) struct strv headers = {0};

    strv_add(&headers, "Content-Type: application/json");
    const struct http_request post = {.method = "POST",
                                      .url = to->to,
                                      .headers = &headers,
                                      .body = body,
                                      .len = strlen(body),
                                      .timeout_ms = to->timeout_ms};
    int rc = http_send_again(&post, &retry, &answer, err);
    rc = rc < 0 ? rc : sink_accepted(to, &answer, err);
    return rc < 0 ? rc : read_partial(&answer, err);
}

const struct sink_ops sink_otlp = {
    .name = "otlp",
    .about = "OpenTelemetry over HTTP, JSON",
    .push = push,
};
