/*
 * Prometheus remote write 1.0, as Prometheus, VictoriaMetrics, Mimir and InfluxDB take
 * it: https://prometheus.io/docs/concepts/remote_write_spec/ and prompb/remote.proto. The
 * message is protobuf of three nested messages, written here by hand; its compression is
 * libsnappy's. A request bears at most BATCH_MAX series; one that is refused does not
 * take the others with it. What a receiver is too busy for (429, 5xx) is sent again, as
 * the specification allows; what it refuses is not.
 *
 * A sample from the future is taken by every receiver and hides all that come after it
 * until then; one that is too old is refused. So the receiver is asked for its time
 * first, and a clock that is ahead of it, or far behind, gives way. Samples are never
 * kept for later: a push has the numbers of now, and what could not be sent is in the
 * next one.
 *
 * A series that is not there any more is ended by a stale marker, lest its last value be
 * taken for true for five minutes more, or by VictoriaMetrics for longer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <snappy-c.h>
#include <sodium.h>

#include "base/late.h"
#include "base/mem.h"
#include "orchestrator/publish/http.h"
#include "orchestrator/publish/sink.h"

enum { BATCH_MAX = 500, BEHIND_MAX_MS = 60 * 1000, SECOND_MS = 1000 };

/* The NaN that Prometheus takes for the end of a series. */
#define STALE_BITS UINT64_C(0x7ff0000000000002)

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

/* Labels go sorted by name, without those that are empty: what names a series. */
static void
put_labels(struct buf *out, const struct series *series, const char *instance)
{
    AUTO(mem_free)
    char *name = mem_printf("%s%s", series->metric->kind->name, series->suffix);
    AUTO(mem_free) char *from = mem_strdup(instance);
    AUTO(mem_free) char *le = mem_strdup(series->le == NULL ? "" : series->le);
    char job[] = "nightjar";
    struct metric_label labels[METRIC_LABELS_MAX + 4];
    size_t n = series->sample->n_labels;

    memcpy(labels, series->sample->labels, n * sizeof(*labels));
    labels[n++] = (struct metric_label){"job", job};
    labels[n++] = (struct metric_label){"__name__", name};
    labels[n++] = (struct metric_label){"instance", from};
    labels[n++] = (struct metric_label){"le", le};
    qsort(labels, n, sizeof(*labels), by_name);
    for (size_t i = 0; i < n; i++) {
        if (labels[i].value[0] != '\0') {
            put_label(out, labels[i].name, labels[i].value);
        }
    }
}

/* --- sending --- */

static int
send_batch(const struct sink_target *to, const struct buf *request, struct err *err)
{
    static const long statuses[] = {429, 0};
    const struct http_retry retry = {.statuses = statuses, .server_errors = true};
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
    int rc = http_send_again(&post, &retry, &answer, err);
    return rc < 0 ? rc : sink_accepted(to, &answer, err);
}

/* When the samples are from: our time, or the receiver's where ours cannot be right. */
static int
sample_time(const struct sink_target *to, int64_t at_ms, int64_t *out, struct err *err)
{
    static const long none[] = {0};
    const struct http_retry retry = {.statuses = none}; /* it only must answer */
    AUTO(http_answer_clear) struct http_answer answer = {0};
    const struct http_request head = {
        .method = "GET", .url = to->to, .timeout_ms = to->timeout_ms};

    int rc = http_send_again(&head, &retry, &answer, err); /* it tells the time */
    if (rc < 0) {
        return rc;
    }
    /* it tells whole seconds */
    bool wrong = answer.date_ms > 0 && (answer.date_ms + SECOND_MS <= at_ms ||
                                        answer.date_ms - at_ms > BEHIND_MAX_MS);
    *out = wrong ? answer.date_ms : at_ms;
    return 0;
}

struct batches {
    const struct sink_target *to;
    int64_t at_ms;
    struct buf request;
    size_t n;          /* series in it */
    struct strv named; /* the labels of all, in hex */
    int rc;            /* why the first one that was refused was */
    struct err why;
};

