/*
 * Tables of keys: what a map of nightjar.yaml may hold, one row a key. Reading, the list
 * of known keys in messages and the suggestions all come from the table.
 */
#ifndef ORCHESTRATOR_CONFIG_READ_H
#define ORCHESTRATOR_CONFIG_READ_H

#include <stdint.h>

#include "orchestrator/config_node.h"
#include "orchestrator/target.h"

/* Limits of one run, for a target and as defaults for all. */
enum {
    CONFIG_TIMEOUT_MIN_MS = 10,
    CONFIG_TIMEOUT_MAX_MS = 3600 * 1000,
    CONFIG_MEMORY_MIN_BYTES =
        16 << 20, /* below that not even an empty program with ASan starts */
};
#define CONFIG_MEMORY_MAX_BYTES (INT64_C(1) << 44)

struct config_reader {
    const char *shown;  /* the file's name in messages */
    const char *folder; /* absolute; relative paths begin here */
    bool check; /* files that are named must be there, and be what they are named for */
    bool archive_beside; /* a NAME.yaml with NAME_seed_corpus.* beside it: seeds may be
                            missing */
};

struct config_key {
    const char *name; /* NULL ends the table */
    int (*read)(const struct config_reader *reader, const struct config_key *key,
                const struct config_node *node, void *to, struct err *err);
    size_t offset; /* of what it sets, from the start of the struct that the table fills
                      in */
    int64_t min, max;              /* of numbers, milliseconds, bytes */
    const struct config_key *keys; /* of a nested map */
};

/* Read a map by a table into the struct at base. */
int config_read_map(const struct config_reader *reader, const struct config_key *keys,
                    const struct config_node *node, void *base, struct err *err);

/* What stands in the rows. In brackets the type of what they set. */
int config_read_nested(const struct config_reader *reader, const struct config_key *key,
                       const struct config_node *node, void *to, struct err *err);
int config_read_text(const struct config_reader *reader, const struct config_key *key,
                     const struct config_node *node, void *to,
                     struct err *err); /* [char *] */
int config_read_texts(const struct config_reader *reader, const struct config_key *key,
                      const struct config_node *node, void *to,
                      struct err *err); /* [struct strv], replaced */
int config_read_path(const struct config_reader *reader, const struct config_key *key,
                     const struct config_node *node, void *to,
                     struct err *err); /* [char *], absolute; need not exist */
int config_read_file(const struct config_reader *reader, const struct config_key *key,
                     const struct config_node *node, void *to,
                     struct err *err); /* the same; must exist and be no folder */
int config_read_paths(const struct config_reader *reader, const struct config_key *key,
                      const struct config_node *node, void *to,
                      struct err *err); /* [struct strv], a value or a list; must exist */
int config_read_number(const struct config_reader *reader, const struct config_key *key,
                       const struct config_node *node, void *to,
                       struct err *err); /* [int64_t] */
int config_read_duration(const struct config_reader *reader, const struct config_key *key,
                         const struct config_node *node, void *to, struct err *err);
int config_read_size(const struct config_reader *reader, const struct config_key *key,
                     const struct config_node *node, void *to, struct err *err);
int config_read_yesno(const struct config_reader *reader, const struct config_key *key,
                      const struct config_node *node, void *to,
                      struct err *err); /* [bool] */
int config_read_ignored(const struct config_reader *reader, const struct config_key *key,
                        const struct config_node *node, void *to,
                        struct err *err); /* text that is only checked */

/* For rows of their own: the value of a node that must be one and not empty. */
int config_value(const struct config_reader *reader, const struct config_key *key,
                 const struct config_node *node, const char **out, struct err *err);

/* "file:line:column: key: wanted WHAT, not ..." */
int config_wrong_type(const struct config_reader *reader, const struct config_key *key,
                      const struct config_node *node, const char *wanted,
                      struct err *err);

/* `severity:` (config_severity.c). [struct config_rules] */
int config_read_severity(const struct config_reader *reader, const struct config_key *key,
                         const struct config_node *node, void *to, struct err *err);

/* A severity's name (config_severity.c). [enum severity] */
int config_read_level(const struct config_reader *reader, const struct config_key *key,
                      const struct config_node *node, void *to, struct err *err);

/* `gate:` (config_gate.c). [struct gate_policy] */
int config_read_gate(const struct config_reader *reader, const struct config_key *key,
                     const struct config_node *node, void *to, struct err *err);

/* `slo:` (config_slo.c). [struct slo_policy] */
int config_read_slo(const struct config_reader *reader, const struct config_key *key,
                    const struct config_node *node, void *to, struct err *err);

/* `notify:` (config_notify.c). [struct config_sinks] */
int config_read_notify(const struct config_reader *reader, const struct config_key *key,
                       const struct config_node *node, void *to, struct err *err);

/* An http or https URL. [char *] */
int config_read_url(const struct config_reader *reader, const struct config_key *key,
                    const struct config_node *node, void *to, struct err *err);

/* --- targets (config_target.c) --- */

/* The name of an entry of `targets:`; borrowed from node. */
int config_target_name(const struct config_reader *reader, const struct config_node *node,
                       const char **out, struct err *err);

/* Apply an entry to a target: what it says replaces what is there, env merges. */
int config_read_target(const struct config_reader *reader, const struct config_node *node,
                       struct target *target, struct err *err);

#endif
