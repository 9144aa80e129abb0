#include "orchestrator/publish/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "base/clock.h"
#include "base/late.h"
#include "base/str.h"
#include "orchestrator/version.h"

enum { SHOWN_MAX = 300, HEADER_MAX = 256, RETRY_MS = 200, RETRY_MAX = 86400 /* s */ };

/* libcurl, as far as it is used here; see late.h */
static struct {
    __typeof__(curl_easy_init) *easy_init;
    __typeof__(curl_easy_cleanup) *easy_cleanup;
    __typeof__(curl_easy_setopt) *easy_setopt;
    __typeof__(curl_easy_perform) *easy_perform;
    __typeof__(curl_easy_getinfo) *easy_getinfo;
    __typeof__(curl_easy_strerror) *easy_strerror;
    __typeof__(curl_getdate) *getdate;
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
        {"curl_getdate", &lib.getdate},
        {"curl_slist_append", &lib.slist_append},
        {"curl_slist_free_all", &lib.slist_free_all},
    };

    return late_load("libcurl.so.4", symbols, COUNT(symbols), err);
}

void
http_answer_clear(struct http_answer *answer)
{
    buf_clear(&answer->body);
}

static size_t
keep_body(char *data, size_t size, size_t count, void *user)
{
    buf_add(user, data,
            size * count); /* cut at its bound; the rest is read all the same */
    return size * count;
}

static int64_t
read_date(const char *value)
{
    time_t at = lib.getdate(value, NULL);

    return at < 0 ? 0 : (int64_t)at * 1000;
}

/* Seconds, or a date. */
static int64_t
read_retry_after(const char *value)
{
    char *end = NULL;
    long seconds = strtol(value, &end, 10);
    bool number = end != value && *end == '\0';
    int64_t wait = number ? (seconds > RETRY_MAX ? RETRY_MAX : (int64_t)seconds) * 1000
                          : read_date(value) - clock_wall_ms();

    return wait > 0 ? wait : 0;
}

/* "x-ratelimit-reset", in seconds since 1970: when GitHub and GitLab (ratelimit-reset)
 * obey again. They send it with every answer; it counts where one is refused. */
static void
read_limit(const char *value, struct http_answer *answer)
{
    char *end = NULL;
    long long at = strtoll(value, &end, 10);
    int64_t wait = at > 0 && at < INT32_MAX * 1000LL && *end == '\0'
                       ? at * 1000 - clock_wall_ms()
                       : 0;

    answer->limit_ms = wait > 0 ? wait : 0;
}

static size_t
keep_header(char *data, size_t size, size_t count, void *user)
{
    struct http_answer *answer = user;
    size_t len = size * count;
    char line[HEADER_MAX];

    if (len < sizeof(line)) {
        memcpy(line, data, len);
        line[len] = '\0';
        line[strcspn(line, "\r\n")] = '\0';
        char *value = strchr(line, ':');
        if (value != NULL) {
            *value++ = '\0';
            value += strspn(value, " \t");
        }
        if (value != NULL && strcasecmp(line, "date") == 0) {
            answer->date_ms = read_date(value);
        } else if (value != NULL && strcasecmp(line, "retry-after") == 0) {
            answer->retry_after_ms = read_retry_after(value);
        } else if (value != NULL && (strcasecmp(line, "x-ratelimit-reset") == 0 ||
                                     strcasecmp(line, "ratelimit-reset") == 0)) {
            read_limit(value, answer);
        } else if (value != NULL && (strcasecmp(line, "x-ratelimit-remaining") == 0 ||
                                     strcasecmp(line, "ratelimit-remaining") == 0)) {
            answer->exhausted = strcmp(value, "0") == 0;
        }
    }
    return len;
}

