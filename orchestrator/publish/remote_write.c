/*
 * Prometheus remote write 1.0, as Prometheus, VictoriaMetrics, Mimir and InfluxDB take
 * it: https://prometheus.io/docs/concepts/remote_write_spec/ and prompb/remote.proto. The
 * message is protobuf of three nested messages, written here by hand; its compression is
 * libsnappy's. A request bears at most BATCH_MAX series, so that one that is refused does
 * not take the others with it.
 *
 * A sample from the future is taken by every receiver and hides all that come after it
 * until then: so the receiver is asked for its time first, and a clock that is ahead of
 * it gives way.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <snappy-c.h>

#include "base/late.h"
#include "base/mem.h"
#include "orchestrator/publish/http.h"
#include "orchestrator/publish/sink.h"

enum { BATCH_MAX = 500 };

static struct {
    __typeof__(snappy_compress) *compress;
    __typeof__(snappy_max_compressed_length) *max_compressed_length;
} lib;

static int
load(struct err *err)
{
    static const struct late_symbol symbols[] = {
        {"snappy_compress", &lib.compress},
        {"snappy_max_compressed_length", &lib.max_compressed_length},
    };

    return late_load("libsnappy.so.1", symbols, COUNT(symbols), err);
}

/* --- protobuf: field numbers and wire types of prompb/types.proto --- */

enum { VARINT = 0, FIXED64 = 1, BYTES = 2 };

static void
put_varint(struct buf *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        buf_addc(out, (char)(value | 0x80));
    }
    buf_addc(out, (char)value);
}

static void
put_tag(struct buf *out, unsigned field, unsigned type)
{
    put_varint(out, field << 3 | type);
}

static void
put_bytes(struct buf *out, unsigned field, const void *data, size_t len)
{
    put_tag(out, field, BYTES);
    put_varint(out, len);
    buf_add(out, data, len);
}

static void
put_label(struct buf *series, const char *name, const char *value)
{
    AUTO(buf_clear) struct buf label = BUF_INIT;

    put_bytes(&label, 1, name, strlen(name));
    put_bytes(&label, 2, value, strlen(value));
    put_bytes(series, 1, label.data, label.len);
}

static void
put_sample(struct buf *series, double value, int64_t at_ms)
{
    AUTO(buf_clear) struct buf sample = BUF_INIT;

    put_tag(&sample, 1, FIXED64);
    buf_add(&sample, &value, sizeof(value)); /* little endian, as all that Debian's is */
    put_tag(&sample, 2, VARINT);
    put_varint(&sample, (uint64_t)at_ms);
    put_bytes(series, 2, sample.data, sample.len);
}

static int
by_name(const void *a, const void *b)
{
    const struct metric_label *one = a, *two = b;

    return strcmp(one->name, two->name);
}

/* Labels go sorted by name, without those that are empty. */
static void
put_series(struct buf *request, const char *name, const struct sample *sample,
           const char *instance, int64_t at_ms)
{
    AUTO(buf_clear) struct buf series = BUF_INIT;
    char job[] = "nightjar";
    struct metric_label labels[METRIC_LABELS_MAX + 3];
    size_t n = sample->n_labels;

    memcpy(labels, sample->labels, n * sizeof(*labels));
    labels[n++] = (struct metric_label){"job", job};
    AUTO(mem_free) char *name_value = mem_strdup(name);
    AUTO(mem_free) char *instance_value = mem_strdup(instance);
    labels[n++] = (struct metric_label){"__name__", name_value};
    labels[n++] = (struct metric_label){"instance", instance_value};
    qsort(labels, n, sizeof(*labels), by_name);
    for (size_t i = 0; i < n; i++) {
        if (labels[i].value[0] != '\0') {
            put_label(&series, labels[i].name, labels[i].value);
        }
    }
    put_sample(&series, sample->value, at_ms);
    put_bytes(request, 1, series.data, series.len);
}

/* --- sending --- */

static int
send_batch(const struct sink_target *to, const struct buf *request, struct err *err)
{
    AUTO(http_answer_clear) struct http_answer answer = {0};
    AUTO(strv_clear) struct strv headers = {0};
    size_t len = lib.max_compressed_length(request->len);
    AUTO(mem_free) char *body = mem_alloc(len);

    if (lib.compress(request->data, request->len, body, &len) != SNAPPY_OK) {
        return err_set(err, -EIO, "libsnappy could not compress %zu bytes", request->len);
    }
    strv_add(&headers, "Content-Type: application/x-protobuf");
    strv_add(&headers, "Content-Encoding: snappy");
    strv_add(&headers, "X-Prometheus-Remote-Write-Version: 0.1.0");
    const struct http_request post = {.method = "POST",
                                      .url = to->to,
                                      .headers = &headers,
                                      .body = body,
                                      .len = len,
                                      .timeout_ms = to->timeout_ms};
    int rc = http_send(&post, &answer, err);
    return rc < 0 ? rc : http_accepted(&answer, err);
}

/* When the samples are from: our time, or the receiver's where ours is ahead of it. */
static int
sample_time(const struct sink_target *to, int64_t at_ms, int64_t *out, struct err *err)
{
    AUTO(http_answer_clear) struct http_answer answer = {0};
    const struct http_request head = {
        .method = "GET", .url = to->to, .timeout_ms = to->timeout_ms};

    int rc = http_send(&head, &answer, err); /* usually refused, but it tells the time */
    if (rc < 0) {
        return rc;
    }
    *out = answer.date_ms > 0 && answer.date_ms < at_ms ? answer.date_ms : at_ms;
    return 0;
}

static int
push(const struct sink_target *to, const struct metrics *metrics, struct err *err)
{
    AUTO(buf_clear) struct buf request = BUF_INIT;
    size_t n = 0;
    int64_t at_ms = 0;
    int rc = load(err);

    if (rc == 0) {
        rc = sample_time(to, metrics->at_ms, &at_ms, err);
    }
    for (size_t i = 0; rc == 0 && i < metrics->n; i++) {
        for (size_t k = 0; rc == 0 && k < metrics->v[i]->n; k++) {
            put_series(&request, metrics->v[i]->name, &metrics->v[i]->samples[k],
                       to->instance, at_ms);
            if (++n == BATCH_MAX) {
                rc = send_batch(to, &request, err);
                buf_cut(&request, 0);
                n = 0;
            }
        }
    }
    return rc < 0 || n == 0 ? rc : send_batch(to, &request, err);
}

const struct sink_ops sink_remote_write = {
    .name = "remote_write",
    .about = "Prometheus remote write 1.0",
    .push = push,
};
