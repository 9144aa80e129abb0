/*
 * JSON by POST, signed as Standard Webhooks says (standardwebhooks.com): webhook-id is
 * the same for every try, so that a receiver can drop what it has seen; webhook-signature
 * is "v1,<base64 of HMAC-SHA256 over id.timestamp.body>", one for each secret while they
 * are replaced. A secret is "whsec_<base64>", or any text.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/publish/notify.h"

enum { SECRET_MAX = 1024 };

static const char secret_prefix[] = "whsec_";

/* The bytes of a secret. */
static int
read_secret(const char *variable, unsigned char out[SECRET_MAX], size_t *len,
            struct err *err)
{
    const char *text = getenv(variable);

    if (text == NULL || text[0] == '\0') {
        return err_set(err, -EINVAL, "the environment has no secret in '%s'", variable);
    }
    if (str_starts(text, secret_prefix)) {
        const char *encoded = text + strlen(secret_prefix);
        return sodium_base642bin(out, SECRET_MAX, encoded, strlen(encoded), NULL, len,
                                 NULL, sodium_base64_VARIANT_ORIGINAL) == 0
                   ? 0
                   : err_set(err, -EINVAL, "'%s' is no base64 behind whsec_", variable);
    }
    *len = strlen(text);
    if (*len > SECRET_MAX) {
        return err_set(err, -EINVAL, "'%s' is longer than %d bytes", variable,
                       SECRET_MAX);
    }
    memcpy(out, text, *len);
    return 0;
}

static int
sign(const char *variable, const char *head, const struct buf *body, struct buf *out,
     struct err *err)
{
    unsigned char secret[SECRET_MAX];
    unsigned char code[crypto_auth_hmacsha256_BYTES];
    char encoded[sodium_base64_ENCODED_LEN(sizeof(code), sodium_base64_VARIANT_ORIGINAL)];
    crypto_auth_hmacsha256_state hmac;
    size_t len = 0;
    int rc = read_secret(variable, secret, &len, err);

    if (rc < 0) {
        return rc;
    }
    (void)crypto_auth_hmacsha256_init(&hmac, secret, len);
    (void)crypto_auth_hmacsha256_update(&hmac, (const unsigned char *)head, strlen(head));
    (void)crypto_auth_hmacsha256_update(&hmac, (const unsigned char *)body->data,
                                        body->len);
    (void)crypto_auth_hmacsha256_final(&hmac, code);
    sodium_memzero(secret, sizeof(secret));
    (void)sodium_bin2base64(encoded, sizeof(encoded), code, sizeof(code),
                            sodium_base64_VARIANT_ORIGINAL);
    buf_addf(out, "%sv1,%s", out->len == 0 ? "" : " ", encoded);
    return 0;
}

static json_t *
message(const struct notice *notice)
{
    const struct outbox_row *row = notice->row;
    AUTO(buf_clear) struct buf line = BUF_INIT;
    char at[CLOCK_TEXT_MAX];
    json_t *o = json_object();

    clock_iso(at, row->at);
    notify_line(notice, &line);
    json_put(o, "type", json_text(row->kind));
    json_put(o, "timestamp", json_string(at));
    json_put(o, "text", json_text(buf_str(&line)));
    json_put(o, "subject", json_text(row->subject));
    json_put(o, "subject_id", json_integer(row->subject_id));
    json_put(o, "subject_name",
             row->name[0] == '\0' ? json_null() : json_text(row->name));
    json_put(o, "from", row->from[0] == '\0' ? json_null() : json_text(row->from));
    json_put(o, "to", row->to[0] == '\0' ? json_null() : json_text(row->to));
    json_put(o, "actor", json_text(row->actor));
    json_put(o, "detail",
             row->detail == NULL ? json_null() : json_deep_copy(row->detail));
    json_put(o, "bug",
             notice->bug_json == NULL ? json_null() : json_deep_copy(notice->bug_json));
    return o;
}

static int
request(const struct notify_sink *sink, const struct notice *notice, int64_t now,
        struct strv *headers, struct buf *body, struct err *err)
{
    AUTO(json_decref) json_t *o = message(notice);
    AUTO(mem_free) char *text = json_line(o);
    AUTO(mem_free)
    char *id = mem_printf("msg_%s_%lld", notice->row->key, (long long)notice->row->event);
    AUTO(mem_free) char *head = mem_printf("%s.%lld.", id, (long long)(now / 1000));
    AUTO(buf_clear) struct buf signatures = BUF_INIT;

    buf_adds(body, text);
    for (size_t i = 0; i < sink->secret_env.n; i++) {
        int rc = sign(sink->secret_env.v[i], head, body, &signatures, err);
        if (rc < 0) {
            return rc;
        }
    }
    strv_add(headers, "Content-Type: application/json");
    strv_addf(headers, "webhook-id: %s", id);
    strv_addf(headers, "webhook-timestamp: %lld", (long long)(now / 1000));
    if (signatures.len > 0) {
        strv_addf(headers, "webhook-signature: %s", buf_str(&signatures));
    }
    return 0;
}

const struct notifier_ops notifier_webhook = {.name = "webhook", .request = request};
