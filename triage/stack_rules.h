/*
 * Which frames say nothing about a bug, as data: a table with a reason for each rule.
 * Names are compared whole or up to a boundary ("fuzzer::", "__asan_"), never by a bare
 * beginning, so that a program's own free_node, new_session or assertion_parser always
 * counts.
 */
#ifndef TRIAGE_STACK_RULES_H
#define TRIAGE_STACK_RULES_H

#include <stddef.h>

#include "triage/record.h"

enum rule_how {
    RULE_EXACT,  /* the qualified name without template arguments and parameters */
    RULE_LAST,   /* its last component: "StackDumpSignalHandler" of any namespace */
    RULE_PREFIX, /* it begins so; only for namespaces and reserved or vendor prefixes */
    RULE_LIBC,   /* a C library function, without underscores before and "_avx2", "_chk"
                    behind */
    RULE_PATH,   /* the source file has this; without one the module */
    RULE_MODULE, /* the module has this, and no source file is known */
};

struct stack_rule {
    enum rule_how how;
    enum frame_language language;
    const char *text;
    const char *reason;  /* for a person; what `frames[].rule` says */
    const char *path;    /* and the source file must have this; NULL: any */
    bool without_source; /* only when no source file is known, or it is glibc's: a program
                            may have a function of that name, a library without debug
                            information is the library */
};

/* The table, in stack_rules.c; whoever looks a frame up asks stack_rules_find(). */
extern const struct stack_rule stack_rules[];
extern const size_t stack_rules_n;

/* The rule that drops a frame of this qualified name, or NULL. */
const struct stack_rule *stack_rules_find(const struct frame *frame, const char *name);

/* The constant among the rules' reasons that reads like this, or NULL. */
const char *stack_rules_reason(const char *text);

/* The reason of the rule for main(), which counts when nothing else does. */
extern const char stack_reason_main[];

/* The reason of the rules for the C library. */
extern const char stack_reason_library[];

/* The reason of the rules for what runs before main(). */
extern const char stack_reason_starting[];

/* The reason of the rules for fuzzing engines: a main() below such a frame is the
 * engine's. */
extern const char stack_reason_engine[];

/* Whether a source file is some fuzzing engine's driver. */
bool stack_rules_is_driver(const char *file);

#endif
