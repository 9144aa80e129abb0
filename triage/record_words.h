/* The words that a record's enumerations have in JSON: private to record_json.c and
 * record_read.c. */
#ifndef TRIAGE_RECORD_WORDS_H
#define TRIAGE_RECORD_WORDS_H

#include "triage/record.h"

static const char *const record_stack_names[] = {
    [STACK_CRASH] = "crash",   [STACK_FREED] = "freed",   [STACK_ALLOCATED] = "allocated",
    [STACK_THREAD] = "thread", [STACK_ORIGIN] = "origin", [STACK_STORED] = "stored",
    [STACK_OBJECT] = "object", [STACK_LEAK] = "leak",     [STACK_OTHER] = "other",
};

static const char *const record_language_names[] = {
    [LANGUAGE_NATIVE] = "native",
    [LANGUAGE_GO] = "go",
    [LANGUAGE_JVM] = "jvm",
    [LANGUAGE_PYTHON] = "python",
    [LANGUAGE_JAVASCRIPT] = "javascript",
};

static const char *const record_access_names[] = {
    [ACCESS_UNKNOWN] = "unknown", [ACCESS_READ] = "read", [ACCESS_WRITE] = "write"};

static const char *const record_memory_names[] = {[MEMORY_UNKNOWN] = "unknown",
                                                  [MEMORY_HEAP] = "heap",
                                                  [MEMORY_STACK] = "stack",
                                                  [MEMORY_GLOBAL] = "global"};

static const char *const record_side_names[] = {
    [SIDE_INSIDE] = "inside", [SIDE_BEFORE] = "before", [SIDE_AFTER] = "after"};

#endif
