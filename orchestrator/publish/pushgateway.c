/*
 * Prometheus Pushgateway. PUT replaces the whole group, so that a series which ended here
 * ends there; the group is job/nightjar[/instance@base64/X]. The body is text format
 * 0.0.4 without timestamps (any timestamp is refused) and must end with a newline.
 */
#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "base/mem.h"
#include "orchestrator/publish/exposition.h"
#include "orchestrator/publish/http.h"
#include "orchestrator/publish/sink.h"

enum { INSTANCE_MAX = 256 };

static char *
group_url(const struct sink_target *to)
{
    char encoded[sodium_base64_ENCODED_LEN(INSTANCE_MAX, sodium_base64_VARIANT_URLSAFE)];
    size_t len = strlen(to->to);

    while (len > 0 && to->to[len - 1] == '/') {
        len--;
    }
    AUTO(mem_free) char *base = mem_dup(to->to, len);
    if (to->instance[0] == '\0') {
        return mem_printf("%s/metrics/job/nightjar", base);
    }
    size_t n = strlen(to->instance);
    (void)sodium_bin2base64(encoded, sizeof(encoded), (const unsigned char *)to->instance,
                            n < INSTANCE_MAX ? n : INSTANCE_MAX - 1,
                            sodium_base64_VARIANT_URLSAFE);
    return mem_printf("%s/metrics/job/nightjar/instance@base64/%s", base, encoded);
}

static int
push(const struct sink_target *to, const struct metrics *metrics, struct err *err)
{
    static const long busy[] = {429, 502, 503, 504, 0};
    const struct http_retry retry = {.statuses = busy};
    AUTO(buf_clear) struct buf body = BUF_INIT;
    AUTO(http_answer_clear) struct http_answer answer = {0};
    AUTO(strv_clear) struct strv headers = {0};
    AUTO(mem_free) char *url = group_url(to);

    exposition_print(metrics, EXPOSITION_PROMETHEUS, &body);
    strv_add(&headers, "Content-Type: text/plain; version=0.0.4");
    const struct http_request request = {.method = "PUT",
                                         .url = url,
                                         .headers = &headers,
                                         .body = buf_str(&body),
                                         .len = body.len,
                                         .timeout_ms = to->timeout_ms};
    int rc = http_send_again(&request, &retry, &answer, err);
    return rc < 0 ? rc : sink_accepted(to, &answer, err);
}

const struct sink_ops sink_pushgateway = {
    .name = "pushgateway",
    .about = "Prometheus' Pushgateway, for runs that end",
    .push = push,
};
