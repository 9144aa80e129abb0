/* `notify:` in nightjar.yaml: who is told of what happens. */
#include <stddef.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "orchestrator/config.h"
#include "orchestrator/config_read.h"

enum { NOTIFY_MAX = 32 };

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
            .origin = mem_printf("%s:%d", fs_base(reader->shown), entry->line)};
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
        char *const texts[] = {sink->name, sink->kind, sink->url, sink->origin};
        for (size_t k = 0; k < COUNT(texts); k++) {
            mem_free(texts[k]);
        }
        strv_clear(&sink->secret_env);
        strv_clear(&sink->events);
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
