/* `gate:` in nightjar.yaml: what fails a build, and who may let what pass until when. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/config.h"
#include "orchestrator/config_read.h"

enum { EXECS_MAX = 1000000000, REPRO_MAX = 1000, SIGNATURE_DIGITS_MIN = 8 };

/* One of two words; `to` is whether it is the second. */
static int
read_either(const struct config_reader *reader, const struct config_key *key,
            const struct config_node *node, const char *const words[2], bool *to,
            struct err *err)
{
    const char *text = "";
    int rc = config_value(reader, key, node, &text, err);

    if (rc == 0 && strcmp(text, words[0]) != 0 && strcmp(text, words[1]) != 0) {
        return config_node_fail(reader->shown, node, err, "%s: wanted '%s' or '%s'",
                                key->name, words[0], words[1]);
    }
    *to = rc == 0 && strcmp(text, words[1]) == 0;
    return rc;
}

static int
read_reaction(const struct config_reader *reader, const struct config_key *key,
              const struct config_node *node, void *to, struct err *err)
{
    static const char *const words[2] = {"report", "fail"};

    return read_either(reader, key, node, words, to, err);
}

static int
read_exhausted(const struct config_reader *reader, const struct config_key *key,
               const struct config_node *node, void *to, struct err *err)
{
    static const char *const words[2] = {"warn", "freeze"};

    return read_either(reader, key, node, words, to, err);
}

static int
read_trust(const struct config_reader *reader, const struct config_key *key,
           const struct config_node *node, void *to, struct err *err)
{
    static const char *const words[2] = {"trusted", "untrusted"};

    return read_either(reader, key, node, words, to, err);
}

/* A severity, or `any`, or `never`. [int] */
static int
read_threshold(const struct config_reader *reader, const struct config_key *key,
               const struct config_node *node, void *to, struct err *err)
{
    const char *text = "";
    enum severity severity = SEVERITY_INFO;
    int *out = to;
    int rc = config_value(reader, key, node, &text, err);

    if (rc == 0 && strcmp(text, "any") != 0 && strcmp(text, "never") != 0) {
        rc = config_read_level(reader, key, node, &severity, err);
    }
    if (rc == 0) {
        *out = strcmp(text, "never") == 0 ? GATE_NEVER : (int)severity;
    }
    return rc;
}

static const struct config_key fail_keys[] = {
    {.name = "new",
     .read = config_read_level,
     .offset = offsetof(struct gate_policy, fail_on)},
    {.name = "regressed",
     .read = read_threshold,
     .offset = offsetof(struct gate_policy, fail_on_regressed)},
    {.name = NULL},
};

/* `fail_on: high` is that of new bugs. [struct gate_policy] */
static int
read_fail_on(const struct config_reader *reader, const struct config_key *key,
             const struct config_node *node, void *to, struct err *err)
{
    struct gate_policy *policy = to;

    return node->kind == NODE_MAP
               ? config_read_map(reader, fail_keys, node, policy, err)
               : config_read_level(reader, key, node, &policy->fail_on, err);
}

/* "3/10". [struct gate_policy] */
static int
read_repro(const struct config_reader *reader, const struct config_key *key,
           const struct config_node *node, void *to, struct err *err)
{
    struct gate_policy *policy = to;
    const char *text = "";
    int64_t k = 0;
    int64_t n = 0;
    int rc = config_value(reader, key, node, &text, err);
    const char *slash = rc < 0 ? NULL : strchr(text, '/');
    AUTO(mem_free)
    char *first = slash == NULL ? NULL : mem_dup(text, (size_t)(slash - text));

    if (rc < 0) {
        return rc;
    }
    if (slash == NULL || str_number("n", slash + 1, 1, REPRO_MAX, &n, NULL) < 0 ||
        str_number("k", first, 0, n, &k, NULL) < 0) {
        return config_node_fail(reader->shown, node, err,
                                "%s: wanted so many of so many runs, like 3/10",
                                key->name);
    }
    policy->min_k = (int)k;
    policy->min_n = (int)n;
    return 0;
}

/* 0 to 1. [double] */
static int
read_ratio(const struct config_reader *reader, const struct config_key *key,
           const struct config_node *node, void *to, struct err *err)
{
    double *out = to;
    const char *text = "";
    char *end = NULL;
    int rc = config_value(reader, key, node, &text, err);
    double ratio = rc < 0 ? 0 : strtod(text, &end);

    if (rc == 0 && (*end != '\0' || !(ratio >= 0 && ratio <= 1))) {
        return config_node_fail(reader->shown, node, err,
                                "%s: wanted a share from 0 to 1, like 0.9", key->name);
    }
    *out = rc < 0 ? *out : ratio;
    return rc;
}

