/* `slo:` in nightjar.yaml: what is tolerated, and until when. */
#include <stddef.h>
#include <string.h>

#include "base/mem.h"
#include "orchestrator/config.h"
#include "orchestrator/config_read.h"

enum { TOLERATED_MAX = 10000 /* bugs */, SERVICES_MAX = 100 };
#define DEADLINE_MAX_MS (INT64_C(3650) * INT64_C(86400000))

static const char name_characters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

/* One row a severity, for a table of what is told of each. [into an array of what the
 * reader of `row` sets, `size` bytes each] */
static int
read_by_severity(const struct config_reader *reader, const struct config_key *row,
                 size_t size, const struct config_node *node, void *to, struct err *err)
{
    struct config_key rows[SLO_SEVERITIES + 1] = {0};
    const struct config_key nested = {.name = row->name, .keys = rows};

    for (size_t s = 0; s < SLO_SEVERITIES; s++) {
        rows[s] = *row;
        rows[s].name = severity_name((enum severity)s);
        rows[s].offset = s * size;
    }
    return config_read_nested(reader, &nested, node, to, err);
}

static int
read_tolerated(const struct config_reader *reader, const struct config_key *key,
               const struct config_node *node, void *to, struct err *err)
{
    const struct config_key row = {
        .name = key->name, .read = config_read_number, .max = TOLERATED_MAX};
    int64_t counts[SLO_SEVERITIES];
    double *tolerated = to;

    for (size_t s = 0; s < SLO_SEVERITIES; s++) {
        counts[s] = (int64_t)tolerated[s];
    }
    int rc = read_by_severity(reader, &row, sizeof(*counts), node, counts, err);
    for (size_t s = 0; rc == 0 && s < SLO_SEVERITIES; s++) {
        tolerated[s] = (double)counts[s];
    }
    return rc;
}

static int
read_deadlines(const struct config_reader *reader, const struct config_key *key,
               const struct config_node *node, void *to, struct err *err)
{
    const struct config_key row = {
        .name = key->name, .read = config_read_duration, .max = DEADLINE_MAX_MS};

    return read_by_severity(reader, &row, sizeof(int64_t), node, to, err);
}

/* --- services --- */

static const struct config_key service_keys[] = {
    {.name = "name",
     .read = config_read_text,
     .offset = offsetof(struct slo_service, name)},
    {.name = "targets",
     .read = config_read_texts,
     .offset = offsetof(struct slo_service, targets)},
    {.name = "tolerated",
     .read = read_tolerated,
     .offset = offsetof(struct slo_service, tolerated)},
    {.name = NULL},
};

static int
check_service(const struct config_reader *reader, const struct config_node *node,
              const struct slo_services *services, struct err *err)
{
    const struct slo_service *service = &services->v[services->n - 1];

    if (service->name == NULL || service->targets.n == 0) {
        return config_node_fail(reader->shown, node, err,
                                "services: an entry needs name: and targets:, such as "
                                "{name: images, targets: [png*, jpeg]}");
    }
    if (strspn(service->name, name_characters) != strlen(service->name) ||
        strcmp(service->name, "other") == 0) {
        return config_node_fail(reader->shown, node, err,
                                "services: '%s': a name is letters, digits, '-', '_', "
                                "'.'; 'other' is what is in none",
                                service->name);
    }
    for (size_t i = 0; i + 1 < services->n; i++) {
        if (strcmp(services->v[i].name, service->name) == 0) {
            return config_node_fail(reader->shown, node, err,
                                    "services: '%s' stands twice", service->name);
        }
    }
    return 0;
}

/* Without `tolerated` a service has what is the default of a state. */
static int
read_services(const struct config_reader *reader, const struct config_key *key,
              const struct config_node *node, void *to, struct err *err)
{
    const struct slo_policy standard = slo_policy_default();
    struct slo_services *services = to;

    if (node->kind != NODE_LIST) {
        return config_wrong_type(reader, key, node, "a list", err);
    }
    if (node->n > SERVICES_MAX) {
        return config_node_fail(reader->shown, node, err,
                                "services: more than %d entries", SERVICES_MAX);
    }
    for (size_t i = 0; i < node->n; i++) {
        const struct config_node *entry = node->items[i];
        if (entry->kind != NODE_MAP) {
            return config_wrong_type(reader, key, entry, "an entry (key: value)", err);
        }
        services->v = mem_resize(services->v, (services->n + 1) * sizeof(*services->v));
        struct slo_service *service = &services->v[services->n++];
        *service = (struct slo_service){0};
        memcpy(service->tolerated, standard.tolerated, sizeof(service->tolerated));
        int rc = config_read_map(reader, service_keys, entry, service, err);
        rc = rc < 0 ? rc : check_service(reader, entry, services, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static const struct config_key slo_keys[] = {
    {.name = "tolerated",
     .read = read_tolerated,
     .offset = offsetof(struct slo_policy, tolerated)},
    {.name = "deadline",
     .read = read_deadlines,
     .offset = offsetof(struct slo_policy, deadline_ms)},
    {.name = "notify_within",
     .read = config_read_duration,
     .offset = offsetof(struct slo_policy, notify_ms),
     .min = 1000,
     .max = DEADLINE_MAX_MS},
    {.name = "incidents",
     .read = config_read_number,
     .offset = offsetof(struct slo_policy, incidents),
     .max = TOLERATED_MAX},
    {.name = "outage",
     .read = config_read_duration,
     .offset = offsetof(struct slo_policy, outage_ms),
     .min = CONTROL_SLICE_MS,
     .max = DEADLINE_MAX_MS},
    {.name = "alerts",
     .read = config_read_number,
     .offset = offsetof(struct slo_policy, alerts),
     .max = TOLERATED_MAX},
    {.name = "services",
     .read = read_services,
     .offset = offsetof(struct slo_policy, services)},
    {.name = NULL},
};

int
config_read_slo(const struct config_reader *reader, const struct config_key *key,
                const struct config_node *node, void *to, struct err *err)
{
    const struct config_key nested = {.name = key->name, .keys = slo_keys};

    return config_read_nested(reader, &nested, node, to, err);
}
