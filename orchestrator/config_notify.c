/* `notify:` in nightjar.yaml: who is told of what happens. */
#include <stddef.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/config.h"
#include "orchestrator/config_read.h"
#include "orchestrator/publish/tracker.h"

enum { NOTIFY_MAX = 32, PER_DAY_MAX = 10000 };
#define DAY_MS INT64_C(86400000)

static const char name_characters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

int
config_read_url(const struct config_reader *reader, const struct config_key *key,
                const struct config_node *node, void *to, struct err *err)
{
    const char *text = "";
    int rc = config_value(reader, key, node, &text, err);

    if (rc < 0) {
        return rc;
    }
    const char *host = str_starts(text, "http://")    ? text + 7
                       : str_starts(text, "https://") ? text + 8
                                                      : "";
    if (host[0] == '\0' || host[0] == '/' || strpbrk(text, " \t\r\n") != NULL) {
        return config_node_fail(reader->shown, node, err,
                                "%s: '%s' is no URL such as http://localhost:9091",
                                key->name, text);
    }
    return config_read_text(reader, key, node, to, err);
}

static int
read_kind(const struct config_reader *reader, const struct config_key *key,
          const struct config_node *node, void *to, struct err *err)
{
    const char *text = "";
    int rc = config_value(reader, key, node, &text, err);

    if (rc == 0 && notify_find(text) == NULL) {
        AUTO(buf_clear) struct buf kinds = BUF_INIT;
        notify_kinds(&kinds);
        return config_node_fail(reader->shown, node, err, "%s: there is no '%s', only %s",
                                key->name, text, buf_str(&kinds));
    }
    return rc < 0 ? rc : config_read_text(reader, key, node, to, err);
}

/* Where the URL is the secret. */
static int
read_url_env(const struct config_reader *reader, const struct config_key *key,
             const struct config_node *node, void *to, struct err *err)
{
    const char *text = "";
    int rc = config_value(reader, key, node, &text, err);

    if (rc == 0) {
        mem_free(*(char **)to);
        *(char **)to = mem_printf("$%s", text);
    }
    return rc;
}

/* The same for a sink as a whole: which key it lacks, or has no use for. */
static const char *
fault_of(const struct notify_sink *sink)
{
    bool tracker = notify_find(sink->kind)->tracker != NULL;
    bool token = sink->token_env != NULL || sink->token_file != NULL;

    if (tracker && (sink->project == NULL || !token)) {
        return "needs project:, and token_env: or token_file:";
    }
    if (tracker && strpbrk(sink->project, "\"\\") != NULL) { /* Jira's queries quote it */
        return "has quotes in project:";
    }
    if (tracker && sink->url[0] == '$') {
        return "has url:, not url_env:";
    }
    return !tracker && (sink->project != NULL || token) ? "has no project and no token"
                                                        : NULL;
}

static const struct config_key sink_keys[] = {
    {.name = "name",
     .read = config_read_text,
     .offset = offsetof(struct notify_sink, name)},
    {.name = "kind", .read = read_kind, .offset = offsetof(struct notify_sink, kind)},
    {.name = "url", .read = config_read_url, .offset = offsetof(struct notify_sink, url)},
    {.name = "url_env",
     .read = read_url_env,
     .offset = offsetof(struct notify_sink, url)},
    {.name = "secret_env",
     .read = config_read_texts,
     .offset = offsetof(struct notify_sink, secret_env)},
    {.name = "events",
     .read = config_read_texts,
     .offset = offsetof(struct notify_sink, events)},
    {.name = "severity",
     .read = config_read_level,
     .offset = offsetof(struct notify_sink, at_least)},
    {.name = "project",
     .read = config_read_text,
     .offset = offsetof(struct notify_sink, project)},
    {.name = "token_env",
     .read = config_read_text,
     .offset = offsetof(struct notify_sink, token_env)},
    {.name = "token_file",
     .read = config_read_path,
     .offset = offsetof(struct notify_sink, token_file)},
    {.name = "user",
     .read = config_read_text,
     .offset = offsetof(struct notify_sink, user)},
    {.name = "issue_type",
     .read = config_read_text,
     .offset = offsetof(struct notify_sink, issue_type)},
    {.name = "security_level",
     .read = config_read_text,
     .offset = offsetof(struct notify_sink, security_level)},
    {.name = "labels",
     .read = config_read_texts,
     .offset = offsetof(struct notify_sink, labels)},
    {.name = "confidential",
     .read = config_read_yesno,
     .offset = offsetof(struct notify_sink, confidential)},
    {.name = "per_day",
     .read = config_read_number,
     .offset = offsetof(struct notify_sink, per_day),
     .max = PER_DAY_MAX},
    {.name = "embargo",
     .read = config_read_duration,
     .offset = offsetof(struct notify_sink, embargo_ms),
     .max = INT64_C(3650) * DAY_MS},
    {.name = NULL},
};

