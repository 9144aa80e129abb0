/*
 * What llvm-symbolizer answers (--output-style=JSON): the functions at one address. It
 * has read a hostile program's debug information, so every text in it is hostile: names
 * come out printable, on one line, bounded.
 */
#ifndef TRIAGE_SYMBOLIZE_ANSWER_H
#define TRIAGE_SYMBOLIZE_ANSWER_H

#include <stddef.h>

#include "base/auto.h"
#include "base/json.h"

enum { SYMBOL_NAMES_MAX = 64 }; /* functions of one address */

struct symbol_name {
    char *function;   /* demangled */
    char *file;       /* NULL: unknown */
    int line, column; /* 0: unknown */
    int start_line;   /* of the function; 0: unknown */
};

struct symbol_names { /* innermost first */
    struct symbol_name *v;
    size_t n;
};

void symbol_names_clear(struct symbol_names *names);
AUTO_DEFINE_CLEAR(struct symbol_names, symbol_names_clear)

/* Take the names out of a reply, up to the first that is unknown. *out is new; empty for
 * a reply that holds none. */
void symbol_names_read(const json_t *reply, struct symbol_names *out);

/* The name of a symbol table as the only one; *out is new, empty for "". */
void symbol_names_one(const char *function, struct symbol_names *out);

#endif
