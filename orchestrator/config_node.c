#include "orchestrator/config_node.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

void /* no deeper than NODE_DEPTH_MAX. NOLINTNEXTLINE(misc-no-recursion) */
config_node_free(struct config_node *node)
{
    if (node == NULL) {
        return;
    }
    for (size_t i = 0; i < node->n; i++) {
        config_node_free(node->items[i]);
    }
    mem_free(node->items);
    mem_free(node->text);
    mem_free(node);
}

static int __attribute__((format(printf, 5, 0)))
vfail(const char *shown, int line, int column, struct err *err, const char *fmt,
      va_list args)
{
    AUTO(mem_free) char *name = str_name_dup(shown);
    AUTO(mem_free) char *what = mem_vprintf(fmt, args);
    AUTO(buf_clear) struct buf clean = BUF_INIT;

    str_clean(&clean, what, strlen(what));
    return err_set(err, -EINVAL, "%s:%d:%d: %s", name, line, column, buf_str(&clean));
}

int
config_node_fail(const char *shown, const struct config_node *node, struct err *err,
                 const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int rc = vfail(shown, node->line, node->column, err, fmt, args);
    va_end(args);
    return rc;
}

bool
config_node_is_null(const struct config_node *node)
{
    return node->kind == NODE_VALUE && !node->quoted &&
           (node->text[0] == '\0' || strcmp(node->text, "~") == 0 ||
            strcmp(node->text, "null") == 0);
}

const char *
config_node_what(const struct config_node *node)
{
    static char text[80];

    if (node->kind == NODE_MAP) {
        return "a map";
    }
    if (node->kind == NODE_LIST) {
        return "a list";
    }
    if (config_node_is_null(node)) {
        return "nothing";
    }
    (void)snprintf(text, sizeof(text), "the value '%.48s%s'", node->text,
                   strlen(node->text) > 48 ? "..." : "");
    return text;
}

/* --- building --- */

struct builder {
    const char *shown;
    const char *bytes;
    size_t len;
    yaml_parser_t parser;
    struct config_node *open[NODE_DEPTH_MAX]; /* the containers that are not closed yet */
    size_t depth;
    struct config_node *root;
    size_t n_nodes;
    int documents;
};

static int __attribute__((format(printf, 4, 5)))
fail_at(const struct builder *b, yaml_mark_t mark, struct err *err, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int rc = vfail(b->shown, (int)mark.line + 1, (int)mark.column + 1, err, fmt, args);
    va_end(args);
    return rc;
}

static void
append(struct config_node *parent, struct config_node *child)
{
    parent->items = mem_grow(parent->items, parent->n, sizeof(struct config_node *));
    parent->items[parent->n++] = child;
}

/* What the next node of the open container would be. */
static bool
is_key_next(const struct builder *b)
{
    const struct config_node *parent = b->depth == 0 ? NULL : b->open[b->depth - 1];

    return parent != NULL && parent->kind == NODE_MAP && parent->n % 2 == 0;
}

static int
check_key(const struct builder *b, const struct config_node *key, yaml_mark_t mark,
          struct err *err)
{
    const struct config_node *map = b->open[b->depth - 1];

    if (key->kind != NODE_VALUE) {
        return fail_at(b, mark, err, "%s cannot be a key", config_node_what(key));
    }
    if (strcmp(key->text, "<<") == 0 && !key->quoted) {
        return fail_at(b, mark, err, "merge keys are not read here: repeat the settings");
    }
    for (size_t i = 0; i < map->n; i += 2) {
        if (strcmp(map->items[i]->text, key->text) == 0) {
            return fail_at(b, mark, err, "key '%s' stands twice, first in line %d",
                           key->text, map->items[i]->line);
        }
    }
    if (map->n / 2 >= NODE_KEYS_MAX) {
        return fail_at(b, mark, err, "more than %d keys in one map", NODE_KEYS_MAX);
    }
    return 0;
}

/* Put a node into its place, stealing it; it is the innermost container from now on if it
 * is one. */
static int
place(struct builder *b, struct config_node *given, yaml_mark_t mark, struct err *err)
{
    AUTO(config_node_free) struct config_node *node = given;
    int rc = is_key_next(b) ? check_key(b, node, mark, err) : 0;

    if (rc < 0) {
        return rc;
    }
    if (++b->n_nodes > NODE_NODES_MAX) {
        return fail_at(b, mark, err, "more than %d values", NODE_NODES_MAX);
    }
    bool opens = node->kind != NODE_VALUE;
    if (opens && b->depth == NODE_DEPTH_MAX) {
        return fail_at(b, mark, err, "nested deeper than %d levels", NODE_DEPTH_MAX);
    }
    struct config_node *placed = STEAL(node);
    if (b->depth == 0) {
        b->root = placed;
    } else {
        append(b->open[b->depth - 1], placed);
    }
    if (opens) {
        b->open[b->depth++] = placed;
    }
    return 0;
}

static struct config_node *
new_node(enum config_node_kind kind, yaml_mark_t mark)
{
    struct config_node *node = mem_alloc(sizeof(*node));

    node->kind = kind;
    node->line = (int)mark.line + 1;
    node->column = (int)mark.column + 1;
    return node;
}

static int
take_value(struct builder *b, const yaml_event_t *event, struct err *err)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;

    if (len > NODE_VALUE_MAX) {
        return fail_at(b, event->start_mark, err, "a value of %zu bytes: the limit is %d",
                       len, NODE_VALUE_MAX);
    }
    if (memchr(text, '\0', len) != NULL) {
        return fail_at(b, event->start_mark, err, "a zero byte in a value");
    }
    struct config_node *node = new_node(NODE_VALUE, event->start_mark);
    node->text = mem_dup(text, len);
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return place(b, node, event->start_mark, err);
}

