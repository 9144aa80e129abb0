/* `severity:` in nightjar.yaml: what the owners say of bugs, with a reason each. */
#include <stddef.h>

#include "base/fs.h"
#include "base/mem.h"
#include "orchestrator/config.h"
#include "orchestrator/config_read.h"
#include "triage/pattern.h"

enum { RULES_MAX = 1000 };

static int
read_pattern(const struct config_reader *reader, const struct config_key *key,
             const struct config_node *node, void *to, struct err *err)
{
    struct err why = ERR_INIT;
    const char *text = "";
    int rc = config_value(reader, key, node, &text, err);

    if (rc == 0 && pattern_check(text, &why) < 0) {
        return config_node_fail(reader->shown, node, err, "%s: %s", key->name, why.msg);
    }
    return rc < 0 ? rc : config_read_text(reader, key, node, to, err);
}

int
config_read_level(const struct config_reader *reader, const struct config_key *key,
                  const struct config_node *node, void *to, struct err *err)
{
    struct err why = ERR_INIT;
    const char *text = "";
    int rc = config_value(reader, key, node, &text, err);

    if (rc == 0 && severity_parse(text, to, &why) < 0) {
        return config_node_fail(reader->shown, node, err, "%s: %s", key->name, why.msg);
    }
    return rc;
}

static const struct config_key rule_keys[] = {
    {.name = "target",
     .read = read_pattern,
     .offset = offsetof(struct config_rule, target)},
    {.name = "type",
     .read = read_pattern,
     .offset = offsetof(struct config_rule, crash_type)},
    {.name = "function",
     .read = read_pattern,
     .offset = offsetof(struct config_rule, function)},
    {.name = "file", .read = read_pattern, .offset = offsetof(struct config_rule, file)},
    {.name = "severity",
     .read = config_read_text,
     .offset = offsetof(struct config_rule, severity)},
    {.name = "reason",
     .read = config_read_text,
     .offset = offsetof(struct config_rule, reason)},
    {.name = NULL},
};

static int
check_rule(const struct config_reader *reader, const struct config_node *node,
           const struct config_rule *rule, struct err *err)
{
    enum severity severity;
    struct err why = ERR_INIT;

    if (rule->severity == NULL || rule->reason == NULL) {
        return config_node_fail(reader->shown, node, err,
                                "severity: a rule needs severity: and reason:");
    }
    if (rule->target == NULL && rule->crash_type == NULL && rule->function == NULL &&
        rule->file == NULL) {
        return config_node_fail(reader->shown, node, err,
                                "severity: a rule needs one of target: type: function: "
                                "file:, else it would decide every bug");
    }
    return severity_parse(rule->severity, &severity, &why) < 0
               ? config_node_fail(reader->shown, node, err, "severity: %s", why.msg)
               : 0;
}

int
config_read_severity(const struct config_reader *reader, const struct config_key *key,
                     const struct config_node *node, void *to, struct err *err)
{
    struct config_rules *rules = to;

    if (node->kind != NODE_LIST) {
        return config_wrong_type(reader, key, node, "a list of rules", err);
    }
    if (node->n > RULES_MAX) {
        return config_node_fail(reader->shown, node, err, "severity: more than %d rules",
                                RULES_MAX);
    }
    for (size_t i = 0; i < node->n; i++) {
        const struct config_node *entry = node->items[i];
        if (entry->kind != NODE_MAP) {
            return config_wrong_type(reader, key, entry, "a rule (key: value)", err);
        }
        rules->v = mem_resize(rules->v, (rules->n + 1) * sizeof(*rules->v));
        struct config_rule *rule = &rules->v[rules->n++];
        *rule = (struct config_rule){
            .origin = mem_printf("%s:%d", fs_base(reader->shown), entry->line)};
        int rc = config_read_map(reader, rule_keys, entry, rule, err);
        rc = rc < 0 ? rc : check_rule(reader, entry, rule, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

void
config_rules_clear(struct config_rules *rules)
{
    for (size_t i = 0; i < rules->n; i++) {
        const struct config_rule *rule = &rules->v[i];
        char *const texts[] = {rule->target, rule->crash_type, rule->function,
                               rule->file,   rule->severity,   rule->reason,
                               rule->origin};
        for (size_t k = 0; k < COUNT(texts); k++) {
            mem_free(texts[k]);
        }
    }
    mem_free(rules->v);
    *rules = (struct config_rules){0};
}

int
config_put_store(const struct config *config, struct store *store, struct err *err)
{
    const struct config_rules *given = &config->severity;
    AUTO(mem_free) struct severity_rule *rules = mem_array(given->n + 1, sizeof(*rules));

    for (size_t i = 0; i < given->n; i++) {
        const struct config_rule *rule = &given->v[i];
        rules[i] = (struct severity_rule){.target = rule->target,
                                          .crash_type = rule->crash_type,
                                          .function = rule->function,
                                          .file = rule->file,
                                          .reason = rule->reason,
                                          .origin = rule->origin};
        int rc = severity_parse(rule->severity, &rules[i].severity, err);
        if (rc < 0) {
            return rc;
        }
    }
    int rc = store_put_severity_rules(store, rules, given->n, err);
    rc = rc < 0 ? rc : store_put_examples(store, config->triage.examples, err);
    rc = rc < 0 ? rc : store_put_deadlines(store, config->slo.deadline_ms, err);
    rc = rc < 0 ? rc : config_put_owners(config, store, err);
    return rc < 0 ? rc : config_put_sinks(config, store, err);
}