static int
check_sink(const struct config_reader *reader, const struct config_node *node,
           const struct config_sinks *sinks, struct err *err)
{
    const struct notify_sink *sink = &sinks->v[sinks->n - 1];

    if (sink->name == NULL || sink->kind == NULL || sink->url == NULL) {
        return config_node_fail(reader->shown, node, err,
                                "notify: an entry needs name:, kind: and url: (or "
                                "url_env:, where the URL is a secret)");
    }
    if (fault_of(sink) != NULL) {
        return config_node_fail(reader->shown, node, err, "notify: '%s': %s %s",
                                sink->name, sink->kind, fault_of(sink));
    }
    if (sink->name[0] == '.' ||
        strspn(sink->name, name_characters) != strlen(sink->name)) {
        return config_node_fail(reader->shown, node, err,
                                "notify: '%s': a name is letters, digits, '-', '_', '.'",
                                sink->name);
    }
    for (size_t i = 0; i + 1 < sinks->n; i++) {
        if (strcmp(sinks->v[i].name, sink->name) == 0) {
            return config_node_fail(reader->shown, node, err, "notify: '%s' stands twice",
                                    sink->name);
        }
    }
    return 0;
}

int
config_read_notify(const struct config_reader *reader, const struct config_key *key,
                   const struct config_node *node, void *to, struct err *err)
{
    struct config_sinks *sinks = to;

    if (node->kind != NODE_LIST) {
        return config_wrong_type(reader, key, node, "a list", err);
    }
    if (node->n > NOTIFY_MAX) {
        return config_node_fail(reader->shown, node, err, "notify: more than %d entries",
                                NOTIFY_MAX);
    }
    for (size_t i = 0; i < node->n; i++) {
        const struct config_node *entry = node->items[i];
        if (entry->kind != NODE_MAP) {
            return config_wrong_type(reader, key, entry, "an entry (key: value)", err);
        }
        sinks->v = mem_resize(sinks->v, (sinks->n + 1) * sizeof(*sinks->v));
        struct notify_sink *sink = &sinks->v[sinks->n++];
        *sink = (struct notify_sink){
            .origin = mem_printf("%s:%d", fs_base(reader->shown), entry->line),
            .confidential = true,
            .per_day = TRACKER_PER_DAY,
            .embargo_ms = TRACKER_EMBARGO_DAYS * DAY_MS};
        int rc = config_read_map(reader, sink_keys, entry, sink, err);
        rc = rc < 0 ? rc : check_sink(reader, entry, sinks, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

void
config_sinks_clear(struct config_sinks *sinks)
{
    for (size_t i = 0; i < sinks->n; i++) {
        struct notify_sink *sink = &sinks->v[i];
        char *const texts[] = {sink->name,          sink->kind,    sink->url,
                               sink->origin,        sink->project, sink->token_env,
                               sink->token_file,    sink->user,    sink->issue_type,
                               sink->security_level};
        for (size_t k = 0; k < COUNT(texts); k++) {
            mem_free(texts[k]);
        }
        strv_clear(&sink->secret_env);
        strv_clear(&sink->events);
        strv_clear(&sink->labels);
    }
    mem_free(sinks->v);
    *sinks = (struct config_sinks){0};
}

int
config_put_sinks(const struct config *config, struct store *store, struct err *err)
{
    size_t n = config->notify.n;
    AUTO(mem_free) struct sink_row *rows = mem_array(n + 1, sizeof(*rows));

    for (size_t i = 0; i < n; i++) {
        rows[i] = (struct sink_row){config->notify.v[i].name, config->notify.v[i].kind};
    }
    return store_put_sinks(store, rows, n, err);
}