/* Anchors and tags of any node: nothing here needs them, and they make bombs. */
static int
refuse_decoration(const struct builder *b, const yaml_event_t *event, struct err *err)
{
    const yaml_char_t *anchor = NULL;
    const yaml_char_t *tag = NULL;

    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    } else if (event->type == YAML_ALIAS_EVENT) {
        anchor = event->data.alias.anchor;
    }
    if (anchor != NULL) {
        return fail_at(b, event->start_mark, err,
                       "anchors and aliases (%s%s) are not read here: repeat the value",
                       event->type == YAML_ALIAS_EVENT ? "*" : "&", (const char *)anchor);
    }
    if (tag != NULL) {
        return fail_at(b, event->start_mark, err,
                       "tags (%s) are not read here: leave it out", (const char *)tag);
    }
    return 0;
}

static int
take_event(struct builder *b, const yaml_event_t *event, struct err *err)
{
    int rc = refuse_decoration(b, event, err);

    if (rc < 0) {
        return rc;
    }
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return ++b->documents > 1 ? fail_at(b, event->start_mark, err,
                                            "a second document: write only one")
                                  : 0;
    case YAML_SCALAR_EVENT:
        return take_value(b, event, err);
    case YAML_SEQUENCE_START_EVENT:
        return place(b, new_node(NODE_LIST, event->start_mark), event->start_mark, err);
    case YAML_MAPPING_START_EVENT:
        return place(b, new_node(NODE_MAP, event->start_mark), event->start_mark, err);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->depth--;
        return 0;
    default:
        return 0;
    }
}

/* --- errors of libyaml --- */

/* Its reader knows only an offset. */
static yaml_mark_t
mark_of_offset(const struct builder *b, size_t offset)
{
    yaml_mark_t mark = {offset, 0, 0};

    for (size_t i = 0; i < offset && i < b->len; i++) {
        if (b->bytes[i] == '\n') {
            mark.line++;
            mark.column = 0;
        } else if (((unsigned char)b->bytes[i] & 0xc0) != 0x80) {
            mark.column++;
        }
    }
    return mark;
}

/* The first byte of the character at a place, 0 beyond the end: columns count characters.
 */
static char
byte_at(const struct builder *b, yaml_mark_t mark)
{
    const char *at = b->bytes;
    const char *end = b->bytes + b->len;

    for (size_t i = 0; i < mark.line && at < end; i++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        at = newline == NULL ? end : newline + 1;
    }
    for (size_t column = 0; at < end; at++) {
        bool first = ((unsigned char)*at & 0xc0) != 0x80;
        if (first && column++ == mark.column) {
            return *at;
        }
    }
    return '\0';
}

static int
fail_syntax(const struct builder *b, struct err *err)
{
    const yaml_parser_t *p = &b->parser;
    const char *problem = p->problem == NULL ? "not YAML" : p->problem;

    if (p->error == YAML_READER_ERROR) {
        yaml_mark_t mark = mark_of_offset(b, p->problem_offset);
        return fail_at(b, mark, err, "%s (byte 0x%02x)", problem,
                       (unsigned)p->problem_value & 0xff);
    }
    char byte = byte_at(b, p->problem_mark);
    if (byte == '\t') {
        return fail_at(b, p->problem_mark, err, "a tab: indent with spaces");
    }
    if (byte == '@' || byte == '%' || byte == '`') {
        return fail_at(b, p->problem_mark, err,
                       "a value cannot begin with '%c': put it in quotes", byte);
    }
    if (p->context != NULL) {
        return fail_at(b, p->problem_mark, err, "%s %s (from line %zu)", problem,
                       p->context, p->context_mark.line + 1);
    }
    return fail_at(b, p->problem_mark, err, "%s", problem);
}

/* --- reading --- */

static void
builder_clear(struct builder *b)
{
    config_node_free(b->root);
    yaml_parser_delete(&b->parser);
}
AUTO_DEFINE_CLEAR(struct builder, builder_clear)

static int
build(struct builder *b, struct err *err)
{
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&b->parser, &event)) {
            return fail_syntax(b, err);
        }
        yaml_event_type_t type = event.type;
        int rc = take_event(b, &event, err);
        yaml_event_delete(&event);
        if (rc < 0 || type == YAML_STREAM_END_EVENT) {
            return rc;
        }
    }
}

int
config_node_read(const char *path, const char *shown, struct config_node **out,
                 struct err *err)
{
    AUTO(buf_clear) struct buf bytes = BUF_INIT;
    int rc = fs_read(path, NODE_BYTES_MAX, &bytes, err);

    if (rc < 0) {
        return rc == -EFBIG ? err_set(err, -EINVAL, "%s", err->msg) : rc;
    }
    AUTO(builder_clear)
    struct builder b = {.shown = shown, .bytes = buf_str(&bytes), .len = bytes.len};
    if (!yaml_parser_initialize(&b.parser)) {
        return err_set(err, -ENOMEM, "no memory for a YAML parser");
    }
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)b.bytes, b.len);
    rc = build(&b, err);
    if (rc < 0) {
        return rc;
    }
    if (b.root == NULL || config_node_is_null(b.root)) { /* empty, or comments only */
        yaml_mark_t start = {0, 0, 0};
        config_node_free(b.root);
        b.root = new_node(NODE_MAP, start);
    }
    *out = STEAL(b.root);
    return 0;
}
