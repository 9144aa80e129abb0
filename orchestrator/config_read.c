#include "orchestrator/config_read.h"

#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

enum { TABLE_MAX = 64 };

static int
unknown_key(const struct config_reader *reader, const struct config_key *keys,
            const struct config_node *node, struct err *err)
{
    const char *names[TABLE_MAX + 1] = {NULL};
    AUTO(buf_clear) struct buf all = BUF_INIT;

    for (size_t i = 0; i < TABLE_MAX && keys[i].name != NULL; i++) {
        names[i] = keys[i].name;
        buf_addf(&all, "%s%s", i > 0 ? ", " : "", keys[i].name);
    }
    const char *near = str_suggest(node->text, names);
    if (near != NULL) {
        return config_node_fail(reader->shown, node, err,
                                "unknown key '%s' (did you mean '%s'?)", node->text,
                                near);
    }
    return config_node_fail(reader->shown, node, err, "unknown key '%s': there are %s",
                            node->text, buf_str(&all));
}

int
config_read_map(const struct config_reader *reader, const struct config_key *keys,
                const struct config_node *node, void *base, struct err *err)
{
    if (node->kind != NODE_MAP) {
        return config_node_fail(reader->shown, node, err,
                                "wanted a map (key: value), not %s",
                                config_node_what(node));
    }
    for (size_t i = 0; i < node->n; i += 2) {
        const struct config_key *key = keys;
        while (key->name != NULL && strcmp(key->name, node->items[i]->text) != 0) {
            key++;
        }
        if (key->name == NULL) {
            return unknown_key(reader, keys, node->items[i], err);
        }
        int rc =
            key->read(reader, key, node->items[i + 1], (char *)base + key->offset, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

int
config_read_nested(const struct config_reader *reader, const struct config_key *key,
                   const struct config_node *node, void *to, struct err *err)
{
    if (node->kind != NODE_MAP) {
        return config_wrong_type(reader, key, node, "a map (key: value)", err);
    }
    return config_read_map(reader, key->keys, node, to, err);
}

int
config_wrong_type(const struct config_reader *reader, const struct config_key *key,
                  const struct config_node *node, const char *wanted, struct err *err)
{
    return config_node_fail(reader->shown, node, err, "%s: wanted %s, not %s%s",
                            key->name, wanted, config_node_what(node),
                            node->kind == NODE_VALUE && node->quoted ? " in quotes" : "");
}

int
config_value(const struct config_reader *reader, const struct config_key *key,
             const struct config_node *node, const char **out, struct err *err)
{
    if (node->kind != NODE_VALUE || config_node_is_null(node)) {
        return config_wrong_type(reader, key, node, "a value", err);
    }
    if (node->text[0] == '\0') {
        return config_node_fail(reader->shown, node, err, "%s: empty", key->name);
    }
    *out = node->text;
    return 0;
}

/* The same for values that quotes would make text. */
static int
plain_value(const struct config_reader *reader, const struct config_key *key,
            const struct config_node *node, const char *wanted, const char **out,
            struct err *err)
{
    if (node->kind != NODE_VALUE || config_node_is_null(node) || node->quoted) {
        return config_wrong_type(reader, key, node, wanted, err);
    }
    *out = node->text;
    return 0;
}

int
config_read_text(const struct config_reader *reader, const struct config_key *key,
                 const struct config_node *node, void *to, struct err *err)
{
    char **out = to;
    const char *text = "";
    int rc = config_value(reader, key, node, &text, err);

    if (rc < 0) {
        return rc;
    }
    mem_free(*out);
    *out = mem_strdup(text);
    return 0;
}

int
config_read_ignored(const struct config_reader *reader, const struct config_key *key,
                    const struct config_node *node, void *to, struct err *err)
{
    const char *text = "";

    (void)to;
    return config_value(reader, key, node, &text, err);
}

int
config_read_texts(const struct config_reader *reader, const struct config_key *key,
                  const struct config_node *node, void *to, struct err *err)
{
    struct strv *out = to;

    if (node->kind != NODE_LIST) {
        return config_wrong_type(reader, key, node, "a list such as [-a, \"@@\"]", err);
    }
    strv_clear(out);
    for (size_t i = 0; i < node->n; i++) {
        const struct config_node *item = node->items[i];
        if (item->kind != NODE_VALUE || (config_node_is_null(item) && !item->quoted)) {
            return config_wrong_type(reader, key, item, "a list of values", err);
        }
        strv_add(out, item->text); /* an empty text is an argument too */
    }
    return 0;
}

/* --- paths --- */

static int
absolute(const struct config_reader *reader, const struct config_key *key,
         const struct config_node *node, char **out, struct err *err)
{
    const char *text = "";
    int rc = config_value(reader, key, node, &text, err);

    if (rc < 0) {
        return rc;
    }
    AUTO(mem_free) char *joined = fs_join(reader->folder, text);
    *out = fs_absolute(joined);
    return 0;
}

static int
missing(const struct config_reader *reader, const struct config_key *key,
        const struct config_node *node, const char *path, struct err *err)
{
    return config_node_fail(reader->shown, node, err,
                            "%s: there is no '%s' (looked for %s)", key->name, node->text,
                            path);
}

int
config_read_path(const struct config_reader *reader, const struct config_key *key,
                 const struct config_node *node, void *to, struct err *err)
{
    char **out = to;
    char *path = NULL;
    int rc = absolute(reader, key, node, &path, err);

    if (rc < 0) {
        return rc;
    }
    mem_free(*out);
    *out = path;
    return 0;
}

int
config_read_file(const struct config_reader *reader, const struct config_key *key,
                 const struct config_node *node, void *to, struct err *err)
{
    char **out = to;
    AUTO(mem_free) char *path = NULL;
    int rc = absolute(reader, key, node, &path, err);

    if (rc < 0) {
        return rc;
    }
    if (reader->check && !fs_exists(path)) {
        return missing(reader, key, node, path, err);
    }
    if (reader->check && fs_is_folder(path)) {
        return config_node_fail(reader->shown, node, err,
                                "%s: '%s' is a folder, not a file", key->name, path);
    }
    mem_free(*out);
    *out = STEAL(path);
    return 0;
}

static int
add_path(const struct config_reader *reader, const struct config_key *key,
         const struct config_node *node, struct strv *out, struct err *err)
{
    AUTO(mem_free) char *path = NULL;
    int rc = absolute(reader, key, node, &path, err);

    if (rc < 0) {
        return rc;
    }
    if (!reader->check || fs_exists(path)) {
        strv_add(out, path);
        return 0;
    }
    return reader->archive_beside ? 0 : missing(reader, key, node, path, err);
}

int
config_read_paths(const struct config_reader *reader, const struct config_key *key,
                  const struct config_node *node, void *to, struct err *err)
{
    struct strv *out = to;
    int rc = 0;

    strv_clear(out);
    if (node->kind != NODE_LIST) {
        return add_path(reader, key, node, out, err);
    }
    for (size_t i = 0; rc == 0 && i < node->n; i++) {
        rc = add_path(reader, key, node->items[i], out, err);
    }
    return rc;
}

/* --- numbers --- */

int
config_read_number(const struct config_reader *reader, const struct config_key *key,
                   const struct config_node *node, void *to, struct err *err)
{
    struct err why = ERR_INIT;
    const char *text = "";
    int rc = plain_value(reader, key, node, "a number", &text, err);

    if (rc < 0) {
        return rc;
    }
    if (str_number(key->name, text, key->min, key->max, to, &why) < 0) {
        return config_node_fail(reader->shown, node, err, "%s", why.msg);
    }
    return 0;
}

int
config_read_duration(const struct config_reader *reader, const struct config_key *key,
                     const struct config_node *node, void *to, struct err *err)
{
    struct err why = ERR_INIT;
    const char *text = "";
    int64_t ms = 0;
    int rc = plain_value(reader, key, node, "a duration such as 10s", &text, err);

    if (rc < 0) {
        return rc;
    }
    if (str_duration(text, &ms, &why) < 0) {
        return config_node_fail(reader->shown, node, err, "%s: %s", key->name, why.msg);
    }
    if (ms < key->min || ms > key->max) {
        char low[40];
        char high[40];
        str_duration_show(low, sizeof(low), key->min);
        str_duration_show(high, sizeof(high), key->max);
        return config_node_fail(reader->shown, node, err, "%s: '%s' is not from %s to %s",
                                key->name, text, low, high);
    }
    *(int64_t *)to = ms;
    return 0;
}

int
config_read_size(const struct config_reader *reader, const struct config_key *key,
                 const struct config_node *node, void *to, struct err *err)
{
    struct err why = ERR_INIT;
    const char *text = "";
    int64_t bytes = 0;
    int rc = plain_value(reader, key, node, "a size such as 512M", &text, err);

    if (rc < 0) {
        return rc;
    }
    if (str_size(text, &bytes, &why) < 0) {
        return config_node_fail(reader->shown, node, err, "%s: %s", key->name, why.msg);
    }
    if (bytes != 0 && (bytes < key->min || bytes > key->max)) {
        char low[40];
        char high[40];
        str_bytes_show(low, sizeof(low), key->min);
        str_bytes_show(high, sizeof(high), key->max);
        return config_node_fail(reader->shown, node, err,
                                "%s: '%s' is neither 0 (no limit) nor from %s to %s",
                                key->name, text, low, high);
    }
    *(int64_t *)to = bytes;
    return 0;
}

int
config_read_yesno(const struct config_reader *reader, const struct config_key *key,
                  const struct config_node *node, void *to, struct err *err)
{
    const char *text = "";
    int rc = plain_value(reader, key, node, "yes or no", &text, err);

    if (rc < 0) {
        return rc;
    }
    bool yes = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0;
    if (!yes && strcmp(text, "no") != 0 && strcmp(text, "false") != 0) {
        return config_wrong_type(reader, key, node, "yes or no", err);
    }
    *(bool *)to = yes;
    return 0;
}
