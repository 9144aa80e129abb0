/*
 * Prometheus Pushgateway. PUT replaces the whole group, so that a series which ended here
 * ends there; the group is job/nightjar[/instance@base64/X]. The body is text format
 * 0.0.4 without timestamps (any timestamp is refused) and must end with a newline.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <curl/curl.h>
#include <sodium.h>

#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/publish/sink.h"

enum { ANSWER_MAX = 4096, INSTANCE_MAX = 256 };

static size_t
keep_answer(char *data, size_t size, size_t count, void *user)
{
    buf_add(user, data, size * count);
    return size * count;
}

static char *
group_url(const struct sink_target *to)
{
    char encoded[sodium_base64_ENCODED_LEN(INSTANCE_MAX, sodium_base64_VARIANT_URLSAFE)];
    size_t len = strlen(to->url);

    while (len > 0 && to->url[len - 1] == '/') {
        len--;
    }
    AUTO(mem_free) char *base = mem_dup(to->url, len);
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
send_text(CURL *curl, const struct sink_target *to, const struct buf *body,
          struct err *err)
{
    AUTO(mem_free) char *url = group_url(to);
    AUTO(buf_clear) struct buf answer = {.max = ANSWER_MAX};
    char why[CURL_ERROR_SIZE] = "";
    long status = 0;
    struct curl_slist *headers =
        curl_slist_append(NULL, "Content-Type: text/plain; version=0.0.4");

    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, "PUT");
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, buf_str(body));
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep_answer);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)to->timeout_ms);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    CURLcode code = curl_easy_perform(curl);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    if (code != CURLE_OK) {
        return err_set(err, -EIO, "push to %s: %s; is a Pushgateway listening there?",
                       to->url, why[0] == '\0' ? curl_easy_strerror(code) : why);
    }
    if (status / 100 != 2) {
        AUTO(buf_clear) struct buf clean = BUF_INIT;
        str_name(&clean, buf_str(&answer), answer.len > 300 ? 300 : answer.len);
        return err_set(err, -EPROTO, "push to %s: HTTP status %ld: %s", to->url, status,
                       buf_str(&clean));
    }
    return 0;
}

static int
push(const struct sink_target *to, const struct metrics *metrics, struct err *err)
{
    AUTO(buf_clear) struct buf body = BUF_INIT;
    CURL *curl = curl_easy_init();

    if (curl == NULL) {
        return err_set(err, -ENOMEM, "libcurl could not be set up");
    }
    metrics_text(metrics, &body);
    int rc = send_text(curl, to, &body, err);
    curl_easy_cleanup(curl);
    return rc;
}

const struct sink_ops sink_pushgateway = {.name = "pushgateway", .push = push};
