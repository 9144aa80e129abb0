/*
 * YAML as a tree of nodes that know where they stand. A strict subset: one document of
 * maps, lists and values; no anchors, aliases, merge keys or tags, no key twice.
 * Everything is bounded before it is built, since a file may come with somebody else's
 * repository.
 */
#ifndef ORCHESTRATOR_CONFIG_NODE_H
#define ORCHESTRATOR_CONFIG_NODE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/auto.h"
#include "base/err.h"

enum {
    NODE_BYTES_MAX = 1 << 20,
    NODE_DEPTH_MAX = 16,
    NODE_NODES_MAX = 100000,
    NODE_KEYS_MAX = 1000,  /* of one map */
    NODE_VALUE_MAX = 4096, /* bytes of one value */
};

enum config_node_kind { NODE_VALUE, NODE_LIST, NODE_MAP };

struct config_node {
    enum config_node_kind kind;
    int line, column;           /* from 1 */
    char *text;                 /* of a value; valid UTF-8 without NUL */
    bool quoted;                /* a value in quotes is text, whatever it looks like */
    struct config_node **items; /* of a list; of a map the keys and values in turn */
    size_t n;                   /* of items */
};

void config_node_free(struct config_node *node); /* NULL is a no-op */
AUTO_DEFINE(struct config_node *, config_node_free)

/* Read a file. `shown` is its name in messages. A file without content is an empty map.
 * Failures: of the file system, or -EINVAL with "file:line:column: ". New node. */
int config_node_read(const char *path, const char *shown, struct config_node **out,
                     struct err *err);

/* "file:line:column: text" and -EINVAL. Control bytes in the text are escaped. */
int config_node_fail(const char *shown, const struct config_node *node, struct err *err,
                     const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Whether a value is empty, "~" or null. */
bool config_node_is_null(const struct config_node *node);

/* What a node is, for messages: "a map", "a list", "the value 'x'". Valid until the next
 * call. */
const char *config_node_what(const struct config_node *node);

#endif
