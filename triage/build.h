/*
 * The builds of a target that an input can be replayed on, each with its command. Plain
 * data that travels to the scribe and the triage worker as JSON. In the order in which
 * they are tried; `release`, what is shipped, comes last.
 */
#ifndef TRIAGE_BUILD_H
#define TRIAGE_BUILD_H

#include <stddef.h>

#include "base/auto.h"
#include "base/err.h"
#include "base/json.h"
#include "triage/command.h"

enum { BUILDS_MAX = 8 }; /* of one target */

struct build {
    const char *kind; /* record_build_kind()'s constant */
    struct command command;
};

struct build_list {
    struct build v[BUILDS_MAX];
    size_t n;
};

void build_list_clear(struct build_list *list);
AUTO_DEFINE_CLEAR(struct build_list, build_list_clear)

/* Append a copy; kind is one of record_build_kind(). What is beyond BUILDS_MAX is left
 * out. */
void build_list_add(struct build_list *list, const char *kind,
                    const struct command *command);

/* The first build of a kind, or NULL. Borrowed. */
const struct build *build_list_find(const struct build_list *list, const char *kind);

/* [{"kind":"afl","command":{...}}, ...]; new reference. */
json_t *build_list_to_json(const struct build_list *list);

/* The reverse, strict; NULL and null are an empty list. Appends to out, which is empty.
 * -EINVAL. */
int build_list_from_json(const json_t *array, struct build_list *out, struct err *err);

#endif
