/*
 * Which frames say nothing about a bug, as data: a table with a reason for each rule.
 * Names are compared whole or up to a boundary ("fuzzer::", "__asan_"), paths and modules
 * from a slash on, never by a bare beginning, so that a program's own free_node,
 * new_session or assertion_parser always counts; a name that a program may well have
 * itself (delete, panic, print_report) only where nothing says that it is its own. A unit
 * test tries near-misses of every rule.
 */
#ifndef TRIAGE_STACK_RULES_H
#define TRIAGE_STACK_RULES_H

#include <stddef.h>

#include "triage/record.h"

enum rule_how {
    RULE_EXACT,  /* the qualified name without template arguments and parameters */
    RULE_LAST,   /* its last component: "StackDumpSignalHandler" of any namespace */
    RULE_PREFIX, /* it begins so: a namespace, or a reserved or a vendor's prefix, up to
                    its last ':', '_' or '.' */
    RULE_LIBC,   /* a C library function; also by the names of the library itself, with
                    underscores before and "_avx2", "_chk" behind, unless the source file
                    is another one's */
    RULE_PATH,   /* the source file has this, from a slash on; without one the module */
    RULE_MODULE, /* the module has this, and no source file is known */
};

/* What must be known of the source file: a program may have a function of that name. */
enum rule_source {
    SOURCE_ANY,
    SOURCE_NONE,   /* none is known, or it is glibc's: a library without debug information
                    */
    SOURCE_KERNEL, /* neither file nor module is known, or the file is a kernel's */
};

struct stack_rule {
    enum rule_how how;
    enum frame_language language;
    const char *text;
    const char *reason; /* for a person; what `frames[].rule` says */
    const char *path;   /* the source file must have this, or `source` holds; NULL: any */
    enum rule_source source;
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
