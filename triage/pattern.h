/*
 * Patterns of nightjar.yaml on text that stems from hostile reports: PCRE2, tried from
 * the text's start (".*x" for any place), with limits on time and memory.
 */
#ifndef TRIAGE_PATTERN_H
#define TRIAGE_PATTERN_H

#include <stdbool.h>

#include "base/err.h"

/* -EINVAL: it does not compile; the message says why and at which character. */
int pattern_check(const char *pattern, struct err *err);

/* A pattern that does not compile, or exceeds its limits on this text, does not match. */
bool pattern_matches(const char *pattern, const char *text);

#endif