/* --- waivers --- */

/* The end of a day, UTC. [int64_t, wall ms] */
static int
read_day(const struct config_reader *reader, const struct config_key *key,
         const struct config_node *node, void *to, struct err *err)
{
    int64_t *out = to;
    const char *text = "";
    struct tm day = {0};
    char again[16];
    int rc = config_value(reader, key, node, &text, err);

    if (rc < 0) {
        return rc;
    }
    const char *end = strptime(text, "%Y-%m-%d", &day);
    time_t seconds = end == NULL || *end != '\0' ? -1 : timegm(&day);
    if (seconds > 0) { /* strptime lets the 31st of April through */
        (void)strftime(again, sizeof(again), "%Y-%m-%d", &day);
    }
    if (seconds <= 0 || strcmp(again, text) != 0) {
        return config_node_fail(reader->shown, node, err,
                                "%s: wanted a day like 2027-01-31", key->name);
    }
    *out = (int64_t)seconds * 1000 + GATE_DAY_MS;
    return 0;
}

static int
read_bug(const struct config_reader *reader, const struct config_key *key,
         const struct config_node *node, void *to, struct err *err)
{
    struct err why = ERR_INIT;
    const char *text = "";
    int rc = config_value(reader, key, node, &text, err);

    if (rc == 0 && bug_parse_id(text, to, &why) < 0) {
        return config_node_fail(reader->shown, node, err, "%s: %s", key->name, why.msg);
    }
    return rc;
}

static const struct config_key waiver_keys[] = {
    {.name = "bug", .read = read_bug, .offset = offsetof(struct gate_waiver, bug)},
    {.name = "signature",
     .read = config_read_text,
     .offset = offsetof(struct gate_waiver, signature)},
    {.name = "owner",
     .read = config_read_text,
     .offset = offsetof(struct gate_waiver, owner)},
    {.name = "reason",
     .read = config_read_text,
     .offset = offsetof(struct gate_waiver, reason)},
    {.name = "expires",
     .read = read_day,
     .offset = offsetof(struct gate_waiver, expires)},
    {.name = "max_severity",
     .read = config_read_level,
     .offset = offsetof(struct gate_waiver, max_severity)},
    {.name = NULL},
};

static int
check_waiver(const struct config_reader *reader, const struct config_node *node,
             const struct gate_waiver *waiver, struct err *err)
{
    if ((waiver->bug == 0) == (waiver->signature == NULL)) {
        return config_node_fail(reader->shown, node, err,
                                "waivers: a waiver names a bug: or a signature:");
    }
    if (waiver->owner == NULL || waiver->reason == NULL || waiver->expires == 0) {
        return config_node_fail(reader->shown, node, err,
                                "waivers: a waiver needs owner:, reason: and expires:");
    }
    if (waiver->expires - clock_wall_ms() > (GATE_WAIVER_DAYS + 1) * GATE_DAY_MS) {
        return config_node_fail(reader->shown, node, err,
                                "waivers: expires: at most %d days from now",
                                GATE_WAIVER_DAYS);
    }
    return 0;
}

