/*
 * Sanitizer options: "key=value" lists in environment variables, and what nightjar puts
 * into them. Every sanitizer reads its own variable; a build may hold several, so all are
 * always set.
 */
#ifndef TRIAGE_OPTIONS_H
#define TRIAGE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum options_purpose {
    OPTIONS_REPLAY, /* what a report needs */
    OPTIONS_AFL,    /* what afl-fuzz insists on, and what makes a dying target cheap */
};

/* Split at colons, commas and blanks, not at those within quotes. Appends to out. */
void options_split(const char *text, struct strv *out);

/* list[key] = value for "key=value": replaces an entry of the same key or appends. For
 * options and for environment variables. */
void options_put(struct strv *list, const char *pair);

/* The value of a variable in a list of "NAME=value", or NULL. Borrowed. */
const char *options_variable(const struct strv *env, const char *name);

/* Whether a "NAME=value" is one of the sanitizers' variables. */
bool options_is_sanitizer(const char *pair);

/* The name of the i-th of those variables; NULL beyond the last. */
const char *options_name(size_t i);

/* Whether an option only shapes how a failure looks to nightjar, not whether it shows: a
 * person's command line is shorter without it. */
bool options_is_cosmetic(const char *option);

/*
 * Other layouts of memory that a crash may need: the i-th, as "ASAN_OPTIONS=redzone=256";
 * NULL beyond the last. An overflow that jumps over the red zone into a neighbour is seen
 * with a larger one, and one that needs its neighbour near with a smaller one, as engines
 * use it. Constant.
 */
const char *options_layout(size_t i);

/* The constant among them that reads like this, or NULL. */
const char *options_layout_find(const char *text);

/*
 * Put the sanitizers' variables into env. `user` may hold some of them, each more than
 * once: its options win one by one, except those that would send the report elsewhere
 * (log_path, ...) or that a reader relies on (symbolize=0). rss_limit_bytes 0: no limit
 * by the sanitizer.
 */
void options_environment(enum options_purpose purpose, const struct strv *user,
                         int64_t rss_limit_bytes, struct strv *env);

#endif
