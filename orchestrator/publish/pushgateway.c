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

#include "base/late.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/publish/sink.h"

enum { ANSWER_MAX = 4096, INSTANCE_MAX = 256 };

/* libcurl, as far as it is used here; see late.h */
static struct {
    __typeof__(curl_easy_init) *easy_init;
    __typeof__(curl_easy_cleanup) *easy_cleanup;
    __typeof__(curl_easy_setopt) *easy_setopt;
    __typeof__(curl_easy_perform) *easy_perform;
    __typeof__(curl_easy_getinfo) *easy_getinfo;
    __typeof__(curl_easy_strerror) *easy_strerror;
    __typeof__(curl_slist_append) *slist_append;
    __typeof__(curl_slist_free_all) *slist_free_all;
} lib;

static int
load(struct err *err)
{
    static const struct late_symbol symbols[] = {
        {"curl_easy_init", &lib.easy_init},
        {"curl_easy_cleanup", &lib.easy_cleanup},
        {"curl_easy_setopt", &lib.easy_setopt},
        {"curl_easy_perform", &lib.easy_perform},
        {"curl_easy_getinfo", &lib.easy_getinfo},
        {"curl_easy_strerror", &lib.easy_strerror},
        {"curl_slist_append", &lib.slist_append},
        {"curl_slist_free_all", &lib.slist_free_all},
    };

    return late_load("libcurl.so.4", symbols, COUNT(symbols), err);
}

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
        lib.slist_append(NULL, "Content-Type: text/plain; version=0.0.4");

    (void)lib.easy_setopt(curl, CURLOPT_URL, url);
    (void)lib.easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)lib.easy_setopt(curl, CURLOPT_CUSTOMREQUEST, "PUT");
    (void)lib.easy_setopt(curl, CURLOPT_POSTFIELDS, buf_str(body));
    (void)lib.easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
    (void)lib.easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)lib.easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep_answer);
    (void)lib.easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
    (void)lib.easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    (void)lib.easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)to->timeout_ms);
    (void)lib.easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    CURLcode code = lib.easy_perform(curl);
    (void)lib.easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    lib.slist_free_all(headers);
    if (code != CURLE_OK) {
        return err_set(err, -EIO, "push to %s: %s; is a Pushgateway listening there?",
                       to->url, why[0] == '\0' ? lib.easy_strerror(code) : why);
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
    int rc = load(err);

    if (rc < 0) {
        return rc;
    }
    CURL *curl = lib.easy_init();
    if (curl == NULL) {
        return err_set(err, -ENOMEM, "libcurl could not be set up");
    }
    metrics_text(metrics, &body);
    rc = send_text(curl, to, &body, err);
    lib.easy_cleanup(curl);
    return rc;
}

const struct sink_ops sink_pushgateway = {.name = "pushgateway", .push = push};
