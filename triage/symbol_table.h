/*
 * The functions of a library by its own symbol table: names and no lines, in a thousandth
 * of the time that a symbolizer takes to read its debug information. The file may be
 * anybody's: reads are bounded, and a damaged one merely has no table.
 */
#ifndef TRIAGE_SYMBOL_TABLE_H
#define TRIAGE_SYMBOL_TABLE_H

#include <stdint.h>

#include "base/auto.h"

enum { SYMBOL_TABLE_MAX = 4 << 20 /* bytes of the symbols, and of their names */ };

struct symbol_table;

/* Of a file of 64 bits: its .symtab, that of its separate debug file below
 * /usr/lib/debug (by build id), or its .dynsym, which has only what others call. NULL
 * when it has none of them. */
struct symbol_table *symbol_table_read(const char *path);
void symbol_table_free(struct symbol_table *table);
AUTO_DEFINE(struct symbol_table *, symbol_table_free)

/* The function at an address of the file, as it is called outside rather than inside its
 * library (`memcpy` for `__memcpy_alias`); NULL when none covers it. Any bytes, mangled;
 * borrowed. */
const char *symbol_table_find(const struct symbol_table *table, uint64_t address);

#endif