static void
batches_clear(struct batches *batches)
{
    buf_clear(&batches->request);
    strv_clear(&batches->named);
}
AUTO_DEFINE_CLEAR(struct batches, batches_clear)

/* What a receiver refuses is told at the end; one that is not there ends it. */
static int
flush(struct batches *batches, struct err *err)
{
    int rc = batches->n == 0 ? 0 : send_batch(batches->to, &batches->request, err);

    buf_cut(&batches->request, 0);
    batches->n = 0;
    if (rc == -EPROTO && batches->rc == 0) {
        batches->rc = rc;
        batches->why = *err;
    }
    return rc == -EPROTO ? 0 : rc;
}

static int
add_series(struct batches *batches, const struct buf *labels, double value,
           struct err *err)
{
    AUTO(buf_clear) struct buf series = BUF_INIT;

    buf_add(&series, labels->data, labels->len);
    put_sample(&series, value, batches->at_ms);
    put_bytes(&batches->request, 1, series.data, series.len);
    return ++batches->n == BATCH_MAX ? flush(batches, err) : 0;
}

static int
add_one(void *user, const struct series *series, struct err *err)
{
    struct batches *batches = user;
    AUTO(buf_clear) struct buf labels = BUF_INIT;

    put_labels(&labels, series, batches->to->instance);
    AUTO(mem_free) char *hex = mem_alloc(2 * labels.len + 1);
    (void)sodium_bin2hex(hex, 2 * labels.len + 1, (const unsigned char *)labels.data,
                         labels.len);
    strv_add(&batches->named, hex);
    return add_series(batches, &labels, series->value, err);
}

/* --- series that end --- */

static int
by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
end_series(struct batches *batches, const char *hex, struct err *err)
{
    const uint64_t bits = STALE_BITS;
    size_t len = strlen(hex) / 2;
    AUTO(mem_free) unsigned char *bytes = mem_alloc(len + 1);
    AUTO(buf_clear) struct buf labels = BUF_INIT;
    double stale = 0;

    memcpy(&stale, &bits, sizeof(stale));
    if (sodium_hex2bin(bytes, len, hex, 2 * len, NULL, &len, NULL) != 0) {
        return 0; /* somebody wrote in our file */
    }
    buf_add(&labels, bytes, len);
    return add_series(batches, &labels, stale, err);
}

static int
end_those_gone(struct batches *batches, const struct strv *before, struct err *err)
{
    int rc = 0;

    qsort(batches->named.v, batches->named.n, sizeof(char *), by_text);
    for (size_t i = 0; rc == 0 && i < before->n; i++) {
        if (bsearch(&before->v[i], batches->named.v, batches->named.n, sizeof(char *),
                    by_text) == NULL) {
            rc = end_series(batches, before->v[i], err);
        }
    }
    return rc;
}

static int
push(const struct sink_target *to, const struct metrics *metrics, struct err *err)
{
    AUTO(batches_clear) struct batches batches = {.to = to};
    int rc = load(err);

    rc = rc < 0 ? rc : sample_time(to, metrics->at_ms, &batches.at_ms, err);
    rc = rc < 0 ? rc : metrics_series(metrics, add_one, &batches, err);
    rc = rc < 0 ? rc : end_those_gone(&batches, &to->memory->series, err);
    rc = rc < 0 ? rc : flush(&batches, err);
    if (rc == 0) { /* what is refused may be known all the same */
        strv_clear(&to->memory->series);
        to->memory->series = batches.named;
        batches.named = (struct strv){0};
    }
    if (rc == 0 && batches.rc < 0) {
        *err = batches.why;
    }
    return rc < 0 ? rc : batches.rc;
}

const struct sink_ops sink_remote_write = {
    .name = "remote_write",
    .about = "Prometheus remote write 1.0",
    .push = push,
};