static int
read_waivers(const struct config_reader *reader, const struct config_key *key,
             const struct config_node *node, void *to, struct err *err)
{
    struct gate_waivers *waivers = to;

    if (node->kind != NODE_LIST) {
        return config_wrong_type(reader, key, node, "a list of waivers", err);
    }
    if (node->n > GATE_WAIVERS_MAX) {
        return config_node_fail(reader->shown, node, err, "waivers: more than %d",
                                GATE_WAIVERS_MAX);
    }
    for (size_t i = 0; i < node->n; i++) {
        const struct config_node *entry = node->items[i];
        if (entry->kind != NODE_MAP) {
            return config_wrong_type(reader, key, entry, "a waiver (key: value)", err);
        }
        waivers->v = mem_resize(waivers->v, (waivers->n + 1) * sizeof(*waivers->v));
        struct gate_waiver *waiver = &waivers->v[waivers->n++];
        *waiver = (struct gate_waiver){
            .max_severity = SEVERITY_CRITICAL,
            .origin = mem_printf("%s:%d", fs_base(reader->shown), entry->line)};
        int rc = config_read_map(reader, waiver_keys, entry, waiver, err);
        rc = rc < 0 ? rc : check_waiver(reader, entry, waiver, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* --- tokens --- */

/* SHA-256 in hexadecimal: the token itself stands nowhere. [char *] */
static int
read_hash(const struct config_reader *reader, const struct config_key *key,
          const struct config_node *node, void *to, struct err *err)
{
    char **out = to;
    int rc = config_read_text(reader, key, node, to, err);

    if (rc == 0 && (strlen(*out) != HASH_HEX_MAX - 1 ||
                    strspn(*out, "0123456789abcdef") != HASH_HEX_MAX - 1)) {
        return config_node_fail(reader->shown, node, err,
                                "%s: wanted 64 hexadecimal digits: printf %%s \"$TOKEN\" "
                                "| sha256sum",
                                key->name);
    }
    return rc;
}

static const struct config_key token_keys[] = {
    {.name = "owner",
     .read = config_read_text,
     .offset = offsetof(struct gate_token, owner)},
    {.name = "sha256", .read = read_hash, .offset = offsetof(struct gate_token, sha256)},
    {.name = NULL},
};

static int
read_tokens(const struct config_reader *reader, const struct config_key *key,
            const struct config_node *node, void *to, struct err *err)
{
    struct gate_tokens *tokens = to;

    if (node->kind != NODE_LIST || node->n > GATE_TOKENS_MAX) {
        return config_wrong_type(reader, key, node, "a list of 100 tokens at most", err);
    }
    for (size_t i = 0; i < node->n; i++) {
        const struct config_node *entry = node->items[i];
        if (entry->kind != NODE_MAP) {
            return config_wrong_type(reader, key, entry, "a token (key: value)", err);
        }
        tokens->v = mem_resize(tokens->v, (tokens->n + 1) * sizeof(*tokens->v));
        struct gate_token *token = &tokens->v[tokens->n++];
        *token = (struct gate_token){0};
        int rc = config_read_map(reader, token_keys, entry, token, err);
        if (rc == 0 && (token->owner == NULL || token->sha256 == NULL)) {
            rc = config_node_fail(reader->shown, entry, err,
                                  "%s: a token needs owner: and sha256:", key->name);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* --- all --- */

static const struct config_key kind_keys[] = {
    {.name = "timeout",
     .read = read_reaction,
     .offset = offsetof(struct gate_policy, timeout)},
    {.name = "oom", .read = read_reaction, .offset = offsetof(struct gate_policy, oom)},
    {.name = "leak", .read = read_reaction, .offset = offsetof(struct gate_policy, leak)},
    {.name = NULL},
};

static const struct config_key control_keys[] = {
    {.name = "min_productive_ratio",
     .read = read_ratio,
     .offset = offsetof(struct gate_policy, min_productive)},
    {.name = "min_execs",
     .read = config_read_number,
     .offset = offsetof(struct gate_policy, min_execs),
     .min = 1,
     .max = EXECS_MAX},
    {.name = NULL},
};

static const struct config_key budget_keys[] = {
    {.name = "on_exhausted",
     .read = read_exhausted,
     .offset = offsetof(struct gate_policy, freeze)},
    {.name = "allowed_signers",
     .read = config_read_text,
     .offset = offsetof(struct gate_policy, signers)},
    {.name = "override_tokens",
     .read = read_tokens,
     .offset = offsetof(struct gate_policy, tokens)},
    {.name = NULL},
};

static const struct config_key gate_keys[] = {
    {.name = "fail_on", .read = read_fail_on},
    {.name = "min_repro", .read = read_repro},
    {.name = "kinds", .read = config_read_nested, .keys = kind_keys},
    {.name = "control", .read = config_read_nested, .keys = control_keys},
    {.name = "budget", .read = config_read_nested, .keys = budget_keys},
    {.name = "trust",
     .read = read_trust,
     .offset = offsetof(struct gate_policy, untrusted)},
    {.name = "waivers",
     .read = read_waivers,
     .offset = offsetof(struct gate_policy, waivers)},
    {.name = NULL},
};

int
config_read_gate(const struct config_reader *reader, const struct config_key *key,
                 const struct config_node *node, void *to, struct err *err)
{
    const struct config_key nested = {.name = key->name, .keys = gate_keys};

    return config_read_nested(reader, &nested, node, to, err);
}