static void
set_options(CURL *curl, const struct http_request *request, struct curl_slist *headers,
            struct http_answer *answer, char *why)
{
    (void)lib.easy_setopt(curl, CURLOPT_URL, request->url);
    (void)lib.easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)lib.easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    if (request->body != NULL) {
        (void)lib.easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
        (void)lib.easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                              (curl_off_t)request->len);
    }
    (void)lib.easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)lib.easy_setopt(curl, CURLOPT_USERAGENT, "nightjar/" NIGHTJAR_VERSION);
    (void)lib.easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep_body);
    (void)lib.easy_setopt(curl, CURLOPT_WRITEDATA, &answer->body);
    (void)lib.easy_setopt(curl, CURLOPT_HEADERFUNCTION, keep_header);
    (void)lib.easy_setopt(curl, CURLOPT_HEADERDATA, answer);
    (void)lib.easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    (void)lib.easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    (void)lib.easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
}

int
http_send(const struct http_request *request, struct http_answer *out, struct err *err)
{
    AUTO(http_answer_clear)
    struct http_answer answer = {.body.max = request->answer_max > 0 ? request->answer_max
                                                                     : HTTP_ANSWER_MAX};
    char why[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = NULL;
    int rc = load(err);

    if (rc < 0) {
        return rc;
    }
    CURL *curl = lib.easy_init();
    if (curl == NULL) {
        return err_set(err, -ENOMEM, "libcurl could not be set up");
    }
    for (size_t i = 0; request->headers != NULL && i < request->headers->n; i++) {
        headers = lib.slist_append(headers, request->headers->v[i]);
    }
    headers = lib.slist_append(headers, "Expect:"); /* no round trip before the body */
    set_options(curl, request, headers, &answer, why);
    CURLcode code = lib.easy_perform(curl);
    (void)lib.easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
    lib.easy_cleanup(curl);
    lib.slist_free_all(headers);
    if (answer.exhausted && answer.retry_after_ms == 0) {
        answer.retry_after_ms = answer.limit_ms;
    }
    if (code != CURLE_OK) {
        return err_set(err, -EIO, "%s", why[0] == '\0' ? lib.easy_strerror(code) : why);
    }
    *out = answer;
    answer = (struct http_answer){0};
    return 0;
}

static bool
is_worth_it(const struct http_retry *retry, int rc, const struct http_answer *answer)
{
    for (size_t i = 0; rc == 0 && retry->statuses[i] != 0; i++) {
        if (answer->status == retry->statuses[i]) {
            return true;
        }
    }
    return rc == -EIO || (rc == 0 && retry->server_errors && answer->status >= 500);
}

static void
wait_ms(int64_t ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    (void)nanosleep(&time, NULL);
}

int
http_send_again(const struct http_request *request, const struct http_retry *retry,
                struct http_answer *out, struct err *err)
{
    int64_t end = clock_mono_ms() + request->timeout_ms;
    struct http_request one = *request;

    for (int tries = 1;; tries++) {
        AUTO(http_answer_clear) struct http_answer answer = {0};
        int rc = http_send(&one, &answer, err);
        int64_t pause = (int64_t)RETRY_MS << (tries - 1);
        pause = answer.retry_after_ms > pause ? answer.retry_after_ms : pause;
        int64_t left = end - clock_mono_ms() - pause;
        if (!is_worth_it(retry, rc, &answer) || tries == HTTP_TRIES_MAX || left <= 0) {
            *out = answer;
            answer = (struct http_answer){0};
            return rc;
        }
        wait_ms(pause);
        one.timeout_ms = left;
    }
}

int
http_accepted(const struct http_answer *answer, struct err *err)
{
    AUTO(buf_clear) struct buf clean = BUF_INIT;

    if (answer->status / 100 == 2) {
        return 0;
    }
    str_name(&clean, buf_str(&answer->body),
             answer->body.len > SHOWN_MAX ? SHOWN_MAX : answer->body.len);
    return err_set(err, -EPROTO, "HTTP status %ld: %s", answer->status, buf_str(&clean));
}
